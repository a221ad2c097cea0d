"""Who watches a record, as far as they may still see it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import visible_tasks
from wsapp.crm.watches.models import Watch
from wsapp.db import db, first, rows

MOST_TOLD, MOST_SHOWN = 200, 500


def of(record: Customer | Task) -> sa.ColumnElement[bool]:
    """Return the condition for those who watch a record."""
    column = Watch.customer_id if isinstance(record, Customer) else Watch.task_id
    return column == record.id


def is_watching(record: Customer | Task, actor: Member) -> bool:
    """Say whether the actor watches a record."""
    return first(sa.select(Watch.id).where(of(record), Watch.member_id == actor.id).limit(1)) is not None


def watched_by(actor: Member) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the customers (id, name) and the tasks (id, title, due_at, all_day) that the actor watches and may see."""
    mine = sa.exists().where(Watch.member_id == actor.id, Watch.corp_id == Customer.corp_id)
    customers = sa.select(Customer.id, Customer.name).where(
        mine.where(Watch.customer_id == Customer.id), visible_customers(actor), Customer.deleted_at.is_(None)
    )
    watching = sa.exists().where(Watch.member_id == actor.id, Watch.corp_id == Task.corp_id, Watch.task_id == Task.id)
    tasks = sa.select(Task.id, Task.title, Task.due_at, Task.all_day).where(watching, visible_tasks(actor))
    return (
        db.session.execute(customers.order_by(Customer.name, Customer.id).limit(MOST_SHOWN)).all(),
        db.session.execute(tasks.order_by(Task.due_at, Task.id).limit(MOST_SHOWN)).all(),
    )


def watchers_of(customer_id: str | None, task_id: str | None) -> Sequence[Member]:
    """Return the active members who watch a customer, or a task, and may see it; each once, by id."""
    which = []
    if customer_id:
        which.append(Watch.customer_id == customer_id)
    if task_id:
        which.append(Watch.task_id == task_id)
    if not which:
        return []
    wanted = sa.exists().where(Watch.corp_id == Member.corp_id, Watch.member_id == Member.id, sa.or_(*which))
    found = rows(sa.select(Member).where(wanted, Member.status == ACTIVE).order_by(Member.id).limit(MOST_TOLD))
    return [one for one in found if _sees(one, customer_id, task_id)]


def _sees(reader: Member, customer_id: str | None, task_id: str | None) -> bool:
    """A task must be theirs to see; of all else, the customer."""
    if task_id:
        return first(sa.select(Task.id).where(Task.id == task_id, visible_tasks(reader))) is not None
    return first(sa.select(Customer.id).where(Customer.id == customer_id, visible_customers(reader))) is not None
