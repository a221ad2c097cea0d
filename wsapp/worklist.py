"""What waits, what runs and what died in the outbox: for the console and the health check."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, leases, outbox
from wsapp.db import db
from wsapp.outbox import DEAD, DONE, READY, RUNNING, Outbox

STATES = (READY, RUNNING, DEAD, DONE)


@dataclass(frozen=True)
class Overview:
    """How much there is of each; `oldest_due` is the oldest row whose time has come and that nobody has begun."""

    waiting: int  # due, not begun
    planned: int  # due later
    running: int
    dead: int
    done_last_hour: int
    oldest_due: datetime | None

    @property
    def lag(self) -> timedelta:
        """How late the oldest due work is."""
        return max(timedelta(), clock.now() - self.oldest_due) if self.oldest_due else timedelta()


def overview(corp_id: int | None = None) -> Overview:
    """Return the numbers of one corp, or of the whole installation."""
    now = clock.now()

    def count(*conditions: Any) -> Any:
        return sa.select(sa.func.count()).select_from(Outbox).where(*conditions, *_of(corp_id)).scalar_subquery()

    oldest = sa.select(sa.func.min(Outbox.due_at)).where(Outbox.state == READY, Outbox.due_at <= now, *_of(corp_id))
    row = db.session.execute(
        sa.select(
            count(Outbox.state == READY, Outbox.due_at <= now),
            count(Outbox.state == READY, Outbox.due_at > now),
            count(Outbox.state == RUNNING),
            count(Outbox.state == DEAD),
            count(Outbox.state == DONE, Outbox.done_at > now - timedelta(hours=1)),
        )
    ).one()
    return Overview(*row, oldest_due=db.session.scalar(oldest))


def _of(corp_id: int | None) -> list[sa.ColumnElement[bool]]:
    return [] if corp_id is None else [Outbox.corp_id == corp_id]


def rows_in(state: str, *, corp_id: int | None = None, limit: int = 50) -> Sequence[Outbox]:
    """Return rows in a state: the next due first; of what ended, the last first. `error` says why, where it failed."""
    order: dict[str, tuple[Any, ...]] = {
        READY: (Outbox.due_at, Outbox.id),
        RUNNING: (Outbox.lease_until, Outbox.id),
    }
    statement = sa.select(Outbox).where(Outbox.state == state, *_of(corp_id))
    ordered = statement.order_by(*order.get(state, (Outbox.done_at.desc(), Outbox.id.desc())))
    return db.session.execute(ordered.limit(limit)).scalars().all()


def revive(outbox_id: int, *, corp_id: int | None = None) -> bool:
    """Put a dead row of the corp (None: of any) back in line; says whether there was such a row. The caller commits.

    A message that was given up is sent after all.
    """
    found = db.session.scalar(sa.select(Outbox.id).where(Outbox.id == outbox_id, *_of(corp_id)))
    return found is not None and leases.revive(outbox_id)


def lateness() -> timedelta:
    """Return how late the oldest due work is of what needs no host: a host's outage is not our illness."""
    due_at = outbox.next_due(lane=outbox.HOME)
    return max(timedelta(), clock.now() - due_at) if due_at else timedelta()


def counts() -> dict[str, int]:
    """Return how many rows are in each state."""
    statement = sa.select(Outbox.state, sa.func.count()).group_by(Outbox.state)
    return dict(db.session.execute(statement).all())
