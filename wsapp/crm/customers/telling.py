"""What somebody may be told of customers that are like what they save or type (查重), and when a save is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers import dedupe_rules as rules
from wsapp.crm.customers.asks import take_asks
from wsapp.crm.customers.dedupe import Hit, find_duplicates
from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.queries import names
from wsapp.crm.org.rules import rule
from wsapp.db import db
from wsapp.problems import Duplicate
from wsapp.texts import _

MOST = 5  # customers told of


def refuse_known(values: Mapping[str, Any], *, actor: Member, but: str = "") -> list[Hit]:
    """Raise Duplicate when a customer is known already by something that the corp's rules let only one have.

    Returns those of which the rules only warn.
    """
    hits = find_duplicates(values, actor=actor, but=but)
    blocking = [one for one in hits if one.level == rules.BLOCK]
    if blocking:
        raise duplicate_of(blocking)
    return hits


def reached_by(numbers: Sequence[str], *, actor: Member, but: str) -> list[Hit]:
    """Return the customers, but one, that have a contact's numbers as their own or for a contact of theirs."""
    level = rules.level("contact")
    if level == rules.OFF or not numbers:
        return []
    return [replace(one, level=level) for one in find_duplicates({"phones": numbers}, actor=actor, but=but)]


def refuse_reached(numbers: Sequence[str], *, actor: Member, but: str) -> list[Hit]:
    """Raise Duplicate when another customer is reached by a contact's numbers and the corp's rule refuses that.

    Returns those of which the rule only warns.
    """
    hits = reached_by(numbers, actor=actor, but=but)
    if hits and hits[0].level == rules.BLOCK:
        raise duplicate_of(hits)
    return hits


def remember(saved: Customer | Contact, hits: Sequence[Hit]) -> None:
    """Keep, for the rest of the unit of work, of whom a save is to warn."""
    saved.__dict__["_alike"] = hits


def warnings_of(saved: Customer | Contact, *, actor: Member) -> list[dict[str, Any]]:
    """Return of whom the save that was just made warns, as `tell` says it; counts what it tells of hidden ones."""
    hits: Sequence[Hit] = saved.__dict__.get("_alike", ())
    return tell(admitted(hits, actor=actor))


def admitted(hits: Sequence[Hit], *, actor: Member) -> list[Hit]:
    """Return the hits that the actor may be told of, and count those whom they may not see, all or none of them."""
    shown = list(hits[:MOST])
    if take_asks(actor, sorted({one.asked for one in shown if not one.visible})):
        return shown
    return [one for one in hits if one.visible][:MOST]


def duplicate_of(hits: Sequence[Hit]) -> Duplicate:
    """Return the problem that names what is known already. `told` is `tell`'s, `asked` that of `to_ask_for`."""
    told = tell(hits[:MOST])
    fields: dict[str, str] = {}
    for one in told:
        fields.setdefault(one["field"], one["message"])
    record_id = next((one.customer.id for one in hits if one.visible and not one.is_deleted), "")
    asked = tuple(to_ask_for(hits))
    return Duplicate(fields, record_id=record_id, told=told, asked=asked)


def to_ask_for(hits: Sequence[Hit]) -> list[str]:
    """Return by what the owners of hidden customers can be asked to share them (`sharing.ask_to_share`)."""
    return sorted({one.asked for one in hits if one.may_be_shared})


def tell(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return what may be said of each: {"field", "type", "level", "message", "id", "name", "department", "activity",
    "owner", "deletion"}. Of a customer that the actor may not see: no id, a masked name, and the owner where the rules
    allow it. `deletion`: the id in the recycle bin of what the actor may bring back from there."""
    departments = _department_names([one.customer.department_id for one in hits])
    owners = names([one.customer.owner_id for one in hits])
    return [_tell(one, departments, owners) for one in hits]


def _tell(hit: Hit, departments: Mapping[str, str], owners: Mapping[str, str]) -> dict[str, Any]:
    row = hit.customer
    name = row.name if hit.visible else masked(row.name)
    department = departments.get(row.department_id or "", "")
    if hit.is_deleted:
        department = _("回收站")
    elif row.owner_id is None:
        department = _("公海")
    owner = owners.get(row.owner_id or "") if hit.visible or rule("duplicates.owner") else None
    return {
        "field": hit.field,
        "type": "duplicate",
        "level": hit.level,
        "message": _alike_words(hit.field, name) + _more_words(hit, department, owner),
        "id": row.id if hit.visible and not hit.is_deleted else None,
        "name": name,
        "department": department,
        "activity": _activity(row),
        "owner": owner,
        "deletion": row.id if hit.visible and hit.is_deleted else None,
    }


def _more_words(hit: Hit, department: str, owner: str | None) -> str:
    """Return what stands behind the name: where a hidden customer is, and what can be done with a deleted one."""
    if hit.visible:
        return _("（在回收站，可以恢复）") if hit.is_deleted else ""
    where = _("在回收站，可请管理员恢复") if hit.is_deleted else department
    said = _("、").join(filter(None, (where, owner, _activity_words(hit.customer))))
    return f"（{said}）"


def _alike_words(at: str, name: str) -> str:
    match at:
        case "phones":
            return _("已有相同电话的客户：%(name)s", name=name)
        case "credit_code":
            return _("已有相同信用代码的客户：%(name)s", name=name)
        case "website":
            return _("已有相同网站的客户：%(name)s", name=name)
        case _:
            return _("已有名称相近的客户：%(name)s", name=name)


def masked(name: str) -> str:
    """Return a name of which only the ends can be read: 佛***司."""
    return f"{name[:1]}***{name[-1:]}" if len(name) > 2 else f"{name[:1]}*"


def _activity(row: Any) -> str:
    """Return when a customer was last dealt with, roughly: "week", "month", "older"."""
    moments: list[datetime] = [one for one in (row.last_followed_at, row.last_visited_at) if one]
    age = clock.now() - max(moments) if moments else timedelta.max
    return "week" if age < timedelta(days=7) else "month" if age < timedelta(days=30) else "older"


def _activity_words(row: Any) -> str:
    return {"week": _("7 天内有跟进"), "month": _("30 天内有跟进"), "older": _("30 天以上没有跟进")}[_activity(row)]


def _department_names(department_ids: Sequence[str | None]) -> dict[str, str]:
    wanted = sorted({one for one in department_ids if one})
    if not wanted:
        return {}
    return dict(db.session.execute(sa.select(Department.id, Department.name).where(Department.id.in_(wanted))).all())
