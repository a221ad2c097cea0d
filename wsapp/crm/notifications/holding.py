"""What is held back (by quiet hours, or after so many messages a day) goes out when its time has come: several together
as one message, a single one as it is."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.notifications.actions import (
    enqueue_release,
    enqueue_send,
    held_reason,
    hold_until,
    on_workday,
    waits_for_workday,
    why_never,
    write,
)
from wsapp.crm.notifications.hours import after
from wsapp.crm.notifications.kinds import SUMMARIES
from wsapp.crm.notifications.messages import digest_card, in_language_of
from wsapp.crm.notifications.models import DIGEST, PLANNED, QUIET, SUPPRESSED, Notification
from wsapp.crm.notifications.preferences import Wishes, wishes_of
from wsapp.crm.notifications.reminders import CARD_KINDS, unwanted
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.db import is_postgresql, rows
from wsapp.texts import _, speaking

OVERLOOKED = timedelta(days=7)


def release(member_id: str) -> None:
    """Send what was held back for a person until now, in the caller's transaction."""
    reader = member(member_id)
    due = _held(Notification.recipient_id == member_id, Notification.due_at <= clock.now())
    wishes = wishes_of([member_id])[member_id]
    reasons = unwanted(due)
    wanted = []
    for one in due:
        if reason := why_never(reader, one.kind, wishes) or reasons.get(one.id, ""):
            _suppress(one, reason)
        else:
            wanted.append(one)
    together = [one for one in wanted if _may_merge(one)]
    if reader and len(together) > 1:
        _merge(reader, together)
        wanted = [one for one in wanted if one not in together]
    for one in wanted:
        enqueue_send(one.id, one.due_at)


def _held(*conditions: sa.ColumnElement[bool]) -> Sequence[Notification]:
    """Held messages that nobody tried to send, oldest first, held against whoever finishes their task meanwhile."""
    statement = (
        sa.select(Notification)
        .where(
            Notification.state == PLANNED,
            Notification.held != "",
            Notification.attempts == 0,
            Notification.due_at > clock.now() - OVERLOOKED,
            *conditions,
        )
        .order_by(Notification.created_at, Notification.id)
        .execution_options(populate_existing=True)
    )
    found: Sequence[Notification] = rows(statement.with_for_update(key_share=True) if is_postgresql() else statement)
    return found


def _may_merge(one: Notification) -> bool:
    """Buttons are lost in a digest: those of tasks can be done without, for it leads to the tasks; others cannot."""
    return one.kind in CARD_KINDS or not (one.message.get("buttons") or one.kind in SUMMARIES)


def _suppress(one: Notification, reason: str) -> None:
    one.state, one.reason, one.settled_at = SUPPRESSED, reason, clock.now()


def _merge(reader: Member, together: Sequence[Notification]) -> None:
    quiet = all(one.held == QUIET for one in together)
    with in_language_of(reader):
        card = digest_card([one.message for one in together], quiet=quiet)
    digest_id = write(reader, DIGEST, card, key=f"digest:{together[0].id}", due_at=clock.now())
    if digest_id is None:  # these were merged before: whoever did it sends them
        return
    for one in together:
        _suppress(one, _("已合并到一条汇总消息"))
        one.merged_into = digest_id
    enqueue_send(digest_id, clock.now())


# --- when the rules change ----------------------------------------------------------------------------------------


def plan_anew(reader_id: str | None = None) -> None:
    """Plan what is held back anew after a change of preferences: one member's, or (None) the whole corp's."""
    waits = sa.and_(Notification.state == PLANNED, Notification.held != "", Notification.due_at > clock.now())
    readers = [reader_id] if reader_id else rows(sa.select(Notification.recipient_id).where(waits).distinct())
    wishes = wishes_of(readers)
    with speaking("zh"):  # the ledger keeps source strings, whoever changes the rules
        for reader in readers:
            for one in _held(Notification.recipient_id == reader, Notification.due_at > clock.now()):
                _plan_one(one, wishes[reader])


def _plan_one(one: Notification, wishes: Wishes) -> None:
    until, held = hold_until(one.recipient_id, wishes, one.kind)
    if until == one.due_at:
        return
    one.due_at = until
    if held:  # else it goes at once, and the ledger goes on saying that it was held
        one.held, one.reason = held, held_reason(held)
    enqueue_release(one.recipient_id, until)


def quiet_until(messages: Iterable[Notification]) -> dict[str, datetime]:
    """Return, by id, until when messages that are about to go out have to wait: it grew quiet meanwhile.

    Messages of a minute that a person chose go, and those that may have arrived: the host recognises a prompt repeat.
    """
    asked = [one for one in messages if not one.chosen and not one.unknown]
    wishes = wishes_of({one.recipient_id for one in asked}) if asked else {}
    now = clock.now()
    ends = {one.id: _may_go(one, wishes[one.recipient_id], now) for one in asked}
    return {notification_id: end for notification_id, end in ends.items() if end > now}


def _may_go(one: Notification, wishes: Wishes, now: datetime) -> datetime:
    quiet_ends = after(wishes.quiet, now)
    return on_workday(quiet_ends, wishes.quiet) if waits_for_workday(one.kind, wishes) else quiet_ends


def hold(one: Notification, until: datetime) -> None:
    """Hold a message back that was about to go out."""
    one.held, one.due_at, one.reason = QUIET, until, held_reason(QUIET)
    enqueue_release(one.recipient_id, until)


def switched_off(messages: Sequence[Notification]) -> dict[str, str]:
    """Return, by id, why messages that are about to go out are not wanted by their readers any more."""
    wishes = wishes_of({one.recipient_id for one in messages}) if messages else {}
    off = {one.id: _("这类消息已在通知设置里关闭") for one in messages if not wishes[one.recipient_id].wants(one.kind)}
    return off
