"""/leads: customers in an early stage whose first response is due."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp import clock
from wsapp.api.base import Answer, member_named, reads, resource, writes
from wsapp.api.lists import Named, Select, listed, one, text_of
from wsapp.api.schemas_book import Lead as LeadRecord
from wsapp.api.schemas_book import LeadEnd, LeadList, LeadNew, LeadPage, LeadPath, LeadWritten
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.lead_order import LEAD_SORTS, column_of, demand_order, values_for
from wsapp.crm.customers.leads import (
    CONVERTED,
    INVALID,
    SCORE_COLUMNS,
    VALID,
    confirm_lead,
    convert_lead,
    reject_lead,
    reopen_lead,
    score_of,
    sees_score,
    start_lead,
)
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, find_customer, visible_customers
from wsapp.crm.customers.telling import warnings_of
from wsapp.crm.fields.access import demand_readable, shown
from wsapp.crm.search.queries import matching
from wsapp.problems import NotFound
from wsapp.texts import _

bp = resource("leads", "Leads: customers in an early stage")

OWNER = Named(Customer.owner_id, "owner")
COLUMNS = (
    Customer.id,
    Customer.version,
    Customer.name,
    Customer.lead,
    Customer.invalid_reason,
    Customer.stage,
    Customer.respond_by,
    Customer.responded_at,
    Customer.created_at,
    Customer.updated_at,
    *SCORE_COLUMNS,
)
RECORDS = OWNER.join(sa.select(*COLUMNS, OWNER.userid).select_from(Customer)).where(Customer.lead != "")
PLAIN = ("id", "version", "name", "invalid_reason", "source", "stage", "owner")
MOMENTS = ("respond_by", "responded_at", "created_at", "updated_at")


def _select() -> Select:
    return RECORDS.where(visible_customers(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    now = clock.now()
    return [
        shown(
            g.member,
            {field: getattr(row, field) for field in PLAIN}
            | {field: text_of(getattr(row, field)) for field in MOMENTS}
            | {"state": row.lead}
            | ({"score": score_of(row._mapping, now).total} if sees_score(g.member) else {}),
        )
        for row in found
    ]


def _answer(customer_id: str, status: int = 200, **more: Any) -> Answer:
    record = one(_select().where(Customer.id == customer_id), show=_show) | more
    return Answer(record, status, record["version"], f"/api/v1/leads/{customer_id}" if status == 201 else "")


@bp.get("/leads", responses={200: LeadPage})
@reads
def index(query: LeadList) -> Answer:
    """List the leads that the user may see, last changed first."""
    statement = _select()
    if query.state:
        statement = statement.where(Customer.lead == query.state)
    if query.owner:
        demand_readable(g.member, ["owner"])
        statement = statement.where(OWNER.is_called(query.owner))
    if query.q.strip():
        statement = statement.where(matching(query.q.strip(), actor=g.member))
    demand_order(g.member, query.sort)
    statement = statement.add_columns(*column_of(query.sort)).params(values_for(query.sort, clock.now()))
    return listed(statement, query, sorts=LEAD_SORTS, default="-updated_at", id_column=Customer.id, show=_show)


@bp.get("/leads/<lead_id>", responses={200: LeadRecord})
@reads
def show(path: LeadPath) -> Answer:
    """Return a lead; of one that was merged into another, that other."""
    return _answer(current_id(path.lead_id))


@bp.post("/leads", responses={201: LeadWritten})
@writes
def create(body: LeadNew) -> Answer:
    """Create a lead: a customer with all its fields. A phone number that another customer has answers 409."""
    values = body.model_dump(exclude_unset=True)
    owner = member_named(values.pop("owner"), name="owner", in_team=True) if values.get("owner") else None
    customer = create_customer(values, actor=g.member, owner=owner, as_lead=True)
    start_lead(customer, actor=g.member)
    return _answer(customer.id, 201, warnings=warnings_of(customer, actor=g.member))


@bp.post("/leads/<lead_id>/state", responses={200: LeadRecord})
@writes
def decide(path: LeadPath, body: LeadEnd) -> Answer:
    """Say what becomes of a lead: valid, invalid with a reason, converted; or working again after invalid."""
    customer = find_customer(path.lead_id, actor=g.member)
    if not customer.lead:
        raise NotFound(_("线索不存在或无权查看"))
    if body.state == VALID:
        confirm_lead(customer, actor=g.member)
    elif body.state == INVALID:
        reject_lead(customer, body.reason, actor=g.member)
    elif body.state == CONVERTED:
        convert_lead(customer, actor=g.member)
    else:
        reopen_lead(customer, actor=g.member)
    return _answer(customer.id)
