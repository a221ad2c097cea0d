"""The corp's own rules of notification, which hold for everybody who chose nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.test_console import post
from tests.cast import Cast
from tests.jobs.conftest import run_due
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.preferences import wishes_of
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db

PATH = "/admin/notifications"
RULES: dict[str, Any] = {
    "channels": ["due/message", "assigned/message"],
    "quiet": "own",
    "quiet_from": "00:00",
    "quiet_to": "23:59",
    "quiet_days": "on",
    "digest_after": "5",
}


@pytest.fixture
def desk(sign_in: Callable[..., FlaskClient], guan: Member) -> FlaskClient:
    """管姐's browser."""
    return sign_in(guan)


def wishes(app: Flask, who: Member) -> Any:
    with app.app_context(), corp_scope(who.corp_id):
        return wishes_of([who.id])[who.id]


def test_the_rules_hold_for_everybody_who_chose_nothing(
    app: Flask, desk: FlaskClient, ali: Member, ivy: Member
) -> None:
    assert wishes(app, ali).wants("task.overdue")
    assert post(desk, PATH, **RULES)[0] == 303
    now = wishes(app, ali)
    assert (now.wants("task.due"), now.wants("task.overdue"), now.digest_after) == (True, False, 5)
    assert (f"{now.quiet[1]:%H:%M}", now.quiet_days) == ("23:59", True)
    assert wishes(app, ivy).wants("task.overdue")  # another corp
    page = desk.get(PATH).get_data(as_text=True)
    assert 'value="23:59"' in page
    assert '<option value="5" selected>' in page
    with app.app_context(), corp_scope(ali.corp_id):
        (event,) = db.session.scalars(sa.select(Event).where(Event.kind == "preference.changed"))
        assert event.changes["quiet_hours"] == [None, "00:00-23:59"]


def test_what_was_held_by_the_old_rules_goes_by_the_new(app: Flask, desk: FlaskClient, cast: Cast, ali: Member) -> None:
    rules = {**RULES, "channels": ["team_visits/message"]}
    post(desk, PATH, **rules)
    with app.app_context(), corp_scope(cast.corp_id):
        card = {"title": "阿丽 拜访了 华星", "text": "", "lines": [], "url": "", "buttons": []}
        tell(db.session.merge(ali), "visit.checked_in", card, key="a")
        db.session.commit()
        held = db.session.scalars(sa.select(Notification)).one()
        if not held.held:
            pytest.skip("the one minute of the day that is not quiet")
    post(desk, PATH, **{**rules, "quiet": "off"})
    with app.app_context(), corp_scope(cast.corp_id):
        run_due(app, kinds=("messages.plan", "messages.release"))
        states = dict(db.session.execute(sa.text("SELECT kind, state FROM outbox WHERE kind LIKE 'send%'")).all())
        assert states == {"send": "ready"}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"quiet_to": "00:00"}, "不同的开始和结束时间"),
        ({"digest_after": "7"}, "请从列表中选择"),
        ({"channels": ["x\0y"]}, "没有这样的通知"),
    ],
)
def test_nonsense_is_refused(app: Flask, desk: FlaskClient, ali: Member, typed: dict[str, Any], words: str) -> None:
    status, page = post(desk, PATH, **{**RULES, **typed})
    assert status == 422
    assert words in page
    assert wishes(app, ali).wants("task.overdue")


def test_the_rules_are_not_for_others_to_change(sign_in: Callable[..., FlaskClient], app: Flask, ali: Member) -> None:
    client = sign_in(ali)
    assert client.get(PATH).status_code == 403
    found = client.get("/h5/me").get_data(as_text=True).split('name="csrf-token" content="')[1].split('"')[0]
    assert client.post(PATH, data={"csrf_token": found, **RULES}).status_code == 403
    assert wishes(app, ali).wants("task.overdue")
