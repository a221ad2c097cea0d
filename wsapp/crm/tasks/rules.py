"""What a corp can set about tasks: when their people are told who chose nothing themselves."""

from datetime import time, timedelta

from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.texts import lazy

MORNINGS = tuple(f"{hour:02}:{minute:02}" for hour in range(6, 13) for minute in (0, 30))

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
        "task.overdue_after",
        "number",
        24,
        lazy("逾期多久后提醒"),
        least=1,
        most=168,
        unit=lazy("小时"),
    ),
)


def usual_reminders() -> list[int]:
    """Return when a task rings for which nobody chose anything: minutes before, at most three."""
    return sorted(rule("task.reminders"))[:3]


def all_day_at() -> time:
    """Return when an all-day task rings, on the clock on the wall here."""
    return time.fromisoformat(rule("task.all_day_at"))


def overdue_after() -> timedelta:
    """Return how long after its time a task that is still open is called overdue."""
    return timedelta(hours=rule("task.overdue_after"))
