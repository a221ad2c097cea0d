"""Today (今天): what is overdue, what is due, where I am checked in."""

from math import ceil
from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.dashboards.figures import FOLLOW_UPS, VISITS
from wsapp.crm.dashboards.goals import Goal, goals_of
from wsapp.crm.org.queries import leads_others
from wsapp.crm.org.workdays import is_workday
from wsapp.h5 import charts, lists, rows, visit_lists
from wsapp.h5.pages import show
from wsapp.h5.plans import plan_rows
from wsapp.house import local_now
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("today", __name__, url_prefix="/h5")
bp.before_request(require_member)

LATER_MOST = 10


@bp.get("/")
def page() -> str:
    """The first page: my tasks in three groups, my visits under way, the day's figures and the goals of the week."""
    tasks = _by_urgency(lists.my_open_tasks(g.member))
    visits = visit_lists.my_visits_today(g.member)
    figures = lists.day_figures(g.member)
    return show(
        "today/page.html",
        counted=False,
        task_count=figures.overdue + figures.due,
        greeting=_greeting(),
        day=_day(),
        overdue=tasks["overdue"],
        due=tasks["today"],
        later=tasks[""],
        under_way=rows.visit_rows([visit for visit in visits if visit.state == "in"], viewer_id=g.member.id),
        plans=plan_rows(visit_lists.todays_plans(g.member)),
        figures=_figures(figures, visits),
        goals=_goals(),
        leads=leads_others(g.member),
    )


def _by_urgency(found: Any) -> dict[str, list[rows.Row]]:
    """Draw tasks in groups: "overdue", "today", and the first few of the rest under ""."""
    groups: dict[str, list[Any]] = {"overdue": [], "today": [], "": []}
    for task in found:
        groups[rows.due_state(task)].append(task)
    groups[""] = groups[""][:LATER_MOST]
    return {name: rows.task_rows(group, viewer_id=g.member.id, snoozes=True) for name, group in groups.items()}


def _figures(day: lists.DayFigures, visits: Any) -> list[tuple[int, str, str, bool]]:
    tasks = url_for("tasks.index")
    visited = sum(1 for visit in visits if visit.checked_in_at >= lists.start_of_today())
    return [
        (day.overdue, _("已逾期"), tasks, day.overdue > 0),
        (day.due, _("今天到期"), tasks, False),
        (visited, _("今天拜访"), url_for("visits.index"), False),
        (day.follow_ups, _("今天跟进"), "", False),
    ]


def _goals() -> list[dict[str, Any]]:
    """Draw the goals of the week, each leading to what it counts."""
    day = local_now().date()
    words = {VISITS: _("拜访"), FOLLOW_UPS: _("跟进")}
    return [
        {
            "url": url_for("board.listed", what=one.figure, span="week", day=day.isoformat(), person=g.member.id),
            "text": words[one.figure],
            "done": one.done,
            "wanted": one.wanted,
            "ring": charts.ring(one.done, one.wanted, one.by_tonight),
            "sub": _how_far(one),
        }
        for one in goals_of(g.member, day)
    ]


def _how_far(goal: Goal) -> str:
    if goal.done >= goal.wanted:
        return _("已达成")
    behind = ceil(goal.by_tonight - goal.done)
    if behind <= 0:
        return _("进度正常")
    return _("今天还差 %(n)d 次", n=behind) if is_workday(local_now().date()) else _("本周还差 %(n)d 次", n=behind)


def _greeting() -> str:
    hour, name = local_now().hour, g.member.name
    if hour < 5 or hour >= 22:
        return _("夜深了，%(name)s", name=name)
    if hour < 11:
        return _("早上好，%(name)s", name=name)
    if hour < 13:
        return _("中午好，%(name)s", name=name)
    return _("下午好，%(name)s", name=name) if hour < 18 else _("晚上好，%(name)s", name=name)


def _day() -> str:
    today = local_now()
    weekdays = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))
    return _("%(month)d月%(day)d日 %(weekday)s", month=today.month, day=today.day, weekday=weekdays[today.weekday()])
