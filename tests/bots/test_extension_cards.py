"""Keeping a customer for longer, asked for and answered by presses on the cards that the hosts show."""

from datetime import timedelta

import sqlalchemy as sa

from tests.bots.conftest import Office
from tests.jobs.conftest import run_due
from wsapp import clock, outbox
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.pools.clocks import clock_of_customer, today
from wsapp.db import db

NAME = "佛山市华星家具有限公司"


def warn(office: Office) -> str:
    """Have a customer that nobody touched for a month, and a night's run; returns its id."""
    customer_id = office.customer(NAME)
    old = sa.update(Customer).where(Customer.id == customer_id).values(created_at=clock.now() - timedelta(days=30))
    db.session.execute(old)
    outbox.enqueue("recycle.nightly", {}, corp=False)
    db.session.commit()
    run_due(office.app)
    return customer_id


def test_the_seller_asks_on_the_warning_and_the_manager_grants_on_a_card(office: Office) -> None:
    customer_id = warn(office)
    warning = next(one for one in office.chat() if "3 天后回收到公海" in one["title"])
    assert [one["key"] for one in warning["buttons"]] == ["clock_extend"]
    assert office.press("clock_extend", card=warning["card"])["status"] == 200
    run_due(office.app)
    shown = next(one for one in office.chat() if one["card"] == warning["card"])
    assert (shown["state"], shown["buttons"]) == ("已申请延期，等待主管答复", [])
    card = next(one for one in office.chat(office.manager) if "申请延期保留客户" in one["title"])
    assert ["回收原因", "15 天未跟进"] in card["lines"]
    assert office.press("clock_grant", user=office.manager, card=card["card"])["status"] == 200
    run_due(office.app)
    granted = next(one for one in office.chat(office.manager) if one["card"] == card["card"])
    assert granted["state"].startswith("已同意延期 · ")
    assert granted["buttons"] == []
    office.press("clock_refuse", user=office.manager, card=card["card"])  # too late: it changes nothing
    assert office.last(office.seller)["title"].startswith("延期已同意，保留到")
    db.session.rollback()
    _row, one = clock_of_customer(customer_id)
    assert one is not None
    assert (one.leaves_on - today()).days == 10


def test_a_card_about_a_customer_that_was_merged_since_extends_the_winner(office: Office) -> None:
    loser_id = warn(office)
    warning = next(one for one in office.chat() if "3 天后回收到公海" in one["title"])
    assert office.press("clock_extend", card=warning["card"])["status"] == 200
    run_due(office.app)
    winner_id = office.customer("华星家具顺德总店")
    seller = office.member(office.seller)
    merge_customers(find_customer(loser_id, actor=seller), find_customer(winner_id, actor=seller), actor=seller)
    db.session.commit()
    card = next(one for one in office.chat(office.manager) if "申请延期保留客户" in one["title"])
    assert office.press("clock_grant", user=office.manager, card=card["card"])["status"] == 200
    run_due(office.app)
    answer = office.last(office.seller)
    assert answer["title"].startswith("延期已同意，保留到")
    assert "华星家具顺德总店" in str(answer)
    db.session.rollback()
    row, _one = clock_of_customer(winner_id)
    assert row.kept_until is not None
