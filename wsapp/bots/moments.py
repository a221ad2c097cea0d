"""When somebody means: Chinese day and time words inside a sentence, on the corp's own clock.

A table of its own: the libraries that read Chinese dates look backwards by default, take 周五 for the last one, or
bring a language model along. Words that this table does not know are left in the text, and the card that asks for a
confirmation shows the moment that was understood.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

MORNING = 9  # the hour of a day that was named without one
AFTERNOON_UNTIL = 7  # "3 点" without a period is an afternoon's, "7 点" a morning's
PERIODS = {
    "凌晨": (0, 6),
    "清晨": (0, 7),
    "早上": (0, 8),
    "早晨": (0, 8),
    "早": (0, 8),
    "上午": (0, 9),
    "中午": (12, 12),
    "下午": (12, 14),
    "傍晚": (12, 18),
    "晚上": (12, 19),
    "夜里": (12, 21),
    "晚": (12, 19),
}  # period → (added to hours before twelve, the hour when none is named)
DAYS = {"大后天": 3, "后天": 2, "明天": 1, "明日": 1, "明儿": 1, "今天": 0, "今日": 0}
SHORT_DAYS = {"明早": (1, "早"), "明晚": (1, "晚"), "今早": (0, "早"), "今晚": (0, "晚")}
WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6, "末": 5}
DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}

NUMBER = "[0-9]{1,4}|[零〇一二两三四五六七八九十]{1,3}"
PERIOD = "|".join(PERIODS)
CLOCK = (
    rf"(?:的?\s*(?P<period>{PERIOD}))?\s*(?:(?P<hour>{NUMBER})\s*(?:[点时]\s*(?:(?P<half>半)|(?P<quarter>[一三])刻"
    rf"|(?P<minute>{NUMBER})\s*分?)?|[:：](?P<digits>[0-9]{{2}}))(?:整|钟)?)?"
)
AFTER = re.compile(
    rf"(?:(?P<half>半)|(?P<count>{NUMBER})\s*个?(?P<and>半)?)\s*个?\s*(?P<unit>分钟|小时|钟头|天|周|星期|礼拜|月)"
    r"\s*(?:以后|之后|后)"
)
DAY = re.compile(
    rf"(?:(?P<short>{'|'.join(SHORT_DAYS)})|(?P<named>{'|'.join(DAYS)})"
    r"|(?P<week>下下个?|下个?|这个?|本)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天末]|[1-7](?![0-9]))"
    r"|(?P<next_week>下个?)(?:周|星期|礼拜)"
    r"|(?P<iso>20[0-9]{2}[-/][0-9]{1,2}[-/][0-9]{1,2})(?![0-9])"
    rf"|(?:(?P<year>20[0-9]{{2}})\s*年\s*)?(?P<month>{NUMBER})\s*月\s*(?P<date>{NUMBER})(?:[日号]|(?![0-9]))"
    rf"|(?P<next_month>下个?月)?(?P<only>{NUMBER})[号日]|(?P<end>本?月底))"
)
TIME = re.compile(CLOCK)
MAX_COUNT = 400


@dataclass(frozen=True)
class Found:
    """A moment in a text: aware, on the clock that was given; `start` and `end` are where its words stand.

    `is_day` says that no time of day was named: the moment is then at nine.
    """

    moment: datetime
    is_day: bool
    start: int
    end: int


def find_moment(text: str, now: datetime) -> Found | None:
    """Return the first moment that a text names, None when there is none. `now` is aware and local."""
    found = [one for one in (_after(text, now), _day(text, now), _clock_alone(text, now)) if one is not None]
    return min(found, key=lambda one: (one.start, -one.end), default=None)


def number(text: str) -> int | None:
    """Return a number of up to two Chinese digits, or of Arabic ones; None when it is none."""
    if text.isdecimal() and text.isascii():
        return int(text)
    tens, ten, ones = text.partition("十")
    if any(char not in DIGITS for char in tens + ones) or len(tens) > 1 or len(ones) > 1:
        return None
    if not ten:
        return DIGITS[tens]
    return (DIGITS[tens] if tens else 1) * 10 + (DIGITS[ones] if ones else 0)


# --- so much later ------------------------------------------------------------------------------------------------


def _after(text: str, now: datetime) -> Found | None:
    match = AFTER.search(text)
    if match is None:
        return None
    count = 0.5 if match["half"] else number(match["count"])
    if count is None or count > MAX_COUNT:
        return None
    count += 0.5 if match["and"] else 0
    unit = match["unit"]
    if unit in ("分钟", "小时", "钟头"):
        later = timedelta(minutes=count) if unit == "分钟" else timedelta(hours=count)
        return Found((now + later).replace(second=0, microsecond=0), False, match.start(), match.end())
    days = {"天": 1, "月": 30}.get(unit, 7) * count
    return _at(text, match.start(), match.end(), now + timedelta(days=days), now)


# --- a day, perhaps with a time -----------------------------------------------------------------------------------


def _day(text: str, now: datetime) -> Found | None:
    for match in DAY.finditer(text):
        day, period = _which_day(match, now)
        if day is None:
            continue
        found = _at(text, match.start(), match.end(), day, now, period=period)
        if match["weekday"] and not match["week"] and found.moment <= now:
            found = Found(found.moment + timedelta(days=7), found.is_day, found.start, found.end)
        return found
    return None


def _which_day(match: re.Match[str], now: datetime) -> tuple[datetime | None, str]:
    if match["short"]:
        days, period = SHORT_DAYS[match["short"]]
        return now + timedelta(days=days), period
    if match["named"]:
        return now + timedelta(days=DAYS[match["named"]]), ""
    if match["weekday"]:
        return _weekday(match, now), ""
    if match["next_week"]:
        return now + timedelta(days=7 - now.weekday()), ""
    return _date(match, now), ""


def _weekday(match: re.Match[str], now: datetime) -> datetime:
    """本 and 下 count calendar weeks; a bare weekday is the next one, today included."""
    name = match["weekday"]
    weekday = int(name) - 1 if name.isdecimal() else WEEKDAYS[name]
    if match["week"]:
        weeks = match["week"].count("下")
        return now + timedelta(days=7 * weeks + weekday - now.weekday())
    return now + timedelta(days=(weekday - now.weekday()) % 7)


def _date(match: re.Match[str], now: datetime) -> datetime | None:
    """A date of the calendar; without a year or month the next one that is not before today."""
    if match["end"]:
        return (now.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    if match["only"]:
        day = number(match["only"])
        begin = _next_month(now) if match["next_month"] else now
        return _first_possible(begin, _next_month, lambda month: _with(month, month.year, month.month, day), now)
    if match["iso"]:
        return _with(now, *(int(part) for part in re.split("[-/]", match["iso"])))
    month, day = number(match["month"]), number(match["date"])
    if match["year"]:
        return _with(now, int(match["year"]), month, day)
    return _first_possible(now, _next_year, lambda year: _with(year, year.year, month, day), now)


def _first_possible(
    begin: datetime,
    following: Callable[[datetime], datetime],
    make: Callable[[datetime], datetime | None],
    now: datetime,
) -> datetime | None:
    """The first of a few months or years in which the date exists and is not over."""
    for _number in range(5):
        made = make(begin)
        if made is not None and made.date() >= now.date():
            return made
        begin = following(begin)
    return None


def _next_month(moment: datetime) -> datetime:
    return (moment.replace(day=28) + timedelta(days=4)).replace(day=1)


def _next_year(moment: datetime) -> datetime:
    return moment.replace(year=moment.year + 1, day=1)


def _with(moment: datetime, year: int, month: int | None, day: int | None) -> datetime | None:
    try:
        return moment.replace(year=year, month=month or 0, day=day or 0)
    except ValueError:
        return None


# --- the time of the day ------------------------------------------------------------------------------------------


def _at(text: str, start: int, end: int, day: datetime, now: datetime, *, period: str = "") -> Found:
    """The day with the time that follows its words, at nine when none follows."""
    match = TIME.match(text, end)
    named = bool(match and (match["hour"] or match["period"]))
    time = _time(match, period) if match and named else None
    if time is None:
        hour = PERIODS[period][1] if period else MORNING
        moment = day.replace(hour=hour, minute=0, second=0, microsecond=0)
        return Found(moment, not period, start, end)
    moment = day.replace(hour=time[0], minute=time[1], second=0, microsecond=0)
    return Found(moment, False, start, match.end() if match else end)


def _time(match: re.Match[str], period: str = "") -> tuple[int, int] | None:
    """Hour and minute of a time, None when there is no such time."""
    period = match["period"] or period
    added, usual = PERIODS.get(period, (0, MORNING))
    if match["hour"] is None:
        return usual, 0
    hour = number(match["hour"])
    minute = _minute(match)
    if hour is None or minute is None or minute > 59:
        return None
    if period:
        hour += added if hour < 12 and not (period == "中午" and hour == 11) else 0
        hour = 0 if period == "凌晨" and hour == 12 else hour
    elif hour < AFTERNOON_UNTIL and not match["digits"] and hour > 0:
        hour += 12
    return (hour, minute) if hour < 24 else None


def _minute(match: re.Match[str]) -> int | None:
    if match["half"]:
        return 30
    if match["quarter"]:
        return {"一": 15, "三": 45}[match["quarter"]]
    return number(match["minute"] or match["digits"] or "0")


def _clock_alone(text: str, now: datetime) -> Found | None:
    """A time without a day: today's, or tomorrow's when that is over."""
    for match in TIME.finditer(text):
        time = _time(match) if match["hour"] else None
        if time is None:
            continue
        moment = now.replace(hour=time[0], minute=time[1], second=0, microsecond=0)
        if moment <= now:
            moment += timedelta(days=1)
        return Found(moment, False, match.start(), match.end())
    return None
