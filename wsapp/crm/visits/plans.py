"""Planned visits: making, moving, cancelling, starting and missing them, and who goes along."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import ACTIVE, LoginSession, Member
from wsapp.crm.org.queries import assignable_members, manager_of, within_team
from wsapp.crm.org.rights import demand, sight
from wsapp.crm.visits.models import (
    AHEAD,
    CANCELLED,
    DONE,
    IN,
    MISSED,
    ON_WAY,
    PLANNED,
    Visit,
    VisitParticipant,
    VisitPlan,
)
from wsapp.crm.visits.plan_reminders import plan_reminder
from wsapp.crm.visits.rules import visit_types
from wsapp.db import db, first, new_id, rows
from wsapp.house import local
from wsapp.problems import Forbidden, Invalid, NotFound, Stale
from wsapp.texts import _

MOST_ALONG = 20
LONGEST = timedelta(hours=12)
FARTHEST = timedelta(days=366)
WAY = timedelta(hours=12)  # so long before its time somebody may set out
PURPOSE, REASON = 200, 100


# --- who sees them ------------------------------------------------------------------------------------------------


def goes_along(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition that the actor goes along on a planned visit."""
    along = sa.select(VisitParticipant.plan_id).where(VisitParticipant.member_id == actor.id)
    return VisitPlan.id.in_(along)


