"""What a corp can set about work reports: whether, and when, people are reminded of one that is missing."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

NEVER = ""
_TIMES = [*((f"{hour:02}:{minute:02}",) * 2 for hour in range(15, 23) for minute in (0, 30)), (NEVER, lazy("不提醒"))]

declare(
    Rule(
        "report.day",
        "choice",
        NEVER,
        lazy("提醒提交日报"),
        hint=lazy("工作日到这个时间还没有提交的人会收到提醒；休假的人、没有主管的人不提醒"),
        choices=_TIMES,
    ),
    Rule(
        "report.week",
        "choice",
        NEVER,
        lazy("提醒提交周报"),
        hint=lazy("每周最后一个工作日"),
        choices=_TIMES,
    ),
)
