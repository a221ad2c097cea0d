"""People write to the robot at each host, and what comes back: over HTTP, from the callback to the chat."""

import pytest

from tests.bots.conftest import GROUPS, Office
from wsapp import clock
from wsapp.bots.models import BotDraft
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.notifications.models import Notification
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import db
from wsapp.outbox import Outbox

on_dingtalk = pytest.mark.parametrize("office", ["dingtalk"], indirect=True)
on_wecom = pytest.mark.parametrize("office", ["wecom"], indirect=True)


def test_one_customer_is_shown(office: Office) -> None:
    office.customer("上海森林木业有限公司", phones=["13800138000"], level="A")
    office.say("查 森林")
    words = office.words()
    assert "上海森林木业有限公司" in words
    assert "13800138000" in words
    assert "/h5/customers/" in str(office.last())


def test_several_customers_are_a_choice_with_links(office: Office) -> None:
    for name in ("上海森林木业有限公司", "杭州森林家具有限公司"):
        office.customer(name)
    office.say("查森林")
    words = office.words()
    assert "“森林”有多位客户" in words
    assert "上海森林木业有限公司" in words
    assert "杭州森林家具有限公司" in words
    assert str(office.last()).count("/h5/customers/") >= 2


def test_what_the_asker_may_not_see_is_as_if_it_were_not_there(office: Office) -> None:
    office.customer("上海森林木业有限公司", owner=office.colleague, phones=["13800138000"])
    office.say("查 上海森林木业有限公司")
    assert "没有找到“上海森林木业有限公司”" in office.words()
    office.say("查 13800138000")
    assert "没有找到" in office.words()
    office.say("记 上海森林木业有限公司 报价已发")
    assert "没有找到" in office.words()
    assert office.rows(BotDraft) == []
    office.say("查 上海森林木业有限公司", user=office.manager)
    assert "13800138000" in office.words(office.manager)


def test_today_and_the_team(office: Office) -> None:
    create_task({"title": "寄样品", "due_at": clock.now()}, actor=office.member(office.seller))
    db.session.commit()
    office.say("今天")
    assert "寄样品" in office.words()
    office.say("团队今天")
    assert "您没有团队" in office.words()
    office.say("团队今天", user=office.manager)
    words = office.words(office.manager)
    assert "团队今天：拜访 0，跟进 0" in words
    assert office.member(office.seller).name in words


def test_a_follow_up_is_written_after_the_confirmation_once(office: Office) -> None:
    customer = office.customer("上海森林木业有限公司")
    office.say("记 森林 报价已发 明天下午3点 回访")
    words = office.words()
    assert "确认这条跟进？" in words
    assert "上海森林木业有限公司" in words
    assert "报价已发" in words
    assert "15:00 回访" in words
    assert office.rows(FollowUp) == []
    card = office.last()["card"]
    office.press("confirm")
    (follow_up,) = office.rows(FollowUp)
    assert (follow_up.customer_id, follow_up.text) == (customer, "报价已发")
    assert follow_up.author_id == office.member(office.seller).id
    (task,) = office.rows(Task)
    assert (task.title, task.customer_id) == ("回访", customer)
    assert office.last()["state"].startswith("已写入 · ")
    assert office.last()["buttons"] == []
    office.post("/phone/press", {"user": office.seller, "card": card, "key": "confirm", "stale": True})
    assert len(office.rows(FollowUp)) == 1


def test_cancelled_is_not_written(office: Office) -> None:
    office.customer("上海森林木业有限公司")
    office.say("记 森林 报价已发")
    office.press("cancel")
    assert office.rows(FollowUp) == []
    assert office.last()["state"].startswith("已取消 · ")
    office.post("/phone/press", {"user": office.seller, "card": office.last()["card"], "key": "confirm", "stale": True})
    assert office.rows(FollowUp) == []


def test_an_ambiguous_name_is_a_choice_that_confirms(office: Office) -> None:
    office.customer("杭州森林家具有限公司")
    wanted = office.customer("上海森林木业有限公司")
    office.say("记 森林 报价已发")
    assert office.rows(FollowUp) == []
    number = next(label for label, value in office.last()["lines"] if value.startswith("上海森林木业"))
    office.press(f"pick_{number}")
    (follow_up,) = office.rows(FollowUp)
    assert follow_up.customer_id == wanted


