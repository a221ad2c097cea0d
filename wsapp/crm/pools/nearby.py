"""Customers of the pools around a place (附近的公海客户): which ones, and about how far, but not where.

A pool shows no place on the map, and most hide the address until a customer is claimed. Whoever may ask around any
place could find it by asking often; so what a pool hides from the actor is looked at by its place on a grid of about
a kilometre, and that is all that any number of questions tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import Member
from wsapp.crm.pools.masking import pooled
from wsapp.crm.pools.queries import PoolFacts, manages
from wsapp.db import db
from wsapp.geo import Position, metres_between

GRID = 2  # decimals of a degree: some 1.1 km
MARGIN = 2000.0  # metres: farther than the grid moves anything
DEGREE = 111_195.0  # metres of a degree of latitude
LOOKED_AT = 500
SHOWN = 20


@dataclass(frozen=True)
class PooledNeighbour:
    """A customer of a pool near a place: its row (see `masking.POOLED_COLUMNS`), and within how many kilometres."""

    row: Any
    kilometres: int


def pooled_near(
    place: Position, kilometres: int, pool: PoolFacts, *, actor: Member, steps: Sequence[int]
) -> list[PooledNeighbour]:
    """Return a pool's customers within `kilometres`, each with the smallest of `steps` that reaches it, nearest first.

    None where the actor's role hides positions. The caller has found the pool with `pool_for` or `pools_of`.
    """
    if not reads(actor, "location"):
        return []
    is_coarse = "address" in pool.hidden and not manages(pool, actor)
    found = []
    for row in db.session.execute(_inside(place, kilometres * 1000 + MARGIN, pool, actor)):
        there = (round(row.lat, GRID), round(row.lng, GRID)) if is_coarse else (row.lat, row.lng)
        metres = metres_between(place, there)
        reached = next((step for step in sorted(steps) if metres <= step * 1000), None)
        if reached is not None and reached <= kilometres:
            found.append(PooledNeighbour(row, reached))
    return sorted(found, key=lambda one: (one.kilometres, one.row.id))[:SHOWN]


def _inside(place: Position, metres: float, pool: PoolFacts, actor: Member) -> sa.Select[*tuple[Any, ...]]:
    """Return the select of the box around the circle, in an order that says nothing of distances."""
    lat, lng = place
    high = metres / DEGREE
    wide = high / max(cos(radians(lat)), 0.01)
    box = (Customer.lat.between(lat - high, lat + high), Customer.lng.between(lng - wide, lng + wide))
    found = pooled(pool, actor=actor).add_columns(Customer.lat, Customer.lng).where(*box)
    return found.order_by(Customer.id).limit(LOOKED_AT)
