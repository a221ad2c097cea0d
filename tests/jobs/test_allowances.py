"""The monthly allowance, counted as the host counts and warned of in time; taking back; photos in the chat."""

import sqlalchemy as sa
from flask import Flask

from tests.connectors.test_channels import jpeg
from tests.jobs.conftest import Firm, make_due, run_due
from wsapp import clock, hosts, outbox
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.notifications.actions import may_take_back, take_back
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import ADMIN
from wsapp.crm.tasks.actions import cancel_task
from wsapp.crm.visits.actions import log_visit
from wsapp.db import db
from wsapp.files import keep_photo
from wsapp.jobs.allowances import check
from wsapp.jobs.delivery import line_of_corp
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim
from wsapp.usage import HostUsage, this_month, used

TICK = Claim(0, "", "check.allowances", None, {}, 0, 0, clock.now())


def count_as_used(firm: Firm, count: int) -> None:
    db.session.merge(HostUsage(corp_id=firm.corp_id, month=this_month(), meter="calls", count=count))
    db.session.commit()


def warnings() -> list[Notification]:
    statement = sa.select(Notification).where(Notification.kind == "allowance.low").order_by(Notification.created_at)
    return list(db.session.scalars(statement))


def test_the_meter_counts_what_the_host_bills(firm: Firm) -> None:
    hosts.lines().usage.write()
    before = used(firm.corp_id).get("calls", 0)
    firm.emulator.call_counts.clear()
    firm.task()
    run_due(firm.app, kinds=("remind", "send"))
    db.session.rollback()
    counted = used(firm.corp_id).get("calls", 0) - before
    if firm.host == "wecom":
        assert counted == 0
        return
    connector = line_of_corp()[1]
    billed = {api: count for api, count in firm.emulator.call_counts.items() if connector.meter_of(api)}
    assert counted == sum(billed.values()) >= 1


def test_administrators_are_warned_once_at_each_mark(firm: Firm) -> None:
    boss = firm.seller()
    boss.role = ADMIN
    db.session.commit()
    for count in (3499, 3500, 3600, 4499, 4500, 5200):
        count_as_used(firm, count)
        for _tick in range(2):
            check(TICK, Desk())
            db.session.commit()
    titles = [one.message["title"] for one in warnings()]
    if firm.host == "wecom":
        assert titles == []
        return
    assert titles == ["本月接口调用已用 70%", "本月接口调用已用 90%"]


def test_when_it_runs_low_messages_cost_one_call(firm: Firm) -> None:
    count_as_used(firm, 4600)
    firm.task()
    run_due(firm.app, kinds=("remind", "send", "send.result"))
    (shown,) = firm.chat()
    frugal = {"wecom": "template_card", "dingtalk": "action_card"}[firm.host]
    assert shown["kind"] == frugal
    make_due("send.result")
    run_due(firm.app, kinds=("send.result",))
    assert not [api for api in firm.emulator.call_counts if "getsendresult" in api]


def plain_message(firm: Firm) -> Notification:
    """Send a message without buttons, which any host can take back."""
    firm.task(title="回访森林木业")
    run_due(firm.app, kinds=("remind",))
    message = firm.message()
    message.message = {**message.message, "buttons": []}
    db.session.commit()
    make_due("send")
    run_due(firm.app, kinds=("send",))
    return firm.message()


def test_a_message_is_taken_back(firm: Firm, app: Flask) -> None:
    message = plain_message(firm)
    assert len(firm.chat()) == 1
    assert may_take_back(message, within=86_400)
    take_back(message, actor=firm.seller())
    db.session.commit()
    run_due(firm.app, kinds=("message.recall",))
    message = firm.message()
    assert message.recalled_at
    assert not may_take_back(message, within=86_400)
    assert not [one for one in firm.chat() if not one.get("recalled")]


def test_too_late_the_ledger_says_why(firm: Firm) -> None:
    message = plain_message(firm)
    take_back(message, actor=firm.seller())
    db.session.commit()
    firm.emulator.clock.offset = 90_000
    run_due(firm.app, kinds=("message.recall",))
    message = firm.message()
    assert message.recalled_at is None
    assert "平台没有撤回" in message.reason
    assert len(firm.chat()) == 1


def test_a_reminder_that_cannot_be_changed_is_taken_back_when_its_task_is_cancelled(firm: Firm) -> None:
    """Where the card went out as a plain notice, it cannot show that the task is off."""
    if firm.host == "dingtalk":
        world = firm.emulator.world
        for found in world.apps.values():
            found.templates.clear()
    else:
        firm.fault("code", code="43012", message="no callback")
    task = firm.task()
    run_due(firm.app, kinds=("remind", "send"))
    assert len(firm.chat()) == 1
    cancel_task(task, actor=firm.seller())
    db.session.commit()
    run_due(firm.app, kinds=("event", "card.update", "message.recall"))
    assert firm.message().recalled_at
    assert not [one for one in firm.chat() if not one.get("recalled")]


def test_photos_come_into_the_chat(firm: Firm) -> None:
    seller = firm.seller()
    customer = create_customer({"name": "华星家具"}, actor=seller)
    photos = [keep_photo(jpeg(), owner_id=seller.id).id for _number in range(2)]
    visit = log_visit(customer, {"note": "看样"}, actor=seller, photos=photos)
    for photo in photos:
        outbox.enqueue("photo.send", {"file": photo, "member": seller.id, "path": f"/h5/visits/{visit.id}"})
    db.session.commit()
    run_due(firm.app, kinds=("photo.send", "send"))
    assert [one["kind"] for one in firm.chat()] == ["image", "image"]
    assert len({one["media"] for one in firm.chat()}) == 2


def test_a_photo_that_the_host_refuses_comes_as_a_link(firm: Firm) -> None:
    seller = firm.seller()
    photo = keep_photo(jpeg(), owner_id=seller.id).id
    outbox.enqueue("photo.send", {"file": photo, "member": seller.id, "path": "/h5/visits/1"})
    db.session.commit()
    api = "/cgi-bin/media/upload" if firm.host == "wecom" else "/media/upload"
    firm.fault("code", api=api, code="40009" if firm.host == "wecom" else "40005", message="no")
    run_due(firm.app, kinds=("photo.send", "send"))
    (shown,) = firm.chat()
    assert "/h5/visits/1" in shown["url"]
