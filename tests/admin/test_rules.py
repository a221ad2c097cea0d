"""The corp's rules in the console: what is set is what the code asks."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.test_console import post
from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import LoginSession, Member
from wsapp.crm.org.rules import declared, rule
from wsapp.crm.tasks.actions import create_task
from wsapp.db import corp_scope, db
from wsapp.problems import Invalid

PATH = "/admin/rules"


@pytest.fixture
def desk(sign_in: Callable[..., FlaskClient], guan: Member) -> FlaskClient:
    return sign_in(guan)


def test_every_declared_rule_is_on_the_page_with_its_default(desk: FlaskClient) -> None:
    page = desk.get(PATH).get_data(as_text=True)
    assert all(f'name="{key}"' in page for key in declared())
    assert "默认 3000，可设 100–10000" in page


def test_what_is_set_holds_at_once_and_says_who_set_it(app: Flask, desk: FlaskClient, cast: Cast, ali: Member) -> None:
    assert post(desk, PATH, **{"log.text": "100", "log.back_dating": "1", "task.reminders": "60，5"})[0] == 303
    with app.app_context(), corp_scope(cast.corp_id):
        actor = db.session.merge(ali)
        customer = create_customer({"name": "佛山市华星家具有限公司"}, actor=actor)
        with pytest.raises(Invalid) as refused:
            log_follow_up(customer, {"text": "长" * 101, "happened_at": clock.now() - timedelta(hours=2)}, actor=actor)
        assert set(refused.value.fields) == {"text", "happened_at"}
        task = create_task({"title": "回访", "due_at": clock.now() + timedelta(days=1)}, actor=actor)
        assert task.reminders == [5, 60]
        events = db.session.scalars(sa.select(Event).where(Event.kind == "rule.changed")).all()
        assert {key: pair for one in events for key, pair in one.changes.items()} == {
            "log.text": [3000, 100],
            "log.back_dating": [72, 1],
            "task.reminders": [[0], [60, 5]],
        }
    assert "管姐 于" in desk.get(PATH).get_data(as_text=True)
    with app.app_context(), corp_scope(cast.other_corp_id):
        assert rule("log.text") == 3000


def test_what_is_out_of_range_is_said_beside_the_field_and_nothing_is_kept(desk: FlaskClient, app: Flask) -> None:
    status, page = post(desk, PATH, **{"log.text": "99", "log.photos": "3"})
    assert status == 422
    assert "应为 100–10000 的整数" in page
    assert 'value="99"' in page
    status, page = post(desk, PATH, **{"task.all_day_at": "03:00"})
    assert (status, "请从列表中选择" in page) == (422, True)


def test_an_idle_session_ends_when_the_corp_says(app: Flask, desk: FlaskClient, cast: Cast, ali: Member) -> None:
    browser = cast.sign_in(ali)
    with app.app_context(), corp_scope(cast.corp_id):
        earlier = clock.now() - timedelta(hours=3)
        db.session.execute(sa.update(LoginSession).where(LoginSession.member_id == ali.id).values(seen_at=earlier))
        db.session.commit()
    assert post(desk, PATH, **{"session.idle": "2"})[0] == 303
    assert browser.get("/h5/").status_code == 302
    assert post(desk, PATH, **{"session.idle": "4"})[0] == 303
    assert browser.get("/h5/").status_code == 200
