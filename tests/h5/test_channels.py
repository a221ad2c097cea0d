"""The channels page: what reaches me, when not, a test message, and the story of each message."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from tests.cast import Cast
from tests.h5.test_queries import statements
from tests.jobs.conftest import Firm, make_firm, run_due
from wsapp import clock, outbox
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.models import Notification, Preference
from wsapp.crm.notifications.preferences import wishes_of
from wsapp.crm.org.models import Corp, Member
from wsapp.db import corp_scope, db

Post = Callable[..., Any]
See = Callable[..., str]
ALL_OF_ALI = ["due/message", "assigned/message", "overdue/message", "unlinked/message"]
SAVED = {"channels": ALL_OF_ALI, "quiet": "", "quiet_from": "21:00", "quiet_to": "08:00", "digest_after": ""}


def wishes(app: Flask, who: Member) -> Any:
    with app.app_context(), corp_scope(who.corp_id):
        return wishes_of([who.id])[who.id]


def say(app: Flask, reader: Member, key: str, kind: str = "visit.checked_in", **values: Any) -> str:
    """Write a message to somebody into the ledger, with what became of it; returns its id."""
    card = {
        "title": f"消息 {key}",
        "text": "",
        "lines": [],
        "url": f"https://x.example/h5/tasks?corp={key}",
        "buttons": [],
    }
    with app.app_context(), corp_scope(reader.corp_id):
        tell(db.session.merge(reader), kind, card, key=key)
        one = db.session.scalars(sa.select(Notification).where(Notification.key == key)).one()
        for name, value in values.items():
            setattr(one, name, value)
        db.session.commit()
        return one.id


# --- choosing -----------------------------------------------------------------------------------------------------


def test_everybody_sees_what_they_can_hear_of(see: See, ali: Member, bob: Member, guan: Member) -> None:
    sellers, leaders, administrators = (see(who, "/h5/me/channels") for who in (ali, bob, guan))
    assert "我的待办逾期" in sellers
    assert "下属的拜访动态" not in sellers
    assert "下属的拜访动态" in leaders
    assert "directory/message" not in leaders
    assert "directory/message" in administrators
    assert sellers.count(" checked") >= len(ALL_OF_ALI)
    assert '/h5/me/channels"' in see(ali, "/h5/me")


def test_choices_are_kept_and_shown(app: Flask, post: Post, see: See, bob: Member) -> None:
    chosen = {**SAVED, "channels": ["due/message"], "quiet": "own", "quiet_from": "19:30", "digest_after": "0"}
    answer = post(bob, "/h5/me/channels", chosen)
    assert (answer.status_code, answer.location) == (303, "/h5/me/channels")
    now = wishes(app, bob)
    assert (now.wants("task.due"), now.wants("visit.checked_in"), now.wants("team.overdue")) == (True, False, False)
    assert now.wants("directory.held")  # not shown to leaders, so not touched
    assert (f"{now.quiet[0]:%H:%M}", f"{now.quiet[1]:%H:%M}", now.digest_after) == ("19:30", "08:00", 0)
    page = see(bob, "/h5/me/channels")
    assert 'value="19:30"' in page
    assert re.search(r'value="due/message" checked', page)
    assert re.search(r'value="team_visits/message"(?! checked)', page)
    assert not now.quiet_days
    assert post(bob, "/h5/me/channels", {**SAVED, "quiet": "off", "quiet_days": "on"}).status_code == 303
    assert wishes(app, bob).quiet_days
    assert re.search(r'name="quiet_days" value="on" checked', see(bob, "/h5/me/channels"))
    assert wishes(app, bob).quiet is None
    assert post(bob, "/h5/me/channels", SAVED).status_code == 303
    assert wishes(app, bob).digest_after == 10


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"quiet": "own", "quiet_from": "21:00", "quiet_to": "21:00"}, "不同的开始和结束时间"),
        ({"quiet": "own", "quiet_from": "", "quiet_to": ""}, "不同的开始和结束时间"),
        ({"quiet": "own", "quiet_from": "99:00", "quiet_to": "\0"}, "不同的开始和结束时间"),
        ({"channels": ["nonsense/message"]}, "没有这样的通知"),
        ({"channels": ["directory/fax"]}, "没有这样的通知"),
    ],
)
def test_nonsense_is_said_beside_what_was_typed(
    app: Flask, post: Post, rows_of: Any, ali: Member, typed: dict[str, Any], words: str
) -> None:
    answer = post(ali, "/h5/me/channels", {**SAVED, **typed})
    assert answer.status_code == 422
    assert words in answer.text
    assert rows_of(Preference, ali) == []


def test_fewer_quiet_hours_let_go_what_was_held(app: Flask, post: Post, ali: Member) -> None:
    night = datetime.fromisoformat("2031-03-05T22:00:00+08:00")
    with time_machine.travel(night):
        post(ali, "/h5/me/channels", {**SAVED, "quiet": "own"})
        held = say(app, ali, "a", kind="task.assigned")
        post(ali, "/h5/me/channels", {**SAVED, "quiet": "off"})
        with app.app_context(), corp_scope(ali.corp_id):
            due = db.session.scalar(sa.select(Notification.due_at).where(Notification.id == held))
            assert due <= clock.now()
            assert outbox.is_waiting(f"messages.release:{ali.id}:{due.timestamp():.0f}")


# --- the test message ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["wecom", "dingtalk"])
def firm(request: pytest.FixtureRequest, app: Flask, wecom: RunningEmulator, dingtalk: RunningEmulator) -> Firm:
    return make_firm(app, request.param, {"wecom": wecom, "dingtalk": dingtalk}[request.param])


def test_a_test_message_is_followed_until_it_arrives(app: Flask, cast: Cast, firm: Firm, post: Post, see: See) -> None:
    with app.app_context(), corp_scope(firm.corp_id):
        me = firm.seller()
        db.session.expunge(me)
    answer = post(me, "/h5/me/channels/test", {"idempotency_key": "once"})
    assert answer.status_code == 303
    story = answer.location
    assert post(me, "/h5/me/channels/test", {"idempotency_key": "once"}).location == story  # pressed twice: one message
    page = see(me, story)
    assert "即将发送" in page
    assert 'hx-trigger="every 2s"' in page
    with app.app_context(), corp_scope(firm.corp_id):
        run_due(app, kinds=("send",))
        assert [one["title"][:4] for one in firm.chat()] == ["测试消息"]
    page = see(me, story)
    assert "平台已接收" in page
    assert "交给平台" in page
    assert ("询问送达结果" in page) == ("hx-trigger" in page) == (firm.host == "dingtalk")  # the host that can be asked
    firm.emulator.clock.offset += 30
    with app.app_context(), corp_scope(firm.corp_id), time_machine.travel(clock.wall() + timedelta(seconds=30)):
        run_due(app, kinds=("send.result",))
    page = see(me, story)
    assert ("平台确认已送达" if firm.host == "dingtalk" else "没有送达回执") in page
    assert "hx-trigger" not in page


def test_test_messages_are_limited(post: Post, ali: Member) -> None:
    answers = [post(ali, "/h5/me/channels/test", {"idempotency_key": f"k{number}"}).status_code for number in range(8)]
    assert answers[:6] == [303] * 6
    assert 429 in answers


# --- the story ----------------------------------------------------------------------------------------------------

LATER = timedelta(hours=5)
CASES = {
    "held": ({"held": "quiet", "due_at": LATER}, "在免打扰时段", "可以修改免打扰时段"),
    "digest": ({"held": "digest", "due_at": LATER}, "当天的消息较多", "改为每条都发"),
    "later": ({"due_at": LATER}, "将在", ""),
    "off": (
        {"state": "suppressed", "reason": "这类消息已在通知设置里关闭"},
        "这类消息已在通知设置里关闭",
        "打开或关闭",
    ),
    "merged": (
        {"state": "suppressed", "reason": "已合并到一条汇总消息", "merged_into": "x" * 20},
        "已合并到一条汇总消息",
        "查看合并后的那条消息",
    ),
    "unknown": ({"state": "sending", "unknown": True, "attempts": 1}, "平台没有回应", ""),
    "busy": ({"state": "sending", "attempts": 2, "host_code": "45009"}, "平台返回代码 45009；已尝试 2 次", ""),
    "accepted": ({"state": "accepted", "sent_at": timedelta()}, "没有送达回执", "消息免打扰"),
    "dropped": ({"state": "dropped", "host_code": "10004"}, "平台接收后没有给您显示；平台返回代码 10004", "联系管理员"),
    "refused": ({"state": "failed", "host_code": "60020"}, "平台拒绝了这条消息；平台返回代码 60020", "请管理员处理"),
    "unheard": ({"state": "failed", "host_code": "987654"}, "平台返回代码 987654", "告诉管理员"),
    "gave up": ({"state": "failed", "host_code": "gave_up", "attempts": 9}, "一直没有成功，已放弃；已尝试 9 次", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_story_says_what_happened_and_what_to_do(app: Flask, see: See, ali: Member, case: str) -> None:
    values, words, advice = CASES[case]
    now = clock.now()
    moments = {name: now + value for name, value in values.items() if isinstance(value, timedelta)}
    one = say(app, ali, case, **{**values, **moments})
    page = see(ali, f"/h5/me/messages/{one}")
    assert words in page
    assert advice in page
    assert words in see(ali, "/h5/me/messages")
    assert 'href="/h5/tasks"' in page  # within the address that is open here


def test_a_corp_whose_secret_is_wrong_is_named_as_the_cause(app: Flask, see: See, cast: Cast, ali: Member) -> None:
    one = say(app, ali, "a", kind="task.assigned")
    with app.app_context():
        db.session.execute(sa.update(Corp).where(Corp.id == cast.corp_id).values(fault="40001 x"))
        db.session.commit()
    assert "平台拒绝了应用的凭证" in see(ali, f"/h5/me/messages/{one}")


def test_when_it_is_tried_again_is_said_to_the_second(app: Flask, see: See, ali: Member) -> None:
    one = say(app, ali, "a", kind="task.assigned", state="sending", attempts=1)
    with app.app_context(), corp_scope(ali.corp_id):
        due = clock.now() + timedelta(minutes=2)
        db.session.execute(sa.update(outbox.Outbox).where(outbox.Outbox.key == f"send:{one}").values(due_at=due))
        db.session.commit()
    assert re.search(r"平台暂时没有接收，\d\d:\d\d:\d\d 再试", see(ali, f"/h5/me/messages/{one}"))


def test_stories_are_only_mine(app: Flask, sign_in: Any, ali: Member, bob: Member, guan: Member, ivy: Member) -> None:
    one = say(app, ali, "a")
    for other in (bob, guan, ivy):
        assert sign_in(other).get(f"/h5/me/messages/{one}").status_code == 404


def test_the_pages_stay_cheap(app: Flask, sign_in: Any, ali: Member) -> None:
    one = say(app, ali, "a")
    client = sign_in(ali)
    for path, most in (
        ("/h5/me/channels", 9),  # the first page of a process reads the corp's roles
        (f"/h5/me/messages/{one}", 6),
    ):
        with statements(app) as seen:
            assert client.get(path).status_code == 200
        assert len(seen) <= most, seen
        assert all(one.lstrip().upper().startswith(("SELECT", "WITH")) for one in seen)
