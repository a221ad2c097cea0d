"""Borrowing rows of the outbox: who works on them, for how long, and how they are given back.

A fresh attempt id fences off whoever lost its lease, and an expired lease hands the row out again.
"""

import random
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.db import database_now, db, is_postgresql, reading
from wsapp.outbox import DEAD, DONE, HOME, HOST, READY, RUNNING, Outbox

LEASE = timedelta(seconds=60)
CRASH_PAUSE = timedelta(minutes=5)
MAX_CRASHES = 3

_corps = sa.table("corp", sa.column("id", sa.Integer))


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


def revive(outbox_id: int) -> bool:
    """Put dead work back in line (the console's button); says whether there was such work."""
    db.session().info["enqueued"] = True
    dead = sa.and_(Outbox.id == outbox_id, Outbox.state == DEAD)
    return _change(dead, state=READY, attempts=0, crashes=0, due_at=clock.now(), error=None, done_at=None) == 1
