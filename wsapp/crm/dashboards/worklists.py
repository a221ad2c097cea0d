"""Worklists: what waits for somebody in the morning, and what they did and left in the evening.

Read for many people at once: a round asks as often for fifty as for one.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_names
from wsapp.crm.fields.access import reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.pools.clocks import Clock, leaving, sees_clocks, today
from wsapp.crm.pools.terms import rulebook
from wsapp.crm.tasks.models import DONE, Task
from wsapp.crm.tasks.queries import are_open, are_overdue, start_of_today
from wsapp.crm.visits.models import AHEAD, Visit, VisitParticipant, VisitPlan
from wsapp.db import db

LEAVING_DAYS = 3
ONE_DAY = timedelta(days=1)
MOST_LEAVING = 10_000  # customers looked at for one lot of people
LEVELS = "ABCD"


@dataclass
class Morning:
    """What waits for somebody today, each soonest first: rows as `_TASKS` has them.

    `visits` are planned visits on which they go (kind "plan") and tasks to visit somebody.
    `leaving`: customers that leave within `LEAVING_DAYS`, soonest first, each a row of `clocks.COLUMNS` with its clock.
    """

    overdue: list[Any] = field(default_factory=list)
    due: list[Any] = field(default_factory=list)
    visits: list[Any] = field(default_factory=list)
    leaving: list[tuple[Any, Clock]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.overdue or self.due or self.visits or self.leaving)


@dataclass
class Evening:
    """What somebody did today (tasks finished, follow-ups, visits), and what is left: due by tonight and open."""

    done: int = 0
    follow_ups: int = 0
    visits: int = 0
    left: list[Any] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.done or self.follow_ups or self.visits or self.left)


@dataclass(frozen=True)
class CallFirst:
    """The one customer to call first. `why` is "leaving" (in `days` days), "overdue" or "due"."""

    customer_id: str
    name: str
    why: str
    days: int = 0


PLAN = "plan"  # the kind of a row that is a planned visit
_TASKS = (
    Task.id,
    Task.title,
    Task.kind,
    Task.due_at,
    Task.all_day,
    Task.assignee_id.label("person_id"),
    Task.customer_id,
    Customer.name.label("customer_name"),
    Customer.level.label("customer_level"),
)


def _plans(person: Any) -> sa.Select[Any]:
    """Return planned visits as rows like those of `_TASKS`; `person` is the column of who goes."""
    about = sa.and_(Customer.corp_id == VisitPlan.corp_id, Customer.id == VisitPlan.customer_id)
    columns = (
        VisitPlan.id,
        VisitPlan.purpose.label("title"),
        sa.literal(PLAN).label("kind"),
        VisitPlan.starts_at.label("due_at"),
        sa.false().label("all_day"),
        person.label("person_id"),
        VisitPlan.customer_id,
        Customer.name.label("customer_name"),
        Customer.level.label("customer_level"),
        sa.false().label("is_late"),
    )
    return sa.select(*columns).select_from(VisitPlan).join(Customer, about)


_ALONG = _plans(VisitParticipant.member_id).join(
    VisitParticipant,
    sa.and_(VisitParticipant.corp_id == VisitPlan.corp_id, VisitParticipant.plan_id == VisitPlan.id),
)
_OWN = _plans(VisitPlan.member_id)


def mornings(member_ids: Collection[str]) -> Mapping[str, Morning]:
    """Return what waits for people today, by member; who is missing has nothing. Four statements."""
    found: dict[str, Morning] = defaultdict(Morning)
    if not member_ids:
        return found
    for row in [*_tasks_by_tonight(member_ids), *_planned_today(member_ids)]:
        mine = found[row.person_id]
        list_of = mine.overdue if row.is_late else mine.visits if row.kind in ("visit", PLAN) else mine.due
        list_of.append(row)
    for mine in found.values():
        mine.visits.sort(key=lambda row: (row.due_at, row.id))
    day = today() + timedelta(days=LEAVING_DAYS)
    for row, one in leaving(rulebook(), day, Customer.owner_id.in_(sorted(member_ids)), most=MOST_LEAVING):
        found[row.owner_id].leaving.append((row, one))
    return found


def evenings(member_ids: Collection[str]) -> Mapping[str, Evening]:
    """Return what people did today and left, by member; who is missing has neither. Four statements."""
    found: dict[str, Evening] = defaultdict(Evening)
    if not member_ids:
        return found
    begins = start_of_today()
    for name, person, at, more in (
        ("done", Task.assignee_id, Task.done_at, Task.state == DONE),
        ("follow_ups", FollowUp.author_id, FollowUp.happened_at, sa.true()),
        ("visits", Visit.member_id, Visit.checked_in_at, sa.true()),
    ):
        counted = sa.select(person, sa.func.count()).where(person.in_(sorted(member_ids)), at >= begins, more)
        for who, count in db.session.execute(counted.group_by(person)):
            setattr(found[who], name, count)
    for row in _tasks_by_tonight(member_ids):
        found[row.person_id].left.append(row)
    return found


def due_by_tonight() -> sa.ColumnElement[bool]:
    """Return the condition for open tasks that are due before tomorrow and that nobody put off beyond now."""
    tomorrow = start_of_today() + ONE_DAY
    awake = sa.or_(Task.snoozed_until.is_(None), Task.snoozed_until <= clock.now())
    return sa.and_(are_open(), Task.due_at < tomorrow, awake)


def _tasks_by_tonight(member_ids: Collection[str]) -> Sequence[Any]:
    about = sa.and_(Customer.corp_id == Task.corp_id, Customer.id == Task.customer_id)
    statement = (
        sa.select(*_TASKS, are_overdue().label("is_late"))
        .select_from(Task)
        .outerjoin(Customer, about)
        .where(Task.assignee_id.in_(sorted(member_ids)), due_by_tonight())
        .order_by(Task.due_at, Task.id)
    )
    return db.session.execute(statement).all()


def _planned_today(member_ids: Collection[str]) -> Sequence[Any]:
    begins = start_of_today()
    on_it = (VisitPlan.state.in_(AHEAD), VisitPlan.starts_at >= begins, VisitPlan.starts_at < begins + ONE_DAY)
    people = sorted(member_ids)
    own = db.session.execute(_OWN.where(*on_it, VisitPlan.member_id.in_(people))).all()
    along = db.session.execute(_ALONG.where(*on_it, VisitParticipant.member_id.in_(people))).all()
    return [*own, *along]


# --- whom to call first -------------------------------------------------------------------------------------------


def call_first(reader: Member, mine: Morning) -> CallFirst | None:
    """Return whom somebody should call first, of the customers that they see.

    Who leaves soonest; else whose task is overdue; else whose is due today. Among equals the higher level, as far as
    the reader may know it, then the earlier date.
    """
    levels = reads(reader, "level")

    def rank(level: str | None) -> int:
        return LEVELS.index(level) if levels and level else len(LEVELS)

    ranked: list[tuple[tuple[int, int, int, datetime], CallFirst]] = []
    for row, one in mine.leaving if sees_clocks(reader) else ():
        days = (one.leaves_on - today()).days
        said = CallFirst(row.id, row.name, "leaving", days)
        ranked.append(((0, days, rank(row.level), row.created_at), said))
    for number, (why, tasks) in enumerate((("overdue", mine.overdue), ("due", [*mine.due, *mine.visits])), start=1):
        for task in tasks:
            if task.customer_id and task.customer_name:
                said = CallFirst(task.customer_id, task.customer_name, why)
                ranked.append(((number, 0, rank(task.customer_level), task.due_at), said))
    wanted = {one.customer_id for _rank, one in ranked}
    seen = visible_names(wanted, actor=reader)
    allowed = [pair for pair in ranked if pair[1].customer_id in seen]
    return min(allowed, key=lambda pair: pair[0])[1] if allowed else None
