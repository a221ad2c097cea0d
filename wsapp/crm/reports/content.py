"""What a report is filled in from: what its author logged in the period, and what is planned for the next one.

The figures are those of the boards (`dashboards.figures`), of one person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.dashboards.figures import (
    CUSTOMERS,
    FIGURES,
    FOLLOW_UPS,
    PLACES,
    VERIFIED,
    VISITS,
    Scope,
    Stretch,
    counted_by,
    days,
    during,
    moment_of,
    totals,
)
from wsapp.crm.fields.access import reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.workdays import first_workday
from wsapp.crm.reports.models import DAY
from wsapp.crm.tasks.models import DONE, Task
from wsapp.crm.tasks.queries import are_open
from wsapp.crm.visits.models import AHEAD, Visit, VisitParticipant, VisitPlan
from wsapp.db import db, rows
from wsapp.texts import _

TASKS, NEXT_TASKS, NEXT_PLANS = "tasks", "next_tasks", "next_plans"
SECTIONS = (VISITS, FOLLOW_UPS, TASKS, CUSTOMERS, NEXT_PLANS, NEXT_TASKS)
MOST = 100  # records of a section that a report can list; all are counted


@dataclass(frozen=True)
class Logged:
    """What was logged: `figures` by name (the boards', and TASKS, NEXT_TASKS, NEXT_PLANS), `items` ids of them."""

    figures: dict[str, int]
    items: dict[str, list[str]]


def period(kind: str, day: date) -> tuple[Stretch, Stretch]:
    """Return the stretch that a report speaks of, and the one that is next: the working day or the week after."""
    if kind == DAY:
        return days(day), days(first_workday(day + timedelta(days=1)))
    return days(day, 7), days(day + timedelta(days=7), 7)


def logged(author: Member, kind: str, day: date) -> Logged:
    """Return what somebody logged in a period, and what is planned for the one after it. Ten statements."""
    now, then = period(kind, day)
    mine = frozenset({author.id})
    scope = Scope(
        dict.fromkeys(("customer", "follow_up", "visit", "task"), mine),
        places=True,
        clocks=False,
        owners=True,
        stages=False,
    )
    figures = {name: counts[0] for name, counts in totals(scope, [now], FIGURES).items()}
    items = {}
    for name, column in ((VISITS, Visit.id), (FOLLOW_UPS, FollowUp.id), (CUSTOMERS, Customer.id)):
        found = sa.select(column).where(counted_by(name, scope), during(name, now))
        items[name] = list(rows(found.order_by(moment_of(name), column).limit(MOST)))
    for name, found, order in (
        (TASKS, _done(author, now), Task.done_at),
        (NEXT_TASKS, _due(author, then), Task.due_at),
        (NEXT_PLANS, _planned(author, then), VisitPlan.starts_at),
    ):
        figures[name] = db.session.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0
        items[name] = list(rows(found.order_by(order).limit(MOST)))
    return Logged(figures, items)


def _done(author: Member, stretch: Stretch) -> sa.Select[Any]:
    within = (Task.done_at >= stretch.begins, Task.done_at < stretch.ends)
    return sa.select(Task.id).where(Task.assignee_id == author.id, Task.state == DONE, *within)


def _due(author: Member, stretch: Stretch) -> sa.Select[Any]:
    within = (Task.due_at >= stretch.begins, Task.due_at < stretch.ends)
    return sa.select(Task.id).where(Task.assignee_id == author.id, are_open(), *within)


def _planned(author: Member, stretch: Stretch) -> sa.Select[Any]:
    along = sa.select(VisitParticipant.plan_id).where(VisitParticipant.member_id == author.id)
    goes = sa.or_(VisitPlan.member_id == author.id, VisitPlan.id.in_(along))
    within = (VisitPlan.starts_at >= stretch.begins, VisitPlan.starts_at < stretch.ends)
    return sa.select(VisitPlan.id).where(goes, VisitPlan.state.in_(AHEAD), *within)


# --- in words -----------------------------------------------------------------------------------------------------


def told_figures(figures: Mapping[str, int], reader: Member) -> dict[str, int]:
    """Return the figures that a reader may know: those of places and owners only with the right to read these."""
    hidden = set()
    if not reads(reader, "trust", "visit"):
        hidden |= {*PLACES}
    if not reads(reader, "owner"):
        hidden.add(CUSTOMERS)
    return {name: count for name, count in figures.items() if name not in hidden}


def done_words(figures: Mapping[str, int]) -> str:
    """Return what was done as a sentence: 拜访 3 次（位置已核实 2 次），跟进 5 次. It names nobody."""
    visits = _("拜访 %(n)d 次", n=figures.get(VISITS, 0))
    if figures.get(VERIFIED):
        visits = _("拜访 %(n)d 次（位置已核实 %(verified)d 次）", n=figures[VISITS], verified=figures[VERIFIED])
    parts = (
        (VISITS, visits),
        (FOLLOW_UPS, _("跟进 %(n)d 次", n=figures.get(FOLLOW_UPS, 0))),
        (TASKS, _("完成待办 %(n)d 条", n=figures.get(TASKS, 0))),
        (CUSTOMERS, _("新增客户 %(n)d 个", n=figures.get(CUSTOMERS, 0))),
    )
    return _("，").join(words for name, words in parts if figures.get(name))


def next_words(figures: Mapping[str, int]) -> str:
    """Return what is planned next as a sentence, empty when nothing is."""
    parts = (
        (NEXT_PLANS, _("拜访 %(n)d 次", n=figures.get(NEXT_PLANS, 0))),
        (NEXT_TASKS, _("待办 %(n)d 条", n=figures.get(NEXT_TASKS, 0))),
    )
    return _("，").join(words for name, words in parts if figures.get(name))
