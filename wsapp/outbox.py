"""The outbox (发件箱): any work after commit is a row here, enqueued in the caller's own transaction.

The row is the truth; whatever executes it (see `wsapp.jobs`) only borrows it under a lease. A unique `key` makes work
happen once, a fresh attempt id fences off whoever lost its lease, and an expired lease hands the row out again.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp import clock
from wsapp.db import Base, BigId, Json, Moment, current_corp, database_now, db, dialect_insert, is_postgresql

LEASE = timedelta(seconds=60)
MAX_CRASHES = 3

READY, RUNNING, DONE, DEAD = "ready", "running", "done", "dead"


class Outbox(Base):
    """One piece of work: what (`kind`, `payload`), for which corp, when, and how far it is."""

    __tablename__ = "outbox"
    __table_args__ = (
        sa.Index("ix_outbox_due", "state", "due_at", "id"),
        sa.Index("ix_outbox_lease", "state", "lease_until"),
        sa.Index("ix_outbox_corp", "corp_id", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    corp_id: Mapped[int | None] = mapped_column(sa.ForeignKey("corp.id"))
    kind: Mapped[str] = mapped_column(sa.String(40))
    key: Mapped[str] = mapped_column(sa.String(200), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    due_at: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[str] = mapped_column(sa.String(10), default=READY)
    attempts: Mapped[int] = mapped_column(default=0)  # tries that ended in an error of the other side
    crashes: Mapped[int] = mapped_column(default=0)  # leases that ran out: the worker died or hung
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
    due_at: datetime


def enqueue(
    kind: str, payload: dict[str, Any], *, key: str | None = None, due_at: datetime | None = None, corp: bool = True
) -> None:
    """Insert work in the caller's transaction, for the current corp (or for none with `corp=False`).

    Work whose `key` was ever enqueued is left alone: it happens once.
    """
    now = clock.now()
    statement = dialect_insert(Outbox).values(
        corp_id=current_corp() if corp else None,
        kind=kind,
        key=key or f"{kind}:{secrets.token_hex(12)}",
        payload=payload,
        due_at=due_at or now,
        state=READY,
        attempts=0,
        crashes=0,
        created_at=now,
    )
    db.session.execute(statement.on_conflict_do_nothing(index_elements=["key"]))


def claim(limit: int, *, exclude_corps: Sequence[int] = ()) -> list[Claim]:
    """Borrow up to `limit` due rows, oldest first, and commit. Rows whose worker died come back after their lease.

    A row that took its worker down `MAX_CRASHES` times is parked instead.
    """
    now, leased_at = clock.now(), database_now()
    expired = sa.and_(Outbox.state == RUNNING, Outbox.lease_until < leased_at)
    due = sa.and_(Outbox.state == READY, Outbox.due_at <= now)
    free = sa.select(Outbox.id, Outbox.state, Outbox.crashes).where(sa.or_(due, expired))
    if exclude_corps:
        free = free.where(sa.or_(Outbox.corp_id.is_(None), Outbox.corp_id.not_in(exclude_corps)))
    free = free.order_by(Outbox.due_at, Outbox.id).limit(limit)
    if is_postgresql():
        free = free.with_for_update(skip_locked=True)
    found = db.session.execute(free).all()
    parked = [row.id for row in found if row.state == RUNNING and row.crashes + 1 >= MAX_CRASHES]
    taken = [row.id for row in found if row.id not in set(parked)]
    claims = _borrow(taken, leased_at) if taken else []
    if parked:
        _settle_many(parked, DEAD, "its worker died repeatedly")
    db.session.commit()
    return claims


def _borrow(ids: list[int], leased_at: datetime) -> list[Claim]:
    attempt_id = secrets.token_hex(16)
    statement = (
        sa.update(Outbox)
        .where(Outbox.id.in_(ids))
        .values(
            state=RUNNING,
            attempt_id=attempt_id,
            lease_until=leased_at + LEASE,
            crashes=Outbox.crashes + sa.case((Outbox.state == RUNNING, 1), else_=0),
        )
        .returning(Outbox.id, Outbox.kind, Outbox.corp_id, Outbox.payload, Outbox.attempts, Outbox.due_at)
        .execution_options(synchronize_session=False)
    )
    rows = db.session.execute(statement).all()
    return [
        Claim(row.id, attempt_id, row.kind, row.corp_id, row.payload, row.attempts, row.due_at)
        for row in sorted(rows, key=lambda row: (row.due_at, row.id))
    ]


def _settle_many(ids: list[int], state: str, error: str) -> None:
    db.session.execute(
        sa.update(Outbox)
        .where(Outbox.id.in_(ids))
        .values(state=state, error=error, lease_until=None, done_at=clock.now())
        .execution_options(synchronize_session=False)
    )


class LeaseLost(Exception):
    """Another attempt holds the row now: nothing of this one may be written."""


def _settle(claim_id: int, attempt_id: str, **values: Any) -> None:
    result = db.session.execute(
        sa.update(Outbox)
        .where(Outbox.id == claim_id, Outbox.attempt_id == attempt_id, Outbox.state == RUNNING)
        .values(lease_until=None, **values)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(claim_id)


def finish(claim: Claim) -> None:
    """Mark the work done in the current transaction, together with what it wrote. Raises LeaseLost."""
    _settle(claim.id, claim.attempt_id, state=DONE, done_at=clock.now(), error=None)


def retry(claim: Claim, after: float, error: str, *, counted: bool = True) -> None:
    """Give the row back, due in `after` seconds. `counted=False` for waits that are nobody's fault (quota)."""
    _settle(
        claim.id,
        claim.attempt_id,
        state=READY,
        due_at=clock.now() + timedelta(seconds=after),
        attempts=claim.attempts + (1 if counted else 0),
        error=error[:500],
    )


