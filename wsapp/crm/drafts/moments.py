"""When somebody means: Chinese day and time words inside a sentence, on the corp's own clock. Pure.

Words that the tables in `days` and `hours` do not know are left in the text. A moment that is not certain says why
(`doubt`), so that whoever fills a form with it can ask.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from wsapp.crm.drafts.day import PAST, VAGUE, WHICH, Day
from wsapp.crm.drafts.days import days_in
from wsapp.crm.drafts.hours import CLOCK, MORNING, NUMBER, PERIOD, PERIODS, Clock, clock_at

HALF_DAY = timedelta(hours=12)
# 每周五下午三点 is no moment.
EVERY = re.compile(
    rf"每个?(?:周|星期|礼拜|月|天|年|季度)[底初末]?(?:[一二三四五六日天、和]|[0-9]{{1,2}}[号日]|(?:{NUMBER})[号日])*(?:{PERIOD})?"
    rf"(?:(?:{NUMBER})点半?)?"
)
ALONE = (
    "早上",
    "上午",
    "中午",
    "下午",
    "傍晚",
    "晚上",
    "下班前",
    "下班之前",
)  # periods that mean today's by themselves


@dataclass(frozen=True)
class Found:
    """A moment in a text: aware, on the clock that was given; `start` and `end` are where its words stand.

    `is_day` says that no time of day was named: the moment is then at nine. `moment` None: no such moment, or not said
    which; `doubt` says why it is not certain (see `days`), `others` what else may be meant. `is_past`: its own words
    say that it is over (昨天). `clock` is where its time of day stands, if it has one.
    """

    moment: datetime | None
    is_day: bool
    start: int
    end: int
    doubt: str = ""
    others: tuple[datetime, ...] = ()
    is_past: bool = False
    clock: tuple[int, int] | None = None
    has_date: bool = True
    has_hour: bool = True
    period: str = ""


@dataclass(frozen=True)
class Certain(Found):
    """One with a moment."""

    moment: datetime


def find_moment(text: str, now: datetime) -> Certain | None:
    """Return the first moment that a text names, None when there is none. `now` is aware and local."""
    for one in find_moments(text, now):
        if one.moment is not None:
            return Certain(**vars(one))
    return None


def find_moments(text: str, now: datetime) -> list[Found]:
    """Return all moments that a text names, in order, also those that cannot be. `now` is aware and local."""
    text = EVERY.sub(lambda match: "□" * len(match.group()), text)
    days = list(_with_times(text, now))
    taken = [(one.start, one.end) for one in days]
    alone = [
        one for one in _clocks_alone(text, now) if all(one.end <= start or one.start >= end for start, end in taken)
    ]
    return _joined(sorted([*days, *alone], key=lambda one: one.start), text)


def _joined(found: list[Found], text: str) -> list[Found]:
    """Give a day its hour that is said later: 明天下午去他公司聊，大概四点."""
    joined: list[Found] = []
    for one in found:
        day = joined[-1] if joined else None
        if day is None or day.moment is None or one.has_date or day.has_hour or day.is_past or not one.has_hour:
            joined.append(one)
            continue
        clock = clock_at(text, one.start, period=day.period, alone=True)
        if clock is not None:
            moment = _at(day.moment.date(), clock, "", day.moment)
            joined[-1] = replace(day, moment=moment, is_day=False, has_hour=True)
    return joined


# --- a day, perhaps with a time -----------------------------------------------------------------------------------


def _with_times(text: str, now: datetime) -> Iterator[Found]:
    for day in days_in(text, now):
        if day.at is not None:
            yield Found(day.at, False, day.start, day.end, day.doubt)
            continue
        clock = clock_at(text, day.end, period=day.period)
        yield _together(day, clock, now)


def _together(day: Day, clock: Clock | None, now: datetime) -> Found:
    end = clock.end if clock else day.end
    where = (day.end, end) if clock else None
    if day.day is None:
        return Found(None, clock is None, day.start, end, day.doubt, is_past=day.is_past, clock=where)
    is_day = clock is None and not day.period
    moment = _at(day.day, clock, day.period, now)
    others = tuple(_at(other, clock, day.period, now) for other in day.others)
    doubt = day.doubt
    if day.step and moment <= now:  # a weekday that is today's, and over: the next one
        others = (moment,) if is_day else ()
        moment += timedelta(days=day.step)
    elif clock and clock.either and not day.is_past:
        doubt, others = doubt or WHICH, (*others, _other_half(moment))
    elif clock and clock.vague:
        doubt, others = doubt or VAGUE, (*others, moment + timedelta(hours=1))
    elif not day.is_past and not is_day and not doubt and moment <= now:
        doubt = PAST
    period = clock.period if clock else day.period
    has_hour = clock is not None and not clock.only_period
    return Found(moment, is_day, day.start, end, doubt, others, day.is_past, where, True, has_hour, period)


def _at(day: date, clock: Clock | None, period: str, now: datetime) -> datetime:
    hour, minute, days = (clock.hour, clock.minute, clock.days) if clock else (_hour(period), 0, 0)
    at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=now.tzinfo)
    return at + timedelta(days=days)


def _hour(period: str) -> int:
    return PERIODS[period][1] if period else MORNING


def _other_half(moment: datetime) -> datetime:
    return moment + HALF_DAY if moment.hour < 12 else moment - HALF_DAY


# --- a time alone -------------------------------------------------------------------------------------------------


def _clocks_alone(text: str, now: datetime) -> Iterator[Found]:
    """Times without a day: today's, or tomorrow's when that is over."""
    for match in CLOCK.finditer(text):
        if not match["hour"]:
            if match["period"] in ALONE:  # 下午再打: today's
                start, end = match.span("period")
                moment = _at(now.date(), None, match["period"], now)
                yield Found(moment, False, start, end, clock=(start, end), has_date=False, has_hour=False)
            continue
        start = match.start() + len(match["link"] or "")
        clock = clock_at(text, match.start(), alone=True)
        if clock is None or clock.end != match.end():
            continue
        moment = _at(now.date(), clock, "", now)
        doubt, others = (VAGUE if clock.vague else ""), tuple[datetime, ...]()
        if moment <= now:
            later = moment + HALF_DAY
            others = (later,) if not clock.period and not match["digits"] and later > now else ()
            doubt = WHICH if others else PAST
            moment += timedelta(days=1)
        elif clock.either:
            doubt, others = WHICH, (_other_half(moment),) if _other_half(moment) > now else ()
        where = (start, match.end())
        yield Found(moment, False, *where, doubt, others, clock=where, has_date=False)
