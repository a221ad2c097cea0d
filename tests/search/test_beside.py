"""The record leads to the ones before and behind it in the list."""

from collections.abc import Callable

from flask import Flask

from wsapp.crm.customers.actions import create_customer
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db
from wsapp.h5.lists import beside


def test_a_record_knows_its_neighbours(app: Flask, see: Callable[..., str], ali: Member, cha: Member) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        owner, stranger = db.session.merge(ali), db.session.merge(cha)
        made = [create_customer({"name": f"第{number}家"}, actor=owner) for number in range(3)]
        create_customer({"name": "小查的客户"}, actor=stranger)
        db.session.commit()
        ordered = sorted(made, key=lambda one: (one.updated_at, one.id), reverse=True)
        ids = [one.id for one in ordered]
        assert [beside(one, owner) for one in ordered] == [(None, ids[1]), (ids[0], ids[2]), (ids[1], None)]
        assert beside(ordered[0], stranger) == (None, None)
    middle = see(ali, f"/h5/customers/{ids[1]}")
    assert f'href="/h5/customers/{ids[0]}"' in middle
    assert f'href="/h5/customers/{ids[2]}"' in middle
