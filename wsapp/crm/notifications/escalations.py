"""What a leader does on a card of the overdue ladder: ask, set a new date, hand the task on. Each card counts once."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp.crm.notifications.actions import mark_acted, notification_with_card, set_shown
from wsapp.crm.notifications.ladder_cards import ASK, HAND_ON, MONDAY, TOMORROW
from wsapp.crm.notifications.messages import in_language_of, task_state, when
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member, member_by_userid, names
from wsapp.crm.org.workdays import first_workday
from wsapp.crm.tasks.actions import ask_about, assign_task, change_task
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import visible_tasks
from wsapp.db import db, first
from wsapp.house import local, local_now
from wsapp.problems import Problem
from wsapp.texts import _

KIND = "team.overdue"


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what a button of a leader's card says, once, for whom it was sent to; None for any other card."""
    notification = notification_with_card(card)
    if notification is None or notification.kind != KIND:
        return None
    leader = member_by_userid(userid, fold=fold)
    if leader is None or not leader.is_active or leader.id != notification.recipient_id:
        return Press(notification, False)
    with in_language_of(leader):
        return Press(notification, _press(notification, action, leader))


def _press(notification: Notification, action: str, leader: Member) -> bool:
    seen = (Task.id == notification.subject_id, visible_tasks(leader))
    task = first(sa.select(Task).where(*seen))
    if task is None:
        set_shown(notification, _("待办不存在或无权查看"))
        return False
    if not task.is_open:
        set_shown(notification, task_state(task, who=names([task.done_by]).get(task.done_by or "", "")))
        return False
    offered = {button["key"] for button in notification.message.get("buttons", ())}
    if notification.shown or action not in offered:
        return False
    try:
        with db.session.begin_nested():
            shown = _act(task, action, leader)
    except Problem as problem:
        set_shown(notification, problem.detail)
        return False
    set_shown(notification, shown)
    mark_acted(notification)
    return True


def _act(task: Task, action: str, leader: Member) -> str:
    """Do it, and return what stands on the card from then on. Raises a Problem."""
    if action == ASK:
        ask_about(task, actor=leader)
        return _("已催办 · %(time)s", time=f"{local_now():%H:%M}")
    if action.startswith(HAND_ON):
        taker = member(action.removeprefix(HAND_ON))
        assign_task(task, taker.id if taker else "", actor=leader)
        return _("已转给 %(name)s", name=taker.name if taker else "")
    due_at = _new_date(task, action)
    change_task(task, {"due_at": due_at}, actor=leader)
    return _("已改期到 %(time)s", time=when(due_at, all_day=task.all_day))


def _new_date(task: Task, action: str) -> datetime:
    """The next working day from tomorrow, or from next Monday, on at the task's own time of day."""
    today = local_now().date()
    days = {TOMORROW: 1, MONDAY: 7 - today.weekday()}[action]
    day = first_workday(today + timedelta(days=days))
    return local(task.due_at).replace(year=day.year, month=day.month, day=day.day)
