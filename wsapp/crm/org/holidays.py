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
