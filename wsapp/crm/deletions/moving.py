"""Taking a record out of its tables with everything that hangs on it, and putting it back.

What goes along is read from the foreign keys themselves, so that a new table is covered the day it is made: rows that
could not be without the record (`ondelete="CASCADE"`, or no NULL allowed), and those of `ALONG`. Any other reference
is emptied and remembered.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from wsapp.db import Base, CorpScoped, db, insert_rows
from wsapp.kept import columns_of

ALONG = {("task", "customer_id")}  # may be without a customer, but goes with the one that it has
# Rows that belong to records of several tables, so that no foreign key says so: what they are found by.
UNSAID = {("custom_value", "record_id"): ("customer", "contact", "follow_up", "visit", "task")}
CHUNK = 500

Row = dict[str, Any]
Contents = dict[str, list[Row]]


@dataclass(frozen=True)
class Reference:
    """A foreign key of a corp's table: `table`.`column` → `target`.id."""

    table: str
    column: str
    target: str
    goes_along: bool


@dataclass
class Taken:
    """Rows by table as they were, and the references that were emptied: [table, id, column, value]."""

    contents: Contents = field(default_factory=dict)
    loose: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Conflict:
    """A unique value of a row to be put back which another row has by now (`values` by column)."""

    table: str
    row_id: str
    values: Mapping[str, Any]


# --- out ----------------------------------------------------------------------------------------------------------


def take_out(table: str, record_id: str) -> Taken:
    """Take a record and all that goes along out of their tables, in the caller's transaction."""
    db.session.flush()
    taken = Taken()
    _gather(taken, table, [record_id])
    _loosen(taken)
    going = {(name, row["id"]) for name, rows in taken.contents.items() for row in rows}
    for one in [one for one in db.session if isinstance(one, CorpScoped) and _key_of(one) in going]:
        if one in db.session:  # else it went with its parent
            db.session.expunge(one)
    for name in reversed(_order()):
        for ids in _chunks([row["id"] for row in taken.contents.get(name, ())]):
            model = models()[name]
            db.session.execute(_quietly(sa.delete(model).where(model.id.in_(ids))))
    return taken


def _key_of(row: Any) -> tuple[str, str]:
    return row.__tablename__, row.id


def _gather(taken: Taken, table: str, ids: Sequence[str]) -> None:
    """Read rows and, below them, all that goes along with them."""
    known = {row["id"] for row in taken.contents.get(table, ())}
    fresh = [one for one in ids if one not in known]
    if not fresh:
        return
    model = models()[table]
    rows = taken.contents.setdefault(table, [])
    for chunk in _chunks(fresh):
        rows += [_written(model, row) for row in db.session.execute(_whole(model).where(model.id.in_(chunk)))]
    for one in references():
        if one.target == table and one.goes_along:
            _gather(taken, one.table, _referring(one, fresh))


def _referring(one: Reference, ids: Sequence[str]) -> list[str]:
    model = models()[one.table]
    column = getattr(model, one.column)
    return [
        found for chunk in _chunks(ids) for found in db.session.scalars(sa.select(model.id).where(column.in_(chunk)))
    ]


def _loosen(taken: Taken) -> None:
    """Empty the references that records which stay have to those that go."""
    for one in references():
        ids = [row["id"] for row in taken.contents.get(one.target, ())]
        if one.goes_along or not ids:
            continue
        model, column = models()[one.table], getattr(models()[one.table], one.column)
        going = {row["id"] for row in taken.contents.get(one.table, ())}
        for chunk in _chunks(ids):
            for row in db.session.execute(sa.select(model.id, column).where(column.in_(chunk))):
                if row[0] not in going:
                    taken.loose.append([one.table, row[0], one.column, row[1]])
            staying = model.id.not_in(going) if going else sa.true()
            db.session.execute(_quietly(sa.update(model).where(column.in_(chunk), staying).values({one.column: None})))


# --- back ---------------------------------------------------------------------------------------------------------


def conflicts_of(contents: Contents) -> list[Conflict]:
    """Return the unique values among the rows which somebody else has by now."""
    found = []
    for table, rows in contents.items():
        model = models().get(table)
        if model is None:
            continue
        for columns in _unique(table):
            for row in rows:
                values = {name: _read(model, name, row.get(name)) for name in columns}
                if None in values.values():
                    continue
                same = sa.and_(*(getattr(model, name) == value for name, value in values.items()))
                if db.session.scalar(sa.select(model.id).where(same).limit(1)) is not None:
                    found.append(Conflict(table, row["id"], values))
    return found


