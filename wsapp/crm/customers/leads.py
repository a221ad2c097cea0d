"""Leads (线索): customers in an early stage, with a first response that is due, a score, and an end: converted or not.

A lead is the customer's own row: whatever was written about it stays when it is converted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.customers.models import Contact, Customer, CustomerPhone
from wsapp.crm.customers.queries import demand_right
from wsapp.crm.customers.rules import WorkingHours, response_time, score_weights, working_hours
from wsapp.crm.customers.stages import move_stage
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import is_ruled, reads
from wsapp.crm.org.models import Member
from wsapp.db import db, first
from wsapp.house import local
from wsapp.problems import Invalid
from wsapp.texts import _

NEW, WORKING, VALID, INVALID, CONVERTED = "new", "working", "valid", "invalid", "converted"
OPEN = (NEW, WORKING, VALID)
INVALID_REASONS = ("unreachable", "no_need", "wrong_number", "competitor", "no_budget", "repeated", "other")
OWNER, MANAGER = "owner", "manager"  # who hears that nobody responded, one after the other


# --- what people do with them -------------------------------------------------------------------------------------


def start_lead(customer: Customer, *, actor: Member) -> None:
    """Make a customer that was just created a lead (线索); its first response is due in working time from now."""
    customer.lead = NEW
    await_response(customer)
    record("lead.opened", customer, actor=actor, customer_id=customer.id, name=customer.name)


def await_response(customer: Customer) -> None:
    """Let the time for the first response run from now: a lead is new, or has got another owner."""
    if customer.lead != NEW or customer.responded_at is not None:
        return
    limit = response_time()
    customer.respond_by = working_moment(clock.now(), limit, working_hours()) if limit and customer.owner_id else None
    db.session.flush()
    if customer.respond_by:
        _remind_at(customer, OWNER, customer.respond_by)


def respond(customer: Customer, *, at: datetime) -> None:
    """Somebody followed a lead up or visited it: that is the first response."""
    if customer.lead == NEW:
        customer.lead = WORKING
    if customer.lead and customer.responded_at is None:
        customer.responded_at = at


def confirm_lead(customer: Customer, *, actor: Member) -> None:
    """Say that a lead is worth pursuing (有效)."""
    _demand_open(customer, actor)
    respond(customer, at=clock.now())
    _end(customer, VALID, actor=actor)


def convert_lead(customer: Customer, *, actor: Member) -> None:
    """Make a lead a customer with an intention (转为客户); everything about it stays."""
    _demand_open(customer, actor)
    respond(customer, at=clock.now())
    if customer.stage in ("new", "contacted"):
        move_stage(customer, "intent", actor=actor)
    _end(customer, CONVERTED, actor=actor)


def reject_lead(customer: Customer, reason: str, *, actor: Member) -> None:
    """Say that a lead is none (无效), and why: one of `INVALID_REASONS`. Raises Invalid."""
    _demand_open(customer, actor)
    if reason not in INVALID_REASONS:
        raise Invalid({"reason": _("请选择无效原因")})
    respond(customer, at=clock.now())
    customer.invalid_reason = reason
    move_stage(customer, "lost", actor=actor)
    _end(customer, INVALID, actor=actor, reason=reason)


def reopen_lead(customer: Customer, *, actor: Member) -> None:
    """Take up an invalid lead again (重新跟进)."""
    demand_right(customer, "edit", actor=actor)
    _hold(customer)
    if customer.lead != INVALID:
        raise Invalid({"": _("这条线索没有标为无效")})
    customer.invalid_reason = ""
    move_stage(customer, "contacted", actor=actor)
    _end(customer, WORKING, actor=actor)


def _demand_open(customer: Customer, actor: Member) -> None:
    demand_right(customer, "edit", actor=actor)
    _hold(customer)
    if customer.lead not in OPEN:
        raise Invalid({"": _("这条线索已处理")})


def _hold(customer: Customer) -> None:
    """Let one at a time decide what becomes of a lead, and see what the one before decided."""
    db.session.refresh(customer, with_for_update=True)


def _end(customer: Customer, state: str, *, actor: Member, **data: Any) -> None:
    before, customer.lead = customer.lead, state
    customer.version += 1
    customer.updated_at = clock.now()
    db.session.flush()
    changes = {"lead": [before, state]}
    record("lead.changed", customer, actor=actor, customer_id=customer.id, changes=changes, name=customer.name, **data)


# --- the first response -------------------------------------------------------------------------------------------


def remind_of_lead(customer_id: str, step: str) -> None:
    """Nobody responded to a lead in time: say so for the owner (`step`), and after as long again for their manager."""
    customer: Customer | None = first(sa.select(Customer).where(Customer.id == customer_id))
    if customer is None or customer.deleted_at or customer.lead != NEW or customer.responded_at:
        return
    now = clock.now()
    if customer.owner_id is None or customer.respond_by is None or customer.respond_by > now:
        return
    record("lead.unanswered", customer, actor=None, customer_id=customer.id, step=step, name=customer.name)
    if step == OWNER and response_time():
        _remind_at(customer, MANAGER, working_moment(now, response_time(), working_hours()))


def _remind_at(customer: Customer, step: str, at: datetime) -> None:
    key = f"lead:{customer.id}:{step}:{at.timestamp():.0f}"
    outbox.enqueue("lead.remind", {"customer": customer.id, "step": step}, key=key, due_at=at)


def working_moment(start: datetime, length: timedelta, hours: WorkingHours) -> datetime:
    """Return the moment at which `length` of working time has passed since `start`."""
    there = local(start)
    left = length
    day = there.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        if hours.is_workday(day.date()):
            opens = max(there, day + timedelta(hours=hours.starts))
            closes = day + timedelta(hours=hours.ends)
            if opens < closes:
                if left <= closes - opens:
                    return opens + left
                left -= closes - opens
        day += timedelta(days=1)


# --- the score ----------------------------------------------------------------------------------------------------

FILLED = ("phone", "contact", "address", "industry", "size", "website", "source", "level")
HAS_PHONE = sa.exists().where(CustomerPhone.corp_id == Customer.corp_id, CustomerPhone.customer_id == Customer.id)
HAS_CONTACT = sa.exists().where(
    Contact.corp_id == Customer.corp_id, Contact.customer_id == Customer.id, Contact.deleted_at.is_(None)
)
SCORE_COLUMNS = (  # what `score_of` looks at
    Customer.address,
    Customer.industry,
    Customer.size,
    Customer.website,
    Customer.source,
    Customer.level,
    Customer.last_followed_at,
    HAS_PHONE.correlate(Customer).label("phone"),
    HAS_CONTACT.correlate(Customer).label("contact"),
)
SCORED = ("phones", *(field for field in FILLED if field not in ("phone", "contact")), "last_followed_at")
FRESH = ((3, 1.0), (7, 0.75), (14, 0.5), (30, 0.25))  # days since the last follow-up or visit → part of the points
# Words in a source → part of the points, the first that fits; any other source, none at all.
SOURCES = (
    (("转介绍", "推荐", "介绍"), 1.0),
    (("官网", "网站", "表单", "在线"), 0.8),
    (("展会", "活动", "会议"), 0.6),
    (("电话", "陌拜", "广告"), 0.4),
)
OTHER_SOURCE = 0.3


@dataclass(frozen=True)
class Score:
    """A lead's score, and what each part brought: (part, points, most)."""

    total: int
    parts: tuple[tuple[str, int, int], ...]


def sees_score(actor: Member) -> bool:
    """Say whether the actor reads all that a score is made of: it would tell of the rest."""
    return not is_ruled(actor) or all(reads(actor, field) for field in SCORED)


def score_of(lead: Mapping[str, Any], now: datetime) -> Score:
    """Score a lead by how much is known (`FILLED`), how fresh the contact is (`last_followed_at`) and its source."""
    filled = sum(1 for field in FILLED if lead.get(field))
    shares = {
        "completeness": filled / len(FILLED),
        "activity": _freshness(lead.get("last_followed_at"), now),
        "source": _worth_of_source(lead.get("source") or ""),
    }
    weights = score_weights()
    parts = tuple((part, round(share * weights[part]), weights[part]) for part, share in shares.items())
    return Score(sum(points for _part, points, _most in parts), parts)


def _freshness(last: datetime | None, now: datetime) -> float:
    if last is None:
        return 0.0
    days = (now - last).total_seconds() / 86_400
    return next((share for most, share in FRESH if days <= most), 0.0)


def _worth_of_source(source: str) -> float:
    if not source:
        return 0.0
    return next((share for words, share in SOURCES if any(word in source for word in words)), OTHER_SOURCE)
