"""Which day is meant: Chinese words for days, weeks, months and holidays. Pure.

A table of its own: JioNLP 1.5.31 (Apache-2.0, 218 MB) took 周五下午三点 of a Wednesday for the Friday of the next week,
月底前 and 国庆后第一个工作日 for nothing; dateparser 1.5.0 looks backwards. What is not certain carries a doubt, and
where two days may be meant, the other one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from wsapp.crm.drafts import holidays
from wsapp.crm.drafts.hours import NUMBER
from wsapp.crm.drafts.numbers import small_number

# Why a moment is to be looked at again.
IMPOSSIBLE, PAST, WHICH, VAGUE, UNSURE = "impossible", "past", "which", "vague", "unsure"

NAMED = {
    "大后天": 3, "后天": 2, "明天": 1, "明日": 1, "明儿": 1, "今天": 0, "今日": 0, "今儿": 0,
    "昨天": -1, "昨日": -1, "昨儿": -1, "大前天": -3, "前天": -2,
}  # fmt: skip
SHORT = {"明早": (1, "早"), "明晚": (1, "晚"), "今早": (0, "早"), "今晚": (0, "晚"), "昨晚": (-1, "晚")}
WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6, "末": 5}
WEEKS = {"下下": 2, "下": 1, "上上": -2, "上": -1}
PARTS = {"初": 1, "上旬": 5, "中旬": 15, "中": 15, "下旬": 25}  # of a month
FEASTS = {
    "情人节": (2, 14), "妇女节": (3, 8), "儿童节": (6, 1), "六一": (6, 1), "教师节": (9, 10), "双十一": (11, 11),
    "双11": (11, 11), "双十二": (12, 12), "双12": (12, 12), "平安夜": (12, 24), "圣诞": (12, 25),
}  # fmt: skip
LATER_DAYS = 270  # a date so far ahead that lies close behind: 11月20号 on the 25th
MAX_COUNT = 400
HOUR_UNITS = {"分钟": 1, "刻钟": 15, "小时": 60, "钟头": 60}
WEEK = "周|星期|礼拜"
_NOT_A_DATE = "[楼线店仓机院门馆厂车间桌包位文样库井号会铺摊展台]"  # 3号楼


@dataclass(frozen=True)
class Day:
    """A day in a text; `day` None: no such day, or not said which. `at` where the very minute is told (半小时后)."""

    start: int
    end: int
    day: date | None = None
    doubt: str = ""
    others: tuple[date, ...] = ()
    period: str = ""
    at: datetime | None = None
    step: int = 0  # days after which its name means a day again: a bare weekday has 7
    is_past: bool = False  # its words say so: 昨天


Resolve = Callable[[re.Match[str], datetime], Day | None]


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


def _day(day: date | None, doubt: str = "", *others: date) -> Day:
    return Day(0, 0, day, doubt if day is not None else doubt or IMPOSSIBLE, others)


# --- days, weeks --------------------------------------------------------------------------------------------------


def _named(match: re.Match[str], now: datetime) -> Day:
    days = NAMED[match.group()]
    return replace(_day(now.date() + timedelta(days=days)), is_past=days < 0)


def _short(match: re.Match[str], now: datetime) -> Day:
    days, period = SHORT[match.group()]
    return replace(_day(now.date() + timedelta(days=days)), period=period, is_past=days < 0)


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
            return replace(_day(day), is_past=True)
        # On a Sunday 下周一 is tomorrow for some and in eight days for others.
        if prefix == "下" and today.weekday() == 6:
            return _day(day, WHICH, day + week)
        return _day(day, VAGUE, day + timedelta(days=1)) if name == "末" else _day(day)
    if name == "末":
        day += week if day < today else timedelta()
        return _day(day, VAGUE, day + timedelta(days=1))
    if prefix:  # 这周, 本周
        return _day(day, PAST, day + week) if day < today else _day(day)
    day = today + timedelta(days=(weekday - today.weekday()) % 7)
    return replace(_day(day, WHICH, day + week) if day == today else _day(day), step=7)


def _week(match: re.Match[str], now: datetime) -> Day:
    """下周, 下周初, 下周中: a week without its day."""
    monday = now.date() - timedelta(days=now.weekday())
    weeks = WEEKS.get(match["week"].rstrip("个"), 0)
    if weeks < 0:
        return replace(_day(monday + timedelta(days=7 * weeks)), is_past=True)
    if not weeks:
        return Day(0, 0, None, VAGUE)
    day = monday + timedelta(days=7 * weeks + (2 if match["part"] == "中" else 0))
    return _day(day, VAGUE)


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
        return _day(holidays.working_day_after(today, int(count)), VAGUE if vague else "")
    day = _later(today, count, unit)
    if not vague:
        return _day(day)
    return _day(day, VAGUE, _later(today, count + 1, unit))


def _later(day: date, count: float, unit: str) -> date:
    if unit == "月":
        return _months_later(day, int(count), day.day) + timedelta(days=15 if count % 1 else 0)
    if unit == "年":
        return _months_later(day, int(count * 12), day.day)
    return day + timedelta(days=round(count * (1 if unit in ("天", "日") else 7)))


def _unsaid(match: re.Match[str], now: datetime) -> Day:
    """过几天, 改天: some day."""
    return Day(0, 0, now.date() + timedelta(days=2) if match.group().startswith("过两") else None, VAGUE)


# --- dates --------------------------------------------------------------------------------------------------------


def _date(match: re.Match[str], now: datetime) -> Day | None:
    """12月3号, 明年3月5号, 2026-12-03: without a year the next one that is not before today."""
    today = now.date()
    month, day = small_number(match["month"]), small_number(match["date"])
    if month is None or day is None or not (1 <= month <= 12 and 1 <= day <= 31):
        return _day(None)
    if match["year"]:
        year = {"今年": today.year, "明年": today.year + 1, "后年": today.year + 2}.get(match["year"])
        made = _make(year or int(match["year"].rstrip("年-/ ")), month, day)
        return _day(made, PAST) if made is not None and made < today else _day(made)
    made = _make(today.year, month, day)
    if made is not None and made >= today:
        return _day(made)
    following = _make(today.year + 1, month, day)
    far = made is not None and following is not None and (following - today).days > LATER_DAYS
    return _day(following, PAST if far else "")


def _day_of_month(match: re.Match[str], now: datetime) -> Day | None:
    """15号, 下个月5号: without a month the next one that is not before today."""
    number, today = small_number(match["only"]), now.date()
    if number is None or not 1 <= number <= 31:
        return _day(None)
    prefix = match["which"] or ""
    months = 2 if prefix.startswith("下下") else 1 if prefix.startswith("下") else -1 if prefix.startswith("上") else 0
    first = _months_later(today, months, 1)
    made = _make(first.year, first.month, number)
    if prefix:
        if made is not None and made < today:
            return replace(_day(made, "" if months < 0 else PAST), is_past=months < 0)
        return _day(made)
    if made is not None and made == today:
        return replace(_day(today, WHICH, _months_later(today, 1, number)))
    if made is not None and made > today:
        return _day(made)
    for later in range(1, 4):
        following = _months_later(today, later, 1)
        possible = _make(following.year, following.month, number)
        if possible is not None:
            return _day(possible, PAST if made is not None else WHICH)
    return None


def _part_of_month(match: re.Match[str], now: datetime) -> Day:
    """月底, 下个月初, 三月中旬; 月底 is its last day, 初 and 旬 are but about when."""
    today, which, part = now.date(), match["which"].removesuffix("月").rstrip("个"), match["part"]
    number = small_number(which)
    if number is not None:
        year = today.year + (number < today.month)
        begin = date(year, number, 1) if 1 <= number <= 12 else None
        if begin is None:
            return _day(None)
    else:
        begin = _months_later(today, which.count("下") - which.count("上"), 1)
    if part in ("底", "末"):
        day = _months_later(begin, 1, 1) - timedelta(days=1)
        return replace(_day(day), is_past=day < today)
    day = begin.replace(day=PARTS[part])
    if day < today and not which:
        day = _months_later(begin, 1, PARTS[part])
    return _day(day, VAGUE)


def _month(match: re.Match[str], now: datetime) -> Day | None:
    """下个月, 三月份: a month without its day."""
    today, which = now.date(), match["which"].removesuffix("份").removesuffix("月")
    if which.startswith("下"):
        return _day(_months_later(today, which.count("下"), 1), VAGUE)
    number = small_number(which)
    if number is None or not 1 <= number <= 12:
        return None
    return _day(date(today.year + (number <= today.month), number, 1), VAGUE)


def _part_of_year(match: re.Match[str], now: datetime) -> Day:
    """年底, 季度末, 下季度末; 年前 and 年后 count from the Spring Festival."""
    today, words = now.date(), re.sub("[之以]?前$", "", match.group()) or match.group()
    words = match.group() if words == "年" else words
    if "季" in words:
        month = (today.month - 1) // 3 * 3 + 3 + 3 * words.count("下")
        day = _months_later(date(today.year, 1, 1), month, 1) - timedelta(days=1)
        return _day(day) if words.endswith(("末", "底")) else _day(day, VAGUE)
    year = today.year + words.startswith("明年")
    if words.endswith(("底", "末", "终")):
        return _day(date(year, 12, 31))
    if words.startswith("明年"):
        return _day(date(year, 1, 1), VAGUE)
    return _beside("春节", after="后" in words or "开年" in words, now=now)


def _holiday(match: re.Match[str], now: datetime) -> Day | None:
    """国庆后第一个工作日, 元旦, 春节前."""
    side, name = match["side"] or "", match["holiday"]
    found = holidays.coming(name, now.date())
    if found is None:
        return Day(0, 0, None, UNSURE)
    if not side and not match["work"]:
        return _day(found[0], UNSURE if not found[2] else "" if name == "元旦" else VAGUE)
    day = _beside(name, after="前" not in side, now=now)
    return replace(day, doubt=day.doubt if not match["work"] else "" if found[2] else UNSURE)


def _feast(match: re.Match[str], now: datetime) -> Day:
    """圣诞, 双十一: days of every year on which people work."""
    month, day = FEASTS[match["feast"]]
    today = now.date()
    made = date(today.year + ((month, day) < (today.month, today.day)), month, day)
    return _day(made, VAGUE if match["side"] else "")


def _beside(name: str, *, after: bool, now: datetime) -> Day:
    """The first working day behind a holiday, or the last one before it."""
    found = holidays.coming(name, now.date())
    if found is None:
        return Day(0, 0, None, UNSURE)
    first, last, certain = found
    day = holidays.working_day_after(last) if after else holidays.working_day_before(first)
    return _day(day, VAGUE if certain else UNSURE)


def _make(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _months_later(day: date, months: int, wanted: int) -> date:
    """The day `wanted` of a month so many later, its last one where it is shorter."""
    at = day.year * 12 + day.month - 1 + months
    year, month = divmod(at, 12)
    for last in (wanted, 30, 29, 28):
        made = _make(year, month + 1, min(wanted, last))
        if made is not None:
            return made
    raise AssertionError("every month has 28 days")


_COUNT = rf"(?:(?P<half>半)|(?P<count>{NUMBER})\s*个?(?P<and>半)?)\s*个?\s*"
_UNIT = "(?P<unit>分钟|刻钟|小时|钟头|工作日|天|日|周|星期|礼拜|月|年)"
_BEFORE = "(?:(?:之|以)?前)?"
_SIDE = "以后|之后|过后|过完|后|以前|之前|前"
_HOLIDAY = (
    "元旦|春节|(?<!不)过年(?![底末前])|清明|(?<![0-9十])五一(?![点月号])|劳动节|端午|中秋|国庆"
    f"|(?<![0-9二三四五六七八九双])十一(?=节|小?长假|假期|放假|回来|{_SIDE})"
)
RULES: tuple[tuple[re.Pattern[str], Resolve], ...] = (
    (re.compile("|".join(sorted(NAMED, key=len, reverse=True))), _named),
    (re.compile("|".join(SHORT)), _short),
    (
        re.compile(
            rf"(?<![一两])(?P<week>下下个?|下个?|上上个?|上个?|这个?|本)?(?:{WEEK})"
            rf"(?P<weekday>[一二三四五六日天末]|[1-7](?![0-9]))(?P<second>[、到至]?[一二三四五六日](?![点号月天十个百万千刻]))?{_BEFORE}"
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
    (re.compile(r"(?P<year>20[0-9]{2}[-/])(?P<month>[0-9]{1,2})[-/](?P<date>[0-9]{1,2})(?![0-9])"), _date),
    (
        re.compile(
            rf"(?:(?P<year>20[0-9]{{2}}\s*年|今年|明年|后年)\s*的?)?(?<![第0-9])(?P<month>{NUMBER})\s*月\s*(?P<date>{NUMBER})"
            rf"(?:[日号](?!{_NOT_A_DATE})|(?![0-9号日多来万千百个台件家次人])){_BEFORE}"
        ),
        _date,
    ),
    (re.compile(rf"(?<![0-9.])(?P<year>)(?P<month>[0-9]{{1,2}})[./](?P<date>[0-9]{{1,2}})[日号]{_BEFORE}"), _date),
    (
        re.compile(
            rf"(?P<which>下下个?月|下个?月|上个?月|这个?月|本月)?的?(?<![第0-9./])(?P<only>{NUMBER})"
            rf"(?:号(?!{_NOT_A_DATE})|日(?![期常均报历内后子])){_BEFORE}"
        ),
        _day_of_month,
    ),
    (
        re.compile(
            rf"(?P<which>(?:{NUMBER})月|(?:下下|下|上|这|本|当)?个?月)的?(?P<part>初|上旬|中旬|下旬|中|底|末){_BEFORE}"
        ),
        _part_of_month,
    ),
    (re.compile(rf"(?P<which>下下个?月|下个?月|(?<![个0-9第])(?:{NUMBER})月份?)"), _month),
    (
        re.compile(
            rf"(?:明年|今年)?(?:年[底末]|(?<=年)[底末]){_BEFORE}|年终|(?:过完)?(?<![0-9零一二两三四五六七八九十几去半])年[前后]"
            "|开年|明年初?"
        ),
        _part_of_year,
    ),
    (re.compile(rf"(?:下个?|本|这个?)季度?[末底]?{_BEFORE}|季度?[末底]{_BEFORE}"), _part_of_year),
    (
        re.compile(
            rf"(?P<holiday>{_HOLIDAY})(?:节|小?长假|假期|放假)?(?:回来)?"
            rf"(?P<side>{_SIDE})?的?(?P<work>第一个工作日|第一天(?:上班)?|头一天)?"
        ),
        _holiday,
    ),
    (re.compile(rf"(?P<feast>{'|'.join(FEASTS)})节?(?P<side>{_SIDE})?"), _feast),
)
