"""The morning brief and the evening wrap as pages: one's own worklists, and the rest moved to tomorrow in one tap."""

from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.dashboards.briefs import move_rest_of_today
from wsapp.crm.dashboards.cards import about, clock_time, why_first
from wsapp.crm.dashboards.worklists import PLAN, Evening, Morning, call_first, due_by_tonight, evenings, mornings
from wsapp.crm.pools.clocks import sees_clocks, today
from wsapp.crm.pools.words import days_left, why
from wsapp.crm.tasks.models import Task
from wsapp.db import db
from wsapp.h5 import lists, rows
from wsapp.h5.pages import go, show
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("briefs", __name__, url_prefix="/h5/briefs")
bp.before_request(require_member)

MOST_TASKS = 100


@bp.get("/morning")
def morning() -> str:
    """What waits today: whom to call first, what is overdue, visits, customers about to leave, what is due."""
    mine = mornings([g.member.id]).get(g.member.id, Morning())
    first = call_first(g.member, mine)
    tasks = _tasks()
    visits = [_visit(row) for row in mine.visits if row.kind == PLAN]
    return show(
        "briefs/morning.html",
        first=_first(first) if first else [],
        overdue=[row for row in tasks if row["due_state"] == "overdue"],
        due=[row for row in tasks if row["due_state"] != "overdue"],
        visits=visits,
        leaving=[_leaving(row, one) for row, one in mine.leaving] if sees_clocks(g.member) else [],
    )


def _tasks() -> list[rows.Row]:
    wanted = lists.task_list().where(Task.assignee_id == g.member.id, due_by_tonight())
    found = db.session.execute(wanted.order_by(Task.due_at, Task.id).limit(MOST_TASKS))
    return rows.task_rows(found, viewer_id=g.member.id, snoozes=True)


def _first(one: Any) -> list[rows.Row]:
    url = url_for("customers.page", customer_id=one.customer_id)
    return [{"url": url, "icon": "phone", "text": one.name, "sub": why_first(one)}]


def _visit(row: Any) -> rows.Row:
    return {"url": url_for("plans.page", plan_id=row.id), "icon": "visit", "text": about(row), "sub": clock_time(row)}


def _leaving(row: Any, one: Any) -> rows.Row:
    url = url_for("customers.page", customer_id=row.id)
    return {"url": url, "icon": "clock", "text": row.name, "sub": f"{days_left(one, today())} · {why(one)}"}


@bp.get("/evening")
def evening() -> str:
    """What was done today, what is left, and the button that moves it."""
    mine = evenings([g.member.id]).get(g.member.id, Evening())
    return show(
        "briefs/evening.html",
        figures=[
            (mine.done, _("完成待办"), url_for("tasks.index", state="done"), False),
            (mine.follow_ups, _("今天跟进"), url_for("board.feed"), False),
            (mine.visits, _("今天拜访"), url_for("visits.index"), False),
        ],
        left=_tasks(),
    )


@bp.post("/evening/rest")
def move_rest() -> Any:
    """Move what is left today to the next working day."""
    said = move_rest_of_today(g.member)
    db.session.commit()
    return go(url_for("briefs.evening"), said)
