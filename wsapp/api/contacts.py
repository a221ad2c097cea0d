"""/contacts: the people at a customer."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, current_when_stale, reads, resource, wanted_version, writes
from wsapp.api.followups import customer_named
from wsapp.api.lists import listed, one, text_of
from wsapp.api.ownfields import narrowed, with_custom
from wsapp.api.schemas_book import (
    AllContacts,
    ContactChange,
    ContactList,
    ContactNew,
    ContactOfCustomer,
    ContactPage,
    ContactPath,
    ContactWritten,
)
from wsapp.api.schemas_book import Contact as ContactRecord
from wsapp.api.schemas_in import CustomerPath
from wsapp.crm.customers.contacts import SORTS, add_contact, change_contact, find_contact, visible_contacts
from wsapp.crm.customers.models import Contact
from wsapp.crm.customers.queries import current_id, find_customer
from wsapp.crm.customers.telling import warnings_of
from wsapp.crm.fields.access import shown
from wsapp.crm.search.queries import contacts_with

bp = resource("contacts", "Contacts: the people at a customer")

PLAIN = ("id", "version", "name", "gender", "title", "role", "phones", "wechat", "mail", "is_primary", "tags", "note")
MOMENTS = ("created_at", "updated_at")


def _select() -> Any:
    return sa.select(Contact).where(visible_contacts(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    contacts = [row[0] for row in found]
    return with_custom("contact", [_record_of(one) for one in contacts], contacts)


def _record_of(contact: Contact) -> dict[str, Any]:
    """A contact's numbers are seen as its customer's are."""
    values = {field: getattr(contact, field) for field in PLAIN}
    seen = shown(g.member, {"phones": values["phones"]})
    moments = {field: text_of(getattr(contact, field)) for field in MOMENTS}
    return {
        **values,
        **moments,
        "phones": seen.get("phones", []),
        "customer": contact.customer_id,
        "birthday": contact.birthday,
        "external_userid": contact.external_userid,
    }


def _answer(contact_id: str, status: int = 200, **more: Any) -> Answer:
    record = one(_select().where(Contact.id == contact_id), show=_show) | more
    return Answer(record, status, record["version"], f"/api/v1/contacts/{contact_id}" if status == 201 else "")


def _written(contact: Contact, status: int = 200) -> Answer:
    """Return a contact that was just saved, with the customers that have its numbers, too."""
    return _answer(contact.id, status, warnings=warnings_of(contact, actor=g.member))


def _list(query: ContactList, customer_id: str) -> Answer:
    statement = _select()
    if customer_id:
        statement = statement.where(Contact.customer_id == customer_id)
    if query.role is not None:
        statement = statement.where(Contact.role == query.role)
    if query.q.strip():
        statement = statement.where(contacts_with(query.q.strip(), actor=g.member))
    statement = narrowed(statement, query.custom, "contact", Contact.id)
    return listed(statement, query, sorts=SORTS, default="-updated_at", id_column=Contact.id, show=_show)


@bp.get("/contacts", responses={200: ContactPage})
@reads
def index(query: AllContacts) -> Answer:
    """List the contacts of all customers that the user may see, last changed first."""
    return _list(query, current_id(query.customer) if query.customer else "")


@bp.get("/customers/<customer_id>/contacts", responses={200: ContactPage})
@reads
def of_customer(path: CustomerPath, query: ContactList) -> Answer:
    """List a customer's contacts, last changed first."""
    return _list(query, find_customer(path.customer_id, actor=g.member).id)


@bp.get("/contacts/<contact_id>", responses={200: ContactRecord})
@reads
def show(path: ContactPath) -> Answer:
    """Return a contact."""
    return _answer(path.contact_id)


@bp.post("/customers/<customer_id>/contacts", responses={201: ContactWritten})
@writes
def create_of_customer(path: CustomerPath, body: ContactOfCustomer) -> Answer:
    """Add a contact to a customer; the first one becomes the main one."""
    customer = find_customer(path.customer_id, actor=g.member)
    return _written(add_contact(customer, body.model_dump(exclude_unset=True), actor=g.member), 201)


@bp.post("/contacts", responses={201: ContactWritten})
@writes
def create(body: ContactNew) -> Answer:
    """Add a contact; the first one of its customer becomes the main one."""
    values = body.model_dump(exclude_unset=True)
    customer = customer_named(values.pop("customer"))
    return _written(add_contact(customer, values, actor=g.member), 201)


@bp.patch("/contacts/<contact_id>", responses={200: ContactWritten})
@writes
def change(path: ContactPath, body: ContactChange) -> Answer:
    """Change the given fields of a contact. With If-Match, only at that version."""
    contact = find_contact(path.contact_id, actor=g.member)
    with current_when_stale(lambda: _answer(path.contact_id)):
        change_contact(contact, body.model_dump(exclude_unset=True), actor=g.member, version=wanted_version())
    return _written(contact)
