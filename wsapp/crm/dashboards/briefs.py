"""Briefs (早间清单、晚间小结): one card a person and day, on working days, to whoever is there and has something."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp.crm.dashboards.cards import evening_card, morning_card
from wsapp.crm.dashboards.rounds import EVENING, MORNING
from wsapp.crm.dashboards.worklists import call_first, due_by_tonight, evenings, mornings
from wsapp.crm.notifications.actions import (
    Telling,
    mark_acted,
    notification_with_card,
    refresh_card,
    set_shown,
    tell_all,
)
from wsapp.crm.notifications.hours import after
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.preferences import wishes_of
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.absences import is_away
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.crm.org.workdays import first_workday
from wsapp.crm.pools.clocks import sees_clocks
from wsapp.crm.tasks.actions import change_task
from wsapp.crm.tasks.models import Task
from wsapp.db import db, first, rows
from wsapp.house import local, local_now
from wsapp.problems import Problem
from wsapp.texts import _

KINDS = {MORNING: "brief.morning", EVENING: "brief.evening"}
LOT = 50  # people in one transaction
MOST_MOVED = 200


def send_briefs(one: str, after_id: str = "") -> str:
    """Send a round, MORNING or EVENING, to some people, those behind the member `after_id`.

    Returns where to go on, "" when everybody was asked.
    """
    people = rows(sa.select(Member).where(Member.status == ACTIVE, Member.id > after_id).order_by(Member.id).limit(LOT))
    there = there_now(people)
    if one == MORNING:
        _send_mornings(there)
    else:
        _send_evenings(there)
    return people[-1].id if len(people) == LOT else ""


def there_now(people: Sequence[Member]) -> list[Member]:
    """Return those who are at work today, and whose quiet hours end today: a brief of yesterday helps nobody."""
    now = local_now()
    wishes = wishes_of([one.id for one in people]) if people else {}
    here = [one for one in people if not is_away(one.id, now.date())]
    return [one for one in here if local(after(wishes[one.id].quiet, now)).date() == now.date()]


def _send_mornings(people: Sequence[Member]) -> None:
    found = mornings([one.id for one in people])
    told = []
    for reader in people:
        mine = found.get(reader.id)
        if not mine:
            continue
        clocks = sees_clocks(reader)
        if not (clocks or mine.overdue or mine.due or mine.visits):
            continue
        with in_language_of(reader):
            card = morning_card(mine, call_first(reader, mine), clocks=clocks)
        tasks = [row.id for row in (*mine.overdue, *mine.visits, *mine.due)]
        told.append(Telling(reader, KINDS[MORNING], card, key_of(MORNING, reader), task_ids=tasks[:MOST_MOVED]))
    tell_all(told)


def _send_evenings(people: Sequence[Member]) -> None:
    found = evenings([one.id for one in people])
    told = []
    for reader in people:
        mine = found.get(reader.id)
        if not mine:
            continue
        with in_language_of(reader):
            card = evening_card(mine)
        tasks = [row.id for row in mine.left]
        told.append(Telling(reader, KINDS[EVENING], card, key_of(EVENING, reader), task_ids=tasks[:MOST_MOVED]))
    tell_all(told)


def key_of(one: str, reader: Member) -> str:
    """Return the key that makes today's card of a round to somebody one message."""
    return f"brief:{one}:{local_now().date()}:{reader.id}"


# --- the rest -----------------------------------------------------------------------------------------------------


def move_rest(actor: Member, only: Sequence[str] | None = None) -> tuple[int, datetime]:
    """Move what the actor has left today to the next working day, each at its own time of the day.

    `only`: of these tasks. Returns how many moved, and to which day. What somebody else changes at the same moment, or
    the actor may not change, stays.
    """
    day = first_workday(local_now().date() + timedelta(days=1))
    wanted = sa.select(Task).where(Task.assignee_id == actor.id, due_by_tonight())
    if only is not None:
        wanted = wanted.where(Task.id.in_(sorted(only)))
    moved = 0
    for task in rows(wanted.order_by(Task.due_at, Task.id).limit(MOST_MOVED)):
        due_at = local(task.due_at).replace(year=day.year, month=day.month, day=day.day)
        try:
            with db.session.begin_nested():
                change_task(task, {"due_at": due_at}, actor=actor)
        except Problem:
            continue
        moved += 1
    return moved, datetime.combine(day, datetime.min.time(), local_now().tzinfo)


def moved_text(moved: int, day: datetime) -> str:
    """Return what is said after `move_rest`."""
    if not moved:
        return _("没有需要挪动的待办")
    return _("已把 %(n)d 条挪到%(day)s", n=moved, day=_("%(month)d月%(day)d日", month=day.month, day=day.day))


def move_rest_of_today(actor: Member) -> str:
    """Move the rest from the page, have the evening's card show it, and return what is said."""
    moved, day = move_rest(actor)
    said = moved_text(moved, day)
    sent: Notification | None = first(sa.select(Notification).where(Notification.key == key_of(EVENING, actor)))
    if sent is not None and moved:
        mark_acted(sent)
        refresh_card(sent, said)
    return said


def press(card: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what the button of an evening's card says, once, for whom it was sent to; None for any other card."""
    notification = notification_with_card(card)
    if notification is None or notification.kind != KINDS[EVENING]:
        return None
    reader = member_by_userid(userid, fold=fold)
    if reader is None or not reader.is_active or reader.id != notification.recipient_id:
        return Press(notification, False)
    offered = {button["key"] for button in notification.message.get("buttons", ())}
    if notification.shown or action not in offered:
        return Press(notification, False)
    with in_language_of(reader):
        moved, day = move_rest(reader, notification.task_ids)
        set_shown(notification, moved_text(moved, day))
    mark_acted(notification)
    return Press(notification, bool(moved))
