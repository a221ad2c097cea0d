"""What is understood: commands, and the moments that they name."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from wsapp.bots.answers import masked
from wsapp.bots.commands import Command, names_in, understand
from wsapp.crm.drafts.moments import find_moment

HERE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 25, 10, 30, tzinfo=HERE)  # a Wednesday

MOMENTS = {
    "明天下午3点": "11-26 15:00",
    "明早8点": "11-26 08:00",
    "今晚": "11-25 19:00",
    "后天": "11-27 day",
    "大后天上午": "11-28 09:00",
    "周五": "11-27 day",
    "周三": "12-02 day",  # nine o'clock of today is over
    "周三下午": "11-25 14:00",
    "星期天": "11-29 day",
    "本周五": "11-27 day",
    "下周二上午十点半": "12-01 10:30",
    "下下周一": "12-07 day",
    "下周": "11-30 day",
    "12月3号": "12-03 day",
    "十二月三号下午两点": "12-03 14:00",
    "25号": "11-25 day",
    "24号": "12-24 day",
    "31号": "12-31 day",
    "月底": "11-30 day",
    "下个月5号": "12-05 day",
    "2026-12-01 9:05": "12-01 09:05",
    "半小时后": "11-25 11:00",
    "两个半小时后": "11-25 13:00",
    "三天后下午两点": "11-28 14:00",
    "一周后": "12-02 day",
    "3点": "11-25 15:00",
    "9点": "11-26 09:00",
    "20:30": "11-25 20:30",
    "晚上8点一刻": "11-25 20:15",
    "凌晨12点": "11-26 00:00",
    "中午1点": "11-25 13:00",
}
NOT_MOMENTS = ("", "报价 1.5 万已发", "买了 3/4 寸管", "版本 2-3", "2月30日", "2026-02-30", "99点", "第 13 期")


@pytest.mark.parametrize(("words", "expected"), MOMENTS.items())
def test_moments(words: str, expected: str) -> None:
    for text in (words, f"{words}回访", f"请 {words} 打电话"):
        found = find_moment(text, NOW)
        assert found is not None, text
        assert words in text[found.start : found.end].strip()
        date, _space, time = expected.partition(" ")
        assert f"{found.moment:%m-%d}" == date
        assert found.is_day == (time == "day")
        assert found.is_day or f"{found.moment:%H:%M}" == time


@pytest.mark.parametrize("text", NOT_MOMENTS)
def test_what_is_no_moment(text: str) -> None:
    assert find_moment(text, NOW) is None


def test_commands() -> None:
    friday = datetime(2026, 11, 27, 9, tzinfo=HERE)
    tomorrow = datetime(2026, 11, 26, 15, tzinfo=HERE)
    for line, expected in {
        "查 森林": Command("find", "森林"),
        "查森林": Command("find", "森林"),
        "@销售助手 查 森林 木业": Command("find", "森林 木业"),
        " 今天 ": Command("today"),
        "团队今天": Command("team"),
        "今天谁没跟进？": Command("team"),
        "记 森林 报价已发 周五回访": Command("log", "森林", "报价已发", friday, True, "回访"),
        "记 森林 报价已发": Command("log", "森林", "报价已发"),
        "记 森林 今天见了老板": Command("log", "森林", "今天见了老板"),
        "记 森林 周五回访": Command("log", "森林", "周五回访", friday, True, "回访"),
        "提醒 明天下午3点 给森林打电话": Command("remind", text="给森林打电话", at=tomorrow),
        "提醒我给森林打电话 明天下午3点": Command("remind", text="给森林打电话", at=tomorrow),
        "记得周五前交报告": Command("remind", text="交报告", at=friday, is_day=True),
        "finder": Command("help"),
        "今天天气": Command("help"),
        "\u202e查\u202c 森林": Command("find", "森林"),
    }.items():
        assert understand(line, NOW) == expected, line


def test_names_in_a_sentence() -> None:
    assert names_in("给森林打电话，再约华星吃饭") == ["森林打电话", "华星吃饭"]
    assert names_in("开会") == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("13800138000", "138····8000"),
        ("138 0013 8000、0755-26001234", "138····8000、075····1234"),
        ("+86 138-0013-8000 转 8", "861····8000 转 8"),
        ("订单 20260101", "订单 ····0101"),
        ("6001234 有人吗", "····1234 有人吗"),
        ("50 台，每台 3200 元，2026 年", "50 台，每台 3200 元，2026 年"),
        ("12月3号 15:00", "12月3号 15:00"),
    ],
)
def test_numbers_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
