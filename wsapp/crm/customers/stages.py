"""The lifecycle of a customer (生命周期阶段): which steps are allowed, and the history with how long each took."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import STAGES, Customer, StageChange
from wsapp.crm.customers.rules import allowed_steps
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import leads_others
from wsapp.db import db, first, new_id
from wsapp.kept import Kept
from wsapp.problems import Invalid
from wsapp.texts import _

LOST = "lost"


def refuse_step(before: str, after: str, *, actor: Member) -> None:
    """Raise Invalid where the corp's rule forbids the step. Whoever leads others may always."""
    steps = allowed_steps()
    if steps == "free" or before == after or leads_others(actor) or _is_allowed(before, after, steps):
        return
    raise Invalid({"stage": _("阶段只能逐步向前") if steps == "next" else _("阶段只能向前")})


def _is_allowed(before: str, after: str, steps: str) -> bool:
    if after == LOST:
        return True
    ahead = STAGES.index(after) - STAGES.index(before)
    return before != LOST and (ahead == 1 if steps == "next" else ahead > 0)


def move_stage(customer: Customer, stage: str, *, actor: Member | None) -> str | None:
    """Move a customer to another stage and keep when, who, and how long it was in the one before.

    Returns the id of the step, None where it is in that stage already.
    """
    if stage == customer.stage:
        return None
    now = clock.now()
    since = customer.stage_since or customer.created_at
    step = StageChange(
        id=new_id(),
        customer_id=customer.id,
        before=customer.stage,
        after=stage,
        seconds=max(0, int((now - since).total_seconds())),
        actor_id=actor.id if actor else None,
        at=now,
    )
    db.session.add(step)
    customer.stage, customer.stage_since = stage, now
    if stage == "dealt":
        customer.last_deal_at = now
    return step.id


def take_step_back(customer: Customer, step_id: str | None, *, since: datetime | None) -> bool:
    """Take a customer's last step back as if it had never been; says whether it was the last one.

    `since` is the customer's `stage_since` before that step.
    """
    latest = sa.select(StageChange).where(StageChange.customer_id == customer.id)
    step: StageChange | None = first(latest.order_by(StageChange.at.desc(), StageChange.id.desc()).limit(1))
    if step is None or step.id != step_id:
        return False
    customer.stage, customer.stage_since = step.before, since
    db.session.delete(step)
    return True


_OF_CUSTOMER = Kept(
    sa.select(
        StageChange.before,
        StageChange.after,
        StageChange.seconds,
        StageChange.at,
        Member.name.label("who"),
        Member.userid,
    )
    .outerjoin(Member, sa.and_(Member.corp_id == StageChange.corp_id, Member.id == StageChange.actor_id))
    .where(StageChange.customer_id == sa.bindparam("customer", type_=sa.String))
    .order_by(StageChange.at.desc(), StageChange.id.desc())
    .limit(100)
)


def stage_history(customer_id: str) -> Sequence[Any]:
    """Return (before, after, seconds in `before`, at, who, userid) of a customer's last hundred steps, newest first."""
    return _OF_CUSTOMER.all(customer=customer_id)
