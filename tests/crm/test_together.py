"""Colleagues together: help on a customer, tasks handed over, more time and new places. Each is answered once."""

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp import clock
from wsapp.crm.appeals.answers import answer, press
from wsapp.crm.appeals.asking import appeals_of, find_appeal, open_about, withdraw
from wsapp.crm.appeals.cards import GRANT, REFUSE
from wsapp.crm.appeals.help import ask_for_help, end_coworkers
from wsapp.crm.appeals.models import GRANTED, HELP, OPEN, OVER, REFUSED, WITHDRAWN, Appeal
from wsapp.crm.appeals.places import change_or_ask, move_to_visit
from wsapp.crm.appeals.work import Unseen, ask_for_time, offer_task, tell_of_waiting
from wsapp.crm.customers.actions import assign_customer, change_customer, create_customer
from wsapp.crm.customers.coworkers import add_coworker, coworkers_of
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.deletions.actions import delete, restore
from wsapp.crm.deletions.queries import find_deletion
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import complete_task, create_task
from wsapp.crm.tasks.models import PLANNED, Reminder, Task
from wsapp.crm.visits.actions import log_visit
from wsapp.db import db, rows
from wsapp.house import local_now
from wsapp.jobs.dispatcher import dispatch
from wsapp.outbox import Outbox
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound

HERE = {"lat": 22.5431, "lng": 114.0579}
NEAR_BY = {"lat": 22.5441, "lng": 114.0579}  # 110 m off
FAR_OFF = {"lat": 22.5631, "lng": 114.0579}  # 2.2 km off


def own(member: Member) -> Member:
    found = db.session.merge(member)
    found.__dict__.pop("_sights", None)
    return found


def sent_to(member: Member, *kinds: str) -> list[Notification]:
    wanted = sa.select(Notification).where(Notification.recipient_id == member.id, Notification.kind.in_(kinds))
    return list(rows(wanted.order_by(Notification.id)))


def hear() -> None:
    """Tell the listeners of everything that happened, as the worker does."""
    for event_id in rows(sa.select(Event.id).order_by(Event.id)):
        dispatch(event_id)
    db.session.commit()


@pytest.fixture
def huaxing(here: Flask, ali: Member) -> Customer:
    made = create_customer({"name": "佛山市华星家具有限公司", "location": HERE}, actor=own(ali))
    db.session.commit()
    return made


@pytest.fixture
def task(huaxing: Customer, ali: Member) -> Task:
    due = clock.now() + timedelta(hours=3)
    values = {"title": "寄样品给采购经理", "due_at": due, "customer": huaxing.id, "reminders": [15]}
    made = create_task(values, actor=own(ali))
    db.session.commit()
    return made


def ask_help(customer: Customer, asker: Member, *people: Member, **more: Any) -> list[Appeal]:
    values = {"note": "客户要技术方案", "until": None, **more}
    made = ask_for_help(customer.id, [one.id for one in people], actor=own(asker), **values)
    db.session.commit()
    return made


# --- help ---------------------------------------------------------------------------------------------------------


def test_help_is_asked_on_a_card_and_accepted_until_its_day(huaxing: Customer, ali: Member, cha: Member) -> None:
    until = local_now().date() + timedelta(days=3)
    (appeal,) = ask_help(huaxing, ali, cha, may_edit=True, until=until)
    (card,) = sent_to(cha, "help.asked")
    assert card.message["title"] == "阿丽 请您协助一位客户"
    assert ["权限", "查看和编辑"] in card.message["lines"]
    assert ["说明", "客户要技术方案"] in card.message["lines"]
    assert [one["text"] for one in card.message["buttons"]] == ["加入协作", "谢绝"]
    with pytest.raises(NotFound):
        find_customer(huaxing.id, actor=own(cha))
    assert not press(card.card, "ali", GRANT, fold=True).counted  # type: ignore[union-attr]
    assert press(card.card, "cha", GRANT, fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert not press(card.card, "cha", REFUSE, fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert appeal.state == GRANTED
    assert card.shown.startswith("已加入协作 · 小查")
    change_customer(find_customer(huaxing.id, actor=own(cha)), {"level": "A"}, actor=own(cha))
    (told,) = sent_to(ali, "help.answered")
    assert told.message["title"] == "小查 已加入协作"
    db.session.commit()
    assert end_coworkers() == 0
    row = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "coworkers.end")).one()
    assert row.due_at == clock.start_of_day(until + timedelta(days=1), "Asia/Shanghai")
    with time_machine.travel(row.due_at, tick=False):
        assert end_coworkers() == 1
        db.session.commit()
        with pytest.raises(NotFound):
            find_customer(huaxing.id, actor=own(cha))


