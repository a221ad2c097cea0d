"""How many calls of a month each corp has used at its host, where the host sells them by the month.

Counted in memory and written every few calls, once a second at most, so that a call costs no write of its own; a
killed process forgets at most those. The host counts as well, and its count is the one that is billed: ours is there to
warn in time.
"""

import threading
import time
from collections import Counter

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp import logs
from wsapp.db import Base, db, dialect_insert, separate
from wsapp.house import local_now

log = logs.get_logger()

WRITE_AT = 20  # calls
WRITE_AFTER = 10.0  # seconds
NOT_WITHIN = 1.0  # seconds of the last time, however many calls there are
LOW, VERY_LOW = 70, 90  # per cent used


class HostUsage(Base):
    """Calls of one corp in one month ("2026-11", on the clock on the wall here) on one meter of its host."""

    __tablename__ = "host_usage"

    corp_id: Mapped[int] = mapped_column(sa.ForeignKey("corp.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[str] = mapped_column(sa.String(7), primary_key=True)
    meter: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    count: Mapped[int] = mapped_column(default=0)


def this_month() -> str:
    return f"{local_now():%Y-%m}"


class Usage:
    """The calls of this process that are not written down yet."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: Counter[tuple[int, str, str]] = Counter()
        self.written_at = time.monotonic()

    def add(self, corp_id: int, meter: str) -> None:
        """Count one call; writes when there are some. Call it outside of transactions."""
        with self.lock:
            self.counts[corp_id, this_month(), meter] += 1
            since = time.monotonic() - self.written_at
            due = since > WRITE_AFTER or (since > NOT_WITHIN and self.counts.total() >= WRITE_AT)
        if due:
            self.write()

    def write(self) -> None:
        """Write down what was counted. What the database does not take now is written later."""
        with self.lock:
            taken, self.counts = self.counts, Counter()
            self.written_at = time.monotonic()
        if not taken:
            return
        try:
            with separate() as connection:
                for (corp_id, month, meter), count in sorted(taken.items()):
                    insert = dialect_insert(HostUsage).values(corp_id=corp_id, month=month, meter=meter, count=count)
                    connection.execute(
                        insert.on_conflict_do_update(
                            index_elements=["corp_id", "month", "meter"],
                            set_={"count": HostUsage.count + insert.excluded.count},
                        )
                    )
        except sa.exc.OperationalError:
            log.warning("usage.unwritten", calls=taken.total())
            with self.lock:
                self.counts.update(taken)


def used(corp_id: int) -> dict[str, int]:
    """Return the calls of this month by meter, as written down so far."""
    wanted = sa.select(HostUsage.meter, HostUsage.count)
    found = db.session.execute(wanted.where(HostUsage.corp_id == corp_id, HostUsage.month == this_month()))
    return {meter: count for meter, count in found}  # noqa: C416 - a dict of rows is no dict of tuples


def percent(count: int, allowance: int) -> int:
    """Return how much of an allowance is used, in whole per cent; 0 where there is no limit."""
    return count * 100 // allowance if allowance else 0
