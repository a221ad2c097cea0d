"""Figures of a team: what was done in stretches of time, what is overdue, what leaves. One condition for a figure and
for the list that it opens, so that they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.dashboards.worklists import LEAVING_DAYS
from wsapp.crm.fields.access import read_by_all, reads
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.absences import is_away
from wsapp.crm.org.models import ACTIVE, Department, Member, Membership
from wsapp.crm.org.queries import team_ids
from wsapp.crm.org.workdays import is_workday
from wsapp.crm.pools.clocks import TOLD_BY, Clock, leaving, today
from wsapp.crm.pools.terms import rulebook
from wsapp.crm.tasks.models import DONE, Task
from wsapp.crm.tasks.queries import are_overdue
from wsapp.crm.visits.models import Visit
from wsapp.db import db, first, rows
from wsapp.house import zone

CUSTOMERS, FOLLOW_UPS, VISITS, VERIFIED, FAR = "customers", "follow_ups", "visits", "verified", "far"
FIGURES = (CUSTOMERS, FOLLOW_UPS, VISITS, VERIFIED, FAR)
PLACES = (VERIFIED, FAR)  # these tell where somebody was
WEEKS = 4  # with which a day or a week is compared
MOST_LEAVING = 5000


@dataclass(frozen=True)
class Stretch:
    """Time from a moment to another, without that."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Scope:
    """Whose records somebody's figures count, by object (None: everybody's), and what they may know of them."""

    people: Mapping[str, frozenset[str] | None]
    places: bool
    clocks: bool
    owners: bool
    stages: bool

    def within(self, column: Any, obj: str) -> sa.ColumnElement[bool]:
        """Return the condition that a column names one of the people."""
        people = self.people[obj]
        return sa.true() if people is None else column.in_(sorted(people))

    def has(self, figure: str) -> bool:
        """Say whether a figure may be told."""
        return self.places or figure not in PLACES


@dataclass(frozen=True)
class Counted:
    """A figure of a stretch, and the average of those it is compared with; None where there is none to compare with."""

    now: int
    usual: float | None


def scope_of(actor: Member) -> Scope:
    """Return what a member's rights let them count."""
    people = {obj: team_ids(actor, obj) for obj in ("customer", "follow_up", "visit", "task")}
    clocks = all(reads(actor, name) for name in TOLD_BY)
    return Scope(people, reads(actor, "trust", "visit"), clocks, reads(actor, "owner"), reads(actor, "stage"))


def scope_of_department(department_id: str | None) -> Scope:
    """Return what a group may hear of a department and all below it, None for everybody: nobody knows who reads along,
    so nothing that any role hides."""
    people = None if department_id is None else frozenset(_people_below(department_id))
    clocks = all(read_by_all(name) for name in TOLD_BY)
    return Scope(
        dict.fromkeys(("customer", "follow_up", "visit", "task"), people),
        read_by_all("trust", "visit"),
        clocks,
        read_by_all("owner"),
        read_by_all("stage"),
    )


def _people_below(department_id: str) -> Sequence[str]:
    path = first(sa.select(Department.path).where(Department.id == department_id))
    if path is None:
        return ()
    there = sa.and_(Department.corp_id == Membership.corp_id, Department.id == Membership.department_id)
    below = Department.path.startswith(path, autoescape=True)
    found: Sequence[str] = rows(sa.select(Membership.member_id).join(Department, there).where(below).distinct())
    return found


# --- time ---------------------------------------------------------------------------------------------------------


def days(start: date, count: int = 1) -> Stretch:
    """Return the stretch of so many days from `start` on, by the calendar here."""
    return Stretch(clock.start_of_day(start, zone()), clock.start_of_day(start + timedelta(days=count), zone()))


def same_days_before(day: date) -> list[Stretch]:
    """Return the same weekday of the four weeks before, as far as people worked on it."""
    before = [day - timedelta(weeks=number) for number in range(1, WEEKS + 1)]
    return [days(one) for one in before if is_workday(one)]


def weeks_before(monday: date) -> list[Stretch]:
    """Return the four weeks before one, as far as people worked in them."""
    before = [monday - timedelta(weeks=number) for number in range(1, WEEKS + 1)]
    return [days(one, 7) for one in before if any(is_workday(one + timedelta(days=day)) for day in range(7))]


# --- what was done ------------------------------------------------------------------------------------------------

_PERSON = {CUSTOMERS: Customer.owner_id, FOLLOW_UPS: FollowUp.author_id}
_AT = {CUSTOMERS: Customer.created_at, FOLLOW_UPS: FollowUp.happened_at}


def person_of(figure: str) -> Any:
    """Return the column of who did what a figure counts."""
    return _PERSON.get(figure, Visit.member_id)


def moment_of(figure: str) -> Any:
    """Return the column of when it was done."""
    return _AT.get(figure, Visit.checked_in_at)


def counted_by(figure: str, scope: Scope) -> sa.ColumnElement[bool]:
    """Return the condition for what a figure counts, whenever it was."""
    if figure == CUSTOMERS:
        return sa.and_(Customer.deleted_at.is_(None), scope.within(Customer.owner_id, "customer"))
    if figure == FOLLOW_UPS:
        return scope.within(FollowUp.author_id, "follow_up")
    theirs = scope.within(Visit.member_id, "visit")
    return sa.and_(theirs, Visit.trust == figure) if figure in PLACES else theirs


def during(figure: str, stretch: Stretch) -> sa.ColumnElement[bool]:
    """Return the condition that something was done in a stretch."""
    at = moment_of(figure)
    return sa.and_(at >= stretch.begins, at < stretch.ends)


