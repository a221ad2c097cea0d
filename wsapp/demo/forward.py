"""Moving the product's clock so that everything on the way happens at its time.

A long jump would be a long downtime: what fell due meanwhile would come late, as one bundle. So the clock stops where
reminders ring, and waits until they have gone out.
"""

import time
from datetime import datetime

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.tasks.models import PLANNED, Reminder
from wsapp.db import db, every_corp, reading
from wsapp.outbox import READY, RUNNING, Outbox

PATIENCE = 5.0  # seconds at one stop; then on, whatever is left
LOOK_EVERY = 0.1


def forward(target: datetime) -> None:
    """Move the clock on to `target`, with a stop for everything that rings before it."""
    while (now := clock.now()) < target:
        stop = _next_ring(now, target) or target
        clock.advance((stop - now).total_seconds())
        if stop < target:
            _wait_until_quiet()


def _next_ring(after: datetime, before: datetime) -> datetime | None:
    with every_corp(), reading():
        found: datetime | None = db.session.scalar(
            sa.select(sa.func.min(Reminder.fire_at)).where(
                Reminder.state == PLANNED, Reminder.fire_at > after, Reminder.fire_at <= before
            )
        )
        db.session.rollback()
    return found


def _wait_until_quiet() -> None:
    give_up = time.monotonic() + PATIENCE
    while _is_busy() and time.monotonic() < give_up:
        time.sleep(LOOK_EVERY)


def _is_busy() -> bool:
    """Whether background work is due or under way."""
    due = sa.and_(Outbox.state == READY, Outbox.due_at <= clock.now())
    with reading():
        found = db.session.scalar(sa.select(Outbox.id).where(sa.or_(due, Outbox.state == RUNNING)).limit(1))
        db.session.rollback()
    return found is not None
