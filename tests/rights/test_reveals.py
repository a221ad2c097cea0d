"""Telephone numbers on pages: in part until asked for; each look is an event, limited, and unusual ones are told."""

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.rights.conftest import MASKED_PHONE, PHONE, post
from wsapp import clock
from wsapp.crm.customers.models import PhoneReveal
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.db import corp_scope, db, rows
from wsapp.house import local

SignIn = Callable[..., FlaskClient]


def rule_set(app: Flask, cast: Cast, **values: object) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({f"phones.{key}": value for key, value in values.items()})
        db.session.commit()


def looks(app: Flask, cast: Cast, kind: str = "customer.phone_revealed") -> list[Event]:
    with app.app_context(), corp_scope(cast.corp_id):
        return list(rows(sa.select(Event).where(Event.kind == kind)))


def test_a_number_is_shown_after_one_post_that_is_noted(
    app: Flask, cast: Cast, ali: Member, huaxing: str, sign_in: SignIn
) -> None:
    page = sign_in(ali)
    for path in ("/h5/customers", f"/h5/customers/{huaxing}", f"/h5/customers/{huaxing}/edit"):
        assert PHONE not in page.get(path).text, path
    assert MASKED_PHONE in page.get(f"/h5/customers/{huaxing}").text
    assert f"/h5/customers/{huaxing}/phones/0" in page.get("/h5/customers").text
    assert looks(app, cast) == []
    shown = post(page, f"/h5/customers/{huaxing}/phones/0")
    assert shown.status_code == 200
    assert f'href="tel:{PHONE}"' in shown.text
    (event,) = looks(app, cast)
    assert (event.actor_id, event.customer_id) == (ali.id, huaxing)
    assert PHONE not in str(event.data)
    assert post(page, f"/h5/customers/{huaxing}/phones/3").status_code == 404


def test_an_edit_keeps_the_numbers_that_it_shows_in_part(ali: Member, huaxing: str, sign_in: SignIn) -> None:
    page = sign_in(ali)
    form = {"name": "华星木业有限公司", "phones": [MASKED_PHONE, "13900139000"], "version": "1"}
    assert post(page, f"/h5/customers/{huaxing}", form).status_code == 303
    assert f'href="tel:{PHONE}"' in post(page, f"/h5/customers/{huaxing}/phones/0").text
    assert 'href="tel:13900139000"' in post(page, f"/h5/customers/{huaxing}/phones/1").text


def test_there_is_a_limit_a_day(app: Flask, cast: Cast, ali: Member, huaxing: str, sign_in: SignIn) -> None:
    rule_set(app, cast, reveals="2")
    page, path = sign_in(ali), f"/h5/customers/{huaxing}/phones/0"
    assert [post(page, path).status_code for _n in range(3)] == [200, 200, 403]
    assert PHONE not in post(page, path).text
    assert len(looks(app, cast)) == 2


def test_the_corp_may_show_numbers_in_full(app: Flask, cast: Cast, ali: Member, huaxing: str, sign_in: SignIn) -> None:
    rule_set(app, cast, masked="")
    assert f'href="tel:{PHONE}"' in sign_in(ali).get(f"/h5/customers/{huaxing}").text
    assert f'href="tel:{PHONE}"' in sign_in(ali).get("/h5/customers").text


def test_three_times_ones_own_usual_is_told_once(
    app: Flask, cast: Cast, ali: Member, huaxing: str, sign_in: SignIn
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        today = local(clock.now()).date()
        for ago, count in enumerate((4, 2, 5, 4, 4, 13, 0)):
            day = today - timedelta(days=ago)
            db.session.add(
                PhoneReveal(id=f"{ali.id}:{day}", member_id=ali.id, day=day, count=10 if ago == 0 else count)
            )
        db.session.commit()
    page, path = sign_in(ali), f"/h5/customers/{huaxing}/phones/0"
    for _n in range(4):  # 11 … 14; three times the median of 4 is 12
        assert post(page, path).status_code == 200
    (alarm,) = looks(app, cast, "member.reveals_unusual")
    assert alarm.data["count"] == 13
