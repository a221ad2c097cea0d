"""The time of a day in Chinese words: 下午三点半, 明早九点, 20:30, 下班前. Pure."""

import re
from dataclasses import dataclass

from wsapp.crm.drafts.numbers import small_number

MORNING = 9  # the hour of a day that was named without one
AFTERNOON_UNTIL = 6  # "3 点" without a period is an afternoon's
EITHER_HALF = range(6, 9)  # "7 点" is said of mornings and of evenings
PERIODS = {
    "大清早": (0, 7),
    "一大早": (0, 8),
    "一早": (0, 8),
    "凌晨": (0, 6),
    "清晨": (0, 7),
    "早上": (0, 8),
    "早晨": (0, 8),
    "早": (0, 8),
    "上午": (0, 9),
    "中午": (12, 12),
    "午后": (12, 14),
    "下午": (12, 14),
    "傍晚": (12, 18),
    "下班前": (12, 18),
    "下班之前": (12, 18),
    "晚上": (12, 19),
    "夜里": (12, 21),
    "晚": (12, 19),
}  # period → (added to hours before twelve, the hour when none is named)
NIGHT = ("晚上", "晚", "夜里")
NUMBER = "[0-9]{1,4}|[零〇一二两三四五六七八九十]{1,3}"
PERIOD = "|".join(sorted(PERIODS, key=len, reverse=True))
_DIGIT = "[0-9零〇一二两三四五六七八九十百]"
# 三点要求, 十二点五万, 3 时期 are no times of a day.
_O_CLOCK = rf"(?:点(?!\s*{_DIGIT}+\s*[万亿千折倍%元块])(?![要意建问需想顾疑原说内反异])|时(?![候间期段代机常]))"
LINK = r"[的吧呢啊嘛，,、\s]*(?:大概|大约|差不多|就|在|是)?"
CLOCK = re.compile(
    rf"(?P<link>{LINK})(?P<period>{PERIOD})?(?:[的，,\s]|大概|大约|差不多)*"
    rf"(?:(?P<hour>{NUMBER})\s*(?:{_O_CLOCK}\s*(?:(?P<half>半)|过?(?P<quarter>[一三])刻"
    rf"|过?(?P<minute>{NUMBER})(?![万亿千百号月天周个台])\s*分?)?|[:：](?P<digits>[0-9]{{2}})(?![0-9]))(?:整|钟)?"
    rf"(?:\s*(?:到|至|-|~|—)\s*(?:{PERIOD})?(?:{NUMBER})(?:[点时](?:半|{NUMBER}分?)?|[:：][0-9]{{2}}))?)?"
    r"(?:左右|前后)?"
)
_A_BIT = "一1"  # 快一点, 便宜一点: an hour only where its words say more


@dataclass(frozen=True)
class Clock:
    """A time of the day. `days` is 1 for a midnight that ends the day; `either`: it may mean twelve hours later."""

    hour: int
    minute: int
    end: int
    days: int = 0
    either: bool = False
    vague: bool = False
    period: str = ""
    only_period: bool = False


def clock_at(text: str, at: int, *, period: str = "", alone: bool = False) -> Clock | None:
    """Return the time that stands in a text from `at` on; None where there is none, or no such time.

    `period` was named before (明早). `alone`: no day stands before it, so that 一点 by itself may be "a bit".
    """
    match = CLOCK.match(text, at)
    if match is None or not (match["hour"] or match["period"]):
        return None
    if match["hour"] is None:
        name = match["period"]
        return Clock(PERIODS[name][1], 0, match.end(), period=name, only_period=True)
    bare = not (match["period"] or match["half"] or match["quarter"] or match["minute"] or match["digits"])
    if alone and bare and match["hour"] in _A_BIT and not match.group().endswith(("钟", "整")):
        return None
    return _clock(match, match["period"] or period)


def _clock(match: re.Match[str], period: str) -> Clock | None:
    hour, vague = small_number(match["hour"]), False
    if hour is None and len(match["hour"]) == 2:  # 两三点
        hour, vague = small_number(match["hour"][0]), True
    minute = _minute(match)
    if hour is None or minute is None or minute > 59:
        return None
    either = not period and not match["digits"] and hour in EITHER_HALF
    days = 0
    if period:
        added = PERIODS[period][0]
        if hour == 12 and (period in NIGHT or period == "凌晨"):
            hour, days = 0, 1 if period in NIGHT else 0
        elif hour < 12 and added and not (period == "中午" and hour == 11):
            hour += added
    elif 0 < hour < AFTERNOON_UNTIL + 1 and not match["digits"]:
        hour += 12
    if hour == 24 and minute == 0:
        hour, days = 0, 1
    if hour > 23:
        return None
    return Clock(hour, minute, match.end(), days, either, vague, period)


def _minute(match: re.Match[str]) -> int | None:
    if match["half"]:
        return 30
    if match["quarter"]:
        return {"一": 15, "三": 45}[match["quarter"]]
    return small_number(match["minute"] or match["digits"] or "0")
