"""Telling people: ledger rows with frozen content, in the same transaction as what they speak of."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.notifications.messages import Card
from wsapp.crm.notifications.models import ACTED, PLANNED, SUPPRESSED, Notification
from wsapp.crm.org.models import Member
from wsapp.db import current_corp, db, dialect_insert, first, new_id
from wsapp.house import house, local
from wsapp.texts import _


def tell(
    reader: Member,
    kind: str,
    card: Card,
    *,
    key: str,
    subject_id: str | None = None,
    task_ids: Sequence[str] = (),
    chosen: bool = False,
) -> bool:
    """Put a message to one person into the ledger and in line for sending; says whether it is new.

    `key` makes the occurrence unique: told twice, it is sent once. Within the quiet hours it waits for their end,
    unless the person chose the minute (`chosen`).
    """
    now = clock.now()
    due_at = now if chosen else after_quiet_hours(now)
    notification_id = new_id()
    values = {
        "corp_id": current_corp(),
        "id": notification_id,
        "kind": kind,
        "key": key,
        "recipient_id": reader.id,
        "subject_id": subject_id,
        "task_ids": list(task_ids),
        "card": f"n{notification_id}",
        "message": card,
        "channel": "",
        "state": PLANNED if reader.is_active else SUPPRESSED,
        "reason": "" if reader.is_active else _("收件人已离职或停用"),
        "attempts": 0,
        "unknown": False,
        "host_code": "",
        "host_id": "",
        "handle": {},
        "shown": "",
        "due_at": due_at,
        "created_at": now,
    }
    statement = dialect_insert(Notification).values(**values).on_conflict_do_nothing(index_elements=["corp_id", "key"])
    done = db.session.execute(statement, execution_options={"stamped": True})
    if done.rowcount != 1:  # type: ignore[attr-defined]
        return False
    if reader.is_active:
        outbox.enqueue("send", {"notification": notification_id}, key=f"send:{notification_id}", due_at=due_at)
    return True


def after_quiet_hours(moment: datetime) -> datetime:
    """Return `moment`, or the end of the quiet hours when it falls into them."""
    hours = house().settings.notifications.quiet_hours
    if hours is None:
        return moment
    start, end = hours
    there = local(moment)
    clock_time = there.time()
    overnight = start > end
    quiet = (clock_time >= start or clock_time < end) if overnight else start <= clock_time < end
    if not quiet:
        return moment
    ends = there.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    return ends if ends > there else ends + timedelta(days=1)


def suppress_planned(subject_id: str, reason: str, *, kinds: Sequence[str]) -> None:
    """Stop messages about a subject that have not gone out yet (finished, cancelled or re-planned work)."""
    db.session.execute(
        sa.update(Notification)
        .where(
            Notification.subject_id == subject_id,
            Notification.state == PLANNED,
            Notification.attempts == 0,
            Notification.kind.in_(kinds),
        )
        .values(state=SUPPRESSED, reason=reason)
        .execution_options(synchronize_session=False)
    )


def notification_with_card(card: str) -> Notification | None:
    """Return the message whose card a host event names."""
    return first(sa.select(Notification).where(Notification.card == card))


def mark_acted(notification: Notification) -> None:
    """Note that somebody pressed a button of the card."""
    notification.advance(ACTED)


def set_shown(notification: Notification, state: str) -> bool:
    """Note what the card is to show; says whether that differs from before, that is, whether to update it."""
    if notification.shown == state:
        return False
    notification.shown = state[:200]
    return True


def refresh_card(notification: Notification, state: str) -> None:
    """Have the card at the host show `state` (after commit), unless it does already."""
    if notification.message.get("buttons") and notification.host_id and set_shown(notification, state):
        outbox.enqueue("card.update", {"notification": notification.id, "state": state})


def as_data(notification: Notification) -> dict[str, Any]:
    """Return the neutral card of a message with the state that it shows now."""
    return {**notification.message, "card": notification.card, "state": notification.shown}
