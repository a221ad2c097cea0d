"""How much more a host takes of one app right now: what goes beyond is not borrowed at all, and waits in line.

Asked when work is shared out, for whole apps. What one person may get is counted message by message (see `limits`),
which also keeps the minute where two workers share out at the same time.
"""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock, hosts, logs
from wsapp.crm.notifications.models import SENDING, Notification
from wsapp.crm.org.models import Corp
from wsapp.db import Moment, corp_scope, db, first
from wsapp.jobs.limits import ON_THE_WAY
from wsapp.kept import Kept
from wsapp.outbox import HOST, RUNNING, Outbox

log = logs.get_logger()

LOOK = 60.0  # seconds: so long an edition that an administrator changed is not noticed
PLENTY = 1_000_000
WINDOWS = {"app_second": timedelta(seconds=1), "app_minute": timedelta(minutes=1)}

# Of what is done: when its answer was written down, for the host counts from when a call has arrived.
_DONE = Kept(
    sa.select(sa.func.count().label("count"))
    .select_from(Notification)
    .where(
        Notification.tried_at > sa.bindparam("earliest", type_=Moment),
        sa.func.coalesce(Notification.sent_at, Notification.tried_at) > sa.bindparam("since", type_=Moment),
        Notification.state != SENDING,
    )
)


class Rates:
    """What each corp's host takes, looked up now and then."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[float, dict[str, int]]] = {}

    def room(self, corp_id: int) -> int:
        """Return how many more calls the host of a corp takes for its app, in the caller's transaction.

        What was done within each window counts, by the ledger, and all that any worker has borrowed.
        """
        limits = self._of(corp_id)
        if not limits:
            return PLENTY
        now = clock.now()
        with corp_scope(corp_id):
            done = {name: _done_within(WINDOWS[name], now) for name in limits}
        borrowed = sa.select(sa.func.count()).where(
            Outbox.corp_id == corp_id, Outbox.lane == HOST, Outbox.state == RUNNING
        )
        running = db.session.scalar(borrowed) or 0
        return max(0, min(most - done[name] for name, most in limits.items()) - running)

    def _of(self, corp_id: int) -> dict[str, int]:
        looked_at, found = self.known.get(corp_id, (-LOOK, {}))
        if time.monotonic() - looked_at > LOOK:
            found = {name: most for name, most in _quota(corp_id).items() if name in WINDOWS and most}
            self.known[corp_id] = (time.monotonic(), found)
        return found


def _done_within(window: timedelta, now: datetime) -> int:
    count: int = _DONE.first(since=now - window, earliest=now - window - ON_THE_WAY).count
    return count


def _quota(corp_id: int) -> Mapping[str, int]:
    corp: Corp | None = first(sa.select(Corp).where(Corp.id == corp_id))
    try:
        return hosts.lines().of(corp).quota() if corp is not None else {}
    except Exception as error:  # noqa: BLE001 - one corp's broken credentials must not hold up the others' work
        log.error("rates.no_line", corp=corp_id, error=type(error).__name__)
        return {}
