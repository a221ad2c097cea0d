"""How a task repeats, on the screen: in words, and as the fields of its form."""

from collections.abc import Mapping
from typing import Any

from wsapp.crm.tasks.models import FREE_DAYS, Task
from wsapp.crm.tasks.repeat import LAST
from wsapp.h5 import words
from wsapp.h5.forms import Form
from wsapp.house import local
from wsapp.texts import _, lazy

TEXTS = ("repeat", "repeat_until", "repeat_every", "repeat_monthdays", "repeat_times", "repeat_free")
LISTS = ("repeat_weekdays",)
FREE = {"keep": lazy("照常"), "skip": lazy("跳过"), "move": lazy("顺延到下一个工作日")}
UNITS = {"daily": lazy("每 %(n)s 天"), "weekly": lazy("每 %(n)s 周"), "monthly": lazy("每 %(n)s 个月")}
WEEKDAYS = (lazy("周一"), lazy("周二"), lazy("周三"), lazy("周四"), lazy("周五"), lazy("周六"), lazy("周日"))


def said(task: Task) -> str:
    """Say how a task repeats, in one line; empty where it does not."""
    if not task.repeat:
        return ""
    every = str(UNITS[task.repeat]) % {"n": task.repeat_every} if task.repeat_every > 1 else words.REPEATS[task.repeat]
    parts = [f"{every}{_days(task)}"]
    if task.repeat_free != "keep":
        parts.append(_("遇到休息日%(how)s", how=FREE[task.repeat_free]))
    if task.repeat_times:
        parts.append(_("共 %(n)s 次，这是第 %(now)s 次", n=task.repeat_times, now=task.repeat_number))
    if task.repeat_until:
        parts.append(_("到 %(day)s 为止", day=local(task.repeat_until).strftime("%Y-%m-%d")))
    return _("，").join(parts)


def _days(task: Task) -> str:
    if not task.repeat_days:
        return ""
    if task.repeat == "weekly":
        return " " + _("、").join(str(WEEKDAYS[day - 1]) for day in task.repeat_days)
    last = [_("最后一天")] if LAST in task.repeat_days else []
    return " " + _("、").join([*(_("%(n)s 日", n=day) for day in task.repeat_days if day != LAST), *last])


# --- the form -----------------------------------------------------------------------------------------------------


def typed(task: Task) -> dict[str, Any]:
    """Return a task's repeat as its form shows it."""
    days = task.repeat_days or []
    return {
        "repeat": task.repeat,
        "repeat_until": local(task.repeat_until).strftime("%Y-%m-%d") if task.repeat_until else "",
        "repeat_every": str(task.repeat_every) if task.repeat_every > 1 else "",
        "repeat_weekdays": [str(day) for day in days] if task.repeat == "weekly" else [],
        "repeat_monthdays": ", ".join(map(str, days)) if task.repeat == "monthly" else "",
        "repeat_times": str(task.repeat_times or ""),
        "repeat_free": task.repeat_free,
    }


def values(form: Form) -> dict[str, Any]:
    """Return what a form says of the repeat; notes what is no number as an error of its field."""
    kind = form.typed["repeat"]
    if not kind:
        return {"repeat": "", "repeat_every": 1, "repeat_days": [], "repeat_times": None, "repeat_free": "keep"}
    weekdays = form.typed["repeat_weekdays"] if kind == "weekly" else []
    monthdays = form.typed["repeat_monthdays"].replace("，", ",").split(",") if kind == "monthly" else []
    days = [_number(form, "repeat_days", one) for one in (*weekdays, *monthdays) if one.strip()]
    return {
        "repeat": kind,
        "repeat_every": _number(form, "repeat_every", form.typed["repeat_every"] or "1"),
        "repeat_days": days,
        "repeat_times": _number(form, "repeat_times", form.typed["repeat_times"])
        if form.typed["repeat_times"].strip()
        else None,
        "repeat_free": form.typed["repeat_free"] or "keep",
    }


def _number(form: Form, field: str, text: str) -> int | None:
    try:
        return int(text.strip()[:6])
    except ValueError:
        form.errors[field] = _("请填写数字")
        return None


def drawn(form: Form) -> Mapping[str, Any]:
    """Return what the form draws besides what was typed: the choices, and the words for wrong days."""
    kind, wrong = form.typed.get("repeat"), form.errors.get("repeat_days", "")
    return {
        "repeats": [(key, text) for key, text in words.REPEATS.items() if key],
        "weekdays": [(str(number), text) for number, text in enumerate(WEEKDAYS, 1)],
        "free_days": [(key, FREE[key]) for key in FREE_DAYS],
        "wrong_weekdays": wrong if kind != "monthly" else "",
        "wrong_monthdays": wrong if kind == "monthly" else "",
        "repeat_open": bool(kind) or any(form.errors.get(name) for name in (*TEXTS, "repeat_days")),
    }