def test_a_reminder_becomes_a_task(office: Office) -> None:
    customer = office.customer("上海森林木业有限公司")
    office.say("提醒 明天下午3点 给森林打电话")
    assert "确认这条提醒？" in office.words()
    office.press("confirm")
    (task,) = office.rows(Task)
    assert (task.title, task.customer_id, task.kind) == ("给森林打电话", customer, "call")
    assert task.assignee_id == office.member(office.seller).id


def test_what_was_lost_meanwhile_is_not_written(office: Office) -> None:
    """The customer went to a colleague between the question and the press."""
    from wsapp.crm.customers.models import Customer

    office.customer("上海森林木业有限公司")
    office.say("记 森林 报价已发")
    (customer,) = office.rows(Customer)
    customer.owner_id = office.member(office.colleague).id
    db.session.commit()
    office.press("confirm")
    assert office.rows(FollowUp) == []
    assert office.last()["state"].startswith("没有写入：")


def test_a_message_that_comes_twice_is_answered_once(office: Office) -> None:
    office.customer("上海森林木业有限公司")
    first = office.say("记 森林 报价已发")
    office.say("", again=first["message"])
    assert len(office.rows(BotDraft)) == 1
    assert len(office.chat()) == 1
    first = office.say("今天")
    count = len(office.chat())
    office.say("", again=first["message"])
    assert len(office.chat()) == count


def test_anything_else_is_answered_with_help(office: Office) -> None:
    for text in ("你好", "", "查询一下天气怎么样呢<script>", "记", "提醒 开会", "🤝" * 200):
        office.say(text)
        assert office.last()["title"] or office.last()["text"]
    office.say("帮助")
    assert "记 森林 报价已发 周五回访" in office.words()


def test_whoever_left_is_refused(office: Office) -> None:
    from wsapp.crm.org.actions import shut_out

    office.customer("上海森林木业有限公司", phones=["13800138000"])
    shut_out(office.member(office.seller), "left")
    db.session.commit()
    office.say("查 森林")
    assert "抱歉，我还不认识您" in office.words()
    assert "13800138000" not in str(office.chat())


def test_hostile_words_stay_words(office: Office) -> None:
    name = '<a href="https://evil.example.com">森林</a>[点我](https://evil.example.com)'
    office.customer(name)
    for text in (f"查 {name}", "查 森林", "记 森林 [点我](https://evil.example.com) <script>alert(1)</script>"):
        office.say(text)
        last = office.last()
        addresses = [last["url"], *(one["url"] for one in last["buttons"])]
        assert not [url for url in addresses if url and not url.startswith("http://127.0.0.1:")]
        if office.host == "dingtalk":  # markup is read there, also in what is said
            assert "](https://evil" not in str(last)
            assert "<script" not in str(last)
    text = "[点我](https://evil.example.com) <script>alert(1)</script>"
    office.press("confirm")
    (follow_up,) = office.rows(FollowUp)
    assert follow_up.text == text


@on_dingtalk
def test_in_a_group_numbers_are_masked_and_writing_moves_to_the_single_chat(office: Office) -> None:
    office.customer("上海森林木业有限公司", phones=["13800138000"], note="前台 021-26001234")
    office.say("查 森林", group=GROUPS["dingtalk"])
    said = next(one for one in reversed(office.chat(office.colleague)) if one.get("group_id"))
    assert "138＊＊＊＊8000" in said["text"]
    assert "13800138000" not in str(office.chat(office.colleague))
    assert said["called"] == [office.seller]
    office.say("记 森林 客户电话改为13900139000", group=GROUPS["dingtalk"])
    in_group = [one for one in office.chat(office.colleague) if one.get("group_id")][-1]
    assert "请在单聊里确认" in in_group["text"]
    assert "13900139000" not in in_group["text"]
    assert not [one for one in office.chat(office.colleague) if one["card"]]
    office.press("confirm", card=next(one["card"] for one in office.chat() if one["card"]))
    assert len(office.rows(FollowUp)) == 1


