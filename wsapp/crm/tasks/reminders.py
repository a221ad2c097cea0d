"""When a task's people are told: planning, never sending. The alarm that wakes the sender is an outbox row a minute."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.tasks.ladder import plan_rung
from wsapp.crm.tasks.models import DROPPED, FIRED, PLANNED, Reminder, Task
from wsapp.crm.tasks.rules import all_day_at
from wsapp.db import current_corp, db, new_id, rows
from wsapp.house import local

# "Due this minute" still rings, also when the minute was over before it was saved. What is longer past is not news.
STILL_NEWS = timedelta(minutes=2)


def plan_reminders(task: Task) -> None:
    """Plan the task's reminders anew: what was planned before is dropped, what a finished task had as well.

    A task that is put off goes on waiting for its hour. What rang does not ring again.
    """
    now = clock.now()
    if task.is_open and task.snoozed_until and task.snoozed_until > now:
        plan_snooze(task, task.snoozed_until)
        return
    drop_reminders(task)
    if not task.is_open:
        return
    moments = [one for one in rings_at(task) if one >= now - STILL_NEWS]
    for moment in sorted(set(moments) - _rang(task, moments)):
        _plan(task, "due", moment)
    _plan_rung(task)


def _rang(task: Task, moments: Sequence[datetime]) -> set[datetime]:
    """Return at which of some moments the task's own reminder rang already."""
    past = [one for one in moments if one <= clock.now()]
    if not past:
        return set()
    rang = (Reminder.task_id == task.id, Reminder.kind == "due", Reminder.state == FIRED, Reminder.fire_at.in_(past))
    return set(rows(sa.select(Reminder.fire_at).where(*rang)))


def plan_snooze(task: Task, until: datetime) -> None:
    """Silence the task until `until`, then ring once; the ladder goes on on a later day."""
    drop_reminders(task)
    _plan(task, "snooze", until)
    _plan_rung(task)


def rings_at(task: Task) -> set[datetime]:
    """Return the moments at which a task's own reminders ring, as it is planned now."""
    return {_remind_base(task) - timedelta(minutes=minutes) for minutes in task.reminders}


def drop_reminders(task: Task) -> None:
    """Drop everything planned for a task, in the caller's transaction: from its commit on nothing old fires."""
    db.session.execute(
        sa.update(Reminder)
        .where(Reminder.task_id == task.id, Reminder.state == PLANNED)
        .values(state=DROPPED)
        .execution_options(synchronize_session=False)
    )


def _remind_base(task: Task) -> datetime:
    if not task.all_day:
        return task.due_at
    day = local(task.due_at)
    at = all_day_at()
    return day.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)


def _plan(task: Task, kind: str, fire_at: datetime) -> None:
    db.session.add(Reminder(id=new_id(), task_id=task.id, kind=kind, fire_at=fire_at, state=PLANNED, plan=task.version))
    set_alarm(fire_at)


def _plan_rung(task: Task) -> None:
    rung = plan_rung(task)
    if rung is not None:
        set_alarm(rung.fire_at)


def set_alarm(at: datetime) -> None:
    """Make sure that the sender looks at this corp at `at`: one outbox row for each corp and moment.

    A moment that is now, or over, rings anew when the alarm of this second is not waiting any more.
    """
    moment = max(at, clock.now())
    key = f"remind:{current_corp()}:{moment.timestamp():.0f}"
    if not outbox.enqueue("remind", {}, key=key, due_at=at) and not outbox.is_waiting(key):
        outbox.enqueue("remind", {}, due_at=at)
