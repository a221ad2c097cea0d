"""China's public holidays and the weekends that people work instead (法定节假日、调休).

Source: the State Council's yearly notices, as the package chinesecalendar carries them. A year whose notice is not out
yet has none; the next version of the package brings it.
"""

from datetime import date


def is_off(day: date) -> bool | None:
    """Say whether everybody is off on a day (True) or works in lieu of another (False); None: as any other week."""
    from chinese_calendar.constants import holidays, workdays  # not when a web process starts

    if day in holidays:
        return True
    return False if day in workdays else None


def newest_year() -> int:
    """Return the last year whose notice is known here. Of later ones only the weekends are."""
    from chinese_calendar.constants import holidays

    return max(day.year for day in holidays)


def days_off(name: str, year: int) -> list[date]:
    """Return the days off of a holiday (`name` as the package has it) in a year, in order; none while not announced."""
    from chinese_calendar.constants import holidays  # not when a web process starts

    # New Year's days off may begin in December: they are counted to the year that begins.
    own = {day for day, holiday in holidays.items() if holiday == name}
    return sorted(day for day in own if (day.year + (day.month == 12)) == year)
