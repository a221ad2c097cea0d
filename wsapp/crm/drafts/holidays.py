"""Days that are named by China's holidays: 国庆后第一个工作日, 节前, 春节. Pure.

Days off are what the State Council announced (`crm/org/holidays.py`); of a year whose notice is not out yet only the
dates that the law fixes are known, and whoever asks is told that they are not certain.
"""

from datetime import date, timedelta

from wsapp.crm.org.holidays import days_off, is_off

# What people say → name in the package chinesecalendar
NAMES = {
    "元旦": "New Year's Day",
    "春节": "Spring Festival",
    "过年": "Spring Festival",
    "清明": "Tomb-sweeping Day",
    "五一": "Labour Day",
    "劳动节": "Labour Day",
    "端午": "Dragon Boat Festival",
    "中秋": "Mid-autumn Festival",
    "国庆": "National Day",
    "十一": "National Day",
}
# First and last day as in 2026, of those whose date the law fixes (全国年节及纪念日放假办法): the best guess there is.
FIXED = {"New Year's Day": ((1, 1), (1, 3)), "Labour Day": ((5, 1), (5, 5)), "National Day": ((10, 1), (10, 7))}
MONTHS = {"Spring Festival": 2, "Tomb-sweeping Day": 4, "Dragon Boat Festival": 6, "Mid-autumn Festival": 9}


def works(day: date) -> bool:
    """Say whether people work on a day: weekdays but holidays, and the weekends worked in lieu."""
    off = is_off(day)
    return day.weekday() < 5 if off is None else not off


def working_day_after(day: date, count: int = 1) -> date:
    """Return the `count`-th working day behind a day."""
    while count > 0:
        day += timedelta(days=1)
        count -= works(day)
    return day


def working_day_before(day: date) -> date:
    """Return the last working day before a day."""
    day -= timedelta(days=1)
    while not works(day):
        day -= timedelta(days=1)
    return day


def coming(name: str, today: date) -> tuple[date, date, bool] | None:
    """Return first and last day off of the coming (or present) holiday, and whether that is certain; None: unknown."""
    wanted = NAMES[name]
    for year in (today.year, today.year + 1):
        off = days_off(wanted, year)
        if off and off[-1] >= today:
            return off[0], off[-1], True
        if off:
            continue
        if wanted in FIXED:
            (month, day), (last_month, last_day) = FIXED[wanted]
            if date(year, last_month, last_day) >= today:
                return date(year, month, day), date(year, last_month, last_day), False
        elif date(year, MONTHS[wanted], 28) >= today:
            return None
    return None
