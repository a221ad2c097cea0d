"""Repeating tasks (重复): when the next one is due, on the corp's clock and its calendar of working days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from dateutil import rrule

from wsapp.crm.org.workdays import first_workday, is_workday
from wsapp.house import local

FREQUENCIES = {"daily": rrule.DAILY, "weekly": rrule.WEEKLY, "monthly": rrule.MONTHLY}
LAST = -1  # as a day of a month
MOST_EVERY = 99
MOST_TIMES = 999
FARTHEST = timedelta(days=366 * 20)  # beyond that nothing comes any more: a rule whose days are all free
SHORTEST_MONTH = 28
SATURDAY = 5
TO_LOOK_AT = 31  # days of a series, to know on which weekdays it falls


@dataclass(frozen=True)
class Repeat:
    """How a task comes back: `kind` a key of FREQUENCIES, `every` so many of it; `days` weekdays (1 is Monday) or days
    of the month (-1: the last), empty the first task's own; `free` one of FREE_DAYS."""

    kind: str
    every: int = 1
    days: tuple[int, ...] = ()
    free: str = "keep"


def next_due(repeat: Repeat, after: datetime, first_due: datetime) -> datetime | None:
    """Return the next due time later than `after` of a series that began with `first_due`; None: there is none.

    Same time on the wall clock. A day that a month does not have is its last one.
    """
    first = local(first_due)
    for moment in _moments(repeat, first):
        if moment - after > FARTHEST:
            return None
        if moment <= first or (repeat.free == "skip" and not is_workday(moment.date())):
            continue
        if repeat.free == "move":
            day = first_workday(moment.date())
            moment = moment.replace(year=day.year, month=day.month, day=day.day)
        if moment > after:
            return moment
    return None


def has_only_weekends(repeat: Repeat, first_due: datetime) -> bool:
    """Say whether all days of a series that begins with `first_due` are Saturdays and Sundays."""
    return all(one.weekday() >= SATURDAY for one in islice(_moments(repeat, local(first_due)), TO_LOOK_AT))


def _moments(repeat: Repeat, first: datetime) -> Iterator[datetime]:
    """The series as the rule alone has it, in order, on the clock on the wall."""
    plain = first.replace(tzinfo=None)
    if repeat.kind == "monthly":
        days = sorted({_in_month(one) for one in repeat.days or (first.day,)})
        streams = [_monthly(plain, repeat.every, day) for day in days]
        yield from (one.replace(tzinfo=first.tzinfo) for one in _merged(streams))
        return
    weekdays = [one - 1 for one in repeat.days] if repeat.kind == "weekly" and repeat.days else None
    rule = rrule.rrule(FREQUENCIES[repeat.kind], dtstart=plain, interval=repeat.every, byweekday=weekdays)
    yield from (one.replace(tzinfo=first.tzinfo) for one in rule)


def _in_month(day: int) -> int:
    return 31 if day == LAST else day


def _monthly(plain: datetime, every: int, day: int) -> rrule.rrule:
    """One day of every so many months; where a month is too short, its last day."""
    days: Sequence[int] = range(SHORTEST_MONTH, day + 1) if day > SHORTEST_MONTH else (day,)
    begin = plain.replace(day=1)
    return rrule.rrule(rrule.MONTHLY, dtstart=begin, interval=every, bymonthday=tuple(days), bysetpos=-1)


def _merged(streams: Sequence[rrule.rrule]) -> Iterator[datetime]:
    merged = rrule.rruleset()
    for one in streams:
        merged.rrule(one)
    return iter(merged)
