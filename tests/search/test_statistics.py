"""SQLite is told how its rows are spread: a list of ids is looked up, however the list is ordered."""

import random
from typing import Any

import sqlalchemy as sa
from flask import Flask

from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.search.queries import among
from wsapp.db import db, gather_statistics, insert_rows, is_postgresql
from wsapp.seeding import Firm

MANY = 3_000


def test_few_ids_are_looked_up_and_not_passed_by(here: Flask, ali: Member) -> None:
    owner = db.session.merge(ali)
    firm = Firm([(owner.id, owner.main_department_id)], random.Random(7))
    for _number in range(MANY):
        firm.add_customer()
    insert_rows(Customer, firm.customers)
    ids = [row["id"] for row in firm.customers[:3]]
    gather_statistics()
    db.session.commit()
    statement = sa.select(Customer.id).where(among(Customer.id, ids)).order_by(Customer.updated_at.desc()).limit(20)
    asked: list[tuple[str, Any]] = []
    sa.event.listen(
        db.engine, "before_cursor_execute", note := lambda _c, _k, sql, given, *_m: asked.append((sql, given))
    )
    assert set(db.session.scalars(statement)) == set(ids)
    sa.event.remove(db.engine, "before_cursor_execute", note)
    assert "seen_anew" not in sa.inspect(db.session.connection()).get_table_names()
    if not is_postgresql():
        sql, given = asked[-1]
        shown = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)
        assert not any("ix_customer_recent" in row[-1] for row in shown)
