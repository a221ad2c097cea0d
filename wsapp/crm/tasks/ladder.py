"""The overdue ladder (逾期升级): who hears of a task that stays undone, one rung after the other, in working days.

The n-th rung is due on the day by which so many working days have passed since the task's day, counting only days on
which its assignee is there, at one time of the day. Not on a day to which the task was put off, and never two rungs on
one day: what leave, holidays or a stopped product held up comes one a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.models import Event
from wsapp.crm.org.absences import is_away
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import manager_of
from wsapp.crm.org.workdays import is_workday
from wsapp.crm.tasks.models import DOING, DROPPED, FIRED, OPEN, PLANNED, Reminder, Task
from wsapp.crm.tasks.rules import ladder_at, ladder_steps
from wsapp.db import db, new_id
from wsapp.house import local, local_now

KIND = "overdue"
DAY = timedelta(days=1)
FARTHEST = 3 * 366  # days looked ahead: nobody is away for longer
MOST_LEADERS = 6
ANSWERABLE = ("follow_up", "call", "visit")  # kinds that a log about their customer answers
LOT = 500


@dataclass(frozen=True)
class Rung:
    """The next step of a task's ladder: its number, and the moment (aware, local) when it is due."""

    number: int
    at: datetime


def next_rung(task: Task) -> Rung | None:
    """Return the rung that comes next; None at the top, or where nobody is ever there."""
    newest = sa.select(sa.func.max(Reminder.rung), sa.func.max(Reminder.fired_at))
    climbed, last = db.session.execute(newest.where(*_of(task), Reminder.state == FIRED)).one()
    number = 0 if climbed is None else climbed + 1
    steps = ladder_steps()
    if number >= len(steps):
        return None
    barred = [local(one).date() for one in (last, task.snoozed_until) if one is not None]
    day = _step_day(task, steps[number], barred)
    return Rung(number, _moment(day)) if day else None


def _of(task: Task) -> tuple[sa.ColumnElement[bool], ...]:
    return Reminder.task_id == task.id, Reminder.kind == KIND, Reminder.due_at == task.due_at


def _step_day(task: Task, working_days: int, barred: Sequence[date]) -> date | None:
    day = due = local(task.due_at).date()
    after = max([due, *barred])
    counted = 0
    while day - due < FARTHEST * DAY:
        day += DAY
        if not _counts(day, task.assignee_id):
            continue
        counted += 1
        if counted >= working_days and day > after:
            return day
    return None


def _counts(day: date, assignee_id: str) -> bool:
    return is_workday(day) and not is_away(assignee_id, day)


def _moment(day: date) -> datetime:
    return datetime.combine(day, ladder_at(), local_now().tzinfo)


def _coming(assignee_id: str) -> datetime | None:
    """The next moment at which a rung of somebody's task may ring at all."""
    now = local_now()
    for offset in range(FARTHEST):
        day = now.date() + offset * DAY
        if _moment(day) > now and _counts(day, assignee_id):
            return _moment(day)
    return None


# --- planning -----------------------------------------------------------------------------------------------------


def plan_rung(task: Task) -> Reminder | None:
    """Plan the next rung of an open task. One whose moment is over comes on the next day on which it can."""
    rung = next_rung(task)
    if rung is None:
        return None
    at = rung.at if rung.at > clock.now() else _coming(task.assignee_id)
    if at is None:
        return None
    planned = Reminder(
        id=new_id(),
        task_id=task.id,
        kind=KIND,
        fire_at=at,
        state=PLANNED,
        plan=task.version,
        rung=rung.number,
        due_at=task.due_at,
    )
    db.session.add(planned)
    return planned


def put_off_rung(reminder: Reminder, task: Task) -> bool:
    """Say whether a planned rung is not to ring now after all, and plan it anew: somebody is away, or it is a free day.

    The rung of a task that moved, or is answered by a log, is dropped.
    """
    rung = next_rung(task)
    if rung is None or reminder.due_at != task.due_at or is_answered(task):
        reminder.state = DROPPED
        return True
    now = local_now()
    if rung.at <= now and _counts(now.date(), task.assignee_id) and now >= _moment(now.date()):
        return False
    at = rung.at if rung.at > now else _coming(task.assignee_id)
    if at is None:
        reminder.state = DROPPED
    else:
        reminder.fire_at = at
    return True


def is_answered(task: Task) -> bool:
    """Say whether somebody wrote a log about the task's customer since it was due: that is what it was for."""
    if task.customer_id is None or task.kind not in ANSWERABLE:
        return False
    row = db.session.execute(
        sa.select(Customer.last_followed_at, Customer.last_visited_at).where(Customer.id == task.customer_id)
    ).first()
    return row is not None and any(one is not None and one >= task.due_at for one in row)


def replan(after: str = "", limit: int = LOT) -> tuple[list[datetime], str]:
    """Work out anew when planned rungs of tasks that are due ring: the calendar, somebody's leave or a rule changed.

    A lot behind the reminder `after`. Returns the moments that are new, and behind which reminder to go on ("": done).
    """
    wanted = (
        sa.select(Reminder, Task)
        .join(Task, sa.and_(Task.id == Reminder.task_id, Task.corp_id == Reminder.corp_id))
        .where(
            Reminder.state == PLANNED,
            Reminder.kind == KIND,
            Reminder.id > after,
            Task.due_at <= clock.now(),
            Task.state.in_((OPEN, DOING)),
        )
    )
    found = db.session.execute(wanted.order_by(Reminder.id).limit(limit)).all()
    fresh = []
    for reminder, task in found:
        rung = next_rung(task)
        if rung is not None and rung.at > clock.now() and rung.at != reminder.fire_at:
            reminder.fire_at = rung.at
            fresh.append(rung.at)
    return fresh, found[-1][0].id if len(found) == limit else ""


def on_event(event: Event) -> None:
    """Have the ladders planned anew when the calendar, somebody's leave or the rules of the ladder changed."""
    of_ladder = event.kind == "rule.changed" and any(key.startswith("task.ladder") for key in event.changes)
    if of_ladder or event.kind in ("day.changed", "member.deputy_changed"):
        plan_later()


def plan_later(after: str = "") -> None:
    """Put the planning of the corp's ladders in line, from behind a reminder on."""
    outbox.enqueue("ladders.plan", {"after": after})


# --- who ----------------------------------------------------------------------------------------------------------


def leaders_of(assignee: Member) -> list[Member]:
    """Return who looks after somebody, the nearest first; without those who are away today."""
    today = local_now().date()
    found: list[Member] = []
    seen = {assignee.id}
    above = manager_of(assignee)
    while above is not None and above.id not in seen and len(seen) <= MOST_LEADERS:
        seen.add(above.id)
        if not is_away(above.id, today):
            found.append(above)
        above = manager_of(above)
    return found


def readers_of(rung: int, leaders: Sequence[Member]) -> tuple[bool, Member | None]:
    """Return whether the assignee hears of a rung, and which leader: the first two are the assignee's, then upwards."""
    leader = leaders[rung - 1] if 0 < rung <= len(leaders) else None
    return rung < 2, leader
