"""What robots tell their groups of: one `case` an event."""

from collections.abc import Callable

import sqlalchemy as sa

from wsapp.crm.customers.queries import names_of
from wsapp.crm.events.models import Event
from wsapp.crm.groups.actions import say
from wsapp.crm.groups.queries import robots_for
from wsapp.crm.notifications.messages import Card, link, overdue_card, visit_card
from wsapp.crm.org.queries import member
from wsapp.crm.tasks.models import Task
from wsapp.db import first
from wsapp.texts import _, speaking


def on_event(event: Event) -> None:
    """Tell the groups that an event concerns."""
    match event.kind:
        case "visit.checked_in":
            _tell(event, event.actor_id, lambda: _visit(event))
        case "customer.created":
            _tell(event, event.actor_id, lambda: _customer(event))
        case "task.overdue":
            task: Task | None = first(sa.select(Task).where(Task.id == event.subject_id))
            if task and task.is_open:
                _tell(
                    event, task.assignee_id, lambda: overdue_card(task, assignee=_name(task.assignee_id), reader=None)
                )


def _tell(event: Event, person_id: str | None, card: Callable[[], Card]) -> None:
    if person_id is None:
        return
    for robot in robots_for(event.kind, person_id):
        with speaking(robot.language):
            said = card()
        say(robot, event.kind, said, key=f"event:{event.id}")


def _name(member_id: str | None) -> str:
    found = member(member_id)
    return found.name if found else ""


def _customer_name(event: Event) -> str:
    return names_of([event.customer_id]).get(event.customer_id or "", "")


def _visit(event: Event) -> Card:
    return visit_card(
        event.subject_id,
        author=_name(event.actor_id),
        customer=_customer_name(event),
        text=event.data.get("text", ""),
        trust=event.data["trust"],
        distance=event.data.get("distance"),
        reader=None,
    )


def _customer(event: Event) -> Card:
    return {
        "title": _("%(who)s 新建了客户 %(customer)s", who=_name(event.actor_id), customer=event.data.get("name", "")),
        "text": "",
        "lines": [],
        "url": link(f"/h5/customers/{event.customer_id}"),
        "buttons": [],
        "source": _("新客户"),
        "state": "",
    }
