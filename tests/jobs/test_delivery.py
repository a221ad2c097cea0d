"""Messages on their way: each ends in one state that says what happened, and nobody sees anything twice."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine

from tests.jobs.conftest import Firm, make_due, row, run_due
from wsapp import clock, leases, outbox
from wsapp.connectors.base import Message
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.reminders import press
from wsapp.crm.org.actions import shut_out
from wsapp.crm.org.models import Corp
from wsapp.crm.tasks.actions import change_task, complete_task, snooze_task
from wsapp.db import db
from wsapp.jobs.delivery import GAVE_UP
from wsapp.jobs.pace import PACE
from wsapp.jobs.runner import Desk


def test_a_reminder_arrives_as_a_card_with_buttons(firm: Firm) -> None:
    firm.task()
    run_due(firm.app, kinds=("remind", "send"))
    message = firm.message()
    assert (message.state, message.attempts, message.unknown, message.reason) == ("accepted", 1, False, "")
    assert all((message.sent_at, message.host_id, message.payload, message.channel))
    (shown,) = firm.chat()
    assert shown["title"] == "回访森林木业"
    assert shown["buttons"][0]["key"] == "done"
    assert row("send").state == "done"


def test_nothing_is_sent_for_work_that_is_done(firm: Firm) -> None:
    task = firm.task()
    run_due(firm.app, kinds=("remind",))
    complete_task(task, actor=firm.seller())
    db.session.commit()
    make_due("send")
    run_due(firm.app, kinds=("send",))
    assert (firm.message().state, firm.message().reason) == ("suppressed", "待办已处理")
    assert firm.posts() == 0


@pytest.mark.parametrize("what", ["snoozed", "moved", "handed over", "left"])
def test_what_changed_meanwhile_is_not_sent(firm: Firm, what: str) -> None:
    task = firm.task()
    run_due(firm.app, kinds=("remind",))
    seller = firm.seller()
    if what == "snoozed":
        snooze_task(task, clock.now() + timedelta(hours=1), actor=seller)
    elif what == "moved":
        change_task(task, {"due_at": clock.now() + timedelta(days=3)}, actor=seller)
    elif what == "left":
        shut_out(seller, "left")
    else:
        task.assignee_id = _colleague(firm)
    db.session.commit()
    make_due("send")
    run_due(firm.app, kinds=("send",))
    reasons = {
        "snoozed": "待办已推迟",
        "moved": "待办已改期",
        "handed over": "待办已转交他人",
        "left": "收件人已离职或停用",
    }
    assert (firm.message().state, firm.message().reason) == ("suppressed", reasons[what])
    assert firm.posts() == 0


def _colleague(firm: Firm) -> str:
    from wsapp import arrivals

    corp = db.session.execute(sa.select(Corp).where(Corp.id == firm.corp_id)).scalar_one()
    db.session.commit()
    return arrivals.arrive(corp, {"wecom": "ChenZiHao", "dingtalk": "wulei"}[firm.host]).id


def test_a_lost_answer_is_repeated_with_the_same_bytes_and_shown_once(firm: Firm) -> None:
    firm.task()
    firm.fault("reset_after")
    run_due(firm.app, kinds=("remind", "send"))
    first = firm.message()
    assert (first.state, first.unknown, first.attempts) == ("sending", True, 1)
    payload = first.payload
    assert 4 <= (row("send").due_at - clock.now()).total_seconds() + 1 <= 8
    make_due("send")
    run_due(firm.app, kinds=("send",))
    again = firm.message()
    assert (again.state, again.unknown, again.attempts, again.payload) == ("accepted", False, 2, payload)
    assert (firm.posts(), len(firm.chat())) == (2, 1)


@pytest.mark.parametrize("fault", ["html", "status", "truncate", "reset_before"])
def test_a_failing_host_is_asked_again_later(firm: Firm, fault: str) -> None:
    firm.task()
    firm.fault(fault, status=502)
    run_due(firm.app, kinds=("remind", "send"))
    message = firm.message()
    assert message.state == "sending"
    assert message.reason.startswith("稍后重试")
    assert row("send").attempts == 1
    make_due("send")
    run_due(firm.app, kinds=("send",))
    assert firm.message().state == "accepted"
    assert len(firm.chat()) == 1


def test_the_back_off_grows_and_ends_after_72_hours(firm: Firm) -> None:
    waits = [PACE.delay(attempts) for attempts in range(8)]
    for wait, step in zip(waits, (5, 30, 120, 300, 900, 1800, 1800, 1800), strict=True):
        assert 0.8 * step <= wait <= 1.2 * step
    assert PACE.delay(0, after=60) == 60
    firm.task()
    firm.fault("status", status=500, times=3)
    run_due(firm.app, kinds=("remind", "send"))
    with time_machine.travel(clock.wall() + timedelta(hours=73)):
        run_due(firm.app, kinds=("send",))
        message = firm.message()
    assert (message.state, message.host_code) == ("failed", GAVE_UP)
    assert message.reason.startswith("72 小时内未能送达")
    assert row("send").state == "dead"


def test_given_up_messages_go_when_an_administrator_says_so(firm: Firm) -> None:
    firm.task()
    firm.fault("status", status=500)
    run_due(firm.app, kinds=("remind", "send"))
    message = firm.message()
    message.state, message.host_code = "failed", GAVE_UP
    found = row("send")
    found.state = "dead"
    db.session.commit()
    assert leases.revive(found.id)
    db.session.commit()
    run_due(firm.app, kinds=("send",))
    assert firm.message().state == "accepted"


def test_a_refusal_ends_it_and_says_why(firm: Firm) -> None:
    firm.task()
    run_due(firm.app, kinds=("remind",))
    if firm.host == "wecom":
        firm.fault("code", code=81013)
        code = "81013"
    else:  # the card is refused, and so is the plain notice
        firm.fault("status", status=400, body='{"code":"param.error","message":"x"}')
        firm.fault("code", api="/topapi/message/corpconversation/asyncsend_v2", code=33012)
        code = "33012"
    make_due("send")
    run_due(firm.app, kinds=("send",))
    message = firm.message()
    assert (message.state, message.host_code) == ("failed", code)
    assert message.reason
    assert row("send").state == "done"
    assert row("member.check").payload == {"userid": firm.seller().userid}


def test_wrong_secrets_stop_one_corp_and_say_so(firm: Firm) -> None:
    firm.task()
    if firm.host == "wecom":
        firm.fault("code", code=40001)
    else:
        body = '{"code":"Forbidden.AccessDenied.IpNotInWhiteList","message":"x"}'
        firm.fault("status", status=403, body=body)
    desk = Desk()
    run_due(firm.app, desk, kinds=("remind", "send"))
    message = firm.message()
    assert (message.state, message.attempts) == ("sending", 0)
    assert message.reason == "企业的应用凭证有误，修正后自动继续发送"
    assert (row("send").state, row("send").attempts) == ("ready", 0)
    assert _corp(firm).fault
    assert desk.breakers.room(firm.corp_id, 4) == 0
    assert desk.breakers.room(firm.corp_id + 1, 4) == 4
    make_due("send")
    run_due(firm.app, kinds=("send",))
    assert firm.message().state == "accepted"
    assert _corp(firm).fault is None


def _corp(firm: Firm) -> Corp:
    db.session.rollback()
    statement = sa.select(Corp).where(Corp.id == firm.corp_id).execution_options(populate_existing=True)
    return db.session.execute(statement).scalar_one()


def test_a_message_that_cannot_be_drawn_holds_up_no_other(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.task("坏的")
    firm.task("好的")
    run_due(firm.app, kinds=("remind",))
    from wsapp import hosts

    corp = _corp(firm)
    connector = hosts.lines().of(corp)
    compose = type(connector).compose

    def broken(self: object, message: Message, to: object) -> object:
        if message.title == "坏的":
            raise RecursionError("drawn in circles")
        return compose(self, message, to)  # type: ignore[arg-type]

    monkeypatch.setattr(type(connector), "compose", broken)
    make_due("send")
    run_due(firm.app, kinds=("send",))
    assert [one["title"] for one in firm.chat()] == ["好的"]
    for _try in range(PACE.max_bugs):
        make_due("send")
        run_due(firm.app, kinds=("send",))
    states = dict(db.session.execute(sa.select(outbox.Outbox.state, sa.func.count()).group_by("state")).all())
    assert states["dead"] == 1
    db.session.rollback()
    bad = [one for one in db.session.scalars(sa.select(Notification)) if one.message["title"] == "坏的"]
    assert [(one.state, one.host_code) for one in bad] == [("failed", GAVE_UP)]


def test_a_card_finished_while_it_was_on_its_way_is_updated(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    task = firm.task()
    run_due(firm.app, kinds=("remind",))
    from wsapp import hosts

    connector = hosts.lines().of(_corp(firm))
    db.session.rollback()
    send = type(connector).send
    app, corp_id, seller_id, task_id = firm.app, firm.corp_id, firm.seller_id, task.id
    db.session.rollback()

    def finished_meanwhile(self: object, parcel: object) -> object:
        receipt = send(self, parcel)  # type: ignore[arg-type]
        from wsapp.crm.org.models import Member
        from wsapp.crm.tasks.models import Task
        from wsapp.db import corp_scope

        with app.app_context(), corp_scope(corp_id):
            member = db.session.execute(sa.select(Member).where(Member.id == seller_id)).scalar_one()
            found = db.session.execute(sa.select(Task).where(Task.id == task_id)).scalar_one()
            complete_task(found, actor=member)
            db.session.commit()
        return receipt

    monkeypatch.setattr(type(connector), "send", finished_meanwhile)
    make_due("send")
    run_due(firm.app)
    (shown,) = firm.chat()
    assert shown["state"].startswith("已完成 · ")
    assert shown["buttons"] == []


def test_a_press_before_the_ledger_is_written_is_kept_and_shown(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    firm.task()
    run_due(firm.app, kinds=("remind",))
    from wsapp import hosts

    connector = hosts.lines().of(_corp(firm))
    send = type(connector).send
    card, userid, message_id = firm.message().card, firm.seller().userid, firm.message().id
    db.session.rollback()
    app, corp_id = firm.app, firm.corp_id

    def pressed_meanwhile(self: object, parcel: object) -> object:
        receipt = send(self, parcel)  # type: ignore[arg-type]
        from wsapp.db import corp_scope

        with app.app_context(), corp_scope(corp_id):
            assert press(card, userid, "done", fold=True)
            outbox.enqueue("card.update", {"notification": message_id})  # as the callback does
            db.session.commit()
            run_due(app, kinds=("card.update",))  # of a card that nobody knows yet
        return receipt

    monkeypatch.setattr(type(connector), "send", pressed_meanwhile)
    make_due("send")
    run_due(firm.app, kinds=("send",))
    message = firm.message()
    assert message.state == "acted"
    assert message.shown.startswith("已完成")
    assert message.sent_at
    make_due("card.update")
    run_due(firm.app, kinds=("card.update",))
    (shown,) = firm.chat()
    assert shown["state"].startswith("已完成")
    assert shown["buttons"] == []


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)  # the host that has such an answer
def test_the_host_is_asked_what_became_of_it(firm: Firm) -> None:
    firm.fault("status", status=400, body='{"code":"param.error","message":"x"}')  # so that it is a notice
    firm.task()
    run_due(firm.app, kinds=("remind", "send"))
    assert firm.message().state == "accepted"
    assert 9 <= (row("send.result").due_at - clock.now()).total_seconds() <= 11
    make_due("send.result")
    run_due(firm.app, kinds=("send.result",))
    if firm.message().state == "accepted":  # it takes the host a second to know
        following = row("send.result")
        assert following.payload["number"] == 1
        assert 290 <= (following.due_at - clock.now()).total_seconds() <= 301
        firm.emulator.clock.offset += 5
        make_due("send.result")
        run_due(firm.app, kinds=("send.result",))
    assert firm.message().state == "delivered"
    assert row("send.result").state == "done"


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_a_silent_drop_is_found_out(firm: Firm) -> None:
    firm.emulator.knobs["per_day"] = 0
    firm.fault("status", status=400, body='{"code":"param.error","message":"x"}')
    firm.task()
    run_due(firm.app, kinds=("remind", "send"))
    firm.emulator.clock.offset += 5
    make_due("send.result")
    run_due(firm.app, kinds=("send.result",))
    message = firm.message()
    assert (message.state, message.host_code) == ("dropped", "143105")
    assert "143105" in message.reason
