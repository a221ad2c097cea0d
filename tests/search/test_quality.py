"""The table of queries: each finds the customer that it was meant for, as written or, failing that, nearly."""

import sqlalchemy as sa
from flask import Flask

from tests.search.book import NAMES, NOBODY, queries
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.org.models import Member
from wsapp.crm.search import box, building
from wsapp.crm.search.queries import matching
from wsapp.db import db


def write_down(owner: Member) -> dict[str, str]:
    """Create the book's customers; returns key → id."""
    ids = {}
    for key, (name, short_name, phone) in NAMES.items():
        values = {"name": name, "short_name": short_name, "phones": [phone]}
        ids[key] = create_customer(values, actor=owner).id
    db.session.commit()
    building.spell("c", list(ids.values()))
    db.session.commit()
    return ids


def ask(text: str, actor: Member) -> tuple[set[str], bool]:
    """Return the ids that a query finds, and whether they were found only nearly."""
    statement = sa.select(Customer.id).where(visible_customers(actor))
    found = set(db.session.scalars(statement.where(matching(text, actor=actor))))
    if found:
        return found, False
    return set(db.session.scalars(statement.where(box.nearly(text, actor=actor)))), True


def test_two_hundred_queries_find_what_was_meant(here: Flask, ali: Member) -> None:
    owner = db.session.merge(ali)
    ids = write_down(owner)
    table = queries()
    assert len(table) >= 200
    missed, loose, unforgiving = [], [], []
    for kind, text, key in table:
        found, is_guess = ask(text, owner)
        if ids[key] not in found:
            missed.append((kind, text))
        if is_guess and kind != "typo":
            unforgiving.append((kind, text))
        if len(found) > 4:
            loose.append((kind, text, len(found)))
    assert missed == []
    assert unforgiving == []
    assert loose == []
    for text in NOBODY.split():
        assert ask(text, owner)[0] == set(), text
