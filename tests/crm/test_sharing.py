"""Asking the owner of a hidden customer to share it: once, answered once, passed on after two days."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp import clock
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.sharing.actions import answer, ask_to_share, find_request, may_answer, pass_on, press
from wsapp.crm.sharing.models import EDIT, HANDED, OPEN, READ, REFUSED, ShareRequest
from wsapp.db import db, rows
from wsapp.outbox import Outbox
from wsapp.problems import Duplicate, Forbidden, NotFound


def own(member: Member) -> Member:
    return db.session.merge(member)


@pytest.fixture
def huaxing(here: Flask, ali: Member) -> Customer:
    made = create_customer({"name": "佛山市华星家具有限公司", "phones": ["13800138000"]}, actor=own(ali))
    db.session.commit()
    return made


def asked_of(member: Member) -> list[Notification]:
    wanted = sa.select(Notification).where(
        Notification.recipient_id == member.id, Notification.kind.startswith("share.")
    )
    return list(rows(wanted.order_by(Notification.id)))


def ask(asker: Member, reason: str = "展会上认识的") -> ShareRequest:
    """Be told by a save that somebody has the customer, and ask for it with what that save has told."""
    with pytest.raises(Duplicate) as caught:
        create_customer({"name": "新客户", "phones": ["13800138000"]}, actor=own(asker))
    db.session.rollback()
    made = ask_to_share(caught.value.asked, actor=own(asker), reason=reason)
    db.session.commit()
    assert len(made) == 1
    return made[0]


def test_the_owner_is_asked_on_a_card_once(huaxing: Customer, ali: Member, cha: Member) -> None:
    request = ask(cha)
    (card,) = asked_of(ali)
    assert card.message["title"] == "小查 申请共享您的客户"
    assert ["客户", "佛山市华星家具有限公司"] in card.message["lines"]
    assert ["说明", "展会上认识的"] in card.message["lines"]
    assert [one["key"] for one in card.message["buttons"]] == ["share_read", "share_edit", "share_hand", "share_refuse"]
    assert ask_to_share(["phones:13800138000", "name:佛山市华星家具"], actor=own(cha)) == []  # asked already
    assert len(asked_of(ali)) == 1
    assert request.state == OPEN


@pytest.mark.parametrize(
    ("button", "state", "may_edit"),
    [("share_read", READ, False), ("share_edit", EDIT, True), ("share_refuse", REFUSED, None)],
)
def test_the_press_decides_once(
    huaxing: Customer, ali: Member, cha: Member, button: str, state: str, may_edit: bool | None
) -> None:
    request = ask(cha)
    (card,) = asked_of(ali)
    with pytest.raises(NotFound):
        find_customer(huaxing.id, actor=own(cha))
    assert not press(card.card, "cha", button, fold=True).counted  # type: ignore[union-attr]
    assert press(card.card, "ali", button, fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert not press(card.card, "ali", "share_hand", fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    db.session.refresh(request)
    assert (request.state, request.is_open, request.decider_id) == (state, None, ali.id)
    assert card.state == "acted" or card.shown
    assert "阿丽" in card.shown
    assert [one.may_edit for one in rows(sa.select(Coworker))] == ([] if may_edit is None else [may_edit])
    (told,) = asked_of(cha)
    assert told.kind == "share.answered"
    reader = own(cha)
    reader.__dict__.pop("_sights", None)
    if may_edit is None:
        assert "拒绝" in told.message["title"]
        assert "华星" not in str(told.message)
        return
    seen = find_customer(huaxing.id, actor=reader)
    if may_edit:
        change_customer(seen, {"level": "B"}, actor=reader)
    else:
        with pytest.raises(Forbidden):
            change_customer(seen, {"level": "B"}, actor=reader)


def test_handing_over_makes_the_asker_the_owner(huaxing: Customer, ali: Member, cha: Member) -> None:
    request = ask(cha)
    assert answer(request, "share_hand", actor=own(ali))
    db.session.commit()
    assert request.state == HANDED
    assert db.session.get_one(Customer, (huaxing.corp_id, huaxing.id)).owner_id == cha.id
    kinds = set(rows(sa.select(Event.kind).where(Event.customer_id == huaxing.id)))
    assert kinds >= {"share.asked", "customer.assigned", "share.answered"}  # of one moment: in no order


def test_nobody_else_answers_or_looks(huaxing: Customer, cha: Member, guan: Member, bob: Member, ivy: Member) -> None:
    request = ask(cha)
    assert not may_answer(request, actor=own(cha))
    assert not answer(request, "share_edit", actor=own(cha))
    assert not answer(request, "nonsense", actor=own(bob))
    assert find_request(request.id, actor=own(cha)) is request
    assert may_answer(request, actor=own(bob))  # who leads the owner
    stranger = own(guan)
    stranger.role, stranger.roles = "seller", []
    stranger.__dict__.pop("_sights", None)
    with db.session.no_autoflush, pytest.raises(NotFound):
        find_request(request.id, actor=stranger)
    db.session.rollback()


def test_after_two_days_the_manager_is_asked_and_the_asker_hears(
    huaxing: Customer, ali: Member, bob: Member, cha: Member
) -> None:
    request = ask(cha)
    work: Any = rows(sa.select(Outbox).where(Outbox.kind == "share.escalate"))[0]
    assert work.payload == {"request": request.id}
    assert abs(work.due_at - clock.now() - timedelta(hours=48)) < timedelta(minutes=1)
    with time_machine.travel(clock.now() + timedelta(hours=49), tick=True):
        pass_on(request.id)
        db.session.commit()
        (card,) = asked_of(bob)
        assert [one.kind for one in asked_of(cha)] == ["share.passed"]
        assert press(card.card, "bob", "share_read", fold=True).counted  # type: ignore[union-attr]
        db.session.commit()
        pass_on(request.id)  # settled: nobody is asked again
        assert len(asked_of(bob)) == 1
    assert [one.member_id for one in rows(sa.select(Coworker))] == [cha.id]


def test_there_is_nobody_to_ask_about_what_is_seen_or_not_there(huaxing: Customer, ali: Member, bob: Member) -> None:
    for asked in ([], ["phones:13800138000"], ["phones:13900000000"], ["nonsense:1"], ["name:"]):
        with pytest.raises(NotFound):
            ask_to_share(asked, actor=own(bob))
