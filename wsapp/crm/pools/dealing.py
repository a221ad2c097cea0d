"""Dealing customers out to several people: in turn, by weight, by load, by territory. Pure counting, no changes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.pools.models import DEAL, Handover
from wsapp.db import db, first
from wsapp.texts import lazy

TURN, WEIGHT, LOAD, TERRITORY = "turn", "weight", "load", "territory"
WAYS = {
    TURN: lazy("轮流"),
    WEIGHT: lazy("按权重"),
    LOAD: lazy("按现有客户数"),
    TERRITORY: lazy("按地区"),
}
Credits = dict[str, int]


def deal(
    customer_ids: Sequence[str], takers: Mapping[str, int], *, way: str, credits: Mapping[str, int] | None = None
) -> tuple[list[list[str]], Credits]:
    """Return [customer, taker] in order, and the credits with which the next deal goes on.

    `takers` maps a member to their weight (1 or more; it counts for WEIGHT alone). TERRITORY gives a customer to
    whoever has most customers in its city, else in its province, else to whoever is next in turn.
    """
    weights = dict(takers) if way == WEIGHT else dict.fromkeys(takers, 1)
    kept: Credits = {one: int((credits or {}).get(one, 0)) for one in sorted(takers)}
    if way == LOAD:
        return _by_load(customer_ids, takers), kept
    known = _at_home(list(takers), customer_ids) if way == TERRITORY else {}
    plan = []
    for customer_id in customer_ids:
        taker = known.get(customer_id) or _next(kept, weights)
        plan.append([customer_id, taker])
    return plan, kept


def _next(credits: Credits, weights: Mapping[str, int]) -> str:
    """Return who is next, and count it: everybody gains their weight, whoever gets one pays the sum of all."""
    for one in credits:
        credits[one] += weights[one]
    chosen = max(sorted(credits), key=lambda one: credits[one])
    credits[chosen] -= sum(weights.values())
    return chosen


def loads(member_ids: Sequence[str]) -> dict[str, int]:
    """Return how many customers each of these people owns."""
    counted = (
        sa.select(Customer.owner_id, sa.func.count())
        .where(Customer.owner_id.in_(member_ids), Customer.deleted_at.is_(None))
        .group_by(Customer.owner_id)
    )
    found = {str(owner_id): count for owner_id, count in db.session.execute(counted)}
    return dict.fromkeys(member_ids, 0) | found


def _by_load(customer_ids: Sequence[str], takers: Mapping[str, int]) -> list[list[str]]:
    held = loads(sorted(takers))
    plan = []
    for customer_id in customer_ids:
        taker = min(sorted(held), key=lambda one: held[one])
        held[taker] += 1
        plan.append([customer_id, taker])
    return plan


def _at_home(takers: Sequence[str], customer_ids: Sequence[str]) -> dict[str, str]:
    """Return the taker of each customer in whose city (else province) one of them has most customers."""
    homes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for column in (Customer.city, Customer.province):
        counted = (
            sa.select(column, Customer.owner_id, sa.func.count())
            .where(Customer.owner_id.in_(takers), column != "", Customer.deleted_at.is_(None))
            .group_by(column, Customer.owner_id)
        )
        for place, owner_id, count in db.session.execute(counted):
            homes[column.key, place][str(owner_id)] += count
    places = sa.select(Customer.id, Customer.city, Customer.province).where(Customer.id.in_(customer_ids))
    found = {}
    for row in db.session.execute(places):
        there = homes.get(("city", row.city)) or homes.get(("province", row.province))
        if there:
            found[row.id] = min(there, key=lambda one: (-there[one], one))
    return found


def last_credits(actor_id: str) -> Mapping[str, Any]:
    """Return with what the actor's last deal ended."""
    recent = sa.select(Handover.credits).where(Handover.actor_id == actor_id, Handover.cause == DEAL)
    return first(recent.order_by(Handover.created_at.desc(), Handover.id.desc()).limit(1)) or {}