@on_dingtalk
def test_a_group_sees_nothing_when_the_robot_is_not_called(office: Office) -> None:
    office.say("查 森林", group=GROUPS["dingtalk"], calls=False)
    assert [one for one in office.rows(Outbox) if one.kind == "robot.message"] == []


@on_dingtalk
def test_only_the_asker_may_confirm(office: Office) -> None:
    """A press of somebody else's, signed by the host as any press is."""
    office.customer("上海森林木业有限公司")
    office.say("记 森林 报价已发")
    card = office.last()["card"]
    chat = office.emulator.chat
    held = chat.cards.find(card, office.seller)
    assert chat.cards.press(held, office.colleague, "confirm") == 200
    assert office.rows(FollowUp) == []
    assert office.rows(BotDraft)[0].state == "open"
    office.press("confirm")
    assert len(office.rows(FollowUp)) == 1


@on_dingtalk
def test_somebody_outside_the_visible_range_is_refused(office: Office) -> None:
    office.say("查 森林", user="simaxiangru")
    assert "抱歉，我还不认识您" in office.words("simaxiangru")


@on_dingtalk
def test_an_answer_that_is_too_late_for_the_conversation_comes_as_a_message(office: Office) -> None:
    office.customer("上海森林木业有限公司")
    office.emulator.talk.forget()
    answer = office.post("/phone/say", {"user": office.seller, "text": "查 森林"})
    assert answer["status"] == 200
    office.emulator.talk.sessions.clear()  # the host forgot the conversation meanwhile
    from tests.jobs.conftest import run_due

    run_due(office.app)
    assert "上海森林木业有限公司" in office.words()
    assert [one.kind for one in office.rows(Notification)] == ["bot.answer"]


@on_dingtalk
def test_a_conversations_webhook_is_kept_sealed(office: Office) -> None:
    office.say("今天")
    rows = [one for one in office.rows(Outbox) if one.kind.startswith("robot.")]
    assert len(rows) == 2
    for session in office.emulator.talk.sessions:
        assert all(session not in str(one.payload) for one in rows)


@on_wecom
def test_a_member_who_never_opened_the_app_is_refused_in_a_message(office: Office) -> None:
    office.say("今天", user="ZhaoMin")
    assert "抱歉，我还不认识您" in office.words("ZhaoMin")


@on_dingtalk
def test_a_robot_that_is_blocked_in_a_conversation_blocks_nothing_else(office: Office) -> None:
    from wsapp.connectors.emulator import Fault

    office.emulator.faults.append(Fault("/robot/sendBySession", "code", times=1, options={"code": 660026}))
    office.say("今天")
    assert "今天" in office.words()
    assert [(one.kind, one.state) for one in office.rows(Notification)] == [("bot.answer", "accepted")]


@on_dingtalk
def test_without_a_card_template_the_message_opens_the_page_that_confirms(office: Office) -> None:
    app = next(iter(office.emulator.world.apps.values()))
    for template in list(app.templates):
        office.post("/_emulator/template", {"client_id": app.client_id, "template": template, "published": False})
    office.customer("上海森林木业有限公司")
    office.say("记 森林 报价已发")
    (kept,) = office.rows(BotDraft)
    assert f"/h5/drafts/{kept.id}" in office.last()["url"]
    assert office.rows(FollowUp) == []


def test_a_sentence_is_understood_and_a_doubtful_date_is_asked_about(office: Office) -> None:
    customer = office.customer("上海森林木业有限公司")
    office.say("记 嗯昨天去了森林木业，老板要样品，2月30号再去")
    words = office.words()
    assert "上海森林木业有限公司" in words
    assert "没有“2月30号”这一天，请选择时间" in words
    office.press("cancel")
    office.say("记 昨天去了森林木业，老板要样品，周末再去")
    assert "“周末”只是个大概，请核对时间" in office.words()
    office.press("confirm")
    (follow_up,) = office.rows(FollowUp)
    assert (follow_up.customer_id, follow_up.next_action) == (customer, "再去")
    office.say("提醒 2月30号 给森林打电话")
    assert "没有“2月30号”这一天，请选择时间" in office.words()
