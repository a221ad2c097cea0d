"""Who hears of what: one `case` an event, on one screen."""

import sqlalchemy as sa

from wsapp.crm.customers.queries import names_of
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import (
    directory_card,
    handed_over_card,
    in_language_of,
    overdue_card,
    task_card,
    unlinked_card,
    visit_card,
)
from wsapp.crm.notifications.reminders import refresh_task_cards
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import administrators, manager_of, member
from wsapp.crm.tasks.models import Task
from wsapp.db import first


def on_event(event: Event) -> None:
    """Tell whoever an event concerns."""
    match event.kind:
        case "visit.checked_in":
            _tell_manager_of_visit(event)
        case "task.assigned":
            _tell_both_of_assignment(event)
        case "task.overdue":
            _tell_manager_of_overdue(event)
        case "task.done" | "task.cancelled" | "task.snoozed":
            refresh_task_cards(_task(event))
        case "task.unlinked":
            _ask_about_deletion(event)
        case "directory.held" | "directory.asking":
            _tell_administrators(event)
        case "directory.failed" if event.data.get("cause") not in WAITED_FOR:
            _tell_administrators(event)


WAITED_FOR = ("console", "command")  # directory runs that somebody looks on at


def _tell_administrators(event: Event) -> None:
    for reader in administrators():
        with in_language_of(reader):
            card = directory_card(event.kind, event.data)
        tell(reader, event.kind, card, key=f"event:{event.id}:{reader.id}", subject_id=event.subject_id)


def _task(event: Event) -> Task:
    return first(sa.select(Task).where(Task.id == event.subject_id))


def _tell_manager_of_visit(event: Event) -> None:
    author = member(event.actor_id)
    manager = author and manager_of(author)
    if not author or not manager:
        return
    with in_language_of(manager):
        card = visit_card(
            event.subject_id,
            author=author.name,
            customer=names_of([event.customer_id]).get(event.customer_id or "", ""),
            text=event.data.get("text", ""),
            trust=event.data["trust"],
            distance=event.data.get("distance"),
        )
    tell(manager, event.kind, card, key=f"event:{event.id}", subject_id=event.subject_id)


def _tell_both_of_assignment(event: Event) -> None:
    task = _task(event)
    taker, giver, former = member(event.data["assignee"]), member(event.actor_id), member(event.data.get("before"))
    if taker and taker.id != event.actor_id and task.is_open and task.assignee_id == taker.id:
        with in_language_of(taker):
            card = task_card(task, kind="assigned")
        tell(taker, event.kind, card, key=f"event:{event.id}", subject_id=task.id, task_ids=[task.id])
    if former and taker and giver and former.id not in (giver.id, taker.id):
        with in_language_of(former):
            card = handed_over_card(task, giver=giver.name, taker=taker.name)
        tell(former, event.kind, card, key=f"event:{event.id}:former", subject_id=task.id)


def _tell_manager_of_overdue(event: Event) -> None:
    task = _task(event)
    assignee: Member | None = member(task.assignee_id)
    manager = assignee and manager_of(assignee)
    if not assignee or not manager or not task.is_open:
        return
    with in_language_of(manager):
        card = overdue_card(task, assignee=assignee.name)
    # A kind of its own: "task.overdue" is the assignee's reminder, and goes to nobody else.
    tell(manager, "team.overdue", card, key=f"event:{event.id}", subject_id=task.id)


def _ask_about_deletion(event: Event) -> None:
    """The assignee deleted the task in the host's own list: it stays, and the page asks what they want."""
    task, reader = _task(event), member(event.actor_id)
    if reader is None or not task.is_open or task.assignee_id != reader.id:
        return
    with in_language_of(reader):
        card = unlinked_card(task, in_calendar=event.data.get("list") == "entry")
    tell(reader, event.kind, card, key=f"event:{event.id}", subject_id=task.id)
