"""Telling people: ledger rows with frozen content, in the same transaction as what they speak of."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.hours import Hours, after
from wsapp.crm.notifications.kinds import ON_WORKDAYS, SUMMARIES
from wsapp.crm.notifications.messages import Card, in_language_of, test_card
from wsapp.crm.notifications.models import (
    ACCEPTED,
    ACTED,
    DELIVERED,
    DIGEST,
    PLANNED,
    QUIET,
    READ,
    SUPPRESSED,
    Notification,
)
from wsapp.crm.notifications.preferences import Wishes, wishes_of
from wsapp.crm.org.models import Member
from wsapp.crm.org.workdays import first_workday
from wsapp.db import current_corp, db, dialect_insert, first, new_id
from wsapp.house import local, local_now
from wsapp.texts import _

MORNING, EVENING = time(8, 30), time(18)  # when the digests of a full day go out


@dataclass(frozen=True)
class Telling:
    """One message to one person, as `tell` takes it."""

    reader: Member
    kind: str
    card: Card
    key: str
    subject_id: str | None = None
    task_ids: Sequence[str] = ()
    chosen: bool = False


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

    `key` makes the occurrence unique: told twice, it is sent once. Within the quiet hours, and beyond so many a day, it
    waits and goes together with others (see `holding`), unless the person chose the minute (`chosen`). What the person
    switched off stands in the ledger and is not sent.
    """
    return tell_all([Telling(reader, kind, card, key, subject_id, task_ids, chosen)]) == 1


def tell_all(messages: Sequence[Telling]) -> int:
    """Tell several people, each as `tell` does; returns how many messages are new. As many statements as for one."""
    if not messages:
        return 0
    readers = {one.reader.id for one in messages}
    wishes, told = wishes_of(readers), _ToldToday(readers)
    rows = [_row_of(one, wishes[one.reader.id], told) for one in messages]
    fresh = _write_all(rows)
    new = [row for row in rows if row["id"] in fresh]
    for row in new:
        if row["held"]:
            enqueue_release(row["recipient_id"], row["due_at"])
    with outbox.together():
        for row in new:
            if row["state"] == PLANNED and not row["held"]:
                enqueue_send(row["id"], row["due_at"])
    return len(new)


def _row_of(one: Telling, wishes: Wishes, told: "_ToldToday") -> dict[str, Any]:
    """Return the ledger row of a message, planned for when it may go."""
    reason = why_never(one.reader, one.kind, wishes)
    due_at, held = clock.now(), ""
    if not reason and not one.chosen:
        due_at, held = hold_until(one.reader.id, wishes, one.kind, told)
        if not held and one.kind != DIGEST:
            told.add(one.reader.id)
    return _row(
        one.reader,
        one.kind,
        one.card,
        key=one.key,
        subject_id=one.subject_id,
        task_ids=list(one.task_ids),
        chosen=one.chosen,
        due_at=due_at,
        held=held,
        reason=reason or held_reason(held),
        state=SUPPRESSED if reason else PLANNED,
    )


def write(reader: Member, kind: str, card: Card, *, key: str, due_at: datetime) -> str | None:
    """Write a ledger row and return its id, None when the occurrence stands there already."""
    return next(iter(_write_all([_row(reader, kind, card, key=key, due_at=due_at)])), None)


def _row(reader: Member, kind: str, card: Card, **more: Any) -> dict[str, Any]:
    notification_id = new_id()
    return {
        "corp_id": current_corp(),
        "id": notification_id,
        "kind": kind,
        "recipient_id": reader.id,
        "subject_id": None,
        "task_ids": [],
        "card": f"n{notification_id}",
        "message": card,
        "channel": "",
        "state": PLANNED,
        "reason": "",
        "attempts": 0,
        "unknown": False,
        "host_code": "",
        "host_id": "",
        "handle": {},
        "shown": "",
        "chosen": False,
        "held": "",
        "created_at": clock.now(),
        **more,
    }


