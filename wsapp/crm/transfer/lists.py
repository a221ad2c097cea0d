"""The lists that can be exported: which rows, which columns, and each cell as text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import covered_customers, current_id, phones_of, tagged, visible_customers
from wsapp.crm.fields.access import HIDDEN, MASKED, access, mask, reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import visible_follow_ups
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import people
from wsapp.crm.org.rights import sight
from wsapp.crm.search.queries import follow_ups_with, matching
from wsapp.crm.transfer.custom import PREFIX, texts_of
from wsapp.crm.transfer.headings import Column, columns_for
from wsapp.db import db
from wsapp.house import local
from wsapp.kept import columns_of
from wsapp.texts import _

PAGE = 1_000  # rows that are read at once


def table(obj: str, actor: Member, chosen: Sequence[str] = ()) -> list[Column]:
    """Return the columns of an export that the actor may see: those chosen, in their order, or all."""
    allowed = {column.key: column for column in columns_for(obj, actor, out=True)}
    return [allowed[key] for key in chosen if key in allowed] if chosen else list(allowed.values())


def count_rows(obj: str, filter: Mapping[str, str], *, actor: Member) -> int:
    """Return how many rows a list has."""
    model = MODELS[obj]
    counted = sa.select(sa.func.count()).select_from(model).where(*CONDITIONS[obj](filter, actor))
    return int(db.session.scalar(counted) or 0)


def rows_of(obj: str, filter: Mapping[str, str], columns: Sequence[Column], *, actor: Member) -> Iterator[list[str]]:
    """Yield each row of a list as texts, oldest first, a thousand rows in memory at a time."""
    model = MODELS[obj]
    conditions = CONDITIONS[obj](filter, actor)
    last = ""
    while True:
        page = sa.select(*columns_of(model)).where(*conditions, model.id > last)
        found = db.session.execute(page.order_by(model.id).limit(PAGE)).all()
        yield from DRAWERS[obj](found, columns, actor)
        if len(found) < PAGE:
            return
        last = found[-1].id


# --- customers ----------------------------------------------------------------------------------------------------


def _customers(filter: Mapping[str, str], actor: Member) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a customer list: what is seen, what may go out, what was asked for."""
    found = [visible_customers(actor), covered_customers(actor, "export")]
    for name, value in filter.items():
        if name != "q" and not reads(actor, name):
            found.append(sa.false())  # nobody learns by narrowing what they may not read
            continue
        match name:
            case "owner":
                found.append(Customer.owner_id.in_(_member_ids(value)))
            case "pool":
                found.append(Customer.pool_id == value)
            case "stage":
                found.append(Customer.stage == value)
            case "level":
                found.append(Customer.level == value)
            case "tag":
                found.append(tagged(value))
            case "updated_since":
                found.append(Customer.updated_at >= datetime.fromisoformat(value))
            case "q":
                found.append(matching(value, actor=actor))
    return found


def _member_ids(userid: str) -> Any:
    return sa.select(Member.id).where(sa.or_(Member.userid == userid, Member.id == userid))


def _draw_customers(found: Sequence[Any], columns: Sequence[Column], actor: Member) -> Iterator[list[str]]:
    owners = people([row.owner_id for row in found])
    numbers = phones_of([row.id for row in found])
    how = {column.key: access(actor, column.key) for column in columns}
    for row, texts in zip(found, _custom_texts("customer", found, columns, actor), strict=True):
        values = row._asdict()
        values["owner"] = _person(owners.get(row.owner_id))
        values["phones"] = numbers[row.id]
        yield _row(values, texts, columns, how)


def _row(
    values: Mapping[str, Any], custom: Mapping[str, str], columns: Sequence[Column], how: Mapping[str, str]
) -> list[str]:
    return [
        custom.get(column.key, "")
        if column.key.startswith(PREFIX)
        else _cell(column, values[column.key], how[column.key])
        for column in columns
    ]


def _custom_texts(obj: str, found: Sequence[Any], columns: Sequence[Column], actor: Member) -> list[dict[str, str]]:
    keys = [column.key.removeprefix(PREFIX) for column in columns if column.key.startswith(PREFIX)]
    return texts_of(obj, [row.custom for row in found], keys, actor=actor)


def _person(found: tuple[str, str] | None) -> str:
    return f"{found[0]}（{found[1]}）" if found else ""


# --- follow-ups ---------------------------------------------------------------------------------------------------


def _follow_ups(filter: Mapping[str, str], actor: Member) -> list[sa.ColumnElement[bool]]:
    covered = sight(actor, "follow_up", "export")
    found = [visible_follow_ups(actor)]
    if covered.people is not None:
        found.append(FollowUp.author_id.in_(sorted(covered.people)))
    if filter.get("author"):
        found.append(FollowUp.author_id.in_(_member_ids(filter["author"])))
    if filter.get("customer"):
        found.append(FollowUp.customer_id == current_id(filter["customer"]))
    if filter.get("q"):
        readable = reads(actor, "text", "follow_up")
        found.append(follow_ups_with(filter["q"], actor=actor) if readable else sa.false())
    return found


def _draw_follow_ups(found: Sequence[Any], columns: Sequence[Column], actor: Member) -> Iterator[list[str]]:
    authors = people([row.author_id for row in found])
    wanted = sorted({row.customer_id for row in found})
    seen = sa.select(Customer.id, Customer.name).where(Customer.id.in_(wanted), visible_customers(actor))
    names: dict[str, str] = {row.id: row.name for row in db.session.execute(seen)}
    how = {column.key: access(actor, column.key, "follow_up") for column in columns}
    for row, texts in zip(found, _custom_texts("follow_up", found, columns, actor), strict=True):
        values = row._asdict()
        values["customer"] = names.get(row.customer_id, "")
        values["customer_id"] = row.customer_id if row.customer_id in names else ""
        values["author"] = _person(authors.get(row.author_id))
        yield _row(values, texts, columns, how)


# --- cells --------------------------------------------------------------------------------------------------------

CHOICES: Mapping[str, Mapping[str, str]] = {
    "kind": {"company": "企业", "person": "个人"},
    "stage": {"new": "新客户", "contacted": "已联系", "intent": "有意向", "dealt": "已成交", "lost": "已流失"},
    "follow_up_kind": {
        "phone": "电话",
        "wechat": "微信",
        "visit": "上门",
        "mail": "邮件",
        "meeting": "会议",
        "other": "其他",
    },
}


def _cell(column: Column, value: Any, how: str) -> str:
    if how == HIDDEN or value is None:
        return ""
    if how == MASKED:
        value = mask(column.key, value)
    if isinstance(value, datetime):
        return f"{local(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple):
        return "；".join(str(one) for one in value)
    words = CHOICES.get(column.kind, {}).get(value)
    return _(words) if words else str(value)


MODELS: Mapping[str, Any] = {"customer": Customer, "follow_up": FollowUp}
CONDITIONS: Mapping[str, Any] = {"customer": _customers, "follow_up": _follow_ups}
DRAWERS: Mapping[str, Any] = {"customer": _draw_customers, "follow_up": _draw_follow_ups}
