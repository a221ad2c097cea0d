"""What a corp can set about check-ins: how near, how exact and how fresh a position must be."""

from datetime import timedelta

from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.crm.visits.trust import Limits
from wsapp.texts import lazy

declare(
    Rule("visit.verified", "number", 300, lazy("签到“已验证”的距离"), least=100, most=3000, unit=lazy("米")),
    Rule("visit.near", "number", 1000, lazy("签到“附近”的距离"), least=100, most=3000, unit=lazy("米")),
    Rule("visit.accuracy", "number", 200, lazy("“已验证”需要的定位精度"), least=50, most=1000, unit=lazy("米")),
    Rule("visit.fix_age", "number", 2, lazy("定位的有效时间"), least=1, most=60, unit=lazy("分钟")),
)


def limits() -> Limits:
    """Return by what the current corp judges a check-in."""
    return Limits(
        verified=rule("visit.verified"),
        near=rule("visit.near"),
        accuracy=rule("visit.accuracy"),
        age=timedelta(minutes=rule("visit.fix_age")),
    )