def _write_all(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Write ledger rows, each naming the same columns; returns the ids of those whose occurrence is new."""
    return set(db.session.execute(_insert(db.engine.dialect.name), list(rows)).scalars())


@lru_cache
def _insert(dialect: str) -> Any:
    table = sa.inspect(Notification).local_table
    statement = dialect_insert(table).on_conflict_do_nothing(index_elements=["corp_id", "key"])
    return statement.returning(table.c.id)


def enqueue_send(notification_id: str, due_at: datetime) -> None:
    """Put a message in line for sending, once."""
    outbox.enqueue("send", {"notification": notification_id}, key=send_key(notification_id), due_at=due_at)


def send_key(notification_id: str) -> str:
    """Return the key of the work that sends a message."""
    return f"send:{notification_id}"


def result_key(notification_id: str, attempts: int, number: int) -> str:
    """Return the key of the work that asks, for the first or second time, what became of the latest try."""
    return f"result:{notification_id}:{attempts}:{number}"


def enqueue_release(reader_id: str, due_at: datetime) -> None:
    """Have what is held back for a person looked at when its time has come."""
    key = f"messages.release:{reader_id}:{due_at.timestamp():.0f}"
    outbox.ensure("messages.release", {"member": reader_id}, key=key, due_at=due_at)


def send_test(reader: Member) -> str:
    """Send somebody the message by which they see whether messages reach them; returns its id."""
    now = clock.now()
    with in_language_of(reader):
        card = test_card(now)
    row = _row(reader, "test", card, key=f"test:{new_id()}", due_at=now, chosen=True)
    _write_all([row])
    enqueue_send(row["id"], now)
    return str(row["id"])


# --- whether, and when --------------------------------------------------------------------------------------------


def why_never(reader: Member | None, kind: str, wishes: Wishes) -> str:
    """Return why a kind of message is not to be sent to somebody at all, empty when it is."""
    if reader is None or not reader.is_active:
        return _("收件人已离职或停用")
    return "" if wishes.wants(kind) else _("这类消息已在通知设置里关闭")


def held_reason(held: str) -> str:
    """Return what the ledger says of a message that is held back."""
    return {QUIET: _("免打扰时段，结束后发送"), DIGEST: _("今天的消息较多，稍后合并发送")}.get(held, "")


def hold_until(reader_id: str, wishes: Wishes, kind: str, told: "_ToldToday | None" = None) -> tuple[datetime, str]:
    """Return when a message may go whose minute nobody chose, and what it waits for (QUIET, DIGEST, "": nothing).

    `told` counts for many readers at once.
    """
    now = clock.now()
    until, held = after(wishes.quiet, now), QUIET
    if until == now:
        held = ""
        told = told or _ToldToday([reader_id])
        if kind not in SUMMARIES and wishes.digest_after and told.of(reader_id) >= wishes.digest_after:
            until, held = after(wishes.quiet, _next_digest()), DIGEST
    if not waits_for_workday(kind, wishes):
        return until, held
    works = on_workday(until, wishes.quiet)
    return works, held or (QUIET if works > until else "")


def waits_for_workday(kind: str, wishes: Wishes) -> bool:
    """Say whether a kind of message whose minute nobody chose is kept from free days."""
    return kind in ON_WORKDAYS or wishes.quiet_days


def on_workday(moment: datetime, quiet: Hours | None) -> datetime:
    """Return `moment`, or the first morning of a working day after it, where it falls on a free day."""
    there = local(moment)
    day = first_workday(there.date())
    return moment if day == there.date() else after(quiet, datetime.combine(day, MORNING, there.tzinfo))


class _ToldToday:
    """How many messages whose minute nobody chose went to people since midnight, digests left aside.

    Counted when first asked for, for all of them.
    """

    def __init__(self, reader_ids: Collection[str]) -> None:
        self.reader_ids = reader_ids
        self.more: Counter[str] = Counter()

    def of(self, reader_id: str) -> int:
        return self._in_ledger.get(reader_id, 0) + self.more[reader_id]

    def add(self, reader_id: str) -> None:
        """Count a message that is about to be written."""
        self.more[reader_id] += 1

    @cached_property
    def _in_ledger(self) -> dict[str, int]:
        today = local_now().replace(hour=0, minute=0, second=0, microsecond=0)
        told = sa.select(Notification.recipient_id, sa.func.count()).where(
            Notification.recipient_id.in_(sorted(self.reader_ids)),
            Notification.due_at >= today,
            Notification.due_at <= clock.now(),
            Notification.chosen.is_(False),
            Notification.kind != DIGEST,
            Notification.state != SUPPRESSED,
        )
        return dict(db.session.execute(told.group_by(Notification.recipient_id)).all())


def _next_digest() -> datetime:
    there = local_now()
    evening = datetime.combine(there.date(), EVENING, there.tzinfo)
    return evening if evening > there else datetime.combine(there.date() + timedelta(days=1), MORNING, there.tzinfo)


# --- what becomes of it -------------------------------------------------------------------------------------------


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


def update_if_pressed(notification: Notification) -> None:
    """Have the card of a message that was just accepted show what a press said before its sending was written down.

    Until then nobody knew which card to update.
    """
    if notification.shown:
        outbox.enqueue("card.update", {"notification": notification.id, "state": notification.shown})


def may_take_back(notification: Any, *, within: float) -> bool:
    """Say whether it is not too late to take a message back: sent, not recalled, not older than `within` seconds."""
    sent = notification.state in (ACCEPTED, DELIVERED, READ, ACTED) and notification.sent_at and notification.host_id
    if not sent or notification.recalled_at:
        return False
    return (clock.now() - notification.sent_at).total_seconds() < within


def take_back(notification: Notification, *, actor: Member) -> None:
    """Have a sent message taken out of the chat again (after commit)."""
    record("message.recalled", notification, actor=actor, title=notification.message.get("title", ""))
    outbox.enqueue("message.recall", {"notification": notification.id}, key=f"recall:{notification.id}")


def as_data(notification: Notification) -> dict[str, Any]:
    """Return the neutral card of a message with the state that it shows now."""
    return {**notification.message, "card": notification.card, "state": notification.shown}