def visible_plans(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the plans that the actor may see: their people's, those they go along on, and all to
    customers that they see."""
    covered = sight(actor, "visit")
    if covered.people is None:
        return sa.true()
    own = sa.or_(within_team(VisitPlan.member_id, actor, "visit"), goes_along(actor))
    if not covered.shared:
        return own
    theirs = sa.exists().where(
        Customer.corp_id == VisitPlan.corp_id, Customer.id == VisitPlan.customer_id, visible_customers(actor)
    )
    return sa.or_(own, theirs)


def find_plan(plan_id: str, *, actor: Member) -> VisitPlan:
    """Return a planned visit that the actor may see; raises NotFound for all others."""
    found: VisitPlan | None = first(sa.select(VisitPlan).where(VisitPlan.id == plan_id, visible_plans(actor)))
    if found is None:
        raise NotFound(_("拜访计划不存在或无权查看"))
    return found


def participants_of(plan_id: str) -> Sequence[str]:
    """Return the ids of those who go along."""
    found: Sequence[str] = rows(
        sa.select(VisitParticipant.member_id).where(VisitParticipant.plan_id == plan_id).order_by(VisitParticipant.id)
    )
    return found


def joinable(customer: Customer, actor: Member) -> Sequence[Member]:
    """Return who may be asked along, by name: the actor's team and manager, and whoever works on the customer."""
    found = {one.id: one for one in assignable_members(actor)}
    above = manager_of(actor)
    if above is not None and above.status == ACTIVE:
        found[above.id] = above
    shared = sa.select(Coworker.member_id).where(Coworker.customer_id == customer.id)
    theirs = sa.or_(Member.id.in_(shared), Member.id == (customer.owner_id or ""))
    found |= {one.id: one for one in rows(sa.select(Member).where(Member.status == ACTIVE, theirs))}
    found.pop(actor.id, None)
    return sorted(found.values(), key=lambda one: one.name)


def unopened(plan: VisitPlan) -> Sequence[str]:
    """Return the ids of those who go along and did not open the app: since they were asked, or on the day itself."""
    day = local(plan.starts_at).replace(hour=0, minute=0, second=0, microsecond=0)
    since = max(plan.created_at, day) if clock.now() >= day else plan.created_at
    here = sa.select(LoginSession.member_id).where(LoginSession.seen_at >= since)
    asked = participants_of(plan.id)
    there = set(rows(here.where(LoginSession.member_id.in_(asked)))) if asked else set()
    return [one for one in asked if one not in there]


def overlapping(plan: VisitPlan) -> Sequence[tuple[VisitPlan, Sequence[str]]]:
    """Return other planned visits at the same time of anybody who goes, each with the ids of those people."""
    people = [plan.member_id, *participants_of(plan.id)]
    along = sa.select(VisitParticipant.plan_id).where(VisitParticipant.member_id.in_(people))
    same_time = sa.select(VisitPlan).where(
        VisitPlan.id != plan.id,
        VisitPlan.state.in_((*AHEAD, IN)),
        VisitPlan.starts_at < plan.ends_at,
        VisitPlan.ends_at > plan.starts_at,
        sa.or_(VisitPlan.member_id.in_(people), VisitPlan.id.in_(along)),
    )
    found = []
    for other in rows(same_time.order_by(VisitPlan.starts_at).limit(10)):
        theirs = {other.member_id, *participants_of(other.id)}
        found.append((other, [one for one in people if one in theirs]))
    return found


# --- what people do -----------------------------------------------------------------------------------------------


def plan_visit(customer: Customer, values: Mapping[str, Any], *, actor: Member) -> VisitPlan:
    """Plan a visit of the actor's (计划拜访): {kind, starts_at, ends_at, purpose?, participants? [member ids]}.

    A plan that overlaps another one is made all the same, and its page says so. Raises Invalid.
    """
    demand(actor, "create", actor.id, obj="visit")
    clean, along = _cleaned(customer, values, None, actor)
    plan = VisitPlan(
        id=new_id(),
        customer_id=customer.id,
        member_id=actor.id,
        **clean,
        checklist=_checklist(clean["kind"]),
        state=PLANNED,
        created_at=clock.now(),
        version=1,
    )
    db.session.add(plan)
    db.session.flush()
    db.session.add_all(VisitParticipant(id=new_id(), plan_id=plan.id, member_id=one) for one in along)
    db.session.flush()
    plan_reminder(plan)
    record("visit.planned", plan, actor=actor, customer_id=customer.id, at=plan.starts_at.isoformat(), along=along)
    return plan


def _cleaned(
    customer: Customer, values: Mapping[str, Any], plan: VisitPlan | None, actor: Member
) -> tuple[dict[str, Any], list[str]]:
    """Return the columns and the ids of those who go along. What `plan` has may stay, whatever the rules say now."""
    errors: dict[str, str] = {}
    starts_at, ends_at = _window(values, errors)
    kind = str(values.get("kind") or "")
    if kind not in visit_types() and not (plan and kind == plan.kind):
        errors["kind"] = _("请从列表中选择")
    purpose = clean_line(str(values.get("purpose") or ""))
    if len(purpose) > PURPOSE:
        errors["purpose"] = _("最多 %(most)d 个字", most=PURPOSE)
    along = list(dict.fromkeys(values.get("participants") or ()))
    known = {one.id for one in joinable(customer, actor)} | {*(participants_of(plan.id) if plan else ())}
    if len(along) > MOST_ALONG or not {*along} <= known:
        errors["participants"] = _("请从列表中选择")
    if errors:
        raise Invalid(errors)
    return {"kind": kind, "purpose": purpose, "starts_at": starts_at, "ends_at": ends_at}, along


def _checklist(kind: str) -> list[dict[str, Any]]:
    return [{"text": one, "done": False} for one in visit_types().get(kind, ())]


def change_plan(
    plan: VisitPlan, customer: Customer, values: Mapping[str, Any], *, actor: Member, version: int | None = None
) -> bool:
    """Change the given values of a planned visit to `customer`: see `plan_visit`. Only whoever planned it, before
    anybody is there; says whether anything changed.

    Another time begins anew: who had set out has not, and the reminder moves along. Raises Stale, Invalid, Forbidden.
    """
    if plan.member_id != actor.id:
        raise Forbidden(_("只有安排拜访的人可以修改"))
    if plan.state not in AHEAD:
        raise Invalid({"": _("拜访已经开始或结束，不能再改")})
    before = list(participants_of(plan.id))
    now = {name: getattr(plan, name) for name in ("kind", "purpose", "starts_at", "ends_at")}
    clean, along = _cleaned(customer, {**now, "participants": before, **values}, plan, actor)
    changes = {name: (now[name], value) for name, value in clean.items() if now[name] != value}
    if version is not None and version != plan.version:
        raise Stale(_("该计划刚被修改，请核对后再保存"), record=plan, changes=changes)
    if not changes and {*along} == {*before}:
        return False
    for name, (_before, after) in changes.items():
        setattr(plan, name, after)
    if "kind" in changes:
        plan.checklist = _checklist(plan.kind)
    if "starts_at" in changes:
        plan.state, plan.left_at = PLANNED, None
        plan_reminder(plan)
    plan.version += 1
    _invite(plan, before, along)
    record(
        "visit.replanned",
        plan,
        actor=actor,
        customer_id=plan.customer_id,
        changes={name: [_told(one) for one in pair] for name, pair in changes.items()},
        at=plan.starts_at.isoformat(),
        along=along,
        new=[one for one in along if one not in before],
        gone=[one for one in before if one not in along],
        moved="starts_at" in changes or "ends_at" in changes,
    )
    return True


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _invite(plan: VisitPlan, before: Sequence[str], along: Sequence[str]) -> None:
    gone = [one for one in before if one not in along]
    if gone:
        db.session.execute(
            sa.delete(VisitParticipant).where(VisitParticipant.plan_id == plan.id, VisitParticipant.member_id.in_(gone))
        )
    new = (one for one in along if one not in before)
    db.session.add_all(VisitParticipant(id=new_id(), plan_id=plan.id, member_id=one) for one in new)
    db.session.flush()


def _window(values: Mapping[str, Any], errors: dict[str, str]) -> tuple[datetime, datetime]:
    now = clock.now()
    starts_at, ends_at = values.get("starts_at"), values.get("ends_at")
    if not isinstance(starts_at, datetime) or not isinstance(ends_at, datetime):
        errors["starts_at" if not isinstance(starts_at, datetime) else "ends_at"] = _("请填写时间")
        return now, now
    if not timedelta() < ends_at - starts_at <= LONGEST:
        errors["ends_at"] = _("结束时间应在开始之后，最长 %(hours)d 小时", hours=LONGEST // timedelta(hours=1))
    if ends_at < now or starts_at > now + FARTHEST:
        errors["starts_at"] = _("请选择今后一年内的时间")
    return starts_at, ends_at


def cancel_plan(plan: VisitPlan, *, actor: Member, reason: str) -> bool:
    """Call a planned visit off, and say why; says whether this call did it. Only whoever planned it."""
    if plan.member_id != actor.id:
        raise Forbidden(_("只有安排拜访的人可以取消"))
    reason = clean_line(reason)
    if not reason or len(reason) > REASON:
        raise Invalid({"reason": _("请说明原因，最多 %(most)d 个字", most=REASON)})
    if plan.state not in AHEAD:
        return False
    plan.state, plan.reason = CANCELLED, reason
    plan.version += 1
    along = list(participants_of(plan.id))
    record("visit.cancelled", plan, actor=actor, customer_id=plan.customer_id, reason=reason, along=along)
    return True


def set_out(plan: VisitPlan, *, actor: Member) -> bool:
    """Say that the actor is on the way (出发); says whether this call did it. Only those who go.

    The others who go hear of it. It ends with the check-in. Where the actor is, nobody asks.
    """
    if not is_going(plan, actor):
        raise Forbidden(_("只有参加拜访的人可以出发"))
    if plan.state != PLANNED:
        return False
    now = clock.now()
    if now < plan.starts_at - WAY:
        raise Invalid({"": _("还没有到拜访的时间")})
    plan.state, plan.left_at = ON_WAY, now
    plan.version += 1
    others = [one for one in (plan.member_id, *participants_of(plan.id)) if one != actor.id]
    record("visit.set_out", plan, actor=actor, customer_id=plan.customer_id, along=others)
    return True


def tick(plan: VisitPlan, done: Sequence[int], *, actor: Member) -> None:
    """Say which points of the checklist are done, by their places. Only those who go."""
    if not is_going(plan, actor):
        raise Forbidden(_("只有参加拜访的人可以勾选"))
    if plan.state in (CANCELLED, MISSED):
        raise Invalid({"": _("这次拜访没有进行")})
    plan.checklist = [{**one, "done": at in done} for at, one in enumerate(plan.checklist)]
    plan.version += 1


def is_going(plan: VisitPlan, actor: Member) -> bool:
    """Say whether the actor is one of those who go."""
    return plan.member_id == actor.id or actor.id in participants_of(plan.id)


# --- from plan to visit -------------------------------------------------------------------------------------------


def start_plan(plan_id: Any, customer: Customer, *, actor: Member) -> VisitPlan | None:
    """Begin the planned visit that a check-in names; None when it names none. Raises Invalid where it cannot be."""
    if not plan_id:
        return None
    plan: VisitPlan | None = first(sa.select(VisitPlan).where(VisitPlan.id == str(plan_id)))
    if plan is None or plan.customer_id != customer.id or not is_going(plan, actor):
        raise Invalid({"plan": _("拜访计划不存在或无权查看")})
    if plan.state == CANCELLED:
        raise Invalid({"plan": _("这次拜访已经取消")})
    plan.state = IN
    plan.version += 1
    return plan


def end_plan(visit: Visit) -> None:
    """End the plan of a visit that ended, unless somebody of it is still there."""
    if visit.plan_id is None:
        return
    db.session.flush()
    there = sa.select(Visit.id).where(Visit.plan_id == visit.plan_id, Visit.state == IN)
    plan: VisitPlan | None = first(sa.select(VisitPlan).where(VisitPlan.id == visit.plan_id))
    if plan is not None and first(there.limit(1)) is None:
        plan.state = DONE
        plan.version += 1


def close_missed(limit: int = 500) -> int:
    """Mark the plans of earlier days to which nobody went (未到访); returns how many."""
    today = local(clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    missed = rows(sa.select(VisitPlan).where(VisitPlan.state.in_(AHEAD), VisitPlan.ends_at < today).limit(limit))
    for plan in missed:
        absent = list(unopened(plan))
        plan.state = MISSED
        plan.version += 1
        record("visit.missed", plan, actor=None, customer_id=plan.customer_id, unopened=absent)
    return len(missed)
