"""Which messages and which events a person may see."""

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import team_ids, within_team
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import visible_tasks

SORTS = {"-due_at": (Notification.due_at, True), "due_at": (Notification.due_at, False)}


def visible_notifications(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the messages that the actor may see: those to themselves and to their team."""
    return within_team(Notification.recipient_id, actor)


def visible_events(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the events that the actor may see.

    Those of customers and tasks that they see, those of their own team's members, and what their team itself did.
    """
    if team_ids(actor) is None:
        return sa.true()
    of_customer = sa.exists().where(
        Customer.corp_id == Event.corp_id, Customer.id == Event.customer_id, visible_customers(actor)
    )
    of_task = sa.and_(
        Event.subject_type == Task.__tablename__,
        sa.exists().where(Task.corp_id == Event.corp_id, Task.id == Event.subject_id, visible_tasks(actor)),
    )
    of_member = sa.and_(Event.subject_type == Member.__tablename__, within_team(Event.subject_id, actor))
    return sa.or_(within_team(Event.actor_id, actor), of_customer, of_task, of_member)
