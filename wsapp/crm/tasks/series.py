"""The next task of a repeating series (重复): made when one is finished, once."""

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.actions import record
from wsapp.crm.fields.carriers import carried_on
from wsapp.crm.fields.indexing import reindex
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import OPEN, Task
from wsapp.crm.tasks.reminders import plan_reminders
from wsapp.crm.tasks.repeat import next_due
from wsapp.crm.tasks.repeat_fields import repeat_of
from wsapp.db import first, insert_unless_there, new_id

CARRIED_ON = (  # from a repeating task to its next one
    "title",
    "note",
    "customer_id",
    "kind",
    "all_day",
    "reminders",
    "assignee_id",
    "creator_id",
    "priority",
    "repeat",
    "repeat_until",
    "repeat_every",
    "repeat_days",
    "repeat_times",
    "repeat_free",
)


def make_next(task: Task, *, actor: Member) -> None:
    """Create the next task of a repeating series; a unique key makes it once."""
    if not task.repeat or not task.series_id:
        return
    if task.repeat_times and task.repeat_number >= task.repeat_times:
        return
    first_due = first(sa.select(Task.due_at).where(Task.id == task.series_id)) or task.due_at
    due_at = next_due(repeat_of(task), max(clock.now(), task.due_at), first_due)
    if due_at is None or (task.repeat_until and due_at > task.repeat_until):
        return
    now = clock.now()
    values = {field: getattr(task, field) for field in CARRIED_ON} | {
        "custom": carried_on("task", task.custom or {}),
        "corp_id": task.corp_id,
        "id": new_id(),
        "due_at": due_at,
        "repeat_number": task.repeat_number + 1,
        "series_id": task.series_id,
        "state": OPEN,
        "source": "repeat",
        "source_id": task.id,
        "done_note": "",
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }
    if insert_unless_there(Task, values):
        following = first(sa.select(Task).where(Task.id == values["id"]))
        plan_reminders(following)
        reindex("task", [following.id])
        record("task.created", following, actor=actor, customer_id=following.customer_id, title=following.title)
