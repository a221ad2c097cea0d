"""Rows by the hundred: as the ORM would have written them, and refused as the database refuses any other."""

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.org.models import Member
from wsapp.db import NoCorp, db, enter_corp, new_id
from wsapp.lots import insert_lot


def named(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "name_key": name, "created_at": clock.now(), "updated_at": clock.now(), **more}


def test_rows_have_their_corp_an_id_and_the_models_defaults(here: Flask, cast: Cast, ali: Member) -> None:
    own = new_id()
    insert_lot(Customer, [named("甲公司", tags=["重点"], custom={"a": [1, "二"]}), named("乙公司", id=own, level="A")])
    made = {one.name: one for one in db.session.scalars(sa.select(Customer))}
    first, second = made["甲公司"], made["乙公司"]
    assert (first.corp_id, first.tags, first.custom, first.level) == (cast.corp_id, ["重点"], {"a": [1, "二"]}, None)
    assert (second.id, second.tags, second.level, second.kind, second.version) == (own, [], "A", "company", 1)
    assert len(first.id) == 20
    assert first.created_at.tzinfo is not None
    insert_lot(Customer, [])


def test_what_the_database_refuses_is_an_integrity_error_and_leaves_nothing(here: Flask, ali: Member) -> None:
    one = new_id()
    insert_lot(Customer, [named("甲公司", id=one)])
    numbers = [{"customer_id": one, "number": number} for number in ("13800138000", "13800138001", "13800138000")]
    with pytest.raises(sa.exc.IntegrityError), db.session.begin_nested():
        insert_lot(CustomerPhone, numbers)
    assert not list(db.session.scalars(sa.select(CustomerPhone)))
    insert_lot(CustomerPhone, numbers[:2])
    assert len(list(db.session.scalars(sa.select(CustomerPhone)))) == 2


def test_no_row_without_a_corp_and_no_column_that_is_not_there(here: Flask, ali: Member) -> None:
    with pytest.raises(ValueError, match="has no column wrong"):
        insert_lot(Customer, [named("甲公司", wrong=1)])
    enter_corp(None)
    with pytest.raises(NoCorp):
        insert_lot(Customer, [named("甲公司")])
