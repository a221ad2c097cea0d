"""List pages cost a fixed, small number of statements, however long the list is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import PLACE, Book
from wsapp import clock
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.models import Customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.visits.actions import log_visit
from wsapp.db import corp_scope, db

LISTS = (
    "/h5/",
    "/h5/customers",
    "/h5/customers?q=%E5%85%AC%E5%8F%B8&stage=new",
    "/h5/customers?scope=team",
    "/h5/customers?scope=shared",
    "/h5/leads",
    "/h5/leads?state=working&scope=team",
    "/h5/visits",
    "/h5/visits?scope=team",
    "/h5/visits/plans",
    "/h5/offline",
    "/h5/reports",
    "/h5/reports/team",
    "/h5/nearby?lat=22.5431&lng=114.0579&coordinate=gcj02&km=10",
    "/h5/route",
    "/h5/tasks",
    "/h5/tasks?scope=team",
    "/h5/tasks?state=done",
    "/h5/me/messages",
    "/h5/me/mirrors",
)
MOST = 6


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA")):
            seen.append(statement)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def grow(app: Flask, cast: Cast, ali: Member) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        for number in range(25):
            values = {"name": f"第{number:02d}公司", "phones": [f"139001390{number:02d}"], "location": PLACE}
            customer = create_customer(values, actor=owner)
            due_at = clock.now() + timedelta(hours=number - 12)
            create_task({"title": f"第 {number} 件事", "customer": customer.id, "due_at": due_at}, actor=owner)
            log_visit(customer, {"location": PLACE}, actor=owner)
        db.session.commit()


@pytest.mark.parametrize("who", ["ali", "bob", "guan"])
def test_lists_stay_cheap(
    app: Flask,
    cast: Cast,
    book: Book,
    sign_in: Callable[..., FlaskClient],
    request: pytest.FixtureRequest,
    who: str,
) -> None:
    client = sign_in(request.getfixturevalue(who))
    client.get("/h5/")  # a process reads once what holds for a corp: roles, deputies, rules
    few = {}
    for path in LISTS:
        with statements(app) as seen:
            assert client.get(path).status_code == 200
        few[path] = len(seen)
        assert len(seen) <= MOST, (path, seen)
    grow(app, cast, cast.member("ali"))
    for path in LISTS:
        with statements(app) as seen:
            assert client.get(path).status_code == 200
        assert len(seen) <= few[path], (path, seen)


def test_reading_writes_nothing(app: Flask, book: Book, sign_in: Callable[..., FlaskClient], ali: Member) -> None:
    client = sign_in(ali)
    for path in (*LISTS, f"/h5/customers/{book.customer}", f"/h5/tasks/{book.today}", f"/h5/visits/{book.visit}"):
        with statements(app) as seen:
            assert client.get(path).status_code == 200
        assert all(one.lstrip().upper().startswith(("SELECT", "WITH")) for one in seen), (path, seen)


def test_load_more_goes_on_where_the_page_ended(
    app: Flask, cast: Cast, sign_in: Callable[..., FlaskClient], ali: Member
) -> None:
    grow(app, cast, ali)
    client = sign_in(ali)
    for path, mark in (
        ("/h5/customers", 'href="/h5/customers/1'),
        ("/h5/tasks", 'id="task-'),
        ("/h5/visits", "/h5/visits/1"),
    ):
        first = client.get(path).text
        following = first.split('hx-get="')[-1].split('"')[0].replace("&amp;", "&")
        assert "cursor=" in following
        second = client.get(following, headers={"HX-Request": "true"}).text
        assert first.count(mark) == 20, path
        assert second.count(mark) == 5, path
        assert "加载更多" not in second
    assert client.get("/h5/customers?cursor=nonsense").status_code == 422
    assert client.get("/h5/customers?stage=nonsense&level=Z&scope=all&q=%00%ff").status_code == 200


RECORD = (
    21  # customer, contacts, co-workers, group, stages, tasks, timeline with its people and photos, neighbours, clock
)


def test_a_record_stays_cheap_however_much_belongs_to_it(
    app: Flask, cast: Cast, book: Book, sign_in: Callable[..., FlaskClient], ali: Member, cha: Member
) -> None:
    client = sign_in(ali)
    path = f"/h5/customers/{book.customer}"
    client.get(path)
    with statements(app) as few:
        assert client.get(path).status_code == 200
    assert len(few) <= RECORD, few
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        customer = db.session.get_one(Customer, (cast.corp_id, book.customer))
        change_customer(customer, {"tags": ["重点", "展会", "老乡"]}, actor=owner)
        for number in range(12):
            add_contact(customer, {"name": f"第{number}位", "phones": [f"139001390{number:02d}"]}, actor=owner)
            create_customer({"name": f"华星第{number:02d}分厂", "parent": customer.id}, actor=owner)
            log_follow_up(customer, {"text": f"第 {number} 次谈价"}, actor=owner)
        for stage in ("contacted", "intent", "dealt"):
            change_customer(customer, {"stage": stage}, actor=owner)
        add_coworker(customer, db.session.merge(cha), may_edit=True, actor=owner)
        db.session.commit()
    client.get(path)  # what holds for the corp changed: it has a new tag
    with statements(app) as many:
        assert client.get(path).status_code == 200
    assert len(many) <= RECORD, many
