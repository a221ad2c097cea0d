"""Quiet hours (免打扰时段), from a minute to another on the clock on the wall, perhaps over midnight; quiet days."""

from datetime import datetime, time, timedelta

from wsapp.house import local
from wsapp.texts import _

Hours = tuple[time, time]


def hours_of(text: str) -> Hours | None:
    """Return the hours that "21:00-08:00" means, None for "" (none). Raises ValueError."""
    if not text:
        return None
    start, _dash, end = text.partition("-")
    hours = time.fromisoformat(start), time.fromisoformat(end)
    if hours[0] == hours[1]:
        raise ValueError("they end where they begin")
    return hours


def hours_text(hours: Hours | None) -> str:
    """Return hours as they are kept and shown: "21:00-08:00", "" for none."""
    return f"{hours[0]:%H:%M}-{hours[1]:%H:%M}" if hours else ""


def after(hours: Hours | None, moment: datetime) -> datetime:
    """Return `moment`, or the end of the quiet hours when it falls into them."""
    if hours is None:
        return moment
    start, end = hours
    there = local(moment)
    clock_time = there.time()
    overnight = start > end
    quiet = (clock_time >= start or clock_time < end) if overnight else start <= clock_time < end
    if not quiet:
        return moment
    ends = there.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    return ends if ends > there else ends + timedelta(days=1)


def typed_hours(choice: str, start: str, end: str) -> str | None:
    """Return quiet hours as kept from what a form posts: "own" with a start and an end, "off", anything else: as above.

    What is typed is not checked: `preferences.choose` does.
    """
    return f"{start}-{end}" if choice == "own" else "" if choice == "off" else None


def days_choices() -> list[tuple[str, str]]:
    """Return what one may choose for free days, as (value of a form, words)."""
    return [("on", days_text(True)), ("off", days_text(False))]


def days_text(quiet: bool) -> str:
    """Return in words what becomes of messages on free days."""
    return _("留到下一个工作日") if quiet else _("照常发送")


def days_typed(quiet: bool | None) -> str:
    """Return what a form shows of a choice for free days, "" for the level above."""
    return "" if quiet is None else "on" if quiet else "off"


def typed_days(choice: str) -> bool | None:
    """Return the choice for free days that a form posts: "on", "off", anything else: as above."""
    return {"on": True, "off": False}.get(choice)
