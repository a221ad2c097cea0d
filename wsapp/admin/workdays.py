"""Working days (工作日): the corp's own free days and days worked, over the public calendar."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from flask import g, request

from wsapp.admin.gate import go, pages, show, storable
from wsapp.crm.events.actions import record
from wsapp.crm.org.holidays import is_off, newest_year
from wsapp.crm.org.models import CorpDay
from wsapp.crm.org.workdays import Change, forget_day, own_days, set_days
from wsapp.db import db
from wsapp.house import local_now
from wsapp.problems import Invalid
from wsapp.texts import _

bp = pages("workdays")

SHOWN_AHEAD = timedelta(days=120)  # of the public calendar
FIELDS = ("day", "until", "works", "note")
DAY = timedelta(days=1)


@bp.get("/workdays")
def index() -> str:
    """The corp's exceptions, and what the public calendar says of the next months."""
    return _show({"works": "0"}, {})


@bp.post("/workdays")
def create() -> Any:
    """Let people be free, or work, on the days of a form."""
    typed = {name: storable(request.form.get(name, "")) for name in FIELDS}
    errors = {}
    start, until = _date(typed["day"]), _date(typed["until"] or typed["day"])
    if start is None:
        errors["day"] = _("请选择日期")
    elif until is None:
        errors["until"] = _("请选择日期")
    else:
        try:
            _record(set_days(start, until, works=typed["works"] == "1", note=typed["note"]))
            db.session.commit()
            return go("/admin/workdays", _("工作日已保存，逾期提醒会按新的日历重排"))
        except Invalid as problem:
            db.session.rollback()
            errors = problem.fields
    return _show(typed, errors), 422


@bp.post("/workdays/<day_id>/removal")
def remove(day_id: str) -> Any:
    """Take an exception back."""
    _record([forget_day(storable(day_id))])
    db.session.commit()
    return go("/admin/workdays", _("已恢复为公共日历"))


def _record(changes: Sequence[Change]) -> None:
    for one in changes:
        before, after = one.values
        record("day.changed", one.row, actor=g.member, changes={"works": [before, after]}, day=one.row.id)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _show(typed: dict[str, str], errors: dict[str, str]) -> str:
    today = local_now().date()
    return show(
        "workdays.html",
        "workdays",
        typed=typed,
        errors=errors,
        rows=[_row(one) for one in own_days(today - 31 * DAY)],
        public=_public(today),
        newest=newest_year(),
        choices=[("0", _("休息")), ("1", _("上班"))],
    )


def _row(one: CorpDay) -> dict[str, Any]:
    return {
        "id": one.id,
        "day": said(date.fromisoformat(one.id)),
        "note": one.note,
        "works": one.works,
    }


def said(day: date) -> str:
    """Return a day with its weekday."""
    weekdays = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))
    return f"{day:%Y-%m-%d} {weekdays[day.weekday()]}"


def _public(today: date) -> list[tuple[str, bool]]:
    """The public holidays and make-up days ahead, spans of free days as one: (words, worked?)."""
    found: list[tuple[str, bool]] = []
    day, last = today, today + SHOWN_AHEAD
    while day <= last:
        off = is_off(day)
        end = day
        while off and is_off(end + DAY):
            end += DAY
        if off is not None:
            words = said(day) if end == day else _("%(start)s 至 %(end)s", start=said(day), end=said(end))
            found.append((words, not off))
        day = end + DAY
    return found
