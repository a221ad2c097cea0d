"""/plans: planned visits, who goes along, setting out, calling off."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import abort, g

from wsapp.api.base import (
    Answer,
    current_when_stale,
    may_be_empty,
    member_named,
    reads,
    refuse,
    resource,
    wanted_version,
    writes,
)
from wsapp.api.followups import customer_named
from wsapp.api.lists import Named, Select, listed, one, text_of, userids
from wsapp.api.schemas_field import (
    AllPlans,
    PlanCancel,
    PlanChange,
    PlanFields,
    PlanList,
    PlanNew,
    PlanOfCustomer,
    PlanPage,
    PlanPath,
)
from wsapp.api.schemas_field import Plan as PlanRecord
from wsapp.api.schemas_in import CustomerPath, Nothing
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, find_customer
from wsapp.crm.visits.models import CANCELLED, ON_WAY, VisitParticipant, VisitPlan
from wsapp.crm.visits.plans import cancel_plan, change_plan, find_plan, plan_visit, set_out, visible_plans
from wsapp.db import db
from wsapp.texts import _

bp = resource("plans", "Planned visits: when, to whom, who goes along")

COLUMNS = (
    VisitPlan.id,
    VisitPlan.version,
    VisitPlan.customer_id,
    VisitPlan.kind,
    VisitPlan.purpose,
    VisitPlan.starts_at,
    VisitPlan.ends_at,
    VisitPlan.checklist,
    VisitPlan.state,
    VisitPlan.left_at,
    VisitPlan.reason,
    VisitPlan.created_at,
)
PLAIN = ("id", "version", "member", "kind", "purpose", "checklist", "state", "reason")
MOMENTS = ("starts_at", "ends_at", "left_at", "created_at")
SORTS = {"starts_at": (VisitPlan.starts_at, False), "-starts_at": (VisitPlan.starts_at, True)}


def _select(member: Named) -> Select:
    return member.join(sa.select(*COLUMNS, member.userid).select_from(VisitPlan)).where(visible_plans(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    along = _along([row.id for row in found])
    return [
        {field: getattr(row, field) for field in PLAIN}
        | {field: text_of(getattr(row, field)) for field in MOMENTS}
        | {"customer": row.customer_id, "participants": along.get(row.id, [])}
        for row in found
    ]


def _along(plan_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the userids of those who go along, by plan, in two queries."""
    if not plan_ids:
        return {}
    asked = sa.select(VisitParticipant.plan_id, VisitParticipant.member_id).where(
        VisitParticipant.plan_id.in_(plan_ids)
    )
    pairs = db.session.execute(asked.order_by(VisitParticipant.id)).all()
    called = userids([row.member_id for row in pairs])
    found: dict[str, list[str]] = {}
    for row in pairs:
        found.setdefault(row.plan_id, []).append(called[row.member_id])
    return found


def _answer(plan_id: str, status: int = 200) -> Answer:
    record = one(_select(Named(VisitPlan.member_id, "member")).where(VisitPlan.id == plan_id), show=_show)
    return Answer(record, status, record["version"], f"/api/v1/plans/{plan_id}" if status == 201 else "")


def _list(query: PlanList, customer_id: str) -> Answer:
    member = Named(VisitPlan.member_id, "member")
    statement = _select(member)
    if customer_id:
        statement = statement.where(VisitPlan.customer_id == customer_id)
    if query.member:
        statement = statement.where(member.is_called(query.member))
    if query.state:
        statement = statement.where(VisitPlan.state == query.state)
    if query.starts_after:
        statement = statement.where(VisitPlan.starts_at >= query.starts_after)
    if query.starts_before:
        statement = statement.where(VisitPlan.starts_at < query.starts_before)
    if query.q.strip():
        statement = statement.where(VisitPlan.purpose.contains(query.q.strip(), autoescape=True))
    return listed(statement, query, sorts=SORTS, default="starts_at", id_column=VisitPlan.id, show=_show)


@bp.get("/plans", responses={200: PlanPage})
@reads
def index(query: AllPlans) -> Answer:
    """List the planned visits that the user may see, soonest first."""
    return _list(query, current_id(query.customer) if query.customer else "")


@bp.get("/customers/<customer_id>/plans", responses={200: PlanPage})
@reads
def of_customer(path: CustomerPath, query: PlanList) -> Answer:
    """List the planned visits to a customer, soonest first."""
    return _list(query, find_customer(path.customer_id, actor=g.member).id)


@bp.get("/plans/<plan_id>", responses={200: PlanRecord})
@reads
def show(path: PlanPath) -> Answer:
    """Return a planned visit."""
    return _answer(path.plan_id)


@bp.post("/customers/<customer_id>/plans", responses={201: PlanRecord})
@writes
def create_of_customer(path: CustomerPath, body: PlanOfCustomer) -> Answer:
    """Plan a visit to a customer. Those who go along hear of it; one that overlaps another is made all the same."""
    return _plan(find_customer(path.customer_id, actor=g.member), _values(body))


@bp.post("/plans", responses={201: PlanRecord})
@writes
def create(body: PlanNew) -> Answer:
    """Plan a visit. Those who go along hear of it; one that overlaps another is made all the same."""
    values = _values(body)
    return _plan(customer_named(values.pop("customer")), values)


def _plan(customer: Customer, values: dict[str, Any]) -> Answer:
    return _answer(plan_visit(customer, values, actor=g.member).id, 201)


@bp.patch("/plans/<plan_id>", responses={200: PlanRecord})
@writes
def change(path: PlanPath, body: PlanChange) -> Answer:
    """Change one's own planned visit until somebody is there. With If-Match, only at that version."""
    plan = find_plan(path.plan_id, actor=g.member)
    with current_when_stale(lambda: _answer(path.plan_id)):
        customer = find_customer(plan.customer_id, actor=g.member)
        change_plan(plan, customer, _values(body), actor=g.member, version=wanted_version())
    return _answer(plan.id)


@bp.post("/plans/<plan_id>/departure", responses={200: PlanRecord})
@may_be_empty
@writes
def leave(path: PlanPath, body: Nothing) -> Answer:
    """Say that the user is on the way; the others who go hear of it. Said before, it stays as it is."""
    plan = find_plan(path.plan_id, actor=g.member)
    set_out(plan, actor=g.member)
    return _answer_when(plan, ON_WAY)


@bp.post("/plans/<plan_id>/cancellation", responses={200: PlanRecord})
@writes
def cancel(path: PlanPath, body: PlanCancel) -> Answer:
    """Call one's own planned visit off; those who go along hear why. One that began answers 409."""
    plan = find_plan(path.plan_id, actor=g.member)
    cancel_plan(plan, actor=g.member, reason=body.reason)
    return _answer_when(plan, CANCELLED)


def _answer_when(plan: VisitPlan, state: str) -> Answer:
    if plan.state != state:
        words = _("这次拜访已经开始、结束或取消")
        db.session.rollback()
        abort(refuse(409, "closed", words, errors=[{"field": "state", "message": words}]))
    return _answer(plan.id)


def _values(body: PlanFields) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    if "participants" in values:
        values["participants"] = [member_named(one, name="participants").id for one in values["participants"]]
    return values
