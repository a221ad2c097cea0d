"""How long things take: leases, back-off, pauses. One place, so that tests can compress time without other code."""

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

HOURS_72 = 72 * 3600


@dataclass(frozen=True)
class Pace:
    """Durations in seconds.

    A failed row waits by `backoff` (the last one again and again), at most `max_tries` times: 72 hours in all. A row
    that fails by a mistake of ours is dead after `max_bugs` tries.
    """

    lease: float = 60
    beat: float = 15  # leases of running work are renewed this often
    poll: float = 0.5  # how soon work of another process is seen
    backoff: tuple[float, ...] = (5, 30, 120, 300, 900, 1800)
    jitter: float = 0.2
    max_tries: int = 148
    max_bugs: int = 8
    crash_pause: float = 300
    host_pause: float = 30  # a corp whose host fails again and again is left alone, then probed
    credentials_pause: float = 60
    slow_batch: float = 3  # a batch of messages that takes longer hands the rest back
    results: tuple[float, ...] = (10, 300)  # when a host is asked what became of a message
    stop: float = 25  # work under way at a stop has this long
    haste: float = 1  # waits that a host asks for are this many times shorter (only where time is compressed)

    @property
    def lease_time(self) -> timedelta:
        return timedelta(seconds=self.lease)

    @property
    def crash_rest(self) -> timedelta:
        return timedelta(seconds=self.crash_pause)

    def delay(self, attempts: int, after: float | None = None) -> float:
        """Return the seconds until the next try after `attempts` earlier failures, ±20 %, never before `after`."""
        step = self.backoff[min(attempts, len(self.backoff) - 1)]
        spread = step * random.uniform(1 - self.jitter, 1 + self.jitter)
        return max(spread, after or 0)

    def wait(self, seconds: float) -> float:
        """Return how long to wait when a host asks for `seconds`."""
        return seconds / self.haste

    def compressed(self, factor: float, **changes: float) -> Self:
        """Return the same pace with back-off and pauses `factor` times shorter; `changes` sets the rest."""
        shorter = {name: getattr(self, name) / factor for name in ("crash_pause", "host_pause", "credentials_pause")}
        lists = {name: tuple(one / factor for one in getattr(self, name)) for name in ("backoff", "results")}
        return replace(self, **{"haste": factor, **shorter, **lists, **changes})


PACE = Pace()
