"""What a corp can set about briefs and digests, the times at which they come or that they do not; and goals."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

NEVER = ""


def _times(first: int, last: int) -> list[tuple[str, object]]:
    found = [f"{hour:02}:{minute:02}" for hour in range(first, last) for minute in (0, 30)]
    return [*((at, at) for at in found), (NEVER, lazy("不发送"))]


declare(
    Rule(
        "brief.morning",
        "choice",
        "08:30",
        lazy("早间清单"),
        hint=lazy("逾期和今天的待办、今天的拜访、即将回收的客户；没有内容就不发送，休息日和请假时不发送"),
        choices=_times(6, 12),
    ),
    Rule(
        "brief.evening",
        "choice",
        "18:00",
        lazy("晚间小结"),
        hint=lazy("今天完成的和还没完成的，一键挪到明天"),
        choices=_times(15, 23),
    ),
    Rule(
        "brief.daily",
        "choice",
        "18:30",
        lazy("团队日报"),
        hint=lazy("发给带团队的人，以及选了日报的群机器人"),
        choices=_times(15, 23),
    ),
    Rule(
        "brief.weekly",
        "choice",
        "09:00",
        lazy("团队周报"),
        hint=lazy("每周第一个工作日发送上周的数字"),
        choices=_times(6, 12),
    ),
    Rule(
        "goal.visits",
        "number",
        0,
        lazy("每人每周拜访"),
        most=200,
        unit=lazy("次"),
        hint=lazy("0 为不设目标；设了以后，每个人的首页显示本周完成了多少"),
    ),
    Rule("goal.follow_ups", "number", 0, lazy("每人每周跟进"), most=500, unit=lazy("次"), hint=lazy("0 为不设目标")),
)
