"""The dates on a customer that follow from what was done and is planned, worked out anew when some of that goes."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.tasks.actions import keep_next_date
from wsapp.crm.visits.models import Visit
from wsapp.db import db, first


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
    keep_next_date(customer)


def _latest(column: Any, condition: sa.ColumnElement[bool]) -> datetime | None:
    return db.session.scalar(sa.select(column).where(condition, column.is_not(None)).order_by(column.desc()).limit(1))
