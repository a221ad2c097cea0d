"""A day as a sentence names it, and why it is to be looked at again. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

# Why a moment is to be looked at again.
IMPOSSIBLE, PAST, WHICH, VAGUE, UNSURE = "impossible", "past", "which", "vague", "unsure"
BEFORE = "(?:(?:之|以)?前)?"


@dataclass(frozen=True)
class Day:
    """A day in a text; `day` None: no such day, or not said which. `at` where the very minute is told (半小时后)."""

    start: int
    end: int
    day: date | None = None
    doubt: str = ""
    others: tuple[date, ...] = ()
    period: str = ""
    at: datetime | None = None
    step: int = 0  # days after which its name means a day again: a bare weekday has 7
    is_past: bool = False  # its words say so: 昨天


Resolve = Callable[[re.Match[str], datetime], Day | None]
Rules = tuple[tuple[re.Pattern[str], Resolve], ...]


def a_day(day: date | None, doubt: str = "", *others: date) -> Day:
    """Return a day whose place in the text is still open; one that cannot be is IMPOSSIBLE."""
    return Day(0, 0, day, doubt if day is not None else doubt or IMPOSSIBLE, others)


def make(year: int, month: int, day: int) -> date | None:
    """Return a date, None when there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def months_later(day: date, months: int, wanted: int) -> date:
    """Return the day `wanted` of a month so many later, its last one where it is shorter."""
    at = day.year * 12 + day.month - 1 + months
    year, month = divmod(at, 12)
    for last in (wanted, 30, 29, 28):
        made = make(year, month + 1, min(wanted, last))
        if made is not None:
            return made
    raise AssertionError("every month has 28 days")
