"""What can be deleted: whose it is, what it is called, to which customer it belongs, and who may."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.customers.queries import demand_right, find_customer
from wsapp.crm.followups.queries import find_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import demand, may
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import find_task
from wsapp.crm.visits.queries import find_visit
from wsapp.db import first
from wsapp.problems import NotFound
from wsapp.texts import _, lazy

MAX_TITLE = 60


@dataclass(frozen=True)
class Kind:
    """One kind of record: its table, its name on the screen, and the columns that say whose it is."""

    table: str
    label: Any
    owner: str
    find: Callable[..., Any]  # (id, actor=…) → the record, as far as the actor may see it; raises NotFound
    demand: Callable[[Any, Member], None]  # raises Forbidden
    title: Callable[[Any], str]


def _find_contact(contact_id: str, *, actor: Member) -> Contact:
    found: Contact | None = first(sa.select(Contact).where(Contact.id == contact_id, Contact.deleted_at.is_(None)))
    if found is None:
        raise NotFound(_("联系人不存在或无权查看"))
    find_customer(found.customer_id, actor=actor)
    return found


def _demand_of_contact(contact: Contact, actor: Member) -> None:
    demand_right(find_customer(contact.customer_id, actor=actor), "delete", actor=actor)


def _demand_of_task(task: Task, actor: Member) -> None:
    if not may(actor, "delete", task.assignee_id, obj="task"):
        demand(actor, "delete", task.creator_id, obj="task")


def _of(obj: str, owner: str) -> Callable[[Any, Member], None]:
    return lambda record, actor: demand(actor, "delete", getattr(record, owner), obj=obj)


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_TITLE]


KINDS: Mapping[str, Kind] = {
    one.table: one
    for one in (
        Kind(
            "customer",
            lazy("客户"),
            "owner_id",
            find_customer,
            lambda customer, actor: demand_right(customer, "delete", actor=actor),
            lambda customer: customer.name,
        ),
        Kind("contact", lazy("联系人"), "", _find_contact, _demand_of_contact, lambda contact: contact.name),
        Kind(
            "follow_up",
            lazy("跟进"),
            "author_id",
            find_follow_up,
            _of("follow_up", "author_id"),
            lambda follow_up: _line(follow_up.text),
        ),
        Kind(
            "visit",
            lazy("拜访"),
            "member_id",
            find_visit,
            _of("visit", "member_id"),
            lambda visit: _line(visit.note) or _line(visit.place_name) or _("拜访"),
        ),
        Kind("task", lazy("待办"), "assignee_id", find_task, _demand_of_task, lambda task: task.title),
    )
}


def customer_of(record: Any) -> str | None:
    """Return the id of the customer that a record belongs to; of a customer its own."""
    found: str | None = record.id if isinstance(record, Customer) else record.customer_id
    return found


def owner_of(record: Any) -> str | None:
    """Return whose record it is; a contact is its customer's owner's."""
    if isinstance(record, Contact):
        return first(sa.select(Customer.owner_id).where(Customer.id == record.customer_id))
    found: str | None = getattr(record, KINDS[record.__tablename__].owner)
    return found