def totals(scope: Scope, stretches: Sequence[Stretch], figures: Sequence[str] = FIGURES) -> dict[str, list[int]]:
    """Return the figures of each stretch, in order. At most three statements."""
    found: dict[str, list[int]] = {}
    for names in _by_table(figures, scope):
        row = db.session.execute(_counting(names, scope, stretches)).one()
        _spread(found, names, row, len(stretches))
    return found


def by_person(scope: Scope, stretch: Stretch, figures: Sequence[str] = FIGURES) -> dict[str, dict[str, int]]:
    """Return the figures of a stretch by person, then by figure; nothing is left out but zeros. Three statements."""
    found: dict[str, dict[str, int]] = {}
    for names in _by_table(figures, scope):
        if names == [CUSTOMERS] and not scope.owners:
            continue
        person = person_of(names[0])
        statement = _counting(names, scope, [stretch], person).group_by(person)
        for who, *counts in db.session.execute(statement):
            if who is not None:
                found.setdefault(who, {}).update(zip(names, counts, strict=True))
    return found


def owned(scope: Scope) -> sa.ColumnElement[bool]:
    """Return the condition for the customers that one of the people has."""
    return sa.and_(counted_by(CUSTOMERS, scope), Customer.owner_id.is_not(None))


def by_stage(scope: Scope) -> dict[str, int]:
    """Return how many customers the people have now, by stage; nothing where stages are not to be told. A statement."""
    if not scope.stages:
        return {}
    statement = sa.select(Customer.stage, sa.func.count()).where(owned(scope)).group_by(Customer.stage)
    return dict(db.session.execute(statement).all())


def _by_table(figures: Sequence[str], scope: Scope) -> list[list[str]]:
    wanted = [one for one in figures if scope.has(one)]
    of_visits = [one for one in wanted if one not in _PERSON]
    return [*([one] for one in wanted if one in _PERSON), *([of_visits] if of_visits else [])]


def _counting(names: Sequence[str], scope: Scope, stretches: Sequence[Stretch], *keys: Any) -> sa.Select[Any]:
    """One statement about one table, with a column for each figure and stretch."""
    at = moment_of(names[0])
    columns = [sa.func.count().filter(during(one, stretch), _told_apart(one)) for one in names for stretch in stretches]
    begins, ends = min(one.begins for one in stretches), max(one.ends for one in stretches)
    whole = VISITS if names[0] not in _PERSON else names[0]
    return sa.select(*keys, *columns).where(counted_by(whole, scope), at >= begins, at < ends)


def _told_apart(figure: str) -> sa.ColumnElement[bool]:
    return Visit.trust == figure if figure in PLACES else sa.true()


def _spread(found: dict[str, list[int]], names: Sequence[str], row: Any, each: int) -> None:
    for number, name in enumerate(names):
        found[name] = list(row[number * each : (number + 1) * each])


def compared(scope: Scope, stretch: Stretch, before: Sequence[Stretch]) -> dict[str, Counted]:
    """Return the figures of a stretch with the averages of others. Three statements."""
    found = totals(scope, [stretch, *before])
    return {
        name: Counted(counts[0], sum(counts[1:]) / len(before) if before else None) for name, counts in found.items()
    }


# --- what is not done ---------------------------------------------------------------------------------------------


def overdue_by_person(scope: Scope) -> dict[str, int]:
    """Return how many tasks are overdue now, by assignee."""
    statement = sa.select(Task.assignee_id, sa.func.count()).where(
        scope.within(Task.assignee_id, "task"), are_overdue()
    )
    return dict(db.session.execute(statement.group_by(Task.assignee_id)).all())


def leaving_soon(scope: Scope) -> list[tuple[Any, Clock]]:
    """Return the team's customers that leave within `LEAVING_DAYS`, soonest first; none where it is not to be told."""
    if not scope.clocks:
        return []
    day = today() + timedelta(days=LEAVING_DAYS)
    return leaving(rulebook(), day, scope.within(Customer.owner_id, "customer"), most=MOST_LEAVING)


def did_something(scope: Scope, stretch: Stretch) -> frozenset[str]:
    """Return who followed up, visited or finished a task in a stretch. Three statements."""
    asked = (
        sa.select(FollowUp.author_id).where(counted_by(FOLLOW_UPS, scope), during(FOLLOW_UPS, stretch)),
        sa.select(Visit.member_id).where(counted_by(VISITS, scope), during(VISITS, stretch)),
        sa.select(Task.assignee_id).where(
            scope.within(Task.assignee_id, "task"),
            Task.state == DONE,
            Task.done_at >= stretch.begins,
            Task.done_at < stretch.ends,
        ),
    )
    return frozenset(one for statement in asked for one in db.session.scalars(statement.distinct()))


def _people(scope: Scope) -> sa.Select[str, str]:
    """The active people whose work is counted: whose visits and follow-ups may be seen."""
    both = (scope.within(Member.id, "visit"), scope.within(Member.id, "follow_up"))
    return sa.select(Member.id, Member.name).where(Member.status == ACTIVE, *both)


def idle(scope: Scope, stretch: Stretch, *, day: date, but: str = "") -> list[Any]:
    """Return (id, name) of the people who did nothing in a stretch, by name.

    Only who has work here, a customer (as far as owners may be told) or an open task, is not away on `day` and not
    `but`. Four statements.
    """
    active = did_something(scope, stretch)
    customers = sa.exists().where(
        Customer.corp_id == Member.corp_id, Customer.owner_id == Member.id, Customer.deleted_at.is_(None)
    )
    tasks = sa.exists().where(Task.corp_id == Member.corp_id, Task.assignee_id == Member.id, Task.done_at.is_(None))
    people = _people(scope).where(sa.or_(customers, tasks) if scope.owners else tasks)
    found = db.session.execute(people.order_by(Member.name, Member.id))
    return [one for one in found if one.id not in active and one.id != but and not is_away(one.id, day)]
