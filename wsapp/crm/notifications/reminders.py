"""Reminders that fire, and the work that is finished on the card."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.queries import names_of
from wsapp.crm.notifications.actions import (
    Telling,
    mark_acted,
    notification_with_card,
    refresh_card,
    set_shown,
    suppress_planned,
    tell,
    tell_all,
)
from wsapp.crm.notifications.ladder import Late, bundle_of_team, climb
from wsapp.crm.notifications.messages import bundle_card, in_language_of, task_card, task_state
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import hold_corp, member, member_by_userid, members, names
from wsapp.crm.tasks.actions import complete_task, snooze_moment, snooze_task
from wsapp.crm.tasks.models import FIRED, PLANNED, Reminder, Task
from wsapp.crm.tasks.reminders import rings_at
from wsapp.db import db, first, is_postgresql, rows
from wsapp.problems import Problem
from wsapp.texts import _

BATCH = 200
LATE = timedelta(hours=2)
TASK_KINDS = ("task.due", "task.snooze", "task.overdue", "task.assigned", "task.asked")
CARD_KINDS = (*TASK_KINDS, "team.overdue")  # whose cards show how the task is
BUNDLES = ("task.bundle", "team.bundle")


def fire_due(limit: int = BATCH) -> int:
    """Turn due reminders of the current corp into messages, in the caller's transaction; returns how many were due.

    Finished, moved or handed-over tasks do not ring: their reminders were dropped in the same commit. What is late by
    more than two hours (the product was down) becomes one card a person.
    """
    _one_at_a_time()
    due = _take_due(limit)
    due += _late_siblings(due)
    tasks = {task.id: task for task in _tasks([reminder.task_id for reminder in due])}
    late: Late = defaultdict(list)
    ringing: list[tuple[Task, Reminder]] = []
    now = clock.now()
    for reminder in due:
        task = tasks[reminder.task_id]
        is_late = now - reminder.fire_at > LATE
        if task.is_open and reminder.kind == "overdue":
            climb(reminder, task, late if is_late else None)
            continue
        reminder.state, reminder.fired_at = FIRED, now
        if not task.is_open:
            continue
        if is_late:
            missed = late[task.assignee_id, False]
            missed += [task] if task not in missed else []
        else:
            ringing.append((task, reminder))
    _remind(ringing)
    for (reader_id, is_team), missed in late.items():
        _bundle(reader_id, missed, is_team=is_team)
    return len(due)


def _one_at_a_time() -> None:
    """Let one worker at a time fire in a corp, or two would each make their own bundle for one person."""
    if is_postgresql():
        hold_corp()


def _take_due(limit: int) -> list[Reminder]:
    due = sa.select(Reminder).where(Reminder.state == PLANNED, Reminder.fire_at <= clock.now())
    return list(rows(_unless_touched(due.order_by(Reminder.fire_at, Reminder.id).limit(limit))))


def _unless_touched(statement: sa.Select[Reminder]) -> sa.Select[Reminder]:
    """Leave out reminders that somebody is dropping at this moment by finishing or moving the task. Should they change
    their mind, the next sweep finds what is left."""
    return statement.with_for_update(skip_locked=True, of=Reminder) if is_postgresql() else statement


def _late_siblings(taken: list[Reminder]) -> list[Reminder]:
    """Return what else is late for the people of `taken`: all of it goes into the same bundle."""
    horizon = clock.now() - LATE
    late_tasks = [reminder.task_id for reminder in taken if reminder.fire_at < horizon]
    if not late_tasks:
        return []
    people = sa.select(Task.assignee_id).where(Task.id.in_(late_tasks))
    siblings = (
        sa.select(Reminder)
        .join(Task, sa.and_(Task.id == Reminder.task_id, Task.corp_id == Reminder.corp_id))
        .where(
            Reminder.state == PLANNED,
            Reminder.fire_at < horizon,
            Task.assignee_id.in_(people),
            Reminder.id.not_in([reminder.id for reminder in taken]),
        )
    )
    return list(rows(_unless_touched(siblings)))


def unwanted(notifications: Sequence[Notification]) -> dict[str, str]:
    """Return, by id, why messages that are about to go out are no longer wanted: looked at right before sending."""
    tasks = _tasks_of(notifications)
    reminder_ids = [one.key.partition(":")[2] for one in notifications if one.key.startswith("reminder:")]
    planned_for = dict(
        db.session.execute(sa.select(Reminder.id, Reminder.fire_at).where(Reminder.id.in_(reminder_ids))).all()
        if reminder_ids
        else ()
    )
    reasons = {one.id: _why_unwanted(one, tasks, planned_for) for one in notifications}
    return {notification_id: reason for notification_id, reason in reasons.items() if reason}


def _why_unwanted(notification: Notification, tasks: Mapping[str, Task], planned_for: Mapping[str, datetime]) -> str:
    if notification.kind in BUNDLES:
        meant = [tasks[one] for one in notification.task_ids if one in tasks]
        return "" if any(task.is_open for task in meant) else _("待办已处理")
    if notification.kind not in CARD_KINDS:
        return ""
    task = tasks.get(notification.subject_id or "")
    if task is None or not task.is_open:
        return _("待办已处理")
    if notification.kind in TASK_KINDS and notification.recipient_id != task.assignee_id:
        return _("待办已转交他人")
    if (
        notification.kind not in ("task.assigned", "task.asked")
        and task.snoozed_until
        and task.snoozed_until > clock.now()
    ):
        return _("待办已推迟")
    return _("待办已改期") if _was_moved(notification, task, planned_for) else ""


def _was_moved(notification: Notification, task: Task, planned_for: Mapping[str, datetime]) -> bool:
    """Whether the task got another time after its reminder was turned into this message."""
    if notification.kind in ("task.overdue", "team.overdue"):
        return not task.is_overdue
    source, _colon, reminder_id = notification.key.partition(":")
    if source != "reminder" or notification.kind == "task.snooze":
        return False
    return reminder_id in planned_for and planned_for[reminder_id] not in rings_at(task)


def catch_up(notifications: Sequence[Notification]) -> None:
    """Have cards that were just accepted show what happened to their tasks while they were on their way."""
    cards = [one for one in notifications if one.kind in CARD_KINDS and one.message.get("buttons")]
    tasks = _tasks_of(cards)
    for notification in cards:
        task = tasks.get(notification.subject_id or "")
        if task is not None and (text := _state_text(notification, task)):
            refresh_card(notification, text)


def _tasks_of(notifications: Sequence[Notification]) -> dict[str, Task]:
    """The tasks that messages speak of, as they are now."""
    task_ids = {task_id for one in notifications for task_id in (one.subject_id, *one.task_ids) if task_id}
    statement = sa.select(Task).where(Task.id.in_(task_ids)).execution_options(populate_existing=True)
    return {task.id: task for task in rows(statement)} if task_ids else {}


def _state_text(notification: Notification, task: Task) -> str:
    """What the reader's card shows in place of its buttons; empty while the task is simply open."""
    if task.is_open and not task.snoozed_until:
        return ""
    reader = member(notification.recipient_id)
    if reader is None:
        return ""
    with in_language_of(reader):
        return task_state(task, who=names([task.done_by]).get(task.done_by or "", ""))