def bury(claim: Claim, error: str) -> None:
    """Give the work up: it stays visible in the console as dead."""
    _settle(claim.id, claim.attempt_id, state=DEAD, error=error[:500], done_at=clock.now())


def release(claims: Sequence[Claim]) -> None:
    """Give unstarted rows back at once (graceful stop). Rows that another attempt holds are left alone. Commits."""
    for one in claims:
        db.session.execute(
            sa.update(Outbox)
            .where(Outbox.id == one.id, Outbox.attempt_id == one.attempt_id, Outbox.state == RUNNING)
            .values(state=READY, lease_until=None)
            .execution_options(synchronize_session=False)
        )
    db.session.commit()


def renew(claim: Claim) -> None:
    """Extend the lease of running work and commit; raises LeaseLost when it is no longer ours."""
    result = db.session.execute(
        sa.update(Outbox)
        .where(Outbox.id == claim.id, Outbox.attempt_id == claim.attempt_id, Outbox.state == RUNNING)
        .values(lease_until=database_now() + LEASE)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if result.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(claim.id)


def revive(outbox_id: int) -> bool:
    """Put dead work back in line (the console's button); says whether there was such work."""
    result = db.session.execute(
        sa.update(Outbox)
        .where(Outbox.id == outbox_id, Outbox.state == DEAD)
        .values(state=READY, attempts=0, crashes=0, due_at=clock.now(), error=None, done_at=None)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount)  # type: ignore[attr-defined]


def counts() -> dict[str, int]:
    """Return how many rows are in each state."""
    statement = sa.select(Outbox.state, sa.func.count()).group_by(Outbox.state)
    return dict(db.session.execute(statement).tuples().all())


def next_due() -> datetime | None:
    """Return when the next ready row is due, None when nothing waits."""
    return db.session.scalar(sa.select(sa.func.min(Outbox.due_at)).where(Outbox.state == READY))


def prune(before: datetime) -> int:
    """Delete finished rows that ended before `before`; returns how many. Dead rows stay for the console."""
    result = db.session.execute(
        sa.delete(Outbox)
        .where(Outbox.state == DONE, Outbox.done_at < before)
        .execution_options(synchronize_session=False)
    )
    return result.rowcount or 0  # type: ignore[attr-defined]
