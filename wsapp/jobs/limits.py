"""How much a host lets us send, kept to before it drops in silence.

The ledger itself is the counter: what was tried within the window is counted where it stands. So the count is exact
over a moving window, shared by all workers in every shape of deployment, and survives their death (a counter in memory
would be forgotten with a killed worker, and the host would drop what the next one sends; the hosts count over any 60
seconds, which counters by fixed windows exceed at their edges).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.notifications.models import PLANNED, SENDING, Notification
from wsapp.db import current_corp, db, is_postgresql
from wsapp.house import local_now

LOCK = 0x77730001  # of PostgreSQL's advisory locks: "we count in this corp"
MOST_WAIT = 3600.0
DAY = timedelta(days=1)
ON_THE_WAY = timedelta(minutes=5)  # so long at most from the mark that a message is tried to its answer


@dataclass
class _Window:
    """One limit: at most `most` tries within `length` (a day is the calendar's, as the hosts count it)."""

    name: str
    most: int
    length: timedelta

    def since(self, now: datetime) -> datetime:
        if self.length == DAY:
            return local_now().replace(hour=0, minute=0, second=0, microsecond=0)
        return now - self.length

    def until_free(self, oldest: datetime, now: datetime) -> float:
        start = self.since(now) if self.length == DAY else oldest
        return max(0.5, (start + self.length - now).total_seconds())


@dataclass
class _Shared:
    """How far a limit of the whole app is used up."""

    window: _Window
    count: int
    oldest: datetime


LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": DAY}


class Limits:
    """The limits of the current corp's app, counted for one batch of messages within its transaction."""

    def __init__(self, quota: Mapping[str, int], recipients: Sequence[str]) -> None:
        self.now = clock.now()
        if is_postgresql() and quota:
            # Two workers that count at the same time would both find room for the last one.
            db.session.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK, current_corp())))
        windows = [
            (name.partition("_")[0], _Window(name, most, LENGTHS[name.partition("_")[2]]))
            for name, most in quota.items()
            if most and name.partition("_")[2] in LENGTHS
        ]
        self.personal = [(window, self._count_people(window, recipients)) for who, window in windows if who == "person"]
        self.shared = [_Shared(window, *self._count_all(window)) for who, window in windows if who == "app"]

    def _count_people(self, window: _Window, recipients: Sequence[str]) -> dict[str, tuple[int, datetime]]:
        since = window.since(self.now)
        # A batch is marked as tried before the first of it is posted; the host counts from when the last has arrived.
        at = sa.func.coalesce(Notification.sent_at, Notification.tried_at)
        rows = db.session.execute(
            sa.select(Notification.recipient_id, sa.func.count(), sa.func.min(at))
            .where(
                Notification.recipient_id.in_(set(recipients)), Notification.tried_at > since - ON_THE_WAY, at > since
            )
            .group_by(Notification.recipient_id)
        ).all()
        return {recipient: (count, oldest or self.now) for recipient, count, oldest in rows}

    def _count_all(self, window: _Window) -> tuple[int, datetime]:
        count, oldest = db.session.execute(
            sa.select(sa.func.count(), sa.func.min(Notification.tried_at)).where(
                Notification.tried_at > window.since(self.now)
            )
        ).one()
        return count, oldest or self.now

    def take(self, message: Notification) -> tuple[float, str]:
        """Take one place for a message; returns (0, "") or how many seconds to wait and for which limit."""
        for window, counts in self.personal:
            count, oldest = counts.get(message.recipient_id, (0, self.now))
            if count >= window.most:
                return self._wait(window, oldest, message), window.name
        for shared in self.shared:
            if shared.count >= shared.window.most:
                return shared.window.until_free(shared.oldest, self.now), shared.window.name
        for _window, counts in self.personal:
            count, oldest = counts.get(message.recipient_id, (0, self.now))
            counts[message.recipient_id] = (count + 1, oldest)
        for shared in self.shared:
            shared.count += 1
        return 0, ""

    def _wait(self, window: _Window, oldest: datetime, message: Notification) -> float:
        """When there is room again, and further back by how many wait for the same person before this one.

        What has its place in the window, those of this very batch among it, waits no more.
        """
        before = db.session.scalar(
            sa.select(sa.func.count()).where(
                Notification.recipient_id == message.recipient_id,
                Notification.state.in_((PLANNED, SENDING)),
                Notification.due_at < message.due_at,
                sa.or_(Notification.tried_at.is_(None), Notification.tried_at <= window.since(self.now)),
            )
        )
        rounds = (before or 0) // window.most
        return min(MOST_WAIT, window.until_free(oldest, self.now) + rounds * window.length.total_seconds())
