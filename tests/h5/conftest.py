"""A small book of records, so that every page has something to show."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.visits.actions import log_visit
from wsapp.crm.visits.plans import plan_visit
from wsapp.db import corp_scope, db
from wsapp.files import keep_photo

PLACE = {"lat": 22.5431, "lng": 114.0579, "accuracy": 30}


@dataclass(frozen=True)
class Book:
    """阿丽's customer with all that can happen to one, and 老鲍's task for her."""

    customer: str
    visit: str
    overdue: str
    today: str
    later: str
    given: str
    photo: str
    plan: str


def photo_bytes(size: tuple[int, int] = (640, 480)) -> bytes:
    """Return a small JPEG."""
    import io

    from PIL import Image

    body = io.BytesIO()
    Image.new("RGB", size, (40, 120, 200)).save(body, "JPEG")
    return body.getvalue()


@pytest.fixture
def book(app: Flask, cast: Cast, ali: Member, bob: Member) -> Book:
    """阿丽 owns 华星木业有限公司: a follow-up, a visit under way with a photo, tasks overdue, due today and later."""
    with app.app_context(), corp_scope(cast.corp_id):
        owner, boss = db.session.merge(ali), db.session.merge(bob)
        now = clock.now()
        customer = create_customer(
            {
                "name": "华星木业有限公司",
                "phones": ["13800138000", "0755-26001234"],
                "level": "A",
                "stage": "intent",
                "address": "深圳市南山区科技园南区高新南一道 6 号",
                "tags": ["重点", "展会"],
                "source": "展会",
                "location": PLACE,
            },
            actor=owner,
        )
        log_follow_up(
            customer, {"kind": "phone", "text": "谈了价格，对方要样品", "next_at": now + timedelta(days=3)}, actor=owner
        )
        photo = keep_photo(photo_bytes(), owner_id=owner.id)
        visit = log_visit(customer, {"note": "看了仓库", "location": PLACE}, actor=owner, photos=[photo.id])

        def task(title: str, actor: Member, **more: Any) -> str:
            return create_task({"title": title, "customer": customer.id, **more}, actor=actor).id

        overdue = task("寄样品给华星", owner, due_at=now - timedelta(hours=30), repeat="weekly")
        today = task("给华星打电话确认收货", owner, due_at=_later_today())
        later = task("准备合同", owner, due_at=now + timedelta(days=8), all_day=True, reminders=[15, 60])
        given = task("把报价单发我", boss, due_at=now + timedelta(days=2), assignee=owner.id, priority="high")
        db.session.commit()
        starts = now + timedelta(minutes=1)
        hours = {"starts_at": starts, "ends_at": starts + timedelta(hours=1)}
        values = {"kind": "巡店", "purpose": "寄样品前看陈列", "participants": [boss.id], **hours}
        plan = plan_visit(customer, values, actor=owner)
        db.session.commit()
        return Book(customer.id, visit.id, overdue, today, later, given, photo.id, plan.id)


def _later_today() -> Any:
    from wsapp.house import local_now

    return local_now().replace(hour=23, minute=59, second=0, microsecond=0)


@pytest.fixture
def see(sign_in: Callable[..., FlaskClient]) -> Callable[..., str]:
    """`see(member, path)` → the page's text; the answer must be 200."""

    def look(member: Member, path: str) -> str:
        answer = sign_in(member).get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    return look


@pytest.fixture
def post(sign_in: Callable[..., FlaskClient]) -> Callable[..., Any]:
    """`post(member, path, data)` posts a form with the token of a page of the same session."""

    def send(member: Member, path: str, data: dict[str, Any], *, htmx: bool = False, client: Any = None) -> Any:
        browser = client or sign_in(member)
        page = browser.get("/h5/me").text
        token = page.split('name="csrf-token" content="')[1].split('"')[0]
        headers = {"HX-Request": "true"} if htmx else {}
        return browser.post(path, data={"csrf_token": token, **data}, headers=headers)

    return send


@pytest.fixture
def rows_of(app: Flask) -> Callable[..., list[Any]]:
    """`rows_of(Model, member)` → all rows of the member's corp, oldest id first."""

    def fetch(model: Any, member: Member) -> list[Any]:
        with app.app_context(), corp_scope(member.corp_id):
            return list(db.session.scalars(sa.select(model).order_by(model.id)))

    return fetch


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def base(app: Flask) -> Iterator[str]:
    """The address of the app on a server of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    address = f"http://127.0.0.1:{server.port}"
    app.extensions["wsapp"].origins |= {address}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield address
    server.shutdown()
    thread.join()
