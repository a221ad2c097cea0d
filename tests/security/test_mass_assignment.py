"""A form writes what it shows and nothing else (T23): with all columns of its table sent along, the record is the same.

REST refuses unknown fields by name: tests/api/test_openapi.py.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book, post
from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.models import Visit
from wsapp.db import corp_scope, rows

__all__ = ["post"]
# New with every record, whoever sends what.
OWN = {"id", "created_at", "updated_at", "checked_in_at", "happened_at", "name_key", "sound"}
SOON = "2030-01-02T09:00"
# page of the form → where it is sent, what is typed, the table; {customer}, {task} are 阿丽's
FORMS: dict[str, tuple[str, dict[str, str], Any]] = {
    "/h5/customers/new": ("/h5/customers", {"name": "恒昌家具{n}号店", "similar_ok": "1"}, Customer),
    "/h5/leads/new": ("/h5/leads", {"name": "东门灯饰{n}号店", "similar_ok": "1"}, Customer),
    "/h5/customers/{customer}/contacts/new": (
        "/h5/customers/{customer}/contacts",
        {"name": "陈经理{n}"},
        Contact,
    ),
    "/h5/customers/{customer}/follow-ups/new": (
        "/h5/customers/{customer}/follow-ups",
        {"kind": "phone", "text": "约好下周再谈{n}"},
        FollowUp,
    ),
    "/h5/customers/{customer}/visits/new": (
        "/h5/customers/{customer}/visits",
        {"note": "看了样板间{n}", "no_fix_reason": "室内没有信号"},
        Visit,
    ),
    "/h5/tasks/new": ("/h5/tasks", {"title": "寄样品{n}", "due_at": SOON}, Task),
}


@pytest.fixture(autouse=True)
def a_moment() -> Iterator[None]:
    """One moment of a working day: what is reckoned from the time is the same for both records."""
    with time_machine.travel(datetime(2026, 11, 25, 2, 0, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def sent(post: Any, ali: Member, sign_in: Callable[..., FlaskClient]) -> Callable[..., None]:
    """`sent(path, form)` posts 阿丽's form, which is taken."""
    client = sign_in(ali)

    def send(path: str, form: dict[str, str]) -> None:
        answer = post(ali, path, form, client=client)
        assert answer.status_code in (200, 303), (path, re.findall(r"field__error[^>]*>([^<]+)<", answer.text))

    return send


@pytest.mark.parametrize("page", FORMS)
def test_a_new_record_is_the_same_with_every_column_sent_along(
    app: Flask, cast: Cast, book: Book, ali: Member, bob: Member, sent: Any, sign_in: Any, page: str
) -> None:
    path, form, model = FORMS[page]
    here = {"customer": book.customer}
    shown = {*re.findall(r'name="([\w.]+)"', sign_in(ali).get(page.format(**here)).text)}
    before = _ids(app, cast, model)
    sent(path.format(**here), {name: text.format(n=1) for name, text in form.items()})
    foreign = {column.key: _foreign(column, bob) for column in model.__table__.columns if column.key not in shown}
    assert {"id", "corp_id", "created_at"} <= {*foreign}
    sent(path.format(**here), {**foreign, **{name: text.format(n=2) for name, text in form.items()}})
    plain, stuffed = (one for one in _rows(app, cast, model) if one["id"] not in before)
    assert foreign["id"] not in (plain["id"], stuffed["id"])
    for name in {*foreign} - OWN:
        assert stuffed[name] == plain[name], name


def test_a_change_leaves_what_its_form_does_not_show(
    app: Flask, cast: Cast, book: Book, ali: Member, bob: Member, sent: Any, sign_in: Any
) -> None:
    for page, path, form, model in (
        (f"/h5/customers/{book.customer}/edit", f"/h5/customers/{book.customer}", {"name": "华星木业{n}"}, Customer),
        (f"/h5/tasks/{book.today}/edit", f"/h5/tasks/{book.today}", {"title": "打电话{n}", "due_at": SOON}, Task),
    ):
        shown = {*re.findall(r'name="([\w.]+)"', sign_in(ali).get(page).text)}
        foreign = {column.key: _foreign(column, bob) for column in model.__table__.columns if column.key not in shown}
        record = path.rpartition("/")[2]
        first, second = ({name: text.format(n=n) for name, text in form.items()} for n in (1, 2))
        sent(path, {**first, "version": "1"})
        (before,) = (one for one in _rows(app, cast, model) if one["id"] == record)
        sent(path, {**foreign, **second, "version": str(before["version"])})
        (after,) = (one for one in _rows(app, cast, model) if one["id"] == record)
        assert after["version"] == before["version"] + 1
        for name in {*foreign} - OWN - {"version"}:
            assert after[name] == before[name], name


def _foreign(column: sa.Column[Any], other: Member) -> str:
    """Return what such a column might hold, and this record does not."""
    if column.foreign_keys and "member" in {one.column.table.name for one in column.foreign_keys}:
        return other.id
    if isinstance(column.type, sa.Boolean | sa.Integer | sa.Float | sa.Numeric):
        return "7"
    if isinstance(column.type, sa.JSON):
        return '["fremd"]'
    return "2001-01-01T00:00:00+00:00" if column.key.endswith(("_at", "_since", "_on")) else "fremd"


def _ids(app: Flask, cast: Cast, model: Any) -> set[str]:
    return {one["id"] for one in _rows(app, cast, model)}


def _rows(app: Flask, cast: Cast, model: Any) -> list[dict[str, Any]]:
    with app.app_context(), corp_scope(cast.corp_id):
        found = rows(sa.select(model).order_by(model.created_at, model.id))
        return [{column.key: getattr(one, column.key) for column in model.__table__.columns} for one in found]
