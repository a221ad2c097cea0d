"""The outbox (发件箱): any work after commit is a row here, enqueued in the caller's own transaction.

The row is the truth; whatever executes it (see `wsapp.jobs`) only borrows it under a lease. A unique `key` makes work
happen once, a fresh attempt id fences off whoever lost its lease, and an expired lease hands the row out again.

Work that talks to a host waits in a lane of its own, shared out between the corps: a slow host, or one corp with a
hundred thousand messages, holds up nobody else.
"""

import random
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    database_now,
    db,
    dialect_insert,
    insert_unless_there,
    is_postgresql,
    reading,
)

LEASE = timedelta(seconds=60)
CRASH_PAUSE = timedelta(minutes=5)
MAX_CRASHES = 3

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

_corps = sa.table("corp", sa.column("id", sa.Integer))


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


@dataclass(frozen=True)
class Claim:
    """A row borrowed by one attempt; only the holder of `attempt_id` may settle it."""

    id: int
    attempt_id: str
    kind: str
    corp_id: int | None
    payload: dict[str, Any]
    attempts: int
    crashes: int
    due_at: datetime


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


# --- borrowing ----------------------------------------------------------------------------------------------------

Room = Callable[[int | None], int]


class Turns:
    """Whose turn it is: corps that were not served yet, then those that were served longest ago."""

    def __init__(self) -> None:
        self.count = 0
        self.served: dict[tuple[str, int | None], int] = {}

    def order(self, corps: Sequence[int | None], lane: str) -> list[int | None]:
        """Return corps in their order; among equals, chance decides."""
        shuffled = random.sample(corps, len(corps))
        return sorted(shuffled, key=lambda corp_id: self.served.get((lane, corp_id), 0))

    def take(self, corp_id: int | None, lane: str) -> None:
        """Note that a corp was served."""
        self.count += 1
        self.served[lane, corp_id] = self.count


Lot = tuple[str, tuple[int, ...]]  # attempt id, ids of the rows that it borrowed together


def claim(
    limit: int,
    *,
    room: Room | None = None,
    suspects: int = 4,
    repeaters: int = 1,
    least: int = 1,
    turns: Turns | None = None,
    lease: timedelta = LEASE,
    crash_pause: timedelta = CRASH_PAUSE,
) -> list[Claim]:
    """Borrow up to `limit` rows, in fair shares by corp, and commit. A dead worker's rows come back after their lease.

    Where many corps wait, each that is served gets at least `least` rows, and the others are served next time, in the
    order of `turns`: rows that are worked on together cost a fraction of single ones. `room` says how many rows a corp
    may have of the lane that talks to hosts (None: as many as there are).

    Of rows whose lease ran out at most `suspects` are lent: any of them may be what their worker died of. When the
    worker dies again, they are lent singly (`repeaters`), each after a rest of `crash_pause`, so that a series of kills
    from outside is not held against them. Whoever gets a row with more than MAX_CRASHES is to park it.
    """
    leased_at = database_now()
    expired = _expired(min(suspects, limit), Outbox.crashes == 0, leased_at)
    expired += _expired(min(repeaters, limit - len(expired)), Outbox.crashes > 0, leased_at - crash_pause)
    ids = expired + _due(limit - len(expired), room, max(1, least), turns or Turns())
    claims = _borrow(ids, leased_at + lease) if ids else []
    db.session.commit()
    return claims


def _locked(statement: sa.Select[Any]) -> list[int]:
    if is_postgresql():
        statement = statement.with_for_update(skip_locked=True)
    return list(db.session.execute(statement).scalars())


def _expired(limit: int, which: sa.ColumnElement[bool], before: datetime) -> list[int]:
    if limit <= 0:
        return []
    expired = sa.select(Outbox.id).where(Outbox.state == RUNNING, Outbox.lease_until < before, which)
    return _locked(expired.order_by(Outbox.lease_until, Outbox.id).limit(limit))


