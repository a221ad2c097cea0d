"""What managers of a pool do with a customer in it: let it rest for a time (沉睡), or give it back to whom it left."""

from datetime import date, timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.actions import record
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.pools.actions import hand_to
from wsapp.crm.pools.models import RECYCLED, Ownership
from wsapp.crm.pools.queries import find_pooled, manages, today
from wsapp.crm.pools.returning import bring_back
from wsapp.db import db
from wsapp.problems import Conflict, Forbidden, Invalid
from wsapp.texts import _

LONGEST_REST = 730  # days
UNDO = timedelta(days=7)  # for so long what was recycled can be given back


def rest_customer(customer_id: str, until: date | None, *, actor: Member, reason: str = "") -> None:
    """Keep a pool's customer from everybody but the pool's managers until a day (None: no longer), and say why.

    Raises NotFound; Forbidden; Invalid for fields "until", "reason".
    """
    customer = _managed(customer_id, actor)
    words = clean_line(reason)
    if until is not None:
        errors = {}
        if not today() < until <= today() + timedelta(days=LONGEST_REST):
            errors["until"] = _("请选择今天之后、%(n)d 天以内的日期", n=LONGEST_REST)
        if not 1 <= len(words) <= 200:
            errors["reason"] = _("请填写原因，不超过 200 个字")
        if errors:
            raise Invalid(errors)
    if customer.rests_until == until:
        return
    before, customer.rests_until = customer.rests_until, until
    db.session.flush()
    record(
        "customer.rested",
        customer,
        actor=actor,
        customer_id=customer.id,
        changes={"rests_until": [str(before or ""), str(until or "")]},
        name=customer.name,
        until=str(until or ""),
        reason=words,
    )


def _managed(customer_id: str, actor: Member) -> Customer:
    customer, pool = find_pooled(customer_id, actor=actor)
    if not manages(pool, actor):
        raise Forbidden(_("只有公海管理员可以这样做"))
    return customer


def lost_by(customer_id: str) -> Member | None:
    """Return the active member from whom a customer was recycled within the last week, if it is in the pool since."""
    ended = sa.select(Ownership.owner_id, Ownership.ending, Ownership.until).where(
        Ownership.customer_id == customer_id, Ownership.until.is_not(None)
    )
    last = db.session.execute(ended.order_by(Ownership.until.desc(), Ownership.id.desc()).limit(1)).one_or_none()
    if last is None or last.ending != RECYCLED or last.until < clock.now() - UNDO:
        return None
    found = member(last.owner_id)
    return found if found is not None and found.is_active else None


def give_back(customer_id: str, *, actor: Member) -> Member:
    """Give a customer that was recycled within a week back to whom it left, tasks and co-workers along; returns them.

    Their clock begins anew.

    Raises NotFound; Forbidden; Conflict when it is too late, or it went elsewhere.
    """
    customer = _managed(customer_id, actor)
    former = lost_by(customer.id)
    if former is None:
        raise Conflict({"pool": _("只能撤销 7 天内的回收")})
    bring_back(customer.id, actor=actor)
    hand_to(customer, former.id, actor=actor)
    return former


def why_resting(customer_id: str) -> str:
    """Return why a customer rests, as whoever let it said; for managers of its pool."""
    said = sa.select(Event.reason).where(Event.subject_id == customer_id, Event.kind == "customer.rested")
    return db.session.scalar(said.order_by(Event.at.desc(), Event.id.desc()).limit(1)) or ""
