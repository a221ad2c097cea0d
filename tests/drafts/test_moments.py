"""Words for moments, said at hundreds of moments: each means what the calendar says, or is doubted."""

import calendar
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from tests.drafts.sentences import HERE, SENTENCES
from wsapp.crm.drafts.moments import find_moments
from wsapp.crm.drafts.sentences import understand

DAY = timedelta(days=1)
NAMES = "一二三四五六日"


def monday(today: date) -> date:
    return today - today.weekday() * DAY


def last_of_month(day: date, later: int = 0) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + later, 12)
    return date(year, month + 1, calendar.monthrange(year, month + 1)[1])


def coming(weekday: int) -> Callable[[date], date]:
    return lambda today: today + ((weekday - today.weekday()) % 7 or 7) * DAY


def in_week(weeks: int, weekday: int) -> Callable[[date], date]:
    return lambda today: monday(today) + (7 * weeks + weekday) * DAY


DAYS: dict[str, Callable[[date], date]] = {
    "明天": lambda today: today + DAY,
    "后天": lambda today: today + 2 * DAY,
    "大后天": lambda today: today + 3 * DAY,
    "三天后": lambda today: today + 3 * DAY,
    "两周后": lambda today: today + 14 * DAY,
    "十天之内": lambda today: today + 10 * DAY,
    "月底前": last_of_month,
    "下个月底": lambda today: last_of_month(today, 1),
    "下个月5号": lambda today: last_of_month(today) + 5 * DAY,
    "年底": lambda today: date(today.year, 12, 31),
    "明年3月8号": lambda today: date(today.year + 1, 3, 8),
    **{f"周{name}": coming(n) for n, name in enumerate(NAMES)},
    **{f"礼拜{name}": coming(n) for n, name in enumerate(NAMES)},
    **{f"下周{name}": in_week(1, n) for n, name in enumerate(NAMES)},
    **{f"下下星期{name}": in_week(2, n) for n, name in enumerate(NAMES)},
    **{f"这周{name}": in_week(0, n) for n, name in enumerate(NAMES)},
}
TIMES = {
    "": None,
    "上午": (9, 0),
    "下午三点": (15, 0),
    "下午三点半": (15, 30),
    "早上八点一刻": (8, 15),
    "晚上七点四十五": (19, 45),
    "14:30": (14, 30),
    "十点半": (10, 30),
}


def moments() -> list[datetime]:
    """Moments of two years, the ends of months and weeks among them."""
    chance = random.Random("moments")
    found = [
        datetime(2026, 1, 1, tzinfo=HERE) + timedelta(minutes=chance.randrange(730 * 24 * 60)) for _each in range(120)
    ]
    edges = ("2026-02-28T12:00", "2026-12-31T17:59", "2027-01-01T00:05", "2026-11-29T23:40", "2026-11-30T08:00")
    return [*found, *(datetime.fromisoformat(one).replace(tzinfo=HERE) for one in edges)]


@pytest.mark.parametrize("words", DAYS)
def test_a_day_is_the_calendars_or_doubted(words: str) -> None:
    doubted = asked = 0
    for now in moments():
        for time, clock in TIMES.items():
            (found,) = find_moments(f"{words}{time}回访", now)
            asked += 1
            if found.doubt or found.moment is None:
                doubted += 1
                assert found.doubt, (words, time, now)
                continue
            day = DAYS[words](now.date())
            hour, minute = clock or (9, 0)
            wanted = datetime(day.year, day.month, day.day, hour, minute, tzinfo=HERE)
            assert (found.moment, found.is_day) == (wanted, clock is None), (words, time, now)
            assert found.moment > now or found.is_day, (words, time, now)
    # Doubt is for the few days on which it is due: a week's day on that day, a passed day of this week, a Sunday.
    assert doubted <= asked * (0.95 if words.startswith("这周") else 0.3), (words, doubted, asked)


def test_hundreds_of_dates_are_right_or_doubted() -> None:
    """Every day of a month, said on random days: the next one, or doubted where this month's is over."""
    for now in moments():
        for number in range(1, 32):
            (found,) = find_moments(f"{number}号回访", now)
            inside = number <= last_of_month(now.date()).day
            if not found.doubt:
                assert inside, (number, now)
                assert found.moment == now.replace(day=number, hour=9, minute=0, second=0, microsecond=0), (number, now)
                assert number > now.day, (number, now)
            elif inside:
                assert number <= now.day, (number, now)


def test_a_plan_that_is_over_or_cannot_be_is_never_silent() -> None:
    """Whatever is filled in lies ahead, or the form asks."""
    for now in moments()[::4]:
        for said in SENTENCES:
            plan = understand(said.text, now).next
            silent = plan is not None and not plan.doubt
            if silent and plan is not None:
                assert plan.moment is not None, (said.text, now)
                assert plan.moment > now or plan.moment.date() >= now.date(), (said.text, now)
