"""What people type is text on every page, never markup."""

from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask

from tests.cast import Cast
from tests.h5.conftest import PLACE
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import task_card
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import complete_task, create_task
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.crm.visits.plans import cancel_plan, plan_visit
from wsapp.db import corp_scope, db

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><svg onload=alert(1)>",
    "' autofocus onfocus='alert(1)",
    '" autofocus onfocus="alert(1)',
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "{{7*7}}{% raw %}",
    "%(n)s %s {n}",
    "</noscript><iframe srcdoc=x>",
]


class Reader(HTMLParser):
    """Reads a page as a browser would: what would run, and how often a text stands there as text."""

    def __init__(self, page: str, text: str) -> None:
        super().__init__()
        self.text, self.shown, self.dangers = text, 0, list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        runs = [name for name in values if name.startswith("on") or name in ("autofocus", "srcdoc")]
        runs += [name for name in ("href", "src", "action") if values.get(name, "").lower().startswith("javascript")]
        alien = tag in ("iframe", "object", "embed") or (tag == "script" and "src" not in values)
        if runs or alien or (tag == "img" and values.get("src") == "x"):
            self.dangers.append(self.get_starttag_text() or tag)
        self.shown += sum(value.count(self.text) for value in values.values())

    def handle_data(self, data: str) -> None:
        self.shown += data.count(self.text)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_field_is_shown_as_text(
    app: Flask, cast: Cast, ali: Member, see: Callable[..., str], payload: str
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        owner.name = owner.position = payload
        lines = ("short_name", "source", "industry", "address", "website", "note")
        customer = create_customer(
            {"name": payload, "location": PLACE, "tags": [payload[:20]], **dict.fromkeys(lines, payload)},
            actor=owner,
        )
        log_follow_up(customer, {"text": payload, "outcome": payload, "next_action": payload}, actor=owner)
        visit = log_visit(customer, {"note": payload, "place_name": payload, "location": PLACE}, actor=owner)
        check_out(visit, actor=owner, result=payload)
        due_at = clock.now() + timedelta(hours=1)
        hours = {"starts_at": clock.now(), "ends_at": due_at}
        plan = plan_visit(customer, {"kind": "巡店", "purpose": payload, **hours}, actor=owner)
        db.session.flush()
        cancel_plan(plan, actor=owner, reason=payload)
        task = create_task({"title": payload, "note": payload, "customer": customer.id, "due_at": due_at}, actor=owner)
        tell(owner, "task.due", task_card(task, kind="due", reader=owner), key="k", subject_id=task.id)
        done = create_task({"title": payload, "due_at": due_at}, actor=owner)
        complete_task(done, actor=owner, note=payload)
        db.session.commit()
        paths = [
            f"/h5/customers/{customer.id}",
            f"/h5/visits/{visit.id}",
            f"/h5/visits/plans/{plan.id}",
            f"/h5/nearby?customer={customer.id}",
            f"/h5/route?stop={customer.id}",
            f"/h5/tasks/{task.id}",
            f"/h5/tasks/{done.id}",
        ]
        paths += [f"/h5/customers/{customer.id}/{form}" for form in ("edit", "follow-ups/new", "visits/new")]
        paths += [f"/h5/tasks/{task.id}/edit", "/h5/tasks/new", "/h5/customers/new"]
    paths += [
        "/h5/",
        "/h5/customers",
        "/h5/visits",
        "/h5/visits/plans",
        "/h5/tasks",
        "/h5/tasks?state=done",
        "/h5/team",
        "/h5/me",
        "/h5/me/messages",
    ]
    shown = 0
    for path in paths:
        page = see(ali, path)
        read = Reader(page, payload)
        assert not read.dangers, path
        shown += read.shown
    assert shown > len(paths)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_comes_back_in_a_failed_form_is_text(
    post: Callable[..., Any], see: Callable[..., str], ali: Member, payload: str
) -> None:
    fields = ("kind", "level", "stage", "address", "note", "new_tags", "similar_ok", "idempotency_key", "version")
    answer = post(ali, "/h5/customers", {"name": "", "phones": payload, **dict.fromkeys(fields, payload)})
    assert answer.status_code == 422
    read = Reader(answer.text, payload)
    assert not read.dangers
    assert read.shown >= 2
    from urllib.parse import quote

    for path in ("/h5/search?q=", "/h5/customers?q=", "/h5/customers/new?name=", "/h5/tasks?scope="):
        page = see(ali, path + quote(payload))
        assert not Reader(page, payload).dangers, path
