"""Giving a customer back where the corp wants a manager's word first (申请退回): asking, and doing what was granted."""

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.pools.actions import needs_approval, release_customer, released_into, to_pool
from wsapp.crm.pools.clock_cards import release_asked_card
from wsapp.crm.pools.models import RELEASE, RELEASED, OwnerRequest
from wsapp.crm.pools.queries import all_pools, default_pool, kind_of
from wsapp.crm.pools.requests import ASKED, reader_of, write_request
from wsapp.db import db, first
from wsapp.problems import Conflict


def release_or_ask(
    customer: Customer, *, actor: Member, reason: str, pool_id: str | None = None
) -> OwnerRequest | None:
    """Put a customer back into a pool, or ask the manager where a rule says so; the request is returned, else None.

    Raises what `release_customer` raises; Conflict when it was asked already; Invalid when nobody is there to ask.
    """
    if not needs_approval(customer, actor):
        release_customer(customer, actor=actor, reason=reason, pool_id=pool_id)
        return None
    words, pool = released_into(customer, actor=actor, reason=reason, pool_id=pool_id)
    reader = reader_of(actor)
    wanted = pool.id if pool_id else None
    request = write_request(customer, reader, actor=actor, wish=RELEASE, pool_id=wanted, reason=words)
    record("release.asked", request, actor=actor, customer_id=customer.id, name=customer.name, reason=words)
    with in_language_of(reader):
        card = release_asked_card(request, customer=customer.name, asker=actor, pool=pool.name)
    tell(reader, ASKED[RELEASE], card, key=f"release:{request.id}", subject_id=request.id)
    return request


def grant_release(request: OwnerRequest) -> bool:
    """Put the customer of a request into the pool, as its owner's own deed; says whether it still could be."""
    owner = member(request.owner_id)
    customer: Customer | None = first(
        sa.select(Customer)
        .where(
            Customer.id == current_id(request.customer_id),
            Customer.owner_id == request.owner_id,
            Customer.deleted_at.is_(None),
        )
        .execution_options(populate_existing=True)
    )
    if customer is None or owner is None:
        return False
    named = next((one for one in all_pools() if one.id == request.pool_id and one.enabled), None)
    pool = named or default_pool(owner, kind_of(customer.lead))
    if pool is None:
        return False
    try:
        with db.session.begin_nested():
            to_pool(customer, pool, actor=owner, kind="customer.released", ending=RELEASED, reason=request.reason)
    except Conflict:  # somebody was quicker with it
        return False
    return True
