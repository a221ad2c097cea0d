"""/customers: who we sell to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, current_when_stale, member_named, reads, resource, wanted_version, writes
from wsapp.api.lists import Named, Select, listed, one, text_of
from wsapp.api.ownfields import narrowed
from wsapp.api.schemas_in import CustomerChange, CustomerFields, CustomerList, CustomerNew, CustomerOwner, CustomerPath
from wsapp.api.schemas_out import Customer as CustomerRecord
from wsapp.api.schemas_out import CustomerPage, CustomerWritten
from wsapp.crm.appeals.places import change_or_ask
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import (
    SORTS,
    current_id,
    find_customer,
    phones_of,
    tagged,
    visible_customers,
    visible_in_lists,
)
from wsapp.crm.customers.telling import warnings_of
from wsapp.crm.fields.access import demand_readable, shown
from wsapp.crm.fields.finding import ordered
from wsapp.crm.fields.showing import outward
from wsapp.crm.pools.actions import find_assignable, hand_to
from wsapp.crm.search.queries import matching
from wsapp.problems import NotFound

bp = resource("customers", "Customers: who we sell to")

COLUMNS = (
    Customer.id,
    Customer.version,
    Customer.name,
    Customer.short_name,
    Customer.kind,
    Customer.level,
    Customer.stage,
    Customer.source,
    Customer.industry,
    Customer.size,
    Customer.province,
    Customer.city,
    Customer.district,
    Customer.address,
    Customer.lat,
    Customer.lng,
    Customer.website,
    Customer.credit_code,
    Customer.note,
    Customer.tags,
    Customer.pool_id,
    Customer.parent_id,
    Customer.department_id,
    Customer.lead,
    Customer.invalid_reason,
    Customer.stage_since,
    Customer.last_deal_at,
    Customer.last_followed_at,
    Customer.last_visited_at,
    Customer.next_follow_at,
    Customer.custom,
    Customer.created_at,
    Customer.updated_at,
)
PLAIN = (
    "id",
    "version",
    "name",
    "short_name",
    "kind",
    "level",
    "stage",
    "source",
    "industry",
    "size",
    "province",
    "city",
    "district",
    "address",
    "website",
    "credit_code",
    "note",
    "tags",
    "owner",
    "lead",
    "invalid_reason",
    "custom",
)
FILTERS = ("owner", "pool", "stage", "level", "tag")
MOMENTS = (
    "stage_since",
    "last_deal_at",
    "last_followed_at",
    "last_visited_at",
    "next_follow_at",
    "created_at",
    "updated_at",
)


OWNER = Named(Customer.owner_id, "owner")
RECORDS = OWNER.join(sa.select(*COLUMNS, OWNER.userid).select_from(Customer))


def _select() -> Select:
    return RECORDS.where(visible_customers(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    phones = phones_of([row.id for row in found])
    custom = outward("customer", [row.custom or {} for row in found])
    return [
        shown(g.member, _record_of(row, phones[row.id]) | {"custom": own})
        for row, own in zip(found, custom, strict=True)
    ]


def _record_of(row: Any, phones: list[str]) -> dict[str, Any]:
    return (
        {field: getattr(row, field) for field in PLAIN}
        | {field: text_of(getattr(row, field)) for field in MOMENTS}
        | {
            "phones": phones,
            "location": {"lat": row.lat, "lng": row.lng} if row.lat is not None and row.lng is not None else None,
            "pool": row.pool_id,
            "parent": row.parent_id,
            "department": row.department_id,
        }
    )


def _record(customer_id: str) -> dict[str, Any]:
    return one(_select().where(Customer.id == customer_id), show=_show)


def _answer(customer_id: str, status: int = 200, **more: Any) -> Answer:
    record = _record(customer_id)
    address = f"/api/v1/customers/{customer_id}" if status == 201 else ""
    return Answer(record | more, status, record["version"], address)


def answer(customer_id: str) -> Answer:
    """Return the answer that shows a customer; raises NotFound when the user may not see it."""
    return _answer(customer_id)


def answer_unseen(customer_id: str, **more: Any) -> Answer:
    """Return the answer that shows a customer whom the user has just let go: what they could read a moment ago."""
    record = one(RECORDS.where(Customer.id == customer_id), show=_show)
    return Answer(record | more, version=record["version"])


@bp.get("/customers", responses={200: CustomerPage})
@reads
def index(query: CustomerList) -> Answer:
    """List the customers that the user may see, last changed first."""
    demand_readable(g.member, [name for name in FILTERS if getattr(query, name)])
    statement = RECORDS.where(visible_in_lists(g.member))
    if query.owner:
        statement = statement.where(OWNER.is_called(query.owner))
    for column, value in ((Customer.pool_id, query.pool), (Customer.stage, query.stage), (Customer.level, query.level)):
        if value:
            statement = statement.where(column == value)
    if query.tag:
        statement = statement.where(tagged(query.tag))
    if query.updated_since:
        statement = statement.where(Customer.updated_at >= query.updated_since)
    if query.q.strip():
        statement = statement.where(matching(query.q.strip(), actor=g.member))
    statement = narrowed(statement, query.custom, "customer", Customer.id)
    sorts, last = SORTS, Customer.id
    if query.sort.removeprefix("-").startswith("custom."):
        statement, how, last = ordered("customer", query.sort, actor=g.member, id_column=last, statement=statement)
        sorts = {query.sort: how}
    return listed(statement, query, sorts=sorts, default="-updated_at", id_column=last, show=_show)


@bp.get("/customers/<customer_id>", responses={200: CustomerRecord})
@reads
def show(path: CustomerPath) -> Answer:
    """Return a customer; of one that was merged into another, that other."""
    try:
        return _answer(path.customer_id)
    except NotFound:
        return _answer(current_id(path.customer_id))


@bp.post("/customers", responses={201: CustomerWritten})
@writes
def create(body: CustomerNew) -> Answer:
    """Create a customer. A phone number that another customer has answers 409; a similar name is warned of.

    What tells of customers that the user may not see is answered only so often an hour (429).
    """
    values = _values(body)
    owner = member_named(values.pop("owner"), name="owner", in_team=True) if values.get("owner") else None
    customer = create_customer(values, actor=g.member, owner=owner)
    return _answer(customer.id, 201, warnings=warnings_of(customer, actor=g.member))


@bp.patch("/customers/<customer_id>", responses={200: CustomerWritten, 202: CustomerWritten})
@writes
def change(path: CustomerPath, body: CustomerChange) -> Answer:
    """Change the given fields of a customer. With If-Match, only at that version.

    202 where a location more than 500 m from the present one needs a leader's word: the leader was asked, the customer
    is where it was, and everything else is changed.
    """
    customer = find_customer(path.customer_id, actor=g.member)
    values = _values(body)
    with current_when_stale(lambda: _answer(customer.id)):
        asked = change_or_ask(customer, values, actor=g.member, version=wanted_version())
    warnings = warnings_of(customer, actor=g.member)
    try:
        found = _answer(customer.id, warnings=warnings)
    except NotFound:  # what let them see it is what they changed
        found = answer_unseen(customer.id, warnings=warnings)
    return replace(found, status=202) if asked else found


@bp.post("/customers/<customer_id>/assignment", responses={200: CustomerRecord})
@writes
def assign(path: CustomerPath, body: CustomerOwner) -> Answer:
    """Make somebody of the user's team the owner; out of a pool that the user manages, anybody."""
    customer = find_assignable(path.customer_id, actor=g.member)
    hand_to(customer, member_named(body.owner, name="owner").id, actor=g.member)
    return answer_unseen(customer.id)


def _values(body: CustomerFields) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    return values
