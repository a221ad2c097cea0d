"""What follows on a customer from the records below it, worked out anew when one of them goes or comes back."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.filing import file_anew
from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.followups.actions import SHORTEST
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.tasks.actions import keep_next_date
from wsapp.crm.visits.models import Visit
from wsapp.db import db, first, rows


def recount(customer_id: str | None) -> None:
    """Set the customer's last follow-up, last visit and next date by the records that there are now."""
    customer: Customer | None = first(sa.select(Customer).where(Customer.id == customer_id)) if customer_id else None
    if customer is None:
        return
    db.session.flush()
    visited = _latest(Visit.checked_in_at, Visit.customer_id == customer.id)
    followed = _latest(FollowUp.happened_at, FollowUp.customer_id == customer.id)
    customer.last_visited_at = visited
    customer.last_followed_at = max(filter(None, (visited, followed)), default=None)
    if customer.clock_at is not None:  # the last one that counts may be the one that went
        long_enough = sa.func.length(FollowUp.text) >= SHORTEST
        counted = _latest(FollowUp.happened_at, sa.and_(FollowUp.customer_id == customer.id, long_enough))
        latest = max(filter(None, (visited, counted)), default=None)
        is_last = latest == customer.last_followed_at
        customer.clock_at = None if is_last else latest or customer.owned_since or customer.created_at
    keep_next_date(customer)


def file_customer(customer_id: str | None) -> None:
    """Have the duplicate check know a customer, or one of its contacts, again, by the rules of today."""
    customer: Customer | None = first(sa.select(Customer).where(Customer.id == customer_id)) if customer_id else None
    if customer is not None and customer.deleted_at is None:
        file_anew(customer)


def _latest(column: Any, condition: sa.ColumnElement[bool]) -> datetime | None:
    return db.session.scalar(sa.select(column).where(condition, column.is_not(None)).order_by(column.desc()).limit(1))


def settle_primary(customer_id: str | None) -> None:
    """Have exactly one of the customer's contacts be the main one, if there is any."""
    theirs = sa.select(Contact).where(Contact.customer_id == customer_id, Contact.deleted_at.is_(None))
    found = rows(theirs.order_by(Contact.is_primary.desc(), Contact.created_at, Contact.id))
    for rank, contact in enumerate(found):
        if contact.is_primary is not (rank == 0):
            contact.is_primary = rank == 0
            contact.version += 1
    db.session.flush()
