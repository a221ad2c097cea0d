"""What visits teach about where a customer is: the first one when asked, later ones by their median."""

from datetime import timedelta
from statistics import median

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.rules import limits
from wsapp.crm.visits.trust import VERIFIED, Fix
from wsapp.db import db, first
from wsapp.geo import metres_between

LEARNED_FROM = 5  # verified visits, the last ones
LEAP = 500  # metres: a customer that seems to be farther off than this has moved, which people decide
REPEATED_WITHIN = timedelta(days=90)


def take_first_place(customer: Customer, fix: Fix) -> None:
    """Let a check-in give a customer without a place its first one, unless the position is too coarse for that."""
    if customer.place is not None:
        return  # moving a known place is a separate decision
    if fix.accuracy is None or fix.accuracy > limits().accuracy:
        return  # too coarse to become the reference for later visits
    customer.lat, customer.lng, customer.place_accuracy, customer.place_source = fix.lat, fix.lng, fix.accuracy, "visit"


def learn_place(customer: Customer) -> bool:
    """Move a customer's place to the median of its last verified visits; says whether there were enough of them.

    The median, so that one wrong position among them does not count.
    """
    verified = sa.select(Visit.lat, Visit.lng, Visit.accuracy).where(
        Visit.customer_id == customer.id, Visit.trust == VERIFIED, Visit.lat.is_not(None)
    )
    latest = verified.order_by(Visit.checked_in_at.desc(), Visit.id.desc()).limit(LEARNED_FROM)
    found = db.session.execute(latest).all()
    if len(found) < LEARNED_FROM or customer.place is None:
        return False
    middle = median(one.lat for one in found), median(one.lng for one in found)
    if metres_between(middle, customer.place) > LEAP:
        return False
    customer.lat, customer.lng = middle
    customer.place_accuracy, customer.place_source = median(one.accuracy or 0 for one in found), "visits"
    return True


def times_repeated(fix: Fix, actor: Member) -> int:
    """Return how many earlier check-ins of a member have the very same coordinates, found at another time."""
    same = sa.select(sa.func.count()).where(
        Visit.member_id == actor.id,
        Visit.checked_in_at >= clock.now() - REPEATED_WITHIN,
        Visit.lat == fix.lat,
        Visit.lng == fix.lng,
        Visit.fixed_at != fix.fixed_at,
    )
    return int(first(same) or 0)
