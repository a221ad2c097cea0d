"""Which tasks a person may see, and what is due."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.records import Records, carry, is_seen
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import Viewer, is_actor, within_team
from wsapp.crm.tasks.models import DOING, OPEN, Task
from wsapp.db import first, rows
from wsapp.house import local_now
from wsapp.problems import NotFound
from wsapp.texts import _

SORTS = {
    "due_at": (Task.due_at, False),
    "-due_at": (Task.due_at, True),
    "-created_at": (Task.created_at, True),
    "-updated_at": (Task.updated_at, True),
}


def start_of_today() -> datetime:
    """Return the first moment of today on the corp's clock."""
    return local_now().replace(hour=0, minute=0, second=0, microsecond=0)


def are_open() -> sa.ColumnElement[bool]:
    """Return the condition for tasks that are still to be done."""
    return Task.state.in_((OPEN, DOING))


def are_overdue(now: Any = None, today: Any = None) -> sa.ColumnElement[bool]:
    """Return the condition for open tasks past their time that nobody put off. All-day ones have their whole day.

    `now` and the start of `today` may be parameters of a statement that is kept.
    """
    now, today = clock.now() if now is None else now, start_of_today() if today is None else today
    late = sa.or_(
        sa.and_(Task.all_day.is_(False), Task.due_at < now), sa.and_(Task.all_day.is_(True), Task.due_at < today)
    )
    return sa.and_(are_open(), late, sa.or_(Task.snoozed_until.is_(None), Task.snoozed_until <= now))


def visible_tasks(actor: Member | Viewer) -> sa.ColumnElement[bool]:
    """Return the condition for the tasks that the actor may see: theirs, those they gave, those of their team."""
    return sa.or_(within_team(Task.assignee_id, actor, "task"), is_actor(Task.creator_id, actor))


carry("task", Records(Task, is_seen(Task, visible_tasks)))


def find_task(task_id: str, *, actor: Member) -> Task:
    """Return a task that the actor may see; raises NotFound for all others."""
    task = first(sa.select(Task).where(Task.id == task_id, visible_tasks(actor)))
    if task is None:
        raise NotFound(_("待办不存在或无权查看"))
    return task


def open_tasks_of(member: Member, *, before: object = None, limit: int = 100) -> Sequence[Task]:
    """Return the member's own open tasks, soonest due first, optionally only those due before a moment."""
    statement = sa.select(Task).where(Task.assignee_id == member.id, Task.state.in_((OPEN, DOING)))
    if before is not None:
        statement = statement.where(Task.due_at < before)
    return rows(statement.order_by(Task.due_at, Task.id).limit(limit))


def open_tasks_about(customer: Customer, *, actor: Member) -> Sequence[Task]:
    """Return the open tasks about a customer that the actor may see, soonest due first."""
    return rows(
        sa.select(Task)
        .where(Task.customer_id == customer.id, Task.state.in_((OPEN, DOING)), visible_tasks(actor))
        .order_by(Task.due_at, Task.id)
        .limit(50)
    )


def count_overdue(member: Member) -> int:
    """Return how many of the member's open tasks are past their due time."""
    return first(
        sa.select(sa.func.count())
        .select_from(Task)
        .where(Task.assignee_id == member.id, Task.state.in_((OPEN, DOING)), Task.due_at < clock.now())
    )
