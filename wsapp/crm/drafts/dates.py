"""Dates of the calendar in Chinese: 12月3号, 下个月5号, 月底, 年底, 国庆后第一个工作日. Pure."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

from wsapp.crm.drafts import holidays
from wsapp.crm.drafts.day import BEFORE, PAST, UNSURE, VAGUE, WHICH, Day, Rules, a_day, make, months_later
from wsapp.crm.drafts.hours import NUMBER
from wsapp.crm.drafts.numbers import small_number

PARTS = {"初": 1, "上旬": 5, "中旬": 15, "中": 15, "下旬": 25}  # of a month
FEASTS = {
    "情人节": (2, 14), "妇女节": (3, 8), "儿童节": (6, 1), "六一": (6, 1), "教师节": (9, 10), "双十一": (11, 11),
    "双11": (11, 11), "双十二": (12, 12), "双12": (12, 12), "平安夜": (12, 24), "圣诞": (12, 25),
}  # fmt: skip
FEASTS = {
    "情人节": (2, 14), "妇女节": (3, 8), "儿童节": (6, 1), "六一": (6, 1), "教师节": (9, 10), "双十一": (11, 11),
    "双11": (11, 11), "双十二": (12, 12), "双12": (12, 12), "平安夜": (12, 24), "圣诞": (12, 25),
}  # fmt: skip
LATER_DAYS = 270  # a date so far ahead that lies close behind: 11月20号 on the 25th
_NOT_A_DATE = "[楼线店仓机院门馆厂车间桌包位文样库井号会铺摊展台]"  # 3号楼


def _date(match: re.Match[str], now: datetime) -> Day | None:
    """12月3号, 明年3月5号, 2026-12-03: without a year the next one that is not before today."""
    today = now.date()
    month, day = small_number(match["month"]), small_number(match["date"])
    if month is None or day is None or not (1 <= month <= 12 and 1 <= day <= 31):
        return a_day(None)
    if match["year"]:
        year = {"今年": today.year, "明年": today.year + 1, "后年": today.year + 2}.get(match["year"])
        made = make(year or int(match["year"].rstrip("年-/ ")), month, day)
        return a_day(made, PAST) if made is not None and made < today else a_day(made)
    made = make(today.year, month, day)
    if made is not None and made >= today:
        return a_day(made)
    following = make(today.year + 1, month, day)
    far = made is not None and following is not None and (following - today).days > LATER_DAYS
    return a_day(following, PAST if far else "")


def _day_of_month(match: re.Match[str], now: datetime) -> Day | None:
    """15号, 下个月5号: without a month the next one that is not before today."""
    number, today = small_number(match["only"]), now.date()
    if number is None or not 1 <= number <= 31:
        return a_day(None)
    prefix = match["which"] or ""
    months = 2 if prefix.startswith("下下") else 1 if prefix.startswith("下") else -1 if prefix.startswith("上") else 0
    first = months_later(today, months, 1)
    made = make(first.year, first.month, number)
    if prefix:
        if made is not None and made < today:
            return replace(a_day(made, "" if months < 0 else PAST), is_past=months < 0)
        return a_day(made)
    if made is not None and made == today:
        return replace(a_day(today, WHICH, months_later(today, 1, number)))
    if made is not None and made > today:
        return a_day(made)
    for later in range(1, 4):
        following = months_later(today, later, 1)
        possible = make(following.year, following.month, number)
        if possible is not None:
            return a_day(possible, PAST if made is not None else WHICH)
    return None


def _part_of_month(match: re.Match[str], now: datetime) -> Day:
    """月底, 下个月初, 三月中旬; 月底 is its last day, 初 and 旬 are but about when."""
    today, which, part = now.date(), match["which"].removesuffix("月").rstrip("个"), match["part"]
    number = small_number(which)
    if number is not None:
        year = today.year + (number < today.month)
        begin = date(year, number, 1) if 1 <= number <= 12 else None
        if begin is None:
            return a_day(None)
    else:
        begin = months_later(today, which.count("下") - which.count("上"), 1)
    if part in ("底", "末"):
        day = months_later(begin, 1, 1) - timedelta(days=1)
        return replace(a_day(day), is_past=day < today)
    day = begin.replace(day=PARTS[part])
    if day < today and not which:
        day = months_later(begin, 1, PARTS[part])
    return a_day(day, VAGUE)


def _month(match: re.Match[str], now: datetime) -> Day | None:
    """下个月, 三月份: a month without its day."""
    today, which = now.date(), match["which"].removesuffix("份").removesuffix("月")
    if which.startswith("下"):
        return a_day(months_later(today, which.count("下"), 1), VAGUE)
    number = small_number(which)
    if number is None or not 1 <= number <= 12:
        return None
    return a_day(date(today.year + (number <= today.month), number, 1), VAGUE)


def _part_of_year(match: re.Match[str], now: datetime) -> Day:
    """年底, 季度末, 下季度末; 年前 and 年后 count from the Spring Festival."""
    today, words = now.date(), re.sub("[之以]?前$", "", match.group()) or match.group()
    words = match.group() if words == "年" else words
    if "季" in words:
        month = (today.month - 1) // 3 * 3 + 3 + 3 * words.count("下")
        day = months_later(date(today.year, 1, 1), month, 1) - timedelta(days=1)
        return a_day(day) if words.endswith(("末", "底")) else a_day(day, VAGUE)
    year = today.year + words.startswith("明年")
    if words.endswith(("底", "末", "终")):
        return a_day(date(year, 12, 31))
    if words.startswith("明年"):
        return a_day(date(year, 1, 1), VAGUE)
    return _beside("春节", after="后" in words or "开年" in words, now=now)


def _holiday(match: re.Match[str], now: datetime) -> Day | None:
    """国庆后第一个工作日, 元旦, 春节前."""
    side, name = match["side"] or "", match["holiday"]
    found = holidays.coming(name, now.date())
    if found is None:
        return Day(0, 0, None, UNSURE)
    if not side and not match["work"]:
        return a_day(found[0], UNSURE if not found[2] else "" if name == "元旦" else VAGUE)
    day = _beside(name, after="前" not in side, now=now)
    return replace(day, doubt=day.doubt if not match["work"] else "" if found[2] else UNSURE)


def _feast(match: re.Match[str], now: datetime) -> Day:
    """圣诞, 双十一: days of every year on which people work."""
    month, day = FEASTS[match["feast"]]
    today = now.date()
    made = date(today.year + ((month, day) < (today.month, today.day)), month, day)
    return a_day(made, VAGUE if match["side"] else "")


def _beside(name: str, *, after: bool, now: datetime) -> Day:
    """The first working day behind a holiday, or the last one before it."""
    found = holidays.coming(name, now.date())
    if found is None:
        return Day(0, 0, None, UNSURE)
    first, last, certain = found
    day = holidays.working_day_after(last) if after else holidays.working_day_before(first)
    return a_day(day, VAGUE if certain else UNSURE)


_SIDE = "以后|之后|过后|过完|后|以前|之前|前"
_HOLIDAY = (
    "元旦|春节|(?<!不)过年(?![底末前])|清明|(?<![0-9十])五一(?![点月号])|劳动节|端午|中秋|国庆"
    f"|(?<![0-9二三四五六七八九双])十一(?=节|小?长假|假期|放假|回来|{_SIDE})"
)
DATES: Rules = (
    (re.compile(r"(?P<year>20[0-9]{2}[-/])(?P<month>[0-9]{1,2})[-/](?P<date>[0-9]{1,2})(?![0-9])"), _date),
    (
        re.compile(
            rf"(?:(?P<year>20[0-9]{{2}}\s*年|今年|明年|后年)\s*的?)?(?<![第0-9])(?P<month>{NUMBER})\s*月\s*(?P<date>{NUMBER})"
            rf"(?:[日号](?!{_NOT_A_DATE})|(?![0-9号日多来万千百个台件家次人])){BEFORE}"
        ),
        _date,
    ),
    (re.compile(rf"(?<![0-9.])(?P<year>)(?P<month>[0-9]{{1,2}})[./](?P<date>[0-9]{{1,2}})[日号]{BEFORE}"), _date),
    (
        re.compile(
            rf"(?P<which>下下个?月|下个?月|上个?月|这个?月|本月)?的?(?<![第0-9./])(?P<only>{NUMBER})"
            rf"(?:号(?!{_NOT_A_DATE})|日(?![期常均报历内后子])){BEFORE}"
        ),
        _day_of_month,
    ),
    (
        re.compile(
            rf"(?P<which>(?:{NUMBER})月|(?:下下|下|上|这|本|当)?个?月)的?(?P<part>初|上旬|中旬|下旬|中|底|末){BEFORE}"
        ),
        _part_of_month,
    ),
    (re.compile(rf"(?P<which>下下个?月|下个?月|(?<![个0-9第])(?:{NUMBER})月份?)"), _month),
    (
        re.compile(
            rf"(?:明年|今年)?(?:年[底末]|(?<=年)[底末]){BEFORE}|年终|(?:过完)?(?<![0-9零一二两三四五六七八九十几去半])年[前后]"
            "|开年|明年初?"
        ),
        _part_of_year,
    ),
    (re.compile(rf"(?:下个?|本|这个?)季度?[末底]?{BEFORE}|季度?[末底]{BEFORE}"), _part_of_year),
    (
        re.compile(
            rf"(?P<holiday>{_HOLIDAY})(?:节|小?长假|假期|放假)?(?:回来)?"
            rf"(?P<side>{_SIDE})?的?(?P<work>第一个工作日|第一天(?:上班)?|头一天)?"
        ),
        _holiday,
    ),
    (re.compile(rf"(?P<feast>{'|'.join(FEASTS)})节?(?P<side>{_SIDE})?"), _feast),
)
