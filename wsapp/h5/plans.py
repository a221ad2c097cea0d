"""Planned visits (拜访计划): the list, a new one, one of them with its checklist and who goes along, setting out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, request, url_for

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, names_of
from wsapp.crm.org.queries import names
from wsapp.crm.visits.models import AHEAD, CANCELLED, IN, MISSED, ON_WAY, PLANNED, Visit, VisitPlan
from wsapp.crm.visits.plans import (
    MOST_ALONG,
    WAY,
    cancel_plan,
    change_plan,
    find_plan,
    is_going,
    joinable,
    overlapping,
    participants_of,
    plan_visit,
    set_out,
    tick,
    unopened,
)
from wsapp.crm.visits.queries import visible_visits
from wsapp.crm.visits.rules import visit_types
from wsapp.db import db, rows
from wsapp.h5 import lists, visit_lists, words
from wsapp.h5.forms import Form, input_value, save
from wsapp.h5.pages import go, show
from wsapp.h5.rows import Row, moment
from wsapp.house import local, local_now
from wsapp.problems import Forbidden, Invalid, Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("plans", __name__, url_prefix="/h5")
bp.before_request(require_member)

TEXTS = ("kind", "starts_at", "ends_at", "purpose")
USUAL = timedelta(hours=1)


def plan_rows(found: Sequence[Any]) -> list[Row]:
    """Draw plans (see `visit_lists.my_plans`) as links."""
    marks = {IN: "brand", ON_WAY: "brand", MISSED: "overdue", PLANNED: "doing"}
    return [
        {
            "url": url_for("plans.page", plan_id=row.id),
            "icon": "calendar",
            "text": row.customer_name,
            "sub": " · ".join(filter(None, (window(row), row.kind, row.purpose))),
            "badge": (marks.get(row.state, ""), words.VISIT_STATES[row.state]),
        }
        for row in found
    ]


def window(plan: Any) -> str:
    """Return when a planned visit is: 11-22 09:30–10:30."""
    ends = local(plan.ends_at)
    same_day = local(plan.starts_at).date() == ends.date()
    return f"{moment(plan.starts_at)}–{ends:%H:%M}" if same_day else f"{moment(plan.starts_at)}–{moment(plan.ends_at)}"


@bp.get("/visits/plans")
def index() -> str:
    """The plans of mine and those that I go along on, from a week ago on."""
    found = visit_lists.my_plans(g.member)
    coming = [row for row in found if row.state in (*AHEAD, IN)]
    past = [row for row in found if row.state not in (*AHEAD, IN)]
    return show("visits/plans.html", coming=plan_rows(coming), past=plan_rows(past))


@bp.get("/customers/<key:customer_id>/visit-plans/new")
def new(customer_id: str) -> str:
    customer = find_customer(customer_id, actor=g.member)
    starts = local_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    typed = {"starts_at": input_value(starts), "ends_at": input_value(starts + USUAL), "participants": []}
    return _show_new(customer, Form({**typed, "kind": next(iter(visit_types()), ""), "purpose": ""}))


@bp.post("/customers/<key:customer_id>/visit-plans")
def create(customer_id: str) -> Any:
    """Save a plan; where it overlaps another one, its page says so."""
    form = Form.read(TEXTS, ("participants",))
    customer = find_customer(customer_id, actor=g.member)

    def act() -> str:
        values = {**form.typed, "starts_at": form.moment("starts_at"), "ends_at": form.moment("ends_at")}
        form.demand_clean()
        return url_for("plans.page", plan_id=plan_visit(customer, values, actor=g.member).id)

    return save(form, act, again=lambda problem: _show_new(customer, form), words=_("拜访计划已保存"))


def _show_new(customer: Customer, form: Form, plan: VisitPlan | None = None) -> str:
    types = visit_types()
    kinds = [*types, *([plan.kind] if plan and plan.kind not in types else [])]
    people = {one.id: one.name for one in joinable(customer, g.member)}
    people |= names([one for one in (participants_of(plan.id) if plan else ()) if one not in people])
    return show(
        "visits/plan_new.html",
        counted=False,
        customer=customer,
        form=form,
        plan=plan,
        kinds=[(name, name) for name in kinds],
        types=[(name, _("、").join(items)) for name, items in types.items() if items],
        people=list(people.items()),
        most=MOST_ALONG,
    )


@bp.get("/visits/plans/<key:plan_id>/edit")
def edit(plan_id: str) -> str:
    """Move it, or change who goes along."""
    plan = _mine(plan_id)
    values = {"kind": plan.kind, "purpose": plan.purpose, "participants": list(participants_of(plan.id))}
    values |= {"starts_at": input_value(plan.starts_at), "ends_at": input_value(plan.ends_at)}
    return _show_new(find_customer(plan.customer_id, actor=g.member), Form.edit(values, plan.version), plan)


@bp.post("/visits/plans/<key:plan_id>")
def change(plan_id: str) -> Any:
    """Save the change; somebody else's change meanwhile is refused with what was typed still there."""
    form = Form.read(TEXTS, ("participants",))

    def act() -> str:
        plan = _mine(plan_id)
        values = {**form.typed, "starts_at": form.moment("starts_at"), "ends_at": form.moment("ends_at")}
        form.demand_clean()
        customer = find_customer(plan.customer_id, actor=g.member)
        change_plan(plan, customer, values, actor=g.member, version=form.version)
        return url_for("plans.page", plan_id=plan_id)

    def again(problem: Problem | None) -> str:
        plan = _mine(plan_id)
        form.version = plan.version
        return _show_new(find_customer(plan.customer_id, actor=g.member), form, plan)

    return save(form, act, again=again, words=_("拜访计划已保存"))


