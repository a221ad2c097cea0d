"""The console's group robots: added, tested, switched off and removed by administrators; the address is never shown."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.events.models import Event
from wsapp.crm.groups.models import GroupNote, GroupRobot
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.models import ACCEPTED, Notification
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db
from wsapp.outbox import Outbox

SignIn = Callable[..., FlaskClient]
KEY = "3f9a1c52-7b0e-4d68-9c21-5e8f0a4b7d13"
ADDRESS = f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}"
FORM = {
    "name": "南山机密群",
    "field_webhook": ADDRESS,
    "events": ["visit.checked_in", "task.overdue"],
    "department": "2",
    "hours": "08:00-21:00",
    "language": "zh",
}


@pytest.fixture
def desk(sign_in: SignIn, guan: Member) -> FlaskClient:
    return sign_in(guan)


def post(client: FlaskClient, path: str, **fields: object) -> tuple[int, str]:
    page = client.get("/admin/robots").get_data(as_text=True)
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    answer = client.post(path, data={"csrf_token": found.group(1), **fields})
    return answer.status_code, answer.get_data(as_text=True)


def page_of(client: FlaskClient) -> str:
    return client.get("/admin/robots").get_data(as_text=True)


def robot_id(page: str) -> str:
    found = re.search(r"/admin/robots/([0-9a-z]{20})/test", page)
    assert found
    return found.group(1)


def test_a_robot_is_added_and_tried_out(desk: FlaskClient, app: Flask, cast: Cast) -> None:
    assert "还没有群机器人" in page_of(desk)
    assert post(desk, "/admin/robots", **FORM)[0] == 303
    page = page_of(desk)
    for words in ("南山机密群", "华南销售部", "拜访签到、待办逾期", "08:00-21:00", "启用中"):
        assert words in page
    assert KEY not in page
    with app.app_context(), corp_scope(cast.corp_id):
        robot = db.session.scalars(sa.select(GroupRobot)).one()
        assert KEY not in robot.address
        assert db.session.scalars(sa.select(GroupNote.kind)).all() == ["test"]
        assert db.session.scalars(sa.select(Outbox.kind).where(Outbox.kind == "group.post")).all() == ["group.post"]
        assert db.session.scalars(sa.select(Event.kind).where(Event.subject_id == robot.id)).all() == ["robot.added"]
    assert post(desk, f"/admin/robots/{robot_id(page)}/test")[0] == 303


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "请填写名称"),
        ({"events": []}, "请至少选择一项动态"),
        ({"hours": "早上"}, "请按 08:00-21:00 的格式填写"),
        ({"department": "nope"}, "请从列表中选择"),
        ({"field_webhook": "https://evil.example/cgi-bin/webhook/send?key=abcdefgh"}, "不是本平台群机器人的 Webhook"),
        ({"field_webhook": "http://169.254.169.254/"}, "不是本平台群机器人的 Webhook"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    desk: FlaskClient, change: dict[str, object], words: str
) -> None:
    status, page = post(desk, "/admin/robots", **{**FORM, "name": "名字还在", **change})
    assert status == 422
    assert words in page
    assert "名字还在" in page or "name" in change
    assert KEY not in page  # a secret is typed again


def test_a_robot_is_switched_off_and_removed(desk: FlaskClient, app: Flask, cast: Cast) -> None:
    post(desk, "/admin/robots", **FORM)
    one = robot_id(page_of(desk))
    assert post(desk, f"/admin/robots/{one}/switch", on="0")[0] == 303
    page = page_of(desk)
    assert "已停用" in page
    assert f"/admin/robots/{one}/removal" in page
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalars(sa.select(GroupNote.state)).all() == ["dropped"]
    assert post(desk, f"/admin/robots/{one}/removal")[0] == 303
    assert "还没有群机器人" in page_of(desk)
    assert post(desk, f"/admin/robots/{one}/test")[0] == 404


def test_another_corp_and_sellers_are_refused(sign_in: SignIn, desk: FlaskClient, cast: Cast, ali: Member) -> None:
    post(desk, "/admin/robots", **FORM)
    one = robot_id(page_of(desk))
    other = sign_in(cast.member("an"))
    assert post(other, f"/admin/robots/{one}/removal")[0] == 404
    assert "南山机密群" not in page_of(other)
    assert sign_in(ali).get("/admin/robots").status_code == 403
    assert "南山机密群" in page_of(desk)


def test_an_administrator_takes_a_message_back(desk: FlaskClient, app: Flask, cast: Cast, ali: Member) -> None:
    card = {"title": "发错了的通知", "text": "", "lines": [], "url": "", "buttons": [], "source": "", "state": ""}
    with app.app_context(), corp_scope(cast.corp_id):
        tell(ali, "task.due", card, key="k")
        message = db.session.scalars(sa.select(Notification)).one()
        message.state, message.sent_at, message.host_id, message.channel = ACCEPTED, clock.now(), "m1", "textcard"
        db.session.commit()
        message_id = message.id
    assert f"/admin/deliveries/{message_id}/recall" in desk.get("/admin/deliveries").get_data(as_text=True)
    page = desk.get(f"/admin/deliveries/{message_id}/recall").get_data(as_text=True)
    assert "发错了的通知" in page
    assert "阿丽" in page
    assert post(desk, f"/admin/deliveries/{message_id}/recall")[0] == 303
    with app.app_context(), corp_scope(cast.corp_id):
        waiting = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "message.recall")).one()
        assert waiting.payload == {"notification": message_id}
        assert db.session.scalars(sa.select(Event).where(Event.kind == "message.recalled")).one().actor_id
        message = db.session.scalars(sa.select(Notification)).one()
        message.recalled_at = clock.now()
        db.session.commit()
    assert desk.get(f"/admin/deliveries/{message_id}/recall").status_code == 404
    assert f"/{message_id}/recall" not in desk.get("/admin/deliveries").get_data(as_text=True)


def test_the_overview_shows_the_allowance_where_there_is_one(desk: FlaskClient) -> None:
    assert "本月平台额度" not in desk.get("/admin/").get_data(as_text=True)  # this host sells no calls


def test_a_robot_that_is_gone_says_what_to_do(desk: FlaskClient, app: Flask, cast: Cast) -> None:
    post(desk, "/admin/robots", **FORM)
    with app.app_context(), corp_scope(cast.corp_id):
        robot = db.session.scalars(sa.select(GroupRobot)).one()
        robot.enabled, robot.fault = False, "93000 the group robot was removed, or its address is wrong"
        db.session.commit()
    page = page_of(desk)
    assert "群机器人的地址无效，可能已被移出群，请重新添加。（93000）" in page


def test_more_robots_cost_no_more_queries(desk: FlaskClient, app: Flask, cast: Cast) -> None:
    def asked() -> int:
        seen: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
            seen.append(statement)

        with app.app_context():
            engine = db.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            assert desk.get("/admin/robots").status_code == 200
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    post(desk, "/admin/robots", **FORM)
    asked()
    one = asked()
    for number in range(5):
        post(desk, "/admin/robots", **{**FORM, "name": f"群 {number}"})
    asked()  # shows once that it was added
    assert asked() == one <= 16
