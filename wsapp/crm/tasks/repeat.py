"""Repeating tasks: when the next one is due, on the corp's clock."""

import calendar
from datetime import datetime, timedelta

from wsapp.house import local


def next_due(due_at: datetime, repeat: str, after: datetime, first_due: datetime) -> datetime:
    """Return the next due time later than `after` of a series that runs `daily`, `weekly` or `monthly`.

    Same time on the wall clock. Monthly keeps the first task's day, or takes the month's last where it has fewer days.
    """
    moment = local(due_at)
    day = local(first_due).day
    while True:
        moment = _step(moment, repeat, day)
        if moment > after:
            return moment


def _step(moment: datetime, repeat: str, day: int) -> datetime:
    if repeat == "daily":
        return moment + timedelta(days=1)
    if repeat == "weekly":
        return moment + timedelta(days=7)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return moment.replace(year=year, month=month, day=min(day, calendar.monthrange(year, month)[1]))
