"""/pools: customers without an owner, and the verbs by which they get one or lose theirs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, may_be_empty, reads, resource, writes
from wsapp.api.customers import answer, answer_unseen
from wsapp.api.lists import listed, text_of
from wsapp.api.schemas_in import CustomerPath, CustomerRelease, Nothing, PooledList, PoolList, PoolPath
from wsapp.api.schemas_out import Customer as CustomerRecord
from wsapp.api.schemas_out import Pool as PoolRecord
from wsapp.api.schemas_out import PooledPage, PoolPage
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, phones_of
from wsapp.crm.fields.access import demand_readable
from wsapp.crm.pools.actions import claim_customer
from wsapp.crm.pools.masking import SORTS, pooled, pooled_values
from wsapp.crm.pools.models import Pool
from wsapp.crm.pools.queries import all_pools, make_first_pool, pool_for, pools_of
from wsapp.crm.pools.releases import release_or_ask
from wsapp.crm.search.queries import named
from wsapp.db import writing

bp = resource("pools", "Public pools: customers without an owner")

POOL_SORTS = {"position": (Pool.position, False), "name": (Pool.name, False), "-name": (Pool.name, True)}


def _have_one() -> None:
    """A corp's first pool is made when somebody first asks."""
    if not all_pools():
        with writing():
            make_first_pool()


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "name": row.name,
            "kind": row.kind,
            "departments": row.departments,
            "roles": row.roles,
            "is_default": row.is_default,
        }
        for row in found
    ]


@bp.get("/pools", responses={200: PoolPage})
@reads
def index(query: PoolList) -> Answer:
    """List the pools that the user may claim from, or manages, in their order."""
    _have_one()
    columns = (Pool.id, Pool.name, Pool.kind, Pool.departments, Pool.roles, Pool.is_default, Pool.position)
    statement = sa.select(*columns).where(Pool.id.in_([one.id for one in pools_of(g.member)]))
    if query.q.strip():
        statement = statement.where(Pool.name.contains(query.q.strip(), autoescape=True))
    return listed(statement, query, sorts=POOL_SORTS, default="position", id_column=Pool.id, show=_show)


@bp.get("/pools/<pool_id>", responses={200: PoolRecord})
@reads
def show(path: PoolPath) -> Answer:
    """Return a pool."""
    _have_one()
    found = pool_for(path.pool_id, actor=g.member)
    return Answer(
        {
            "id": found.id,
            "name": found.name,
            "kind": found.kind,
            "departments": sorted(found.departments),
            "roles": sorted(found.roles),
            "is_default": found.is_default,
        }
    )


@bp.get("/pools/<pool_id>/customers", responses={200: PooledPage})
@reads
def customers(path: PoolPath, query: PooledList) -> Answer:
    """List what is in a pool, newest first: phone numbers masked, hidden fields empty."""
    pool = pool_for(path.pool_id, actor=g.member)
    statement = pooled(pool, actor=g.member)
    if query.level:
        demand_readable(g.member, ["level"])
        statement = statement.where(Customer.level == query.level)
    if query.q.strip():
        statement = statement.where(named(query.q.strip()))

    def draw(found: Sequence[Any]) -> list[dict[str, Any]]:
        phones = phones_of([row.id for row in found])
        return [
            pooled_values(row, phones[row.id], pool, actor=g.member) | {"pooled_at": text_of(row.pooled_at)}
            for row in found
        ]

    return listed(statement, query, sorts=SORTS, default="-pooled_at", id_column=Customer.id, show=draw)


@bp.post("/customers/<customer_id>/claim", responses={200: CustomerRecord})
@may_be_empty
@writes
def claim(path: CustomerPath, body: Nothing) -> Answer:
    """Claim a customer out of a pool. 409 when somebody was quicker, or a cap or cool-down forbids it."""
    return answer(claim_customer(path.customer_id, actor=g.member).id)


@bp.post("/customers/<customer_id>/release", responses={200: CustomerRecord, 202: CustomerRecord})
@writes
def release(path: CustomerPath, body: CustomerRelease) -> Answer:
    """Put a customer back into a pool: the one named, else the default one of the owner's department.

    202 where the corp wants a manager's word first: the manager was asked, the customer is still its owner's.
    """
    customer = find_customer(path.customer_id, actor=g.member)
    asked = release_or_ask(customer, actor=g.member, reason=body.reason, pool_id=body.pool)
    found = answer_unseen(customer.id)
    return replace(found, status=202) if asked else found