def put_back(contents: Contents, loose: Iterable[Sequence[Any]], *, root: str, without: Sequence[Conflict] = ()) -> int:
    """Insert rows again, parents first; rows of `without` are left out. Returns how many went in.

    References to what is gone for good are emptied. Raises LookupError(table, column) where that is not possible, or
    where the record itself (`root`, its table) is in conflict.
    """
    left_out = {(one.table, one.row_id) for one in without}
    if any(table == root for table, _row_id in left_out):
        raise LookupError(root, "id")
    count = 0
    for table in _order():
        model = models()[table]
        rows = [
            {name: _read(model, name, value) for name, value in row.items() if name in _columns(model)}
            for row in contents.get(table, ())
            if (table, row["id"]) not in left_out
        ]
        _mend(table, rows)
        count += sum(insert_rows(model, list(batch)) for batch in _alike(model, rows))
    for table, row_id, column, value in loose:
        model = models().get(table)
        if model is not None and hasattr(model, column):
            empty = getattr(model, column).is_(None)
            db.session.execute(_quietly(sa.update(model).where(model.id == row_id, empty).values({column: value})))
    db.session.expire_all()
    return count


def _mend(table: str, rows: list[Row]) -> None:
    """Empty the references of rows to records that are gone for good."""
    model = models()[table]
    for one in references(to_any=True):
        is_ours = one.table == table and (one.table, one.column) not in UNSAID
        wanted = {row[one.column] for row in rows if row.get(one.column)} if is_ours else set()
        if not wanted:
            continue
        target = models()[one.target]
        there = {found for ids in _chunks(sorted(wanted)) for found in _present(target, ids)}
        there |= {row["id"] for row in rows} if one.target == table else set()
        gone = wanted - there
        if gone and not _columns(model)[one.column].nullable:
            raise LookupError(table, one.column)
        for row in rows:
            if row.get(one.column) in gone:
                row[one.column] = None


def _present(model: Any, ids: Sequence[str]) -> Iterator[str]:
    yield from db.session.scalars(sa.select(model.id).where(model.id.in_(ids)))


def _alike(model: Any, rows: list[Row]) -> Iterator[Iterable[Row]]:
    """Return the rows in lots of the same columns. An empty JSON value is left out: a None would become JSON's null."""
    columns = _columns(model)
    bare = [
        {name: value for name, value in row.items() if value is not None or not isinstance(columns[name].type, sa.JSON)}
        for row in rows
    ]
    bare.sort(key=lambda row: sorted(row))
    for _names, lot in groupby(bare, key=lambda row: sorted(row)):
        yield lot


# --- what the tables are --------------------------------------------------------------------------------------------


@cache
def models() -> Mapping[str, Any]:
    """Return the mapped class of each table of a corp."""
    classes: Iterable[Any] = (mapper.class_ for mapper in Base.registry.mappers)
    return {one.__tablename__: one for one in classes if issubclass(one, CorpScoped)}


@cache
def references(*, to_any: bool = False) -> tuple[Reference, ...]:
    """Return the foreign keys between tables of a corp; those to people only with `to_any`."""
    found = []
    for name, model in models().items():
        for key in sa.inspect(model).local_table.foreign_key_constraints:
            columns = [column.name for column in key.columns if column.name != "corp_id"]
            if len(columns) != 1 or key.referred_table.name not in models():
                continue
            column = columns[0]
            along = key.ondelete == "CASCADE" or not key.columns[column].nullable or (name, column) in ALONG
            found.append(Reference(name, column, key.referred_table.name, along))
    found += [Reference(name, column, target, True) for (name, column), targets in UNSAID.items() for target in targets]
    return tuple(one for one in found if to_any or one.target not in ("member", "department"))


@cache
def _unique(table: str) -> tuple[tuple[str, ...], ...]:
    whole = sa.inspect(models()[table]).local_table
    constraints = [one.columns for one in whole.constraints if isinstance(one, sa.UniqueConstraint)]
    constraints += [one.columns for one in whole.indexes if one.unique]
    return tuple(tuple(column.name for column in one if column.name != "corp_id") for one in constraints)


@cache
def _order() -> tuple[str, ...]:
    return tuple(one.name for one in Base.metadata.sorted_tables if one.name in models())


@cache
def _columns(model: Any) -> Mapping[str, Any]:
    return {one.key: one.columns[0] for one in sa.inspect(model).column_attrs}


def _whole(model: Any) -> Any:
    return sa.select(*columns_of(model))


def _quietly(statement: Any) -> Any:
    return statement.execution_options(synchronize_session=False)


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


# --- values as JSON -------------------------------------------------------------------------------------------------


def _written(model: Any, row: Any) -> Row:
    return {name: _write(value) for name, value in zip(_columns(model), row, strict=True) if name != "corp_id"}


def _write(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _read(model: Any, name: str, value: Any) -> Any:
    column = _columns(model)[name]
    if value is None or isinstance(column.type, sa.JSON):
        return value
    kind = getattr(column.type, "impl", column.type).python_type
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    return Decimal(value) if kind is Decimal else value
