"""What a corp can set about visits: how near, how exact and how fresh a position must be, and what is done there."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.crm.visits.trust import Limits
from wsapp.texts import lazy

TYPES = (
    "上门拜访：了解需求、确认决策人、约定下一步",
    "巡店：门头照片、陈列与库存、竞品情况、下单",
    "售后回访：使用情况、问题记录、满意度",
)

BETWEEN = re.compile("[、，,]")  # the points of a checklist

declare(
    Rule("visit.verified", "number", 300, lazy("签到“已验证”的距离"), least=100, most=3000, unit=lazy("米")),
    Rule("visit.near", "number", 1000, lazy("签到“附近”的距离"), least=100, most=3000, unit=lazy("米")),
    Rule("visit.accuracy", "number", 200, lazy("“已验证”需要的定位精度"), least=50, most=1000, unit=lazy("米")),
    Rule("visit.fix_age", "number", 2, lazy("定位的有效时间"), least=1, most=60, unit=lazy("分钟")),
    Rule("visit.stay", "number", 0, lazy("“已验证”需要的停留时间"), most=240, unit=lazy("分钟"), hint=lazy("0 为不限")),
    Rule(
        "visit.repeats",
        "number",
        10,
        lazy("同一坐标重复多少次后不再“已验证”"),
        most=50,
        unit=lazy("次"),
        hint=lazy("真实定位几乎不会每次完全相同；0 为不检查"),
    ),
    Rule(
        "visit.remind",
        "number",
        30,
        lazy("拜访开始前多少分钟提醒"),
        most=720,
        unit=lazy("分钟"),
        hint=lazy("0 为不提醒；修改后对新的和改期的计划生效"),
    ),
    Rule("visit.photo", "switch", False, lazy("“已验证”需要照片")),
    Rule(
        "visit.types",
        "lines",
        list(TYPES),
        lazy("拜访类型和检查项"),
        least=1,
        most=12,
        hint=lazy("每行一个类型：名称，冒号，用顿号分开的检查项"),
    ),
)


def limits() -> Limits:
    """Return by what the current corp judges a check-in."""
    return Limits(
        verified=rule("visit.verified"),
        near=rule("visit.near"),
        accuracy=rule("visit.accuracy"),
        age=timedelta(minutes=rule("visit.fix_age")),
        repeats=rule("visit.repeats"),
        photo=rule("visit.photo"),
        stay=timedelta(minutes=rule("visit.stay")),
    )


def visit_types() -> Mapping[str, Sequence[str]]:
    """Return the corp's types of visits, each with its checklist, in the corp's order."""
    found = {}
    for line in rule("visit.types"):
        name, _colon, items = str(line).replace(":", "：").partition("：")
        found[name.strip()[:40]] = [one.strip()[:60] for one in BETWEEN.split(items) if one.strip()][:20]
    return {name: items for name, items in found.items() if name}
