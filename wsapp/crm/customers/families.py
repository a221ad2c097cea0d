"""Company groups (集团): customers under a parent customer, as a tree of those that the actor may see."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import Viewer, viewer_of, viewer_values
from wsapp.db import db, first
from wsapp.kept import Kept

DEEPEST = 20
MOST = 500  # members of a group that are shown
COLUMNS = (
    Customer.id,
    Customer.name,
    Customer.parent_id,
    Customer.stage,
    Customer.level,
    Customer.owner_id,
    Customer.last_followed_at,
)


def would_turn_in_circles(customer_id: str, parent_id: str) -> bool:
    """Say whether a customer stands above its new parent already (or the tree would grow too deep)."""
    above: str | None = parent_id
    for _level in range(DEEPEST):
        if above is None:
            return False
        if above == customer_id:
            return True
        above = first(sa.select(Customer.parent_id).where(Customer.id == above))
    return True


def relatives(customer: Customer, *, actor: Member) -> tuple[Any | None, int]:
    """Return the parent as (id, name), where the actor sees it, and how many customers stand right under this one.

    Two statements and not one with OR, which would read all customers where there is no parent.
    """
    viewer, values = viewer_of(actor), viewer_values(actor)
    parent = _seen(viewer, "id").first(wanted=customer.parent_id, **values) if customer.parent_id else None
    return parent, len(_seen(viewer, "parent_id").all(wanted=customer.id, **values))


@cache
def _seen(viewer: Viewer, column: str) -> Kept:
    wanted = getattr(Customer, column) == sa.bindparam("wanted", type_=sa.String)
    return Kept(sa.select(Customer.id, Customer.name).where(wanted, visible_customers(viewer)).limit(MOST))


def family_of(customer: Customer, *, actor: Member) -> list[tuple[int, Any]]:
    """Return the whole group of a customer as (depth, row of `COLUMNS`), each parent before its own.

    The top is the highest that the actor reaches through customers that they see.
    """
    seen = visible_customers(actor)
    top = customer.id
    for _level in range(DEEPEST):
        parent_id = first(sa.select(Customer.parent_id).where(Customer.id == top, seen))
        if not parent_id or first(sa.select(Customer.id).where(Customer.id == parent_id, seen)) is None:
            break
        top = parent_id
    below: dict[str, list[Any]] = {}
    found = db.session.execute(sa.select(*COLUMNS).where(Customer.id == top, seen)).all()
    root, level, total = found[0], [top], 1
    while level and total < MOST:
        statement = sa.select(*COLUMNS).where(Customer.parent_id.in_(level), seen)
        children = db.session.execute(statement.order_by(Customer.name, Customer.id).limit(MOST - total)).all()
        for child in children:
            below.setdefault(child.parent_id, []).append(child)
        level, total = [child.id for child in children], total + len(children)
    return list(_walk(root, below, 0))


def _walk(node: Any, below: dict[str, list[Any]], depth: int) -> Sequence[tuple[int, Any]]:
    found = [(depth, node)]
    for child in below.get(node.id, ()):
        found += _walk(child, below, depth + 1)
    return found
