"""Colleagues ask each other and answer by presses on the cards that the hosts show."""

from datetime import timedelta

import sqlalchemy as sa

from tests.bots.conftest import Office
from tests.jobs.conftest import run_due
from wsapp import clock
from wsapp.crm.appeals.help import ask_for_help
from wsapp.crm.appeals.places import change_or_ask
from wsapp.crm.appeals.work import offer_task
from wsapp.crm.comments.actions import add_comment
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.queries import find_task
from wsapp.db import db
from wsapp.outbox import Outbox

NAME = "佛山市华星家具有限公司"
HERE, FAR_OFF = {"lat": 22.5431, "lng": 114.0579}, {"lat": 22.5631, "lng": 114.0579}


def test_help_is_accepted_and_a_task_taken_over_on_the_cards(office: Office) -> None:
    customer_id = office.customer(NAME)
    seller, colleague = office.member(office.seller), office.member(office.colleague)
    ask_for_help(customer_id, [colleague.id], actor=seller, note="客户要技术方案", until=None)
    due = {"title": "给客户做演示", "customer": customer_id, "due_at": clock.now() + timedelta(days=1)}
    task_id = create_task(due, actor=seller).id
    db.session.commit()
    run_due(office.app)
    card = next(one for one in office.chat(office.colleague) if "请您协助一位客户" in one["title"])
    assert [one["text"] for one in card["buttons"]] == ["加入协作", "谢绝"]
    assert office.press("appeal_grant", user=office.colleague, card=card["card"])["status"] == 200
    shown = next(one for one in office.chat(office.colleague) if one["card"] == card["card"])
    assert (shown["state"].split(" · ")[0], shown["buttons"]) == ("已加入协作", [])
    assert office.last()["title"].endswith("已加入协作")
    assert find_customer(customer_id, actor=office.member(office.colleague)).name == NAME
    offer_task(task_id, colleague.id, actor=office.member(office.seller), note="我出差")
    db.session.commit()
    run_due(office.app)
    card = next(one for one in office.chat(office.colleague) if "想把一条待办转给您" in one["title"])
    assert office.press("appeal_grant", user=office.colleague, card=card["card"])["status"] == 200
    assert office.last()["title"].endswith("接受了您的待办")
    assert find_task(task_id, actor=office.member(office.colleague)).assignee_id == colleague.id


def test_a_far_place_is_the_managers_word_on_the_card(office: Office) -> None:
    customer_id = office.customer(NAME, location=HERE)
    seller = office.member(office.seller)
    assert change_or_ask(find_customer(customer_id, actor=seller), {"location": FAR_OFF}, actor=seller)
    db.session.commit()
    run_due(office.app)
    card = next(one for one in office.chat(office.manager) if "申请修改客户位置" in one["title"])
    assert ["距原位置", "2.2 公里"] in card["lines"]
    assert office.press("appeal_grant", user=office.manager, card=card["card"])["status"] == 200
    assert office.last()["title"].endswith("同意了位置修改")
    db.session.rollback()
    assert find_customer(customer_id, actor=office.member(office.seller)).lat == FAR_OFF["lat"]


def test_who_is_named_and_whose_follow_up_it_is_hear_by_cards(office: Office) -> None:
    customer_id = office.customer(NAME)
    seller, manager = office.member(office.seller), office.member(office.manager)
    values = {"text": f"@{manager.name} 客户要账期，请定一下", "mentions": []}
    log = log_follow_up(find_customer(customer_id, actor=seller), values, actor=seller)
    db.session.commit()
    run_due(office.app)
    named = office.last(office.manager)
    assert named["title"] == f"{seller.name} 在跟进里提到了您"
    assert "客户要账期，请定一下" in named["text"]
    assert f"/h5/follow-ups/{log.id}?" in named["url"]
    add_comment(log, "最多三十天", actor=office.member(office.manager))
    db.session.commit()
    gathered = sa.update(Outbox).where(Outbox.kind == "comments.tell").values(due_at=clock.now())
    db.session.execute(gathered)
    db.session.commit()
    run_due(office.app)
    assert office.last()["title"] == f"{manager.name} 评论了您的跟进"
