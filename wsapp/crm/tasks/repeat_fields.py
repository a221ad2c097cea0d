"""How a task's fields say that it repeats: what may stand in them, and the rule that they mean."""

from collections.abc import Mapping
from typing import Any

from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.repeat import LAST, MOST_EVERY, MOST_TIMES, Repeat, has_only_weekends
from wsapp.problems import Invalid
from wsapp.texts import _

WEEKDAYS, MONTHDAYS = range(1, 8), (*range(1, 32), LAST)
MOST_DAYS = 31
RULE = frozenset({"repeat", "repeat_every", "repeat_days", "repeat_free"})


def clean_repeat(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    """Check the numbers of a repeat (`repeat_every`, `repeat_times`, `repeat_days`) into `clean`."""
    for field, most, empty in (("repeat_every", MOST_EVERY, 1), ("repeat_times", MOST_TIMES, None)):
        if field not in values:
            continue
        number = values[field]
        clean[field] = empty if number is None else number
        if number is not None and not _is_number(number, 1, most):
            errors[field] = _("应为 %(least)d–%(most)d 的整数", least=1, most=most)
    if "repeat_days" in values:
        _clean_days(values, clean, errors)


def with_rule(values: Mapping[str, Any], task: Task) -> Mapping[str, Any]:
    """Return the changes of a task's fields with what belongs together: days are those of the kind of repeat."""
    if "repeat_days" in values and "repeat" not in values:
        return {**values, "repeat": task.repeat}
    if "repeat" in values and "repeat_days" not in values and (values["repeat"] or "") != task.repeat:
        return {**values, "repeat_days": []}
    return values


def demand_next(values: Mapping[str, Any], task: Task | None = None) -> None:
    """Raise Invalid where clean values, of a new task or for one, say a repeat that would never come again.

    That is one on weekends only which leaves free days out: a make-up day now and then is no series.
    """

    def now(field: str, usual: Any = None) -> Any:
        return values.get(field, getattr(task, field) if task else usual)

    is_new_rule = task is None or not RULE.isdisjoint(values)
    if not is_new_rule or not now("repeat") or now("repeat_free") != "skip":
        return
    meant = Repeat(now("repeat"), now("repeat_every", 1), tuple(now("repeat_days") or ()), "skip")
    if has_only_weekends(meant, now("due_at")):
        raise Invalid({"repeat_free": _("所选日期都在周末，跳过休息日就没有下一次了")})


def _clean_days(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    days = values["repeat_days"] or []
    kind = values.get("repeat")
    allowed: Any = {"weekly": WEEKDAYS, "monthly": MONTHDAYS}.get(kind or "", MONTHDAYS)
    if kind in ("", None, "daily") and "repeat" in values:
        days = []
    if len(days) > MOST_DAYS or any(not _is_number(one, LAST, 31) or one not in allowed for one in days):
        errors["repeat_days"] = (
            _("请选择周一到周日") if kind == "weekly" else _("请填写 1–31 的日期，“最后一天”为 -1，用逗号分开")
        )
        return
    clean["repeat_days"] = sorted(set(days))


def _is_number(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def repeat_of(task: Task) -> Repeat:
    """Return the rule by which a task repeats."""
    return Repeat(task.repeat, task.repeat_every, tuple(task.repeat_days or ()), task.repeat_free)
