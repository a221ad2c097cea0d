"""Who has a word in an appeal, and whether there is anything left to decide. Asked anew at each press."""

import sqlalchemy as sa

from wsapp.crm.appeals.models import HELP, MOVE, OFFER, Appeal
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, may_do
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import manager_of, member
from wsapp.crm.org.rights import may, sight
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.places import LEAP
from wsapp.db import first
from wsapp.geo import metres_between


def customer_of(appeal: Appeal) -> Customer | None:
    """Return the customer that an appeal is about, under whichever id it is found now; None when it is gone."""
    if appeal.customer_id is None:
        return None
    there = sa.select(Customer).where(Customer.id == current_id(appeal.customer_id), Customer.deleted_at.is_(None))
    found: Customer | None = first(there.execution_options(populate_existing=True))
    return found


def task_of(appeal: Appeal) -> Task | None:
    """Return the task that an appeal is about, as it is now; None for one about a customer."""
    if appeal.task_id is None:
        return None
    there = sa.select(Task).where(Task.id == appeal.task_id)
    found: Task | None = first(there.execution_options(populate_existing=True))
    return found


def may_answer(appeal: Appeal, *, actor: Member) -> bool:
    """Say whether it is the actor's to answer: who was asked; of more time and of a place whoever leads there, too."""
    if actor.id == appeal.asker_id or not actor.is_active:
        return False
    if actor.id == appeal.reader_id:
        return True
    if appeal.wish in (HELP, OFFER):
        return False
    if appeal.wish == MOVE:
        customer = customer_of(appeal)
        return customer is not None and may_move(customer, actor)
    return may(actor, "edit", appeal.owner_id, obj="task")


def may_move(customer: Customer, actor: Member) -> bool:
    """Say whether the actor may give a customer another place without asking: who leads its owner, an administrator.

    To give customers away is what leaders may and sellers may not, but for their own.
    """
    covered = sight(actor, "customer", "transfer")
    if covered.people is None:
        return True
    if len(covered.people) > 1 and covered.covers(customer.owner_id):
        return True
    owner = member(customer.owner_id)
    above = manager_of(owner) if owner and owner.id != actor.id else None
    return above is not None and above.id == actor.id


def is_left(appeal: Appeal) -> bool:
    """Say whether what was asked for can still be done: the record is there and whose it was, people are in office."""
    asker = member(appeal.asker_id)
    if asker is None or not asker.is_active:
        return False
    if appeal.task_id is not None:
        task = task_of(appeal)
        return task is not None and task.is_open and task.assignee_id == appeal.asker_id
    customer = customer_of(appeal)
    if customer is None:
        return False
    if appeal.wish == MOVE:
        lat, lng = appeal.facts["before"]
        return customer.place is not None and metres_between((lat, lng), customer.place) <= LEAP
    reader = member(appeal.reader_id)
    stands = customer.owner_id == appeal.owner_id and reader is not None and reader.is_active
    return stands and customer.owner_id != appeal.reader_id and may_do(customer, "edit", actor=asker)
