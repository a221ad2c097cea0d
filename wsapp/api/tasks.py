"""/tasks: what is due, for whom, and when to say so."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import abort, g

from wsapp import clock
from wsapp.api.base import (
    Answer,
    current_when_stale,
    may_be_empty,
    member_named,
    reads,
    refuse,
    resource,
    wanted_version,
    writes,
)
from wsapp.api.lists import Named, Select, listed, one, text_of
from wsapp.api.ownfields import narrowed, with_custom
from wsapp.api.schemas_in import (
    TaskAssignee,
    TaskCancel,
    TaskChange,
    TaskDone,
    TaskFields,
    TaskList,
    TaskNew,
    TaskPath,
    TaskSnooze,
)
from wsapp.api.schemas_out import Task as TaskRecord
from wsapp.api.schemas_out import TaskPage
from wsapp.crm.customers.queries import current_id
from wsapp.crm.fields.access import shown
from wsapp.crm.search.queries import tasks_with
from wsapp.crm.tasks.actions import assign_task, cancel_task, change_task, complete_task, create_task, snooze_task
from wsapp.crm.tasks.models import CANCELLED, DONE, Task
from wsapp.crm.tasks.queries import SORTS, find_task, visible_tasks
from wsapp.db import db
from wsapp.texts import _

bp = resource("tasks", "Tasks: what is due, for whom, and when to say so")

COLUMNS = (
    Task.id,
    Task.version,
    Task.title,
    Task.note,
    Task.kind,
    Task.customer_id,
    Task.due_at,
    Task.all_day,
    Task.reminders,
    Task.priority,
    Task.repeat,
    Task.repeat_until,
    Task.repeat_every,
    Task.repeat_days,
    Task.repeat_times,
    Task.repeat_number,
    Task.repeat_free,
    Task.state,
    Task.snoozed_until,
    Task.done_at,
    Task.done_note,
    Task.custom,
    Task.created_at,
    Task.updated_at,
)
PLAIN = (
    "id",
    "version",
    "title",
    "note",
    "kind",
    "assignee",
    "creator",
    "all_day",
    "reminders",
    "priority",
    "repeat",
    "repeat_every",
    "repeat_days",
    "repeat_times",
    "repeat_number",
    "repeat_free",
    "state",
    "done_by",
    "done_note",
)
MOMENTS = ("due_at", "repeat_until", "snoozed_until", "done_at", "created_at", "updated_at")


def _select(assignee: Named) -> Select:
    creator, doer = Named(Task.creator_id, "creator"), Named(Task.done_by, "done_by")
    statement = sa.select(*COLUMNS, assignee.userid, creator.userid, doer.userid).select_from(Task)
    return doer.join(creator.join(assignee.join(statement))).where(visible_tasks(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    return with_custom("task", [shown(g.member, _record_of(row), "task") for row in found], found)


def _record_of(row: Any) -> dict[str, Any]:
    return (
        {field: getattr(row, field) for field in PLAIN}
        | {field: text_of(getattr(row, field)) for field in MOMENTS}
        | {"customer": row.customer_id}
    )


def _answer(task_id: str, status: int = 200) -> Answer:
    record = one(_select(Named(Task.assignee_id, "assignee")).where(Task.id == task_id), show=_show)
    return Answer(record, status, record["version"], f"/api/v1/tasks/{task_id}" if status == 201 else "")


@bp.get("/tasks", responses={200: TaskPage})
@reads
def index(query: TaskList) -> Answer:
    """List the tasks that the user may see, soonest due first."""
    assignee = Named(Task.assignee_id, "assignee")
    statement = _select(assignee)
    if query.assignee:
        statement = statement.where(assignee.is_called(query.assignee))
    if query.state:
        statement = statement.where(Task.state == query.state)
    if query.due_before:
        statement = statement.where(Task.due_at < query.due_before)
    if query.customer:
        statement = statement.where(Task.customer_id == current_id(query.customer))
    if query.q.strip():
        statement = statement.where(tasks_with(query.q.strip()))
    statement = narrowed(statement, query.custom, "task", Task.id)
    return listed(statement, query, sorts=SORTS, default="due_at", id_column=Task.id, show=_show)


@bp.get("/tasks/<task_id>", responses={200: TaskRecord})
@reads
def show(path: TaskPath) -> Answer:
    """Return a task."""
    return _answer(path.task_id)


@bp.post("/tasks", responses={201: TaskRecord})
@writes
def create(body: TaskNew) -> Answer:
    """Create a task and plan its reminders."""
    return _answer(create_task(_values(body), actor=g.member).id, 201)


@bp.patch("/tasks/<task_id>", responses={200: TaskRecord})
@writes
def change(path: TaskPath, body: TaskChange) -> Answer:
    """Change the given fields of a task and plan its reminders anew. With If-Match, only at that version."""
    task = find_task(path.task_id, actor=g.member)
    with current_when_stale(lambda: _answer(path.task_id)):
        change_task(task, _values(body), actor=g.member, version=wanted_version())
    return _answer(task.id)


@bp.post("/tasks/<task_id>/completion", responses={200: TaskRecord})
@may_be_empty
@writes
def complete(path: TaskPath, body: TaskDone) -> Answer:
    """Finish a task. Finished before, it stays as it is; a cancelled one answers 409."""
    task = find_task(path.task_id, actor=g.member)
    complete_task(task, actor=g.member, note=body.note)
    return _answer_when(task, DONE)


@bp.post("/tasks/<task_id>/snooze", responses={200: TaskRecord})
@writes
def snooze(path: TaskPath, body: TaskSnooze) -> Answer:
    """Remind again in so many minutes, and not before."""
    task = find_task(path.task_id, actor=g.member)
    if not snooze_task(task, clock.now() + timedelta(minutes=body.minutes), actor=g.member):
        _refuse_closed(task)
    return _answer(task.id)


@bp.post("/tasks/<task_id>/assignment", responses={200: TaskRecord})
@writes
def assign(path: TaskPath, body: TaskAssignee) -> Answer:
    """Hand a task over."""
    task = find_task(path.task_id, actor=g.member)
    before = _answer(task.id)
    assign_task(task, member_named(body.assignee, name="assignee").id, actor=g.member)
    db.session.flush()
    visible = db.session.scalar(sa.select(Task.id).where(Task.id == task.id, visible_tasks(g.member)))
    if visible:
        return _answer(task.id)
    # Handed on, out of the user's sight: they get what they may still know.
    return Answer({**before.body, "assignee": body.assignee, "version": task.version}, version=task.version)


@bp.post("/tasks/<task_id>/cancellation", responses={200: TaskRecord})
@may_be_empty
@writes
def cancel(path: TaskPath, body: TaskCancel) -> Answer:
    """Cancel a task, and with it the series of a repeating one. A finished one answers 409."""
    task = find_task(path.task_id, actor=g.member)
    cancel_task(task, actor=g.member, reason=body.reason)
    return _answer_when(task, CANCELLED)


def _answer_when(task: Task, state: str) -> Answer:
    if task.state != state:
        _refuse_closed(task)
    return _answer(task.id)


def _refuse_closed(task: Task) -> None:
    state = _("已完成") if task.state == DONE else _("已取消")
    db.session.rollback()
    abort(refuse(409, "closed", _("这条待办%(state)s", state=state), errors=[{"field": "state", "message": state}]))


def _values(body: TaskFields) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    if values.get("assignee"):
        values["assignee"] = member_named(values["assignee"], name="assignee").id
    return values
