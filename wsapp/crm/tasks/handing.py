"""A task goes to somebody who said yes to it: wherever they work, and only while it is still whose it was."""

from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import DOING, OPEN, Task
from wsapp.crm.tasks.reminders import plan_reminders
from wsapp.db import db


def take_over(task: Task, taker: Member) -> bool:
    """Make `taker`, who accepted it, the assignee; reminders go along. Says whether the task was still to be had."""
    former = task.assignee_id
    moved = db.session.execute(
        sa.update(Task)
        .where(Task.id == task.id, Task.state.in_((OPEN, DOING)), Task.assignee_id == former)
        .values(assignee_id=taker.id, version=Task.version + 1, updated_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(task)
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        return False
    plan_reminders(task)
    facts: dict[str, Any] = {"assignee": taker.id, "before": former, "together": True}
    record("task.assigned", task, actor=taker, customer_id=task.customer_id, **facts)
    return True
