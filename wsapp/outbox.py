"""The outbox (发件箱): any work after commit is a row here, enqueued in the caller's own transaction.

The row is the truth; whatever executes it (see `wsapp.jobs`) only borrows it (see `wsapp.leases`). A unique `key` makes
work happen once.

Work that talks to a host waits in a lane of its own, shared out between the corps: a slow host, or one corp with a
hundred thousand messages, holds up nobody else.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, Session, mapped_column

from wsapp import clock
from wsapp.db import (
    Base,
    BigId,
    Json,
    Moment,
    current_corp,
    db,
    dialect_insert,
    insert_unless_there,
    is_postgresql,
)

READY, RUNNING, DONE, DEAD = "ready", "running", "done", "dead"
HOME, HOST = "home", "host"
HOST_KINDS = frozenset(
    {
        "send",
        "send.result",
        "card.update",
        "doctor.card",
        "member.check",
        "members.check",
        "department.check",
        "directory.walk",
        "media.fetch",
        "group.post",
        "photo.send",
        "message.recall",
        "robot.reply",
        "mirror",
        "mirror.look",
        "mirror.forget",
        "draft.ask",
    }
)  # these talk to a host, or to another service


class Outbox(Base):
    """One piece of work: what (`kind`, `payload`), for which corp, when, and how far it is."""

    __tablename__ = "outbox"
    __table_args__ = (
        sa.Index("ix_outbox_due", "state", "due_at", "id"),
        sa.Index("ix_outbox_lease", "state", "lease_until"),
        sa.Index("ix_outbox_done", "state", "done_at", "id"),
        sa.Index("ix_outbox_corp", "corp_id", "lane", "state", "due_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    corp_id: Mapped[int | None] = mapped_column(sa.ForeignKey("corp.id"))
    kind: Mapped[str] = mapped_column(sa.String(40))
    lane: Mapped[str] = mapped_column(sa.String(6))
    key: Mapped[str] = mapped_column(sa.String(200), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    due_at: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[str] = mapped_column(sa.String(10), default=READY)
    attempts: Mapped[int] = mapped_column(default=0)  # tries that ended in an error
    crashes: Mapped[int] = mapped_column(default=0)  # times in a row that it was lent again because a lease ran out
    attempt_id: Mapped[str | None] = mapped_column(sa.String(32))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    error: Mapped[str | None] = mapped_column(sa.String(500))
    created_at: Mapped[datetime] = mapped_column(Moment)
    done_at: Mapped[datetime | None] = mapped_column(Moment)


# --- putting work in ----------------------------------------------------------------------------------------------


def enqueue(
    kind: str, payload: dict[str, Any], *, key: str | None = None, due_at: datetime | None = None, corp: bool = True
) -> bool:
    """Insert work in the caller's transaction, for the current corp (or for none with `corp=False`).

    Work whose `key` was ever enqueued is left alone: it happens once. Says whether the work is new.
    """
    now = clock.now()
    row = {
        "corp_id": current_corp() if corp else None,
        "kind": kind,
        "lane": HOST if kind in HOST_KINDS else HOME,
        "key": key or f"{kind}:{secrets.token_hex(12)}",
        "payload": payload,
        "due_at": due_at or now,
        "state": READY,
        "attempts": 0,
        "crashes": 0,
        "created_at": now,
    }
    info = db.session().info
    info["enqueued"] = True
    if (collected := info.get("collected")) is not None:
        collected.append(row)
        return True
    return insert_unless_there(Outbox, row)


@contextmanager
def together() -> Iterator[None]:
    """Write what is put in within the block in one statement at its end: for much work that is certainly new."""
    info = db.session().info
    collected: list[dict[str, Any]] = []
    info["collected"] = collected
    try:
        yield
    finally:
        del info["collected"]
    if collected:
        insert = dialect_insert(sa.inspect(Outbox).local_table).on_conflict_do_nothing()
        db.session.execute(insert, collected)


def ensure(kind: str, payload: dict[str, Any], *, key: str, due_at: datetime) -> None:
    """Have work with this key begin after the caller's commit: in line, or once more when it has begun already."""
    if enqueue(kind, payload, key=key, due_at=due_at):
        return
    state = sa.select(Outbox.state).where(Outbox.key == key)
    if is_postgresql():
        state = state.with_for_update(read=True)  # whoever claims skips it until the caller's rows can be seen
    if db.session.scalar(state) != READY:
        enqueue(kind, payload, due_at=due_at)


def is_waiting(key: str) -> bool:
    """Say whether work with this key is in line, and not begun."""
    return db.session.scalar(sa.select(Outbox.state).where(Outbox.key == key)) == READY


def waits_until(key: str) -> datetime | None:
    """Return when work with this key is due, None when it does not wait (it runs, is over, or was never put in)."""
    return db.session.scalar(sa.select(Outbox.due_at).where(Outbox.key == key, Outbox.state == READY))


_listeners: list[Callable[[], None]] = []


@contextmanager
def listening(wake: Callable[[], None]) -> Iterator[None]:
    """Call `wake` after each commit of this process that put work in: so that it starts without waiting for a look."""
    _listeners.append(wake)
    try:
        yield
    finally:
        _listeners.remove(wake)


@event.listens_for(Session, "after_commit")
def _tell_listeners(session: Session) -> None:
    if session.info.pop("enqueued", False):
        for wake in list(_listeners):
            wake()


@event.listens_for(Session, "after_rollback")
def _forget_enqueued(session: Session) -> None:
    session.info.pop("enqueued", None)


# --- upkeep -------------------------------------------------------------------------------------------------------


def next_due(*, lane: str | None = None) -> datetime | None:
    """Return when the next ready row is due (of one lane, where given), None when nothing waits."""
    statement = sa.select(sa.func.min(Outbox.due_at)).where(Outbox.state == READY)
    return db.session.scalar(statement if lane is None else statement.where(Outbox.lane == lane))


def prune(before: datetime, *, kinds: Sequence[str] = ()) -> int:
    """Delete finished rows (of some kinds, where given) that ended before `before`; returns how many.

    Dead rows stay for the console.
    """
    condition = sa.and_(Outbox.state == DONE, Outbox.done_at < before)
    if kinds:
        condition = sa.and_(condition, Outbox.kind.in_(list(kinds)))
    done = db.session.execute(sa.delete(Outbox).where(condition).execution_options(synchronize_session=False))
    return done.rowcount or 0  # type: ignore[attr-defined]
