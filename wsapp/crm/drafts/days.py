"""Which day is meant: Chinese words for days, weeks, months and holidays. Pure.

A table of its own: JioNLP 1.5.31 (Apache-2.0, 218 MB) took 周五下午三点 of a Wednesday for the Friday of the week
after, and 月底前 and 国庆后第一个工作日 for nothing; dateparser 1.5.0 reads hardly any of them. What is not certain
carries a doubt, and where two days may be meant, the other one.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from wsapp.crm.drafts import holidays
from wsapp.crm.drafts.dates import DATES
from wsapp.crm.drafts.day import BEFORE, PAST, VAGUE, WHICH, Day, Rules, a_day, months_later
from wsapp.crm.drafts.hours import NUMBER
from wsapp.crm.drafts.numbers import small_number

NAMED = {
    "大后天": 3, "后天": 2, "明天": 1, "明日": 1, "明儿": 1, "今天": 0, "今日": 0, "今儿": 0,
    "昨天": -1, "昨日": -1, "昨儿": -1, "大前天": -3, "前天": -2,
}  # fmt: skip
SHORT = {"明早": (1, "早"), "明晚": (1, "晚"), "今早": (0, "早"), "今晚": (0, "晚"), "昨晚": (-1, "晚")}
WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6, "末": 5}
WEEKS = {"下下": 2, "下": 1, "上上": -2, "上": -1}
MAX_COUNT = 400
HOUR_UNITS = {"分钟": 1, "刻钟": 15, "小时": 60, "钟头": 60}
WEEK = "周|星期|礼拜"


def days_in(text: str, now: datetime) -> Iterator[Day]:
    """Yield the days that a text names, in order, the longest reading of each. `now` is aware and local."""
    found = [(match, resolve) for pattern, resolve in RULES for match in pattern.finditer(text)]
    found.sort(key=lambda one: (one[0].start(), -one[0].end()))
    at = 0
    for match, resolve in found:
        if match.start() < at:
            continue
        day = resolve(match, now)
        if day is not None:
            at = match.end()
            yield replace(day, start=match.start(), end=match.end())


# --- days, weeks --------------------------------------------------------------------------------------------------


def _named(match: re.Match[str], now: datetime) -> Day:
    days = NAMED[match.group()]
    return replace(a_day(now.date() + timedelta(days=days)), is_past=days < 0)


def _short(match: re.Match[str], now: datetime) -> Day:
    days, period = SHORT[match.group()]
    return replace(a_day(now.date() + timedelta(days=days)), period=period, is_past=days < 0)


def _weekday(match: re.Match[str], now: datetime) -> Day:
    """本 and 下 count calendar weeks; a bare weekday is the next one, today included. 周三四 may be either."""
    found = _one_weekday(match, now)
    second = found.day + timedelta(days=1) if match["second"] and found.day else None
    return found if second is None else replace(found, doubt=WHICH, others=(*found.others, second))


def _one_weekday(match: re.Match[str], now: datetime) -> Day:
    name = match["weekday"]
    weekday = int(name) - 1 if name.isdecimal() else WEEKDAYS[name]
    today, week = now.date(), timedelta(days=7)
    day = today + timedelta(days=weekday - today.weekday())
    prefix = (match["week"] or "").rstrip("个")
    if prefix in WEEKS:
        day += WEEKS[prefix] * week
        if prefix.startswith("上"):
            return replace(a_day(day), is_past=True)
        # On a Sunday 下周一 is tomorrow for some and in eight days for others.
        if prefix == "下" and today.weekday() == 6:
            return a_day(day, WHICH, day + week)
        return a_day(day, VAGUE, day + timedelta(days=1)) if name == "末" else a_day(day)
    if name == "末":
        day += week if day < today else timedelta()
        return a_day(day, VAGUE, day + timedelta(days=1))
    if prefix:  # 这周, 本周
        return a_day(day, PAST, day + week) if day < today else a_day(day)
    day = today + timedelta(days=(weekday - today.weekday()) % 7)
    return replace(a_day(day, WHICH, day + week) if day == today else a_day(day), step=7)


def _week(match: re.Match[str], now: datetime) -> Day:
    """下周, 下周初, 下周中: a week without its day."""
    monday = now.date() - timedelta(days=now.weekday())
    weeks = WEEKS.get(match["week"].rstrip("个"), 0)
    if weeks < 0:
        return replace(a_day(monday + timedelta(days=7 * weeks)), is_past=True)
    if not weeks:
        return Day(0, 0, None, VAGUE)
    day = monday + timedelta(days=7 * weeks + (2 if match["part"] == "中" else 0))
    return a_day(day, VAGUE)


def _after(match: re.Match[str], now: datetime) -> Day | None:
    """三天后, 两个半小时后, 两三天内, 五个工作日内: so much later."""
    text, vague = match["count"] or "", False
    count: float | None = 0.5 if match["half"] else small_number(text)
    if count is None and len(text) == 2 and text[0] not in "十零":
        count, vague = small_number(text[0]), True
    if count is None or count > MAX_COUNT:
        return None
    count += 0.5 if match["and"] else 0
    unit, today = match["unit"], now.date()
    if unit in HOUR_UNITS:
        at = (now + timedelta(minutes=count * HOUR_UNITS[unit])).replace(second=0, microsecond=0)
        return Day(0, 0, at.date(), VAGUE if vague else "", at=at)
    if unit == "工作日":
        return a_day(holidays.working_day_after(today, int(count)), VAGUE if vague else "")
    day = _later(today, count, unit)
    if not vague:
        return a_day(day)
    return a_day(day, VAGUE, _later(today, count + 1, unit))


def _later(day: date, count: float, unit: str) -> date:
    if unit == "月":
        return months_later(day, int(count), day.day) + timedelta(days=15 if count % 1 else 0)
    if unit == "年":
        return months_later(day, int(count * 12), day.day)
    return day + timedelta(days=round(count * (1 if unit in ("天", "日") else 7)))


def _unsaid(match: re.Match[str], now: datetime) -> Day:
    """过几天, 改天: some day."""
    return Day(0, 0, now.date() + timedelta(days=2) if match.group().startswith("过两") else None, VAGUE)


_COUNT = rf"(?:(?P<half>半)|(?P<count>{NUMBER})\s*个?(?P<and>半)?)\s*个?\s*"
_UNIT = "(?P<unit>分钟|刻钟|小时|钟头|工作日|天|日|周|星期|礼拜|月|年)"
RULES: Rules = (
    (re.compile("|".join(sorted(NAMED, key=len, reverse=True))), _named),
    (re.compile("|".join(SHORT)), _short),
    (
        re.compile(
            rf"(?<![一两])(?P<week>下下个?|下个?|上上个?|上个?|这个?|本)?(?:{WEEK})"
            rf"(?P<weekday>[一二三四五六日天末]|[1-7](?![0-9]))(?P<second>[、到至]?[一二三四五六日](?![点号月天十个百万千刻]))?{BEFORE}"
        ),
        _weekday,
    ),
    (
        re.compile(rf"(?P<week>下下个?|下个?|上个?|这个?|本)(?:{WEEK})(?P<part>[初中]?)(?![一二三四五六日天末1-7])"),
        _week,
    ),
    (re.compile(rf"(?:再?过\s*)?{_COUNT}{_UNIT}\s*(?:以后|之后|过后|后|之内|以内|内)"), _after),
    (re.compile(rf"再?过(?!两天){_COUNT}{_UNIT}"), _after),
    (re.compile("再?过(?:几|两)天|改天|改日|过一?阵子?|过一?段时间|(?:这|近)(?:两|几)天之?内"), _unsaid),
    (re.compile("隔天|次日|第二天|节[前后]|放假[前后]|(?:周|月|季度)内"), _unsaid),
    *DATES,
)