def _tasks(task_ids: list[str]) -> list[Task]:
    return list(rows(sa.select(Task).where(Task.id.in_(sorted(set(task_ids)))))) if task_ids else []


def _remind(ringing: Sequence[tuple[Task, Reminder]]) -> None:
    """Tell people of their tasks, all with as few statements as one."""
    readers = members(task.assignee_id for task, _reminder in ringing)
    customers = names_of([task.customer_id for task, _reminder in ringing])
    told = []
    for task, reminder in ringing:
        reader = readers.get(task.assignee_id)
        if reader is None:
            continue
        with in_language_of(reader):
            card = task_card(task, kind=reminder.kind, reader=reader, customers=customers)
        key = f"reminder:{reminder.id}"
        told.append(Telling(reader, f"task.{reminder.kind}", card, key, task.id, [task.id], chosen=True))
    tell_all(told)


def _bundle(reader_id: str, tasks: list[Task], *, is_team: bool) -> None:
    reader = member(reader_id)
    if reader is None:
        return
    if is_team:
        bundle_of_team(reader, tasks)
        return
    with in_language_of(reader):
        card = task_card(tasks[0], kind="due", reader=reader) if len(tasks) == 1 else bundle_card(tasks)
    kind = "task.due" if len(tasks) == 1 else "task.bundle"
    tell(
        reader,
        kind,
        card,
        key=f"late:{reader_id}:{clock.now():%Y%m%d%H%M%S%f}",
        subject_id=tasks[0].id if len(tasks) == 1 else None,
        task_ids=[task.id for task in tasks],
        chosen=True,
    )


@dataclass(frozen=True)
class Press:
    """What became of a pressed button: the message whose card it is, and whether the press did anything."""

    notification: Notification
    counted: bool


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what a card's button says, once, for the assignee only; returns None for a card that is not ours.

    Pressed by somebody else, twice, or after the task was finished elsewhere: nothing changes, and the card shows the
    present state.
    """
    notification = notification_with_card(card)
    task = first(sa.select(Task).where(Task.id == notification.subject_id)) if notification else None
    if notification is None or task is None or notification.kind not in TASK_KINDS:
        return None
    presser = member_by_userid(userid, fold=fold)
    counted = False
    if presser and presser.is_active and presser.id == task.assignee_id:
        counted = _act(task, action, presser)
    if counted:
        mark_acted(notification)
        suppress_planned(task.id, _("待办已处理"), kinds=CARD_KINDS)
    _show_present_state(notification, task)
    return Press(notification, counted)


def _act(task: Task, action: str, presser: Member) -> bool:
    try:
        if action == "done":
            return complete_task(task, actor=presser)
        if action.startswith("snooze_") and not (task.snoozed_until and task.snoozed_until > clock.now()):
            return snooze_task(task, snooze_moment(action), actor=presser)
    except Problem:
        return False
    return False


def _show_present_state(notification: Notification, task: Task) -> None:
    set_shown(notification, _state_text(notification, task))


def refresh_task_cards(task: Task) -> None:
    """Have every card that speaks of a task show its present state: finished in the app, the buttons go from the chat.

    Messages that have not gone out are stopped when the task is no longer open.
    """
    if not task.is_open:
        suppress_planned(task.id, _("待办已处理"), kinds=CARD_KINDS)
    for notification in rows(sa.select(Notification).where(Notification.subject_id == task.id)):
        if notification.kind in CARD_KINDS and (text := _state_text(notification, task)):
            refresh_card(notification, text)
    db.session.flush()
