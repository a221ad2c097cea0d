"""Asking the owner of a hidden customer to share it, answered by a press on the card that the host showed them."""

import pytest
import sqlalchemy as sa

from tests.bots.conftest import Office
from tests.jobs.conftest import run_due
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.sharing.actions import ask_to_share, pass_on
from wsapp.crm.sharing.models import ShareRequest
from wsapp.db import db
from wsapp.problems import Duplicate, NotFound

NAME, PHONE = "佛山市华星家具有限公司", "13800138000"


def ask(office: Office) -> None:
    """Be told by a save that somebody has the number, and ask for the customer with what that has told."""
    asker = office.member(office.colleague)
    with pytest.raises(Duplicate) as told:
        create_customer({"name": "顺德新客户", "phones": [PHONE]}, actor=asker)
    db.session.rollback()
    assert NAME not in str(told.value.fields)
    ask_to_share(told.value.asked, actor=office.member(office.colleague), reason="展会上认识的采购经理")
    db.session.commit()


def test_the_owner_shares_on_the_card_and_the_asker_hears(office: Office) -> None:
    customer_id = office.customer(NAME, phones=[PHONE])
    ask(office)
    with pytest.raises(NotFound):
        find_customer(customer_id, actor=office.member(office.colleague))
    run_due(office.app)
    card = next(one for one in office.chat() if "申请共享您的客户" in one["title"])
    assert [one["key"] for one in card["buttons"]] == ["share_read", "share_edit", "share_hand", "share_refuse"]
    assert ["客户", NAME] in card["lines"]
    assert ["说明", "展会上认识的采购经理"] in card["lines"]
    assert office.press("share_read", card=card["card"])["status"] == 200
    shown = next(one for one in office.chat() if one["card"] == card["card"])
    assert shown["state"].startswith("已共享查看 · ")
    assert shown["buttons"] == []
    answer = office.last(office.colleague)
    assert answer["title"] == "申请已通过：您可以查看这位客户"
    assert f"/h5/customers/{customer_id}?" in answer["url"]
    assert find_customer(customer_id, actor=office.member(office.colleague)).name == NAME


def test_after_two_days_the_manager_refuses_on_a_card_and_nothing_is_told(office: Office) -> None:
    office.customer(NAME, phones=[PHONE])
    ask(office)
    pass_on(db.session.execute(sa.select(ShareRequest.id)).scalar_one())
    db.session.commit()
    run_due(office.app)
    card = next(one for one in office.chat(office.manager) if "申请共享您的客户" in one["title"])
    assert office.press("share_refuse", user=office.manager, card=card["card"])["status"] == 200
    owners = next(one for one in office.chat() if "申请共享您的客户" in one["title"])
    assert owners["state"].startswith("已拒绝 · ")  # whoever was asked first sees it, too
    answer = office.last(office.colleague)
    assert answer["title"] == "您的共享申请被拒绝"
    assert NAME not in str(answer)
