"""/customers/<id>/coworkers and /stages: who works on a customer besides its owner, and how it came to its stage."""

from typing import Any

from flask import g

from wsapp.api.base import Answer, may_be_empty, member_named, reads, resource, writes
from wsapp.api.schemas_book import CoworkerNew, CoworkerPage, CoworkerPath, StageStepPage
from wsapp.api.schemas_in import CustomerPath
from wsapp.crm.customers.coworkers import add_coworker, coworkers_of, remove_coworker
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.customers.stages import stage_history
from wsapp.crm.fields.access import demand_readable
from wsapp.db import db
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _

bp = resource("coworkers", "Co-workers of a customer")


def _answer(customer: Customer, status: int = 200) -> Answer:
    items: list[dict[str, Any]] = [
        {
            "member": row.userid,
            "name": row.name,
            "access": "edit" if row.may_edit else "read",
            "since": row.since.isoformat(),
            "until": row.until.isoformat() if row.until else None,
        }
        for row in coworkers_of(customer.id)
    ]
    return Answer({"items": items, "next_cursor": None}, status)


@bp.get("/customers/<customer_id>/coworkers", responses={200: CoworkerPage})
@reads
def index(path: CustomerPath) -> Answer:
    """List the co-workers of a customer: at most twenty."""
    return _answer(find_customer(path.customer_id, actor=g.member))


@bp.post("/customers/<customer_id>/coworkers", responses={201: CoworkerPage})
@writes
def create(path: CustomerPath, body: CoworkerNew) -> Answer:
    """Let somebody of the corp work on a customer, or change what they may; answers all co-workers."""
    customer = find_customer(path.customer_id, actor=g.member)
    person = member_named(body.member, name="member")
    add_coworker(customer, person, may_edit=body.access == "edit", actor=g.member)
    return _answer(customer, 201)


@bp.delete("/customers/<customer_id>/coworkers/<coworker_id>", responses={200: CoworkerPage})
@may_be_empty
@writes
def remove(path: CoworkerPath) -> Answer:
    """End somebody's co-work; answers those who are left. People may leave by themselves."""
    customer = find_customer(path.customer_id, actor=g.member)
    try:
        person = member_named(path.coworker_id, name="member")
    except Invalid:
        raise NotFound(_("这位同事不是协作人")) from None
    remove_coworker(customer, person.id, actor=g.member)
    db.session.flush()
    return _answer(customer)


@bp.get("/customers/<customer_id>/stages", responses={200: StageStepPage})
@reads
def stages(path: CustomerPath) -> Answer:
    """List the steps of a customer's lifecycle, newest first: at most a hundred."""
    demand_readable(g.member, ["stage"])
    customer = find_customer(path.customer_id, actor=g.member)
    items = [
        {
            "before": row.before,
            "after": row.after,
            "seconds": row.seconds,
            "at": row.at.isoformat(),
            "actor": row.userid,
        }
        for row in stage_history(customer.id)
    ]
    return Answer({"items": items, "next_cursor": None})
