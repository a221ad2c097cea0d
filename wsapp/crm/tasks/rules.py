"""What a corp can set about tasks: when their people are told who chose nothing themselves."""

from datetime import time

from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.texts import lazy

MORNINGS = tuple(f"{hour:02}:{minute:02}" for hour in range(6, 13) for minute in (0, 30))
MOST_RUNGS = 6

declare(
    Rule(
        "task.reminders",
        "numbers",
        [0],
        lazy("默认提醒"),
        least=0,
        most=10_080,
        unit=lazy("分钟前"),
        hint=lazy("新建待办时没有选择提醒的，按这里提醒；最多 3 个，用逗号分开"),
    ),
    Rule("task.all_day_at", "choice", "08:30", lazy("全天待办的提醒时间"), choices=[(at, at) for at in MORNINGS]),
    Rule(
        "task.ladder",
        "numbers",
        [7, 5, 3, 1],
        lazy("逾期升级"),
        least=1,
        most=60,
        unit=lazy("个工作日后"),
        hint=lazy("依次提醒：负责人；负责人和直接主管；上一级主管；再上一级。最多 6 级，留空为不提醒"),
    ),
    Rule("task.ladder_at", "choice", "09:00", lazy("逾期提醒的时间"), choices=[(at, at) for at in MORNINGS]),
)


def usual_reminders() -> list[int]:
    """Return when a task rings for which nobody chose anything: minutes before, at most three."""
    return sorted(rule("task.reminders"))[:3]


def all_day_at() -> time:
    """Return when an all-day task rings, on the clock on the wall here."""
    return time.fromisoformat(rule("task.all_day_at"))


def ladder_steps() -> list[int]:
    """Return after how many working days each rung of the overdue ladder is reached, the first one first."""
    return sorted(rule("task.ladder"))[:MOST_RUNGS]


def ladder_at() -> time:
    """Return when the rungs ring, on the clock on the wall here."""
    return time.fromisoformat(rule("task.ladder_at"))
