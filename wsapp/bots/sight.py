"""Whom somebody means: customers by name, among those that the asker may see and no others."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.bots.commands import names_in
from wsapp.crm.customers.clean import name_key
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import Member
from wsapp.crm.search.queries import matching
from wsapp.db import db

MOST = 6
MANY = 50

_COLUMNS = (Customer.id, Customer.name, Customer.short_name, Customer.owner_id)


def customers_called(name: str, *, actor: Member) -> Sequence[Any]:
    """Return (id, name, short_name, owner_id) of visible customers called so, last touched first, at most `MOST` + 1.

    Whoever bears exactly this name is the one; else all whose name or telephone number contains it.
    """
    if not name.strip():
        return []
    statement = sa.select(*_COLUMNS).where(visible_customers(actor))
    exact: sa.ColumnElement[bool] = Customer.name_key == name_key(name)
    if reads(actor, "short_name"):
        exact = sa.or_(exact, Customer.short_name == name)
    newest = (Customer.updated_at.desc(), Customer.id)
    found = db.session.execute(statement.where(exact).order_by(*newest).limit(MOST + 1)).all()
    return (
        found
        or db.session.execute(statement.where(matching(name, actor=actor)).order_by(*newest).limit(MOST + 1)).all()
    )


def customers_named_in(text: str, *, actor: Member) -> Sequence[Any]:
    """Return the visible customers that a sentence names, at most `MOST` + 1; none where it names nobody."""
    shorts = reads(actor, "short_name")
    for words in names_in(text):
        statement = sa.select(*_COLUMNS).where(visible_customers(actor), matching(words[:2], actor=actor))
        near = db.session.execute(statement.order_by(Customer.updated_at.desc(), Customer.id).limit(MANY)).all()
        for length in range(len(words), 1, -1):  # the longest beginning that is somebody's name
            wanted = words[:length]
            meant = [one for one in near if wanted in one.name or (shorts and wanted in one.short_name)]
            if meant:
                return meant[: MOST + 1]
    return []
