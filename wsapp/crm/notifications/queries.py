"""Which messages and which events a person may see."""

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.events.models import Event
from wsapp.crm.followups.changes import CHANGED
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.followups.queries import visible_follow_ups
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import team_ids, within_team
from wsapp.crm.org.rights import sight
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import visible_tasks

EVERYTHING: sa.ColumnElement[bool] = sa.true()
LOGS = ("follow_up", "visit")
RECORDS = (*LOGS, "task")
SORTS = {"-due_at": (Notification.due_at, True), "due_at": (Notification.due_at, False)}


def visible_notifications(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the messages that the actor may see: those to themselves and to their team."""
    return within_team(Notification.recipient_id, actor)


def visible_events(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the events that the actor may see.

    Those of customers and tasks that they see, those of their own team's members, and what their team itself did;
    of follow-ups, visits and tasks only as far as their own rights reach.
    """
    of_customer = sa.exists().where(
        Customer.corp_id == Event.corp_id, Customer.id == Event.customer_id, visible_customers(actor)
    )
    # Whose log is seen for its customer's sake alone is not seen where the customer is not, or no longer.
    of_logs = (
        sa.or_(Event.subject_type != name, within_team(Event.actor_id, actor, name), of_customer) for name in LOGS
    )
    granted = sa.and_(events_granted(actor), _of_seen_changes(actor), *of_logs)
    if team_ids(actor) is None:
        return granted
    of_task = sa.and_(
        Event.subject_type == Task.__tablename__,
        sa.exists().where(Task.corp_id == Event.corp_id, Task.id == Event.subject_id, visible_tasks(actor)),
    )
    of_member = sa.and_(Event.subject_type == Member.__tablename__, within_team(Event.subject_id, actor))
    return sa.and_(granted, sa.or_(within_team(Event.actor_id, actor), of_customer, of_task, of_member))


def _of_seen_changes(actor: Member) -> sa.ColumnElement[bool]:
    """Who changes a follow-up need not be who wrote it: what it said is for whom the follow-up is."""
    if team_ids(actor, FollowUp.__tablename__) is None:
        return sa.true()
    is_seen = sa.exists().where(
        FollowUp.corp_id == Event.corp_id, FollowUp.id == Event.subject_id, visible_follow_ups(actor)
    )
    return sa.or_(Event.kind != CHANGED, is_seen)


def events_granted(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition that an event is of a kind of record whose right reaches as far as the customer's.

    For most people that is every kind. Where follow-ups, visits or tasks of others are not for the actor's eyes, what
    happened to them is not, either.
    """
    narrow = [name for name in RECORDS if not _reaches_all(actor, name)]
    if not narrow:
        return EVERYTHING
    return sa.and_(*(sa.or_(Event.subject_type != name, within_team(Event.actor_id, actor, name)) for name in narrow))


def _reaches_all(actor: Member, obj: str) -> bool:
    covered = sight(actor, obj)
    return covered.people is None or covered.shared
