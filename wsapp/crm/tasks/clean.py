"""What a task may hold: checking and normalising what was typed."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from wsapp import clock
from wsapp.crm.customers.clean import clean_line, clean_text
from wsapp.crm.tasks.models import FREE_DAYS, KINDS, PRIORITIES, REPEATS
from wsapp.crm.tasks.repeat_fields import clean_repeat
from wsapp.crm.tasks.rules import usual_reminders
from wsapp.house import local
from wsapp.problems import Invalid
from wsapp.texts import _

OFFSETS = (0, 5, 15, 30, 60, 120, 1440, 2880, 10080)  # minutes before
MAX_REMINDERS = 3
MAX_AHEAD = timedelta(days=366 * 5)
FIELDS = (
    "title",
    "note",
    "customer",
    "kind",
    "due_at",
    "all_day",
    "reminders",
    "assignee",
    "priority",
    "repeat",
    "repeat_until",
    "repeat_every",
    "repeat_days",
    "repeat_times",
    "repeat_free",
)


def clean_task(values: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Check and normalise the given fields (`FIELDS`, times as aware datetimes); raises Invalid with every wrong one.

    Returns column values except `customer` and `assignee`, which need the actor's rights.
    """
    clean: dict[str, Any] = {}
    errors: dict[str, str] = {}
    if whole or "title" in values:
        clean["title"] = clean_line(str(values.get("title") or ""))
        if not 1 <= len(clean["title"]) <= 120:
            errors["title"] = _("标题应为 1–120 个字")
    if "note" in values:
        clean["note"] = clean_text(str(values["note"] or ""))
        if len(clean["note"]) > 1000:
            errors["note"] = _("最多 %(most)d 个字", most=1000)
    choices_of = (("kind", KINDS), ("priority", PRIORITIES), ("repeat", REPEATS), ("repeat_free", FREE_DAYS))
    for field, choices in choices_of:
        if field in values:
            clean[field] = values[field] or choices[0]
            if clean[field] not in choices:
                errors[field] = _("请从列表中选择")
    _clean_times(values, clean, errors, whole=whole)
    _clean_reminders(values, clean, errors, whole=whole)
    clean_repeat(values, clean, errors)
    if errors:
        raise Invalid(errors)
    return clean


def _clean_times(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str], *, whole: bool) -> None:
    if "all_day" in values:
        clean["all_day"] = bool(values["all_day"])
    if whole or "due_at" in values:
        due_at = values.get("due_at")
        if not isinstance(due_at, datetime):
            errors["due_at"] = _("请选择到期时间")
        elif not clock.now() - MAX_AHEAD < due_at < clock.now() + MAX_AHEAD:
            errors["due_at"] = _("到期时间应在五年之内")
        else:
            clean["due_at"] = (
                _start_of_day(due_at) if values.get("all_day") else due_at.replace(second=0, microsecond=0)
            )
    if "repeat_until" in values:
        clean["repeat_until"] = values["repeat_until"]


def _start_of_day(moment: datetime) -> datetime:
    return local(moment).replace(hour=0, minute=0, second=0, microsecond=0)


def _clean_reminders(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str], *, whole: bool) -> None:
    if not whole and "reminders" not in values:
        return
    offsets = values.get("reminders")
    offsets = usual_reminders() if offsets is None else sorted(set(offsets))
    if len(offsets) > MAX_REMINDERS:
        errors["reminders"] = _("最多 %(most)d 个提醒", most=MAX_REMINDERS)
    if any(not isinstance(one, int) or isinstance(one, bool) or not 0 <= one <= OFFSETS[-1] for one in offsets):
        errors["reminders"] = _("提醒时间应在到期前 7 天以内")
    clean["reminders"] = offsets
