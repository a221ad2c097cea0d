"""What a corp decides about its customers: tags, lifecycle, leads, birthdays."""

from dataclasses import dataclass
from datetime import date, timedelta

from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.crm.org.workdays import exception
from wsapp.texts import lazy

declare(
    Rule(
        "tags.who_adds",
        "choice",
        "everybody",
        lazy("谁可以新增标签"),
        choices=(("everybody", lazy("所有人")), ("leaders", lazy("主管和管理员")), ("admins", lazy("管理员"))),
    ),
    Rule(
        "stages.steps",
        "choice",
        "free",
        lazy("客户阶段的变更"),
        hint=lazy("主管和管理员不受限制"),
        choices=(("free", lazy("可任意变更")), ("forward", lazy("只能向前")), ("next", lazy("只能逐步向前"))),
    ),
    Rule(
        "contacts.birthday_reminder",
        "switch",
        False,
        lazy("联系人生日前一天提醒负责人"),
    ),
    Rule(
        "leads.response_minutes",
        "number",
        30,
        lazy("线索首次响应时限"),
        least=0,
        most=1440,
        unit=lazy("分钟（工作时间）"),
        hint=lazy("超时提醒负责人，再过同样时长提醒主管；0 为不提醒"),
    ),
    Rule("leads.work_starts", "number", 9, lazy("工作开始"), least=0, most=23, unit=lazy("点")),
    Rule("leads.work_ends", "number", 18, lazy("工作结束"), least=1, most=24, unit=lazy("点")),
    Rule(
        "leads.workdays",
        "numbers",
        [5, 4, 3, 2, 1],
        lazy("工作日"),
        least=1,
        most=7,
        hint=lazy("1 为周一，7 为周日"),
    ),
    Rule(
        "leads.holidays",
        "switch",
        True,
        lazy("法定节假日不算工作时间"),
        hint=lazy("调休上班的周末算工作日"),
    ),
    Rule("leads.weight_completeness", "number", 40, lazy("线索评分：资料完整度"), least=0, most=100, unit=lazy("分")),
    Rule("leads.weight_activity", "number", 40, lazy("线索评分：近期互动"), least=0, most=100, unit=lazy("分")),
    Rule("leads.weight_source", "number", 20, lazy("线索评分：来源"), least=0, most=100, unit=lazy("分")),
)


def who_adds_tags() -> str:
    """Return who may put a new tag on the corp's list: "everybody", "leaders" or "admins"."""
    return str(rule("tags.who_adds"))


def allowed_steps() -> str:
    """Return which steps of the lifecycle sellers may take: "free", "forward" or "next"."""
    return str(rule("stages.steps"))


def reminds_of_birthdays() -> bool:
    """Say whether owners hear of a contact's birthday the day before."""
    return bool(rule("contacts.birthday_reminder"))


def response_time() -> timedelta:
    """Return how long a lead may wait for its first response, in working time; nothing: for ever."""
    return timedelta(minutes=rule("leads.response_minutes"))


@dataclass(frozen=True)
class WorkingHours:
    """When people work: on `days` (1 is Monday) from the hour `starts` to the hour `ends`, on the wall clock here.

    With `holidays`, public holidays, the days worked in lieu of them and the corp's own exceptions count as such.
    """

    days: frozenset[int]
    starts: int
    ends: int
    holidays: bool = False

    def is_workday(self, day: date) -> bool:
        """Say whether people work on a day."""
        worked = exception(day) if self.holidays else None
        return day.isoweekday() in self.days if worked is None else worked


def working_hours() -> WorkingHours:
    """Return when the corp's people work; hours that end before they start count as the whole day."""
    starts, ends = rule("leads.work_starts"), rule("leads.work_ends")
    days = frozenset(rule("leads.workdays")) or frozenset(range(1, 8))
    starts, ends = (starts, ends) if starts < ends else (0, 24)
    return WorkingHours(days, starts, ends, holidays=rule("leads.holidays"))


def score_weights() -> dict[str, int]:
    """Return how many points each part of a lead's score can bring."""
    return {part: rule(f"leads.weight_{part}") for part in ("completeness", "activity", "source")}