def test_of_two_last_days_the_later_one_counts(huaxing: Customer, ali: Member, cha: Member) -> None:
    today = local_now().date()

    def until(*days: date | None) -> date | None:
        for day in days:
            made = add_coworker(huaxing, own(cha), may_edit=False, actor=own(ali), quietly=True, until=day)
        found = made.until
        db.session.delete(made)
        db.session.flush()
        return found

    later = today + timedelta(days=5)
    assert until(today, later) == until(later, today) == later
    assert until(today, None) is None
    assert until(None, today) is None


def test_declining_says_why(huaxing: Customer, ali: Member, cha: Member) -> None:
    (appeal,) = ask_help(huaxing, ali, cha)
    assert answer(appeal, REFUSE, actor=own(cha), reason="这周出差")
    db.session.commit()
    assert appeal.state == REFUSED
    (told,) = sent_to(ali, "help.answered")
    assert told.message["title"] == "小查 谢绝了协助"
    assert ["原因", "这周出差"] in told.message["lines"]
    assert coworkers_of(huaxing.id) == []
    assert ask_help(huaxing, ali, cha)  # and may be asked again


def test_who_may_ask_whom(huaxing: Customer, ali: Member, bob: Member, cha: Member, guan: Member, ivy: Member) -> None:
    with pytest.raises(NotFound):
        ask_for_help(huaxing.id, [ali.id], actor=own(cha), note="x", until=None)
    for people in ([], [ali.id], [ivy.id], ["nobody"]):
        with pytest.raises(Invalid):
            ask_for_help(huaxing.id, people, actor=own(ali), note="x", until=None)
    with pytest.raises(Invalid):
        ask_for_help(huaxing.id, [cha.id], actor=own(ali), note=" ", until=None)
    yesterday = local_now().date() - timedelta(days=1)
    with pytest.raises(Invalid):
        ask_for_help(huaxing.id, [cha.id], actor=own(ali), note="x", until=yesterday)
    add_coworker(huaxing, own(cha), may_edit=False, actor=own(ali))
    with pytest.raises(Forbidden):
        ask_for_help(huaxing.id, [guan.id], actor=own(cha), note="x", until=None)
    with pytest.raises(Invalid, match="已经是协作人"):
        ask_for_help(huaxing.id, [cha.id], actor=own(ali), note="x", until=None)
    ask_help(huaxing, ali, guan)
    with pytest.raises(Conflict):
        ask_for_help(huaxing.id, [guan.id], actor=own(ali), note="x", until=None)
    assert [one.reader_id for one in open_about(huaxing.id, HELP)] == [guan.id]
    with pytest.raises(NotFound):
        find_appeal(open_about(huaxing.id, HELP)[0].id, actor=own(cha))
    assert len(appeals_of(own(guan))) == 1


def test_rights_are_asked_again_at_the_press(huaxing: Customer, ali: Member, bob: Member, cha: Member) -> None:
    (appeal,) = ask_help(huaxing, ali, cha)
    assign_customer(huaxing, bob.id, actor=own(bob))
    db.session.commit()
    (card,) = sent_to(cha, "help.asked")
    assert press(card.card, "cha", GRANT, fold=True).counted  # type: ignore[union-attr]
    assert appeal.state == OVER
    assert card.shown == "请求已失效"
    assert coworkers_of(huaxing.id) == []
    assert sent_to(ali, "help.answered") == []


def test_a_new_owner_ends_what_waits(huaxing: Customer, ali: Member, bob: Member, cha: Member) -> None:
    (appeal,) = ask_help(huaxing, ali, cha)
    hear()
    assert appeal.state == OPEN
    assign_customer(huaxing, bob.id, actor=own(bob))
    db.session.commit()
    hear()
    db.session.refresh(appeal)
    assert appeal.state == OVER


def test_a_coworker_asks_in_the_owners_name_who_hears(
    huaxing: Customer, ali: Member, cha: Member, guan: Member
) -> None:
    add_coworker(huaxing, own(cha), may_edit=True, actor=own(ali))
    (appeal,) = ask_help(huaxing, cha, guan)
    assert answer(appeal, GRANT, actor=own(guan))
    db.session.commit()
    assert [len(sent_to(one, "help.answered")) for one in (cha, ali)] == [1, 1]
    assert {one.member_id for one in coworkers_of(huaxing.id)} == {cha.id, guan.id}


