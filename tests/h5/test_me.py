"""My own page: who I am, language, devices, messages; and the team's page for leaders."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.cast import DINGTALK_AGENT, Cast
from tests.h5.conftest import Book
from wsapp import clock
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import task_card
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import LoginSession, Member
from wsapp.crm.tasks.actions import create_task
from wsapp.db import corp_scope, db

Post = Callable[..., Any]
RowsOf = Callable[..., list[Any]]


def test_i_see_who_i_am_here(see: Callable[..., str], bob: Member, ali: Member) -> None:
    page = see(bob, "/h5/me")
    for words in ("老鲍", "测试企业", "华南销售部", "主管", "团队今天"):
        assert words in page, words
    assert "团队今天" not in see(ali, "/h5/me")


def test_the_language_changes_at_once_and_back(post: Post, sign_in: Any, ali: Member) -> None:
    client: FlaskClient = sign_in(ali)
    assert "我的" in client.get("/h5/me").text
    assert post(ali, "/h5/me/language", {"language": "en"}, client=client).status_code == 303
    page = client.get("/h5/me").text
    assert '<html lang="en"' in page
    assert "Signed-in devices" in page
    assert post(ali, "/h5/me/language", {"language": "xx"}, client=client).status_code == 422
    assert post(ali, "/h5/me/language", {"language": ""}, client=client).status_code == 303
    assert '<html lang="zh-CN"' in client.get("/h5/me").text


def test_a_device_is_signed_out_from_another(
    post: Post, sign_in: Any, rows_of: RowsOf, ali: Member, bob: Member
) -> None:
    phone, desktop = sign_in(ali), sign_in(ali, agent=DINGTALK_AGENT)
    assert phone.get("/h5/me").text.count("/signout") == 2  # the other device, and this one by the button below
    other = next(part.split('"')[0] for part in phone.get("/h5/me").text.split('action="/h5/me/devices/')[1:])
    assert post(bob, f"/h5/me/devices/{other}", {}).status_code == 303
    assert desktop.get("/h5/me").status_code == 200  # not 老鲍's to end
    assert post(ali, f"/h5/me/devices/{other}", {}, client=phone).status_code == 303
    assert desktop.get("/h5/me").status_code == 302
    assert phone.get("/h5/me").status_code == 200
    assert len([one for one in rows_of(LoginSession, ali) if one.member_id == ali.id]) == 1


def test_signing_out_ends_the_session(post: Post, sign_in: Any, ali: Member) -> None:
    client = sign_in(ali)
    answer = post(ali, "/signout", {}, client=client)
    assert answer.status_code == 302
    assert "storage" in answer.headers["Clear-Site-Data"]
    assert client.get("/h5/me").status_code == 302


def test_messages_say_why_they_did_not_arrive(app: Flask, cast: Cast, ali: Member, bob: Member, see: Any) -> None:
    cases = {
        "planned": ("", "", "等待发送"),
        "suppressed": ("待办已处理", "", "待办已处理"),
        "failed": ("", "60020", "平台返回代码 60020"),
        "dropped": ("", "10004", "平台返回代码 10004"),
        "delivered": ("", "", "已送达"),
        "acted": ("", "", "已处理"),
    }
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        task = create_task({"title": "寄样品", "due_at": clock.now() + timedelta(hours=1)}, actor=owner)
        for state, (reason, code, _words) in cases.items():
            tell(owner, "task.due", task_card(task, kind="due", reader=owner), key=state, subject_id=task.id)
            note = db.session.query(Notification).filter_by(key=state).one()
            note.state, note.reason, note.host_code = state, reason, code
        db.session.commit()
    page = see(ali, "/h5/me/messages")
    assert page.count("寄样品") == len(cases)
    for _reason, _code, words in cases.values():
        assert words in page, words
    assert "寄样品" not in see(bob, "/h5/me/messages")  # mine are mine


def test_a_leader_sees_the_teams_day(see: Any, book: Book, bob: Member, ali: Member, cha: Member, sign_in: Any) -> None:
    page = see(bob, "/h5/team")
    assert "今天拜访 1 次，跟进 1 次" in page
    assert "逾期 1" in page
    assert "小查" not in page
    assert "团队今天" in see(bob, "/h5/")
    one = see(bob, f"/h5/team/{ali.id}")
    assert "寄样品给华星" in one
    assert f"/h5/visits/{book.visit}" in one
    for member in (ali, cha):
        assert "/h5/team" not in see(member, "/h5/")
    assert sign_in(ali).get(f"/h5/team/{bob.id}").status_code == 404
    assert sign_in(bob).get(f"/h5/team/{cha.id}").status_code == 404
