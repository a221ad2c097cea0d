"""Quiet hours (免打扰时段): from a minute to another on the clock on the wall here, perhaps over midnight."""

from datetime import datetime, time, timedelta

from wsapp.house import local

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
