"""A rung of the overdue ladder becomes messages: to the assignee with a reminder's buttons, to a leader with theirs."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.ladder_cards import rung_card, team_bundle_card
from wsapp.crm.notifications.messages import in_language_of, task_card
from wsapp.crm.org.absences import is_away
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import member, within_team
from wsapp.crm.tasks.ladder import KIND, leaders_of, plan_rung, put_off_rung, readers_of
from wsapp.crm.tasks.models import DOING, DROPPED, FIRED, OPEN, PLANNED, Reminder, Task
from wsapp.crm.tasks.reminders import set_alarm
from wsapp.db import db, rows
from wsapp.house import local_now

Late = defaultdict[tuple[str, bool], list[Task]]  # (reader, as a leader?) → what rang too late for a card of its own
LOOKED_AT = 20  # colleagues among whom somebody is found to whom a task may be handed on


def climb(reminder: Reminder, task: Task, late: Late | None) -> None:
    """Ring a due rung once, and plan the next; or put it off, where somebody is away or the day is free.

    Where it rings too late (the product was down), it is put into `late` instead.
    """
    if put_off_rung(reminder, task):
        if reminder.state == PLANNED:
            set_alarm(reminder.fire_at)
        return
    _drop_others(reminder)
    reminder.state, reminder.fired_at = FIRED, clock.now()
    db.session.flush()
    assignee = member(task.assignee_id)
    leader = None
    if assignee is not None:
        to_assignee, leader = readers_of(reminder.rung, leaders_of(assignee))
        if to_assignee:
            _tell_assignee(assignee, task, reminder, late)
        if leader is not None:
            _tell_leader(leader, assignee, task, reminder, late)
    _record(task, reminder.rung, leader)
    following = plan_rung(task)
    if following is not None:
        set_alarm(following.fire_at)


def _drop_others(reminder: Reminder) -> None:
    """Drop what somebody who changed the task at the same moment planned besides."""
    others = (Reminder.task_id == reminder.task_id, Reminder.kind == KIND, Reminder.state == PLANNED)
    dropped = sa.update(Reminder).where(*others, Reminder.id != reminder.id).values(state=DROPPED)
    db.session.execute(dropped.execution_options(synchronize_session=False))


def _tell_assignee(assignee: Member, task: Task, reminder: Reminder, late: Late | None) -> None:
    if late is not None:
        missed = late[assignee.id, False]
        missed += [task] if task not in missed else []
        return
    with in_language_of(assignee):
        card = task_card(task, kind="overdue", reader=assignee)
    key = _key(task, reminder, assignee)
    tell(assignee, "task.overdue", card, key=key, subject_id=task.id, task_ids=[task.id])


def _tell_leader(leader: Member, assignee: Member, task: Task, reminder: Reminder, late: Late | None) -> None:
    if late is not None:
        late[leader.id, True].append(task)
        return
    taker = taker_for(task, leader)
    days = (local_now().date() - task.overdue_from.astimezone(local_now().tzinfo).date()).days
    with in_language_of(leader):
        card = rung_card(task, assignee=assignee.name, days=days, taker=taker, reader=leader)
    key = _key(task, reminder, leader)
    tell(leader, "team.overdue", card, key=key, subject_id=task.id, task_ids=[task.id])


def _key(task: Task, reminder: Reminder, reader: Member) -> str:
    return f"ladder:{task.id}:{task.due_at.timestamp():.0f}:{reminder.rung}:{reader.id}"


def _record(task: Task, rung: int, leader: Member | None) -> None:
    kind = "task.escalated" if rung else "task.overdue"
    told: dict[str, Any] = {"leader": leader.id} if leader else {}
    record(kind, task, actor=None, customer_id=task.customer_id, title=task.title, rung=rung, **told)


def bundle_of_team(leader: Member, tasks: Sequence[Task]) -> None:
    """Tell a leader in one card of what their people left undone while the product was down."""
    with in_language_of(leader):
        card = team_bundle_card(tasks)
    key = f"late:{leader.id}:team:{clock.now():%Y%m%d%H%M%S%f}"
    tell(leader, "team.bundle", card, key=key, task_ids=[task.id for task in tasks])


def taker_for(task: Task, leader: Member) -> Member | None:
    """Return to whom a leader would hand a task on: a colleague of its assignee's with the fewest open tasks."""
    assignee = member(task.assignee_id)
    home = assignee.main_department_id if assignee else None
    load = (
        sa.select(sa.func.count())
        .where(Task.corp_id == Member.corp_id, Task.assignee_id == Member.id, Task.state.in_((OPEN, DOING)))
        .correlate(Member)
        .scalar_subquery()
    )
    wanted = sa.select(Member).where(
        Member.status == ACTIVE, Member.id.not_in([task.assignee_id, leader.id]), within_team(Member.id, leader)
    )
    near = sa.case((Member.main_department_id == home, 0), else_=1)
    found = rows(wanted.order_by(near, load, Member.name, Member.id).limit(LOOKED_AT))
    today = local_now().date()
    return next((one for one in found if not is_away(one.id, today)), None)