def test_the_limit_of_coworkers_holds_at_the_press(
    huaxing: Customer, ali: Member, cha: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    (appeal,) = ask_help(huaxing, ali, cha)
    monkeypatch.setattr("wsapp.crm.customers.coworkers.MOST", 0)
    with pytest.raises(Conflict):
        answer(appeal, GRANT, actor=own(cha))
    db.session.rollback()
    assert appeal.state == OPEN
    (card,) = sent_to(cha, "help.asked")
    assert not press(card.card, "cha", GRANT, fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert appeal.state == OPEN
    assert coworkers_of(huaxing.id) == []


def test_taken_back_it_cannot_be_accepted(huaxing: Customer, ali: Member, cha: Member) -> None:
    (appeal,) = ask_help(huaxing, ali, cha)
    assert not withdraw(appeal, actor=own(cha))
    assert withdraw(appeal, actor=own(ali))
    db.session.commit()
    assert not answer(appeal, GRANT, actor=own(cha))
    assert appeal.state == WITHDRAWN


def test_it_goes_into_the_bin_with_its_customer_and_comes_back(huaxing: Customer, ali: Member, cha: Member) -> None:
    (appeal,) = ask_help(huaxing, ali, cha, until=local_now().date())
    answer(appeal, GRANT, actor=own(cha))
    db.session.commit()
    appeal_id = appeal.id
    delete("customer", huaxing.id, actor=own(ali))
    db.session.commit()
    assert rows(sa.select(Appeal)) == []
    restore(find_deletion(huaxing.id, actor=own(ali)), actor=own(ali))
    db.session.commit()
    assert [one.id for one in rows(sa.select(Appeal))] == [appeal_id]
    (back,) = rows(sa.select(Coworker))
    assert back.until == local_now().date()


# --- tasks --------------------------------------------------------------------------------------------------------


def test_a_task_goes_over_when_it_is_accepted(task: Task, ali: Member, cha: Member) -> None:
    with pytest.raises(Unseen, match="看不到客户"):
        offer_task(task.id, cha.id, actor=own(ali))
    db.session.rollback()
    appeal = offer_task(task.id, cha.id, actor=own(ali), note="我下午出差", anyway=True)
    db.session.commit()
    assert task.assignee_id == ali.id
    (card,) = sent_to(cha, "offer.asked")
    assert ["待办", "寄样品给采购经理"] in card.message["lines"]
    assert "华星" not in str(card.message)  # who does not see the customer is not told its name
    with pytest.raises(Conflict):
        offer_task(task.id, cha.id, actor=own(ali), anyway=True)
    db.session.rollback()
    assert press(card.card, "cha", GRANT, fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    db.session.refresh(task)
    assert task.assignee_id == cha.id
    planned = rows(sa.select(Reminder).where(Reminder.task_id == task.id, Reminder.state == PLANNED))
    assert {one.plan for one in planned} == {task.version}
    (told,) = sent_to(ali, "offer.answered")
    assert told.message["title"] == "小查 接受了您的待办"
    assert appeal.state == GRANTED
    hear()
    assert sent_to(cha, "task.assigned") == []  # the card says it already


def test_declined_it_stays(task: Task, ali: Member, bob: Member) -> None:
    appeal = offer_task(task.id, bob.id, actor=own(ali))  # who leads her sees the customer
    assert answer(appeal, REFUSE, actor=own(bob), reason="不熟悉")
    db.session.commit()
    assert task.assignee_id == ali.id
    assert sent_to(ali, "offer.answered")[0].message["title"] == "老鲍 谢绝了您的待办"
    assert offer_task(task.id, bob.id, actor=own(ali)).state == OPEN


def test_who_may_offer_and_what(task: Task, ali: Member, bob: Member, cha: Member) -> None:
    with pytest.raises(Forbidden):
        offer_task(task.id, cha.id, actor=own(bob))
    with pytest.raises(Invalid):
        offer_task(task.id, ali.id, actor=own(ali))
    complete_task(task, actor=own(ali))
    with pytest.raises(Invalid):
        offer_task(task.id, bob.id, actor=own(ali))


def test_what_ends_the_task_ends_the_offer(task: Task, ali: Member, bob: Member) -> None:
    appeal = offer_task(task.id, bob.id, actor=own(ali))
    db.session.commit()
    complete_task(task, actor=own(ali))
    db.session.commit()
    hear()
    db.session.refresh(appeal)
    assert appeal.state == OVER
    assert sent_to(ali, "offer.answered") == []


def test_without_an_answer_by_the_due_time_the_asker_hears_once(task: Task, ali: Member, bob: Member) -> None:
    appeal = offer_task(task.id, bob.id, actor=own(ali))
    db.session.commit()
    row = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "offer.wait")).one()
    assert row.due_at == task.due_at
    tell_of_waiting(appeal.id)
    tell_of_waiting(appeal.id)
    (told,) = sent_to(ali, "offer.waiting")
    assert told.message["title"] == "老鲍 还没有答复您的转交"
    assert appeal.state == OPEN
    answer(appeal, REFUSE, actor=own(bob))
    db.session.commit()
    assert len(sent_to(ali, "offer.waiting")) == 1


def test_more_time_is_asked_for_and_granted(task: Task, ali: Member, bob: Member, cha: Member) -> None:
    with pytest.raises(Invalid, match="还没有逾期"):
        ask_for_time(task.id, clock.now() + timedelta(days=2), actor=own(ali), note="客户出差")
    with time_machine.travel(clock.now() + timedelta(days=1), tick=False):
        later = clock.now().replace(second=0, microsecond=0) + timedelta(days=2)
        with pytest.raises(Invalid):
            ask_for_time(task.id, clock.now() - timedelta(hours=1), actor=own(ali), note="客户出差")
        appeal = ask_for_time(task.id, later, actor=own(ali), note="客户出差")
        db.session.commit()
        (card,) = sent_to(bob, "delay.asked")
        assert card.message["title"] == "阿丽 申请待办延期"
        assert not answer(appeal, GRANT, actor=own(ali))
        assert not answer(appeal, GRANT, actor=own(cha))
        assert press(card.card, "bob", GRANT, fold=True).counted  # type: ignore[union-attr]
        db.session.commit()
        db.session.refresh(task)
        assert task.due_at == later
        assert sent_to(ali, "delay.answered")[0].message["title"] == "老鲍 同意了延期"


# --- places -------------------------------------------------------------------------------------------------------


def place_of(customer: Customer) -> tuple[float | None, float | None]:
    db.session.expire_all()
    return customer.lat, customer.lng


def test_a_far_place_waits_for_the_leaders_word(huaxing: Customer, ali: Member, bob: Member) -> None:
    assert change_or_ask(huaxing, {"location": NEAR_BY}, actor=own(ali)) is None
    db.session.commit()
    appeal = change_or_ask(huaxing, {"location": FAR_OFF, "level": "A"}, actor=own(ali))
    db.session.commit()
    assert appeal is not None
    assert place_of(huaxing) == (NEAR_BY["lat"], NEAR_BY["lng"])
    assert huaxing.level == "A"
    (card,) = sent_to(bob, "move.asked")
    assert ["距原位置", "2.1 公里"] in card.message["lines"]
    assert press(card.card, "bob", GRANT, fold=True).counted  # type: ignore[union-attr]
    db.session.commit()
    assert place_of(huaxing) == (FAR_OFF["lat"], FAR_OFF["lng"])
    assert sent_to(ali, "move.answered")[0].message["title"] == "老鲍 同意了位置修改"


def test_refused_it_stays_where_it_was(huaxing: Customer, ali: Member, bob: Member) -> None:
    appeal = change_or_ask(huaxing, {"location": FAR_OFF}, actor=own(ali))
    assert appeal is not None
    assert answer(appeal, REFUSE, actor=own(bob), reason="地址没有变")
    db.session.commit()
    assert place_of(huaxing) == (HERE["lat"], HERE["lng"])


def test_the_newer_wish_counts_and_an_emptied_place_is_asked_for_too(
    huaxing: Customer, ali: Member, bob: Member
) -> None:
    first = change_or_ask(huaxing, {"location": FAR_OFF}, actor=own(ali))
    second = change_or_ask(huaxing, {"location": None}, actor=own(ali))
    db.session.commit()
    assert first is not None
    assert second is not None
    assert (first.state, second.state) == (WITHDRAWN, OPEN)
    assert place_of(huaxing) == (HERE["lat"], HERE["lng"])
    assert answer(second, GRANT, actor=own(bob))
    db.session.commit()
    assert place_of(huaxing) == (None, None)
    assert change_or_ask(huaxing, {"location": FAR_OFF}, actor=own(ali)) is None  # a first place needs nobody's word


def test_leaders_and_administrators_need_nobodys_word(
    huaxing: Customer, ali: Member, bob: Member, guan: Member
) -> None:
    waiting = change_or_ask(huaxing, {"location": FAR_OFF}, actor=own(ali))
    assert change_or_ask(huaxing, {"location": {"lat": 23.1, "lng": 113.2}}, actor=own(bob)) is None
    db.session.commit()
    hear()
    assert waiting is not None
    db.session.refresh(waiting)
    assert waiting.state == OVER  # it spoke of a place that is not any more
    assert change_or_ask(huaxing, {"location": HERE}, actor=own(guan)) is None


def test_a_visit_shows_where_the_customer_is(huaxing: Customer, ali: Member, bob: Member) -> None:
    far = {**FAR_OFF, "accuracy": 20}
    visit = log_visit(huaxing, {"note": "搬到新厂区了", "location": far}, actor=own(ali))
    db.session.commit()
    appeal = move_to_visit(visit, actor=own(ali))
    assert appeal is not None
    assert answer(appeal, GRANT, actor=own(bob))
    db.session.commit()
    assert place_of(huaxing) == (FAR_OFF["lat"], FAR_OFF["lng"])
