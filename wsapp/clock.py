"""The one clock: `now()` for everything people see, `wall()` for leases and time-outs.

For the demo the product's time can be moved forward. The shift lives in a small file, so that all processes of one
installation agree; without `enable_control` no file is ever looked at.
"""

import fcntl
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from time import time as time_now
from zoneinfo import ZoneInfo

__all__ = [
    "UTC",
    "advance",
    "disable_control",
    "enable_control",
    "local",
    "now",
    "offset",
    "start_of_day",
    "today",
    "wall",
]


def wall() -> datetime:
    """Return the real time (aware, UTC), which nobody moves: for leases and time-outs."""
    return datetime.now(UTC)


def now() -> datetime:
    """Return the product's time (aware, UTC): the real time, plus the shift of the demo's clock where it is enabled."""
    return wall() + offset()


def offset() -> timedelta:
    """Return how far the product's time runs ahead of the real time."""
    return _control.shift() if _control else timedelta()


def local(moment: datetime, zone: str | tzinfo) -> datetime:
    """Return a moment on the clocks of a time zone."""
    return moment.astimezone(_zone(zone))


def today(zone: str | tzinfo) -> date:
    """Return the calendar day that it is now in a time zone."""
    return local(now(), zone).date()


def start_of_day(day: date, zone: str | tzinfo) -> datetime:
    """Return the first moment (aware, UTC) of a calendar day in a time zone."""
    return datetime.combine(day, time(), _zone(zone)).astimezone(UTC)


def _zone(zone: str | tzinfo) -> tzinfo:
    return ZoneInfo(zone) if isinstance(zone, str) else zone


# --- the demo's clock control -------------------------------------------------------------------------------------


SETTLED = 0.1  # seconds: far more than a tick of any file system


@dataclass
class _Control:
    """The shift in seconds, kept in a file that is replaced whole; read again only when the file is another one."""

    path: Path
    seen: tuple[int, int] | None = None
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def shift(self) -> timedelta:
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return timedelta()
        mark = (status.st_mtime_ns, status.st_ino)
        if mark != self.seen:
            with self.lock:
                self.seconds = float(self.path.read_text())
                # Two changes within one tick of the file system may look alike: a fresh file is read every time.
                is_settled = time_now() - status.st_mtime > SETTLED
                self.seen = mark if is_settled else None
        return timedelta(seconds=self.seconds)

    def advance(self, seconds: float) -> timedelta:
        with open(self.path.with_suffix(".lock"), "w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            total = self.shift().total_seconds() + seconds
            fresh = self.path.with_suffix(".new")
            fresh.write_text(repr(total))
            os.replace(fresh, self.path)
        return timedelta(seconds=total)


_control: _Control | None = None


def enable_control(path: Path) -> None:
    """Let the product's time be moved, with the shift kept at `path`; every process that shares it must say so."""
    global _control
    path.parent.mkdir(parents=True, exist_ok=True)
    _control = _Control(path)


def disable_control() -> None:
    """Go back to the real time; the file stays."""
    global _control
    _control = None


def advance(seconds: float) -> timedelta:
    """Move the product's time for all processes; returns the whole shift. Raises RuntimeError unless enabled."""
    if _control is None:
        raise RuntimeError("the clock cannot be moved: enable_control() was not called")
    return _control.advance(seconds)
