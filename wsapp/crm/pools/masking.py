"""What a pool shows of a customer before it is claimed: the one place for pages, lists and REST."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.access import masked_phone, shown
from wsapp.crm.org.models import Member
from wsapp.crm.pools.models import HIDEABLE
from wsapp.crm.pools.queries import PoolFacts, in_pool, is_awake, manages

# What the lists and the details of a pool are made of: no place on the map, no owner, no custom field.
POOLED_COLUMNS = (
    Customer.id,
    Customer.name,
    Customer.kind,
    Customer.level,
    Customer.stage,
    Customer.source,
    Customer.industry,
    Customer.province,
    Customer.city,
    Customer.district,
    Customer.address,
    Customer.website,
    Customer.note,
    Customer.tags,
    Customer.pooled_at,
    Customer.last_followed_at,
    Customer.rests_until,
)
PLAIN = ("id", "name", "kind", "level", "stage", "province", "city", "district")
SORTS = {
    "-pooled_at": (Customer.pooled_at, True),
    "pooled_at": (Customer.pooled_at, False),
    "name": (Customer.name, False),
    "-name": (Customer.name, True),
}


def pooled(pool: PoolFacts, *, actor: Member) -> sa.Select[*tuple[Any, ...]]:
    """Return the statement for the customers of a pool that the caller has found with `pool_for`."""
    found = sa.select(*POOLED_COLUMNS).where(in_pool(pool.id))
    return found if manages(pool, actor) else found.where(is_awake())


def pooled_values(row: Any, phones: Sequence[str], pool: PoolFacts, *, actor: Member) -> dict[str, Any]:
    """Return what the actor may read of a pool's customer: what the pool hides is empty, phones are masked.

    Managers of the pool read all; the rules of the actor's role hold for everybody.
    """
    hidden = frozenset() if manages(pool, actor) else pool.hidden
    values = {field: getattr(row, field) for field in PLAIN}
    for field in HIDEABLE:
        if field != "phones":
            value = getattr(row, field)
            values[field] = type(value)() if field in hidden else value
    values["phones"] = [masked_phone(one) for one in phones] if "phones" in hidden else list(phones)
    return shown(actor, values)
