"""Keyset paging: a cursor says after which row to go on, so that page 5,000 costs what page 1 does."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from wsapp.db import Moment, db
from wsapp.kept import Kept
from wsapp.problems import Invalid
from wsapp.texts import _

Rows = sa.Select[*tuple[Any, ...]]
Sorts = Mapping[str, tuple[Any, bool]]  # name → (column, descending)
LARGEST = 2**31 - 1  # whole number that every database takes


def page(
    statement: Rows,
    *,
    sorts: Sorts,
    sort: str,
    id_column: Any,
    limit: int,
    cursor: str = "",
    values: Mapping[str, Any] | None = None,
) -> tuple[list[Any], str | None]:
    """Return up to `limit` rows after `cursor` and the cursor of the next page (None: that was all).

    `statement` must select the sort's column and `id_column`. With `values`, it is one of few statements that live as
    long as the program, and these are its parameters: its pages are kept (see `wsapp.kept`). Raises Invalid for an
    unknown sort or a cursor that is not of this sort.
    """
    if sort not in sorts:
        raise Invalid({"sort": _("不支持按“%(sort)s”排序", sort=sort[:40])})
    column, descending = sorts[sort]
    after = _read_cursor(cursor, sort, column) if cursor else None
    if values is None:
        ordered = _ordered(statement, column, descending, id_column, after)
        rows = list(db.session.execute(ordered.limit(limit + 1)).all())
    else:
        kept = _kept_page(statement, column, descending, id_column, after is not None)
        value, last_id = after or (None, None)
        rows = kept.all(**values, page_rows=limit + 1, page_value=value, page_id=last_id)
    if len(rows) <= limit:
        return rows, None
    rows = rows[:limit]
    return rows, _make_cursor(sort, _value_of(rows[-1], column), _value_of(rows[-1], id_column))


def _ordered(statement: Rows, column: Any, descending: bool, id_column: Any, after: tuple[Any, Any] | None) -> Rows:
    if after is not None:
        value, last_id = sa.literal(after[0], column.type), sa.literal(after[1])
        statement = statement.where(_is_after(column, descending, id_column, value, last_id))
    return statement.order_by(*_order(column, descending, id_column))


def _is_after(column: Any, descending: bool, id_column: Any, value: Any, last_id: Any) -> sa.ColumnElement[bool]:
    here, there = sa.tuple_(column, id_column), sa.tuple_(value, last_id)
    return here < there if descending else here > there


def _order(column: Any, descending: bool, id_column: Any) -> tuple[Any, Any]:
    return (column.desc(), id_column.desc()) if descending else (column.asc(), id_column.asc())


@lru_cache(maxsize=512)
def _kept_page(statement: Rows, column: Any, descending: bool, id_column: Any, goes_on: bool) -> Kept:
    if goes_on:
        value, last_id = sa.bindparam("page_value", type_=column.type), sa.bindparam("page_id", type_=sa.String)
        statement = statement.where(_is_after(column, descending, id_column, value, last_id))
    ordered = statement.order_by(*_order(column, descending, id_column))
    return Kept(ordered.limit(sa.bindparam("page_rows", type_=sa.Integer)))


def _value_of(row: Any, column: Any) -> Any:
    """Return a column's value from a row of columns or from a row that holds one object."""
    first = row[0]
    return getattr(first, column.key) if hasattr(first, "__table__") else getattr(row, column.key)


def _make_cursor(sort: str, value: Any, last_id: str) -> str:
    text = value.isoformat() if isinstance(value, datetime) else value
    raw = json.dumps([sort, text, last_id], ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(cursor: str, sort: str, column: Any) -> tuple[Any, Any]:
    problem = Invalid({"cursor": _("翻页位置无效，请从第一页重新开始")})
    if len(cursor) > 1000:
        raise problem
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(raw)
        of_sort, value, last_id = found
        if of_sort != sort or not _is_plain(last_id):
            raise problem
        value = _read_value(value, column.type)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise problem from None
    return value, last_id


def _read_value(value: Any, kind: Any) -> Any:
    """Return a cursor's value as the sort's column has it. Raises ValueError, TypeError, OverflowError."""
    if isinstance(kind, Moment):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a naive time")
        return moment.astimezone(UTC)
    if kind.python_type is int:
        if type(value) is not int or abs(value) > LARGEST:
            raise TypeError("not of the column's type")
        return value
    if not _is_plain(value) or kind.python_type is not str:
        raise TypeError("not of the column's type")
    return value


def _is_plain(value: Any) -> bool:
    """Say whether a cursor's value is text that every database takes (a cursor can be forged)."""
    return isinstance(value, str) and "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def read_limit(text: str | None, *, default: int = 20, most: int = 200) -> int:
    """Return a page size from a query value. Raises Invalid when it is no number from 1 to `most`."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise Invalid({"limit": _("limit 应在 1–%(most)d", most=most)})
    return int(text)
