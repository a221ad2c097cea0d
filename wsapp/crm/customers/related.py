"""Customers as records that carry custom fields, and that other records are related to."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import names_of, visible_customers
from wsapp.crm.fields.conditions import FACTS
from wsapp.crm.fields.records import Records, carry
from wsapp.crm.fields.values import changed_values, new_values
from wsapp.crm.org.models import Member
from wsapp.db import db, first

SHOWN = 100  # of the newest, to choose from


def _is_visible(customer_id: str, actor: Member) -> bool:
    there = sa.select(Customer.id).where(Customer.id == customer_id, visible_customers(actor))
    return first(there) is not None


def _choices(actor: Member) -> Sequence[tuple[str, str]]:
    newest = sa.select(Customer.id, Customer.name).where(visible_customers(actor)).order_by(Customer.updated_at.desc())
    return [(row.id, row.name) for row in db.session.execute(newest.limit(SHOWN))]


def custom_of_new(
    given: Any, clean: Mapping[str, Any], parent_id: str | None, *, actor: Member, numbered: bool = True
) -> dict[str, Any]:
    """Return the custom values of a new customer whose own fields are `clean`. Raises Invalid.

    Not `numbered`: the serial numbers come later, see `fields.values.number_all`.
    """
    own = {**dict.fromkeys(FACTS["customer"], ""), "kind": "company", "stage": "new"}
    parent = parent_id and db.session.scalar(sa.select(Customer.custom).where(Customer.id == parent_id))
    facts = {name: clean.get(name, value) for name, value in own.items()}
    return new_values("customer", given, actor=actor, facts=facts, parent=parent or {}, numbered=numbered)


def custom_of(
    customer: Customer, values: Mapping[str, Any], clean: Mapping[str, Any], *, actor: Member
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a customer's custom values as they are, and as they will be with `values`. Raises Invalid."""
    had = dict(customer.custom or {})
    if "custom" not in values:
        return had, had
    facts = {name: clean.get(name, getattr(customer, name)) for name in FACTS["customer"]}
    return had, changed_values("customer", values["custom"], had, actor=actor, facts=facts)


carry("customer", Records(Customer, _is_visible, names_of, _choices))
