"""By what deleted customers are known again while they lie in the recycle bin (查重包括回收站)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import BinnedKey, Customer, CustomerKey
from wsapp.db import db, insert_rows, rows

PHONE = "phone:"
WHOLE = ("code:", "domain:", "name:", "contact:")  # keys that are no pieces of a name
FACTS = ("name", "owner_id", "department_id", "city", "industry", "address")


def keep_binned(customer: Customer) -> None:
    """Note what a customer is known by that is deleted now."""
    theirs = sa.select(CustomerKey.value).where(CustomerKey.customer_id == customer.id)
    values = [one for one in rows(theirs) if one.startswith(WHOLE)] + [PHONE + number for number in customer.phones]
    last = max(filter(None, (customer.last_followed_at, customer.last_visited_at)), default=None)
    facts = {name: getattr(customer, name) for name in FACTS} | {"last": last.isoformat() if last else None}
    insert_rows(BinnedKey, [{"record_id": customer.id, "value": one, "facts": facts} for one in dict.fromkeys(values)])


def forget_binned(customer_id: str) -> None:
    """A customer is back, or gone for good."""
    gone = sa.delete(BinnedKey).where(BinnedKey.record_id == customer_id)
    db.session.execute(gone.execution_options(synchronize_session=False))


def find_binned(wanted: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield (customer, what `wanted` says of the key) of those in the bin that have a key; each customer has the
    attributes of `dedupe`'s columns."""
    found = sa.select(BinnedKey.record_id, BinnedKey.value, BinnedKey.facts).where(BinnedKey.value.in_(list(wanted)))
    for row in db.session.execute(found.order_by(BinnedKey.record_id, BinnedKey.value).limit(100)):
        last = datetime.fromisoformat(row.facts["last"]) if row.facts["last"] else None
        dates = {"last_followed_at": last, "last_visited_at": None, "deleted_at": clock.now()}
        known = {name: row.facts[name] for name in FACTS}
        yield SimpleNamespace(id=row.record_id, pool_id=None, **known, **dates), wanted[row.value]
