"""Rounds: which brief or digest of a corp is due by the clock on the wall, and on which days."""

from datetime import date, datetime, time, timedelta

from wsapp.crm.dashboards.rules import NEVER
from wsapp.crm.org.rules import rule
from wsapp.crm.org.workdays import first_workday, is_workday

MORNING, EVENING, DAILY, WEEKLY = "morning", "evening", "daily", "weekly"
ROUNDS = (MORNING, EVENING, DAILY, WEEKLY)
STILL_WORTH = timedelta(hours=4)  # so late a round still comes after the product was down


def due_rounds(now: datetime) -> list[str]:
    """Return the rounds of the current corp whose time has come today and is not long past; none on a free day.

    `now` is aware, on the clock on the wall here.
    """
    if not is_workday(now.date()):
        return []
    return [one for one in ROUNDS if _is_due(one, now)]


def _is_due(one: str, now: datetime) -> bool:
    at = rule(f"brief.{one}")
    if at == NEVER or (one == WEEKLY and now.date() != first_of_week(now.date())):
        return False
    begins = datetime.combine(now.date(), time.fromisoformat(at), now.tzinfo)
    return begins <= now < begins + STILL_WORTH


def first_of_week(day: date) -> date:
    """Return the first working day on or after the Monday of a day's week."""
    return first_workday(day - timedelta(days=day.weekday()))
