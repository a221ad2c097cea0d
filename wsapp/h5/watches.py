"""Watching (关注): customers and tasks of whose changes somebody wants to hear, and the list of them."""

from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.customers.queries import find_customer
from wsapp.crm.tasks.queries import find_task
from wsapp.crm.watches.actions import unwatch, watch
from wsapp.crm.watches.queries import is_watching, watched_by
from wsapp.db import db
from wsapp.h5.pages import go, show
from wsapp.h5.rows import moment
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("watches", __name__, url_prefix="/h5")
bp.before_request(require_member)


@bp.get("/watches")
def index() -> str:
    """What the reader watches and may see, the newest first."""
    customers, tasks = watched_by(g.member)
    return show(
        "watches/index.html",
        customers=[
            {"url": url_for("watches.page", customer_id=row.id), "icon": "customers", "text": row.name}
            for row in customers
        ],
        tasks=[
            {
                "url": url_for("tasks.page", task_id=row.id),
                "icon": "tasks",
                "text": row.title,
                "sub": moment(row.due_at, all_day=row.all_day),
            }
            for row in tasks
        ],
    )


@bp.get("/customers/<key:customer_id>/watch")
def page(customer_id: str) -> str:
    """Whether the reader watches a customer, and what that means."""
    customer = find_customer(customer_id, actor=g.member)
    return show("watches/page.html", counted=False, customer=customer, watching=is_watching(customer, g.member))


@bp.post("/customers/<key:customer_id>/watch")
def change_customer(customer_id: str) -> Any:
    """Watch a customer (`on` is "1"), or no longer."""
    words = _change(find_customer(customer_id, actor=g.member))
    return go(url_for("customers.page", customer_id=customer_id), words)


@bp.post("/tasks/<key:task_id>/watch")
def change_task(task_id: str) -> Any:
    """Watch a task (`on` is "1"), or no longer."""
    words = _change(find_task(task_id, actor=g.member))
    return go(url_for("tasks.page", task_id=task_id), words)


def _change(record: Any) -> str:
    on = request.form.get("on") == "1"
    if on:
        watch(record, actor=g.member)
    else:
        unwatch(record, actor=g.member)
    db.session.commit()
    return _("已关注，有变化会告诉您") if on else _("已取消关注")