def _mine(plan_id: str) -> VisitPlan:
    """Return a plan that the reader made and may still change. Raises NotFound, Forbidden."""
    plan = find_plan(plan_id, actor=g.member)
    if plan.member_id != g.member.id:
        raise Forbidden(_("只有安排拜访的人可以修改"))
    return plan


@bp.post("/visits/plans/<key:plan_id>/departure")
def leave(plan_id: str) -> Any:
    """Say that I am on the way: one tap, counted once."""
    url = url_for("plans.page", plan_id=plan_id)
    try:
        counted = set_out(find_plan(plan_id, actor=g.member), actor=g.member)
    except Invalid as problem:
        return go(url, problem.fields[""])
    db.session.commit()
    return go(url, _("已出发，同行人会收到消息") if counted else "")


@bp.get("/visits/plans/<key:plan_id>")
def page(plan_id: str) -> str:
    return _show(find_plan(plan_id, actor=g.member), Form({"reason": ""}))


def _show(plan: VisitPlan, form: Form) -> str:
    along = participants_of(plan.id)
    others = overlapping(plan) if plan.state in (*AHEAD, IN) else []
    absent = unopened(plan)
    made = rows(
        sa.select(Visit).where(Visit.plan_id == plan.id, visible_visits(g.member)).order_by(Visit.checked_in_at)
    )
    people = names([plan.member_id, *along, *(one.member_id for one in made)])
    customer = names_of([plan.customer_id])[plan.customer_id]
    going = is_going(plan, g.member)
    return show(
        "visits/plan.html",
        plan=plan,
        customer=customer,
        state=words.VISIT_STATES[plan.state],
        facts=_facts(plan, people, along),
        absent=_named(people, absent),
        overlaps=[(window(other), _named(people, theirs)) for other, theirs in others],
        visits=[
            {
                "url": url_for("visits.page", visit_id=one.id),
                "icon": "visit",
                "text": people.get(one.member_id, ""),
                "sub": moment(one.checked_in_at),
                "badge": ("", words.VISIT_STATES[one.state]),
            }
            for one in made
        ],
        may_tick=going and plan.state not in (CANCELLED, MISSED),
        may_check_in=going and plan.state != CANCELLED and not any(one.member_id == g.member.id for one in made),
        may_see=lists.may_see_customer(plan.customer_id, g.member),
        may_set_out=going and plan.state == PLANNED and clock.now() >= plan.starts_at - WAY,
        may_cancel=plan.member_id == g.member.id and plan.state in AHEAD,
        form=form,
    )


def _facts(plan: VisitPlan, people: dict[str, str], along: Sequence[str]) -> list[tuple[str, str]]:
    return [
        (_("时间"), window(plan)),
        (_("类型"), plan.kind),
        (_("目的"), plan.purpose),
        (_("拜访人"), people.get(plan.member_id, "")),
        (_("同行人"), _named(people, along)),
        (_("出发"), moment(plan.left_at) if plan.left_at else ""),
        (_("取消原因"), plan.reason),
    ]


def _named(people: dict[str, str], ids: Sequence[str]) -> str:
    return _("、").join(people.get(one, "") for one in ids)


@bp.post("/visits/plans/<key:plan_id>/checklist")
def check(plan_id: str) -> Any:
    """Say which points are done."""
    done = [int(one) for one in request.form.getlist("done") if one.isascii() and one.isdigit() and len(one) < 3]
    tick(find_plan(plan_id, actor=g.member), done, actor=g.member)
    db.session.commit()
    return go(url_for("plans.page", plan_id=plan_id), _("检查项已保存"))


@bp.post("/visits/plans/<key:plan_id>/cancellation")
def cancel(plan_id: str) -> Any:
    """Call it off, with a reason."""
    form = Form.read(("reason",))

    def act() -> str:
        cancel_plan(find_plan(plan_id, actor=g.member), actor=g.member, reason=form.typed["reason"])
        return url_for("plans.page", plan_id=plan_id)

    def again(problem: Problem | None) -> str:
        return _show(find_plan(plan_id, actor=g.member), form)

    return save(form, act, again=again, words=_("拜访计划已取消"))
