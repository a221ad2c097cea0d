"""By what deleted customers are known again while they lie in the recycle bin (查重包括回收站)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import BinnedKey, Customer, CustomerKey
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import sight
from wsapp.db import db, insert_rows, rows

PHONE = "phone:"
WHOLE = ("code:", "domain:", "name:", "contact:")  # keys that are no pieces of a name
FACTS = ("name", "owner_id", "department_id", "city", "industry", "address")


def keep_binned(customer: Customer, *, actor: Member) -> None:
    """Note what a customer is known by that the actor deletes now."""
    theirs = sa.select(CustomerKey.value).where(CustomerKey.customer_id == customer.id)
    values = [one for one in rows(theirs) if one.startswith(WHOLE)] + [PHONE + number for number in customer.phones]
    last = max(filter(None, (customer.last_followed_at, customer.last_visited_at)), default=None)
    facts = {name: getattr(customer, name) for name in FACTS}
    facts |= {"last": last.isoformat() if last else None, "deleter_id": actor.id}
    insert_rows(BinnedKey, [{"record_id": customer.id, "value": one, "facts": facts} for one in dict.fromkeys(values)])


def forget_binned(customer_id: str) -> None:
    """A customer is back, or gone for good."""
    gone = sa.delete(BinnedKey).where(BinnedKey.record_id == customer_id)
    db.session.execute(gone.execution_options(synchronize_session=False))


def find_binned(wanted: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield (customer, what `wanted` says of the key) of those in the bin that have a key; each customer has the
    attributes of `dedupe`'s columns, and `deleter_id`."""
    found = sa.select(BinnedKey.record_id, BinnedKey.value, BinnedKey.facts).where(BinnedKey.value.in_(list(wanted)))
    for row in db.session.execute(found.order_by(BinnedKey.record_id, BinnedKey.value).limit(100)):
        last = datetime.fromisoformat(row.facts["last"]) if row.facts["last"] else None
        dates = {"last_followed_at": last, "last_visited_at": None, "deleted_at": clock.now()}
        known = {name: row.facts[name] for name in (*FACTS, "deleter_id")}
        yield SimpleNamespace(id=row.record_id, pool_id=None, **known, **dates), wanted[row.value]


def may_restore(binned: Any, *, actor: Member) -> bool:
    """Say whether the actor finds a deleted customer in the bin and may bring it back, as `deletions.queries` has it:
    one that they deleted themselves, or whose owner's customers they may delete."""
    people = sight(actor, "customer", "delete").people
    return people is None or binned.owner_id in people or bool(binned.deleter_id == actor.id)
