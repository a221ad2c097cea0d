"""A customer's phone numbers as rows. A number is one customer's alone, unless the corp's rule lets several have it."""

from collections.abc import Collection, Sequence

from wsapp.crm.customers import dedupe_rules as rules
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.db import db, new_id


def phone_rows(numbers: Sequence[str], *, shared: Collection[str] = ()) -> list[CustomerPhone]:
    """Return the rows of numbers. Those of `shared` other customers may have, too; all, where the rule does not refuse.

    The database refuses any other that somebody has already.
    """
    is_unique = rules.level("phone") == rules.BLOCK
    rows = []
    for position, number in enumerate(numbers):
        row = CustomerPhone(id=new_id(), number=number, position=position, twin="")
        if number in shared or not is_unique:
            row.twin = row.id
        rows.append(row)
    return rows


def shared_phones(customer: Customer) -> list[str]:
    """Return those of a customer's numbers that others may have, too."""
    return [row.number for row in customer.phone_rows if row.twin]


def set_phones(customer: Customer, numbers: Sequence[str], *, shared: Collection[str] = ()) -> None:
    """Give a customer these numbers and no others; those that it has stay shared as they are."""
    if customer.phones == list(numbers):
        return
    shared = {*shared, *shared_phones(customer)}
    customer.phone_rows = []
    db.session.flush()
    customer.phone_rows = phone_rows(numbers, shared=shared)
