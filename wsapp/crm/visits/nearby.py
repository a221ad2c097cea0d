"""Customers around a place (附近客户), the ones most worth a visit first. The place itself is kept nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import cos, radians
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import Member
from wsapp.db import db
from wsapp.geo import Position, metres_between
from wsapp.problems import Forbidden
from wsapp.texts import _

KILOMETRES = (1, 3, 5, 10)
LOOKED_AT = 400  # nearest ones, of which the worthiest are shown
SHOWN = 50
DEGREE = 111_195.0  # metres of a degree of latitude

# What makes a customer worth a visit, in points: its level, days of silence (one each), a date that passed or is near.
LEVELS = {"A": 40, "B": 30, "C": 20, "D": 10}
NO_LEVEL = 15
MOST_SILENCE = 60
OVERDUE, SOON = 30, 15
NEXT_DAYS = timedelta(days=3)


@dataclass(frozen=True)
class Neighbour:
    """A customer near a place; `metres` as the crow flies."""

    id: str
    name: str
    level: str | None
    place: Position
    metres: float
    worth: int
    last_followed_at: datetime | None
    next_follow_at: datetime | None


def customers_near(
    place: Position, kilometres: int, *, actor: Member, unvisited_days: int = 0, by_distance: bool = False
) -> list[Neighbour]:
    """Return customers that the actor sees within `kilometres`, the worthiest first (or the nearest), at most SHOWN.

    With `unvisited_days`, those visited since are left out. Raises Forbidden where positions are not for the actor.
    """
    if not reads(actor, "location"):
        raise Forbidden(_("您没有权限查看客户的位置"))
    now, metres = clock.now(), kilometres * 1000
    found = []
    for row in db.session.execute(_inside(place, metres, actor, unvisited_days)):
        away = metres_between(place, (row.lat, row.lng))
        if away <= metres:
            found.append(_neighbour(row, away, actor, now))
    found.sort(key=lambda one: (one.metres, one.id) if by_distance else (-one.worth, one.metres, one.id))
    return found[:SHOWN]


def _inside(place: Position, metres: float, actor: Member, unvisited_days: int) -> sa.Select[*tuple[Any, ...]]:
    """Return the select of the box around the circle: two ranges, which an index answers."""
    lat, lng = place
    high = metres / DEGREE
    wide = high / max(cos(radians(lat)), 0.01)
    north, east = Customer.lat - lat, (Customer.lng - lng) * cos(radians(lat))
    statement = sa.select(
        Customer.id,
        Customer.name,
        Customer.level,
        Customer.lat,
        Customer.lng,
        Customer.last_followed_at,
        Customer.next_follow_at,
        Customer.owned_since,
        Customer.created_at,
    ).where(
        Customer.lat.between(lat - high, lat + high),
        Customer.lng.between(lng - wide, lng + wide),
        visible_customers(actor),
    )
    if unvisited_days:
        since = clock.now() - timedelta(days=unvisited_days)
        statement = statement.where(sa.or_(Customer.last_visited_at.is_(None), Customer.last_visited_at < since))
    return statement.order_by(north * north + east * east).limit(LOOKED_AT)


def _neighbour(row: Any, metres: float, actor: Member, now: datetime) -> Neighbour:
    """Hidden fields give no points: the order would tell of them."""
    level = row.level if reads(actor, "level") else None
    last = row.last_followed_at if reads(actor, "last_followed_at") else None
    due = row.next_follow_at if reads(actor, "next_follow_at") else None
    since = max(filter(None, (last, row.owned_since, row.created_at)))
    worth = LEVELS.get(level or "", NO_LEVEL) + min((now - since).days, MOST_SILENCE)
    if due is not None:
        worth += OVERDUE if due < now else SOON if due < now + NEXT_DAYS else 0
    return Neighbour(row.id, row.name, level, (row.lat, row.lng), metres, worth, last, due)


def places_of(customer_ids: Sequence[str], *, actor: Member) -> list[Any]:
    """Return (id, name, lat, lng, address) of those customers that the actor sees and that have a place, in the order
    in which they were named."""
    if not customer_ids or not reads(actor, "location"):
        return []
    columns = (Customer.id, Customer.name, Customer.lat, Customer.lng, Customer.address)
    found = sa.select(*columns).where(
        Customer.id.in_(customer_ids), Customer.lat.is_not(None), Customer.lng.is_not(None), visible_customers(actor)
    )
    named = {customer_id: at for at, customer_id in enumerate(customer_ids)}
    return sorted(db.session.execute(found), key=lambda one: named[one.id])