def _due(limit: int, room: Room | None, least: int, turns: Turns) -> list[int]:
    """Ids of due rows: first what stays at home, then what goes to the hosts, each in equal shares by corp."""
    now = clock.now()
    lanes = _corps_with_due(now)

    def shares(lane: str, most: int, room: Room | None) -> list[int]:
        found: list[int] = []
        for index, corp_id in enumerate(turns.order(lanes[lane], lane)):
            left = most - len(found)
            share = min(left, max(least, left // (len(lanes[lane]) - index)))
            if room is not None and share > 0:
                share = min(share, room(corp_id))
            if share > 0:
                turns.take(corp_id, lane)
                found += _due_of(corp_id, lane, share, now)
        return found

    at_home = shares(HOME, limit // 2 if lanes[HOST] else limit, None)
    return at_home + shares(HOST, limit - len(at_home), room)


def _due_of(corp_id: int | None, lane: str, limit: int, now: datetime) -> list[int]:
    mine = Outbox.corp_id.is_(None) if corp_id is None else Outbox.corp_id == corp_id
    due = sa.select(Outbox.id).where(mine, Outbox.lane == lane, Outbox.state == READY, Outbox.due_at <= now)
    return _locked(due.order_by(Outbox.due_at, Outbox.id).limit(limit))


def _corps_with_due(now: datetime) -> dict[str, list[int | None]]:
    def waits(corp: Any, lane: str) -> sa.Exists:
        return sa.exists().where(corp, Outbox.lane == lane, Outbox.state == READY, Outbox.due_at <= now)

    lanes = {lane: waits(Outbox.corp_id == _corps.c.id, lane) for lane in (HOME, HOST)}
    columns = [condition.correlate(_corps).label(lane) for lane, condition in lanes.items()]
    rows = db.session.execute(sa.select(_corps.c.id, *columns)).mappings().all()
    found: dict[str, list[int | None]] = {lane: [row["id"] for row in rows if row[lane]] for lane in lanes}
    if db.session.scalar(sa.select(waits(Outbox.corp_id.is_(None), HOME))):
        found[HOME].append(None)
    return found


def _borrow(ids: list[int], lease_until: datetime) -> list[Claim]:
    attempt_id = secrets.token_hex(16)
    statement = (
        sa.update(Outbox)
        .where(Outbox.id.in_(ids))
        .values(
            state=RUNNING,
            attempt_id=attempt_id,
            lease_until=lease_until,
            crashes=Outbox.crashes + sa.case((Outbox.state == RUNNING, 1), else_=0),
        )
        .returning(*_CLAIMED)
        .execution_options(synchronize_session=False)
    )
    return _claims(db.session.execute(statement).all())


_CLAIMED = (
    Outbox.id,
    Outbox.attempt_id,
    Outbox.kind,
    Outbox.corp_id,
    Outbox.payload,
    Outbox.attempts,
    Outbox.crashes,
    Outbox.due_at,
)


def _claims(rows: Sequence[Any]) -> list[Claim]:
    return [Claim(*row) for row in sorted(rows, key=lambda row: (row.due_at, row.id))]


def anything_to_claim() -> bool:
    """Say whether a look is worth a write transaction: something is due, or a lease has run out."""
    due = sa.exists().where(Outbox.state == READY, Outbox.due_at <= clock.now())
    expired = sa.exists().where(Outbox.state == RUNNING, Outbox.lease_until < database_now())
    return bool(db.session.scalar(sa.select(sa.or_(due, expired))))


def start(ids: Sequence[int], attempt_id: str, *, lease: timedelta = LEASE) -> list[Claim]:
    """Begin borrowed work with a fresh lease, and commit.

    Returns the rows that are still ours; the others went to another attempt meanwhile.
    """
    statement = (
        sa.update(Outbox)
        .where(_ours(ids, attempt_id))
        .values(lease_until=database_now() + lease)
        .returning(*_CLAIMED)
        .execution_options(synchronize_session=False)
    )
    claims = _claims(db.session.execute(statement).all())
    db.session.commit()
    return claims


def ours(ids: Sequence[int], attempt_id: str) -> list[Claim]:
    """Return which of the borrowed rows are still ours, where somebody keeps their leases alive: a look, no write."""
    with reading():
        found = _claims(db.session.execute(sa.select(*_CLAIMED).where(_ours(ids, attempt_id))).all())
        db.session.rollback()
    return found


def renew(lots: Iterable[Lot], *, lease: timedelta = LEASE) -> int:
    """Extend the leases of work under way and commit; returns how many rows are still ours."""
    lease_until = database_now() + lease
    renewed = sum(_change(_ours(ids, attempt_id), lease_until=lease_until) for attempt_id, ids in lots)
    db.session.commit()
    return renewed


def _ours(ids: Sequence[int], attempt_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(Outbox.id.in_(list(ids)), Outbox.attempt_id == attempt_id, Outbox.state == RUNNING)


def _change(condition: sa.ColumnElement[bool], **values: Any) -> int:
    done = db.session.execute(
        sa.update(Outbox).where(condition).values(**values).execution_options(synchronize_session=False)
    )
    return done.rowcount or 0  # type: ignore[attr-defined]


def held(claims: Sequence[Claim]) -> list[Claim]:
    """Return those of the claims that are still ours, locked for the rest of the transaction."""
    if not claims:
        return []
    ours = sa.or_(*(_ours([one.id for one in lot], attempt_id) for attempt_id, lot in _by_attempt(claims).items()))
    statement = sa.select(Outbox.id, Outbox.attempt_id).where(ours).order_by(Outbox.id)
    if is_postgresql():
        statement = statement.with_for_update()
    found = {(row.id, row.attempt_id) for row in db.session.execute(statement)}
    return [one for one in claims if (one.id, one.attempt_id) in found]


def _by_attempt(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    lots: dict[str, list[Claim]] = {}
    for one in claims:
        lots.setdefault(one.attempt_id, []).append(one)
    return lots


def still_running(lot: Lot) -> bool:
    """Say whether any row of a lot is still borrowed by this attempt."""
    return bool(db.session.scalar(sa.select(sa.exists().where(_ours(lot[1], lot[0])))))


# --- giving back --------------------------------------------------------------------------------------------------


class LeaseLost(Exception):
    """Another attempt holds the row now: nothing of this one may be written."""


def _settle(claims: Sequence[Claim], **values: Any) -> None:
    for attempt_id, lot in _by_attempt(claims).items():
        ids = [one.id for one in lot]
        if _change(_ours(ids, attempt_id), lease_until=None, crashes=0, **values) != len(ids):
            raise LeaseLost(ids)


def finish(*claims: Claim, note: str | None = None) -> None:
    """Mark work done in the current transaction, together with what it wrote. Raises LeaseLost.

    `note` says in the console what became of it, where that is not plain.
    """
    _settle(claims, state=DONE, done_at=clock.now(), error=note[:500] if note else None)


def retry(claim: Claim, after: float, error: str, *, counted: bool = True) -> None:
    """Give the row back, due in `after` seconds. `counted=False` for waits that are nobody's fault (quota)."""
    _settle(
        [claim],
        state=READY,
        due_at=clock.now() + timedelta(seconds=after),
        attempts=claim.attempts + (1 if counted else 0),
        error=error[:500],
    )


def give_back(*claims: Claim) -> None:
    """Give rows back in the current transaction as they were: borrowed, and not worked on after all."""
    _settle(claims, state=READY)


def bury(claim: Claim, error: str) -> None:
    """Give the work up: it stays visible in the console as dead."""
    _settle([claim], state=DEAD, error=error[:500], done_at=clock.now())


def release(lots: Iterable[Lot]) -> int:
    """Give rows back at once, and commit; returns how many. Rows that another attempt holds are left alone."""
    released = sum(_change(_ours(ids, attempt_id), state=READY, lease_until=None) for attempt_id, ids in lots)
    db.session.commit()
    return released


# --- upkeep -------------------------------------------------------------------------------------------------------


def revive(outbox_id: int) -> bool:
    """Put dead work back in line (the console's button); says whether there was such work."""
    db.session().info["enqueued"] = True
    dead = sa.and_(Outbox.id == outbox_id, Outbox.state == DEAD)
    return _change(dead, state=READY, attempts=0, crashes=0, due_at=clock.now(), error=None, done_at=None) == 1


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
