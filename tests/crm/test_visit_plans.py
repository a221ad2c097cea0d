"""Planned visits: time window, checklist, who goes along, overlaps, checking in from a plan, nobody went."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_transfers import work
from tests.cast import Cast
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Customer
from wsapp.crm.deletions.actions import delete, restore
from wsapp.crm.deletions.queries import find_deletion
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import access
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.crm.visits.models import Visit, VisitPlan
from wsapp.crm.visits.plans import (
    cancel_plan,
    close_missed,
    find_plan,
    overlapping,
    participants_of,
    plan_visit,
    tick,
    unopened,
)
from wsapp.crm.visits.rules import visit_types
from wsapp.db import corp_scope, db
from wsapp.problems import Forbidden, Invalid, NotFound

NINE = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)  # 09:00 on a Wednesday
HOUR = timedelta(hours=1)


def csrf(client: FlaskClient) -> dict[str, str]:
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/h5/me").text)
    assert found is not None
    return {"csrf_token": found.group(1)}


def own(member: Member) -> Member:
    return db.session.merge(member)


def window(hours: float = 1, length: float = 1, **more: Any) -> dict[str, Any]:
    starts = NINE + HOUR * hours
    return {"kind": "巡店", "starts_at": starts, "ends_at": starts + HOUR * length, **more}


def customer_of(actor: Member, name: str = "佛山市华星家具有限公司") -> Customer:
    made = create_customer({"name": name}, actor=actor)
    db.session.flush()
    return made


@pytest.fixture
def nine() -> Any:
    with time_machine.travel(NINE, tick=False) as traveller:
        yield traveller


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (window(kind="没有这种"), "kind"),
        (window(length=0), "ends_at"),
        (window(length=13), "ends_at"),
        (window(hours=-3), "starts_at"),
        (window(hours=24 * 400), "starts_at"),
        (window(starts_at=None), "starts_at"),
        (window(purpose="长" * 201), "purpose"),
        (window(participants=["nobody"]), "participants"),
    ],
)
def test_plans_that_cannot_be_are_refused(
    nine: Any, here: Flask, ali: Member, values: dict[str, Any], field: str
) -> None:
    actor = own(ali)
    with pytest.raises(Invalid) as caught:
        plan_visit(customer_of(actor), values, actor=actor)
    assert set(caught.value.fields) == {field}


def test_from_plan_to_visit_with_its_checklist(nine: Any, here: Flask, ali: Member, bob: Member, cha: Member) -> None:
    actor, boss, stranger = own(ali), own(bob), own(cha)
    set_rules({"visit.types": "巡店：门头照片、库存\n回访"})
    assert dict(visit_types()) == {"巡店": ["门头照片", "库存"], "回访": []}
    customer = customer_of(actor)
    plan = plan_visit(customer, window(purpose="看新陈列", participants=[boss.id]), actor=actor)
    with pytest.raises(NotFound):
        find_plan(plan.id, actor=stranger)
    assert find_plan(plan.id, actor=boss) is plan
    nine.shift(HOUR)
    with pytest.raises(Invalid):
        log_visit(customer_of(actor, "顺德恒昌木业"), {"plan": plan.id}, actor=actor)
    visit = log_visit(customer, {"plan": plan.id}, actor=actor)
    assert (plan.state, visit.plan_id) == ("in", plan.id)
    along = log_visit(customer, {"plan": plan.id}, actor=boss)
    tick(plan, [1], actor=boss)
    assert plan.checklist == [{"text": "门头照片", "done": False}, {"text": "库存", "done": True}]
    with pytest.raises(Forbidden):
        tick(plan, [0], actor=stranger)
    check_out(visit, actor=actor)
    assert plan.state == "in"  # 老鲍 is still there
    check_out(along, actor=boss)
    assert plan.state == "done"
    assert not cancel_plan(plan, actor=actor, reason="改期")


def test_overlaps_of_anybody_who_goes_are_named(nine: Any, here: Flask, ali: Member, bob: Member) -> None:
    actor, boss = own(ali), own(bob)
    customer = customer_of(actor)
    first = plan_visit(customer, window(1, 2), actor=actor)
    touching = plan_visit(customer, window(3, 1), actor=actor)
    assert overlapping(first) == overlapping(touching) == []
    his = plan_visit(customer, window(2, 1.5), actor=boss)
    assert overlapping(his) == []
    both = plan_visit(customer, window(2.5, 0.25, participants=[boss.id]), actor=actor)
    assert [(one.id, people) for one, people in overlapping(both)] == [(first.id, [actor.id]), (his.id, [boss.id])]
    cancel_plan(first, actor=actor, reason="客户临时出差")
    assert [one.id for one, _people in overlapping(both)] == [his.id]


def test_who_did_not_open_the_app_is_named(nine: Any, here: Flask, ali: Member, bob: Member) -> None:
    actor, boss = own(ali), own(bob)
    access.open_session(boss, device="test")
    nine.shift(HOUR)
    plan = plan_visit(customer_of(actor), window(26, 1, participants=[boss.id]), actor=actor)
    db.session.flush()
    assert list(unopened(plan)) == [boss.id]  # seen before the plan was made
    nine.shift(HOUR)
    access.open_session(boss, device="test")
    db.session.flush()
    assert list(unopened(plan)) == []
    nine.shift(24 * HOUR)  # the day itself
    assert list(unopened(plan)) == [boss.id]


def test_plans_to_which_nobody_went_are_missed_and_told(
    nine: Any, app: Flask, cast: Cast, ali: Member, bob: Member
) -> None:
    def told(person: Member) -> list[tuple[str, dict[str, Any]]]:
        work(app)
        with app.app_context(), corp_scope(cast.corp_id):
            found = sa.select(Notification.kind, Notification.message).where(Notification.recipient_id == person.id)
            return [(row.kind, row.message) for row in db.session.execute(found)]

    with app.app_context(), corp_scope(cast.corp_id):
        actor = own(ali)
        values = window(1, 1, purpose="确认二期付款", participants=[bob.id])
        plan_visit(customer_of(actor), values, actor=actor)
        called_off = plan_visit(customer_of(actor, "顺德恒昌木业"), window(2, 1, participants=[bob.id]), actor=actor)
        cancel_plan(called_off, actor=actor, reason="客户临时出差")
        db.session.commit()
        assert close_missed() == 0
    cards = dict(told(bob))
    assert "阿丽 邀请您一起拜访 佛山市华星家具有限公司" in cards["visit.planned"]["title"]
    assert ["原因", "客户临时出差"] in cards["visit.cancelled"]["lines"]
    nine.shift(24 * HOUR)
    with app.app_context(), corp_scope(cast.corp_id):
        assert close_missed() == 1
        assert close_missed() == 0
        db.session.commit()
        states = db.session.scalars(sa.select(VisitPlan.state).order_by(VisitPlan.starts_at)).all()
        assert states == ["missed", "cancelled"]
    ((kind, card),) = told(ali)
    assert (kind, card["title"]) == ("visit.missed", "没有按计划拜访：佛山市华星家具有限公司")
    assert ["没有打开应用的同行人", "老鲍"] in card["lines"]


def test_pages_from_plan_to_check_in(
    nine: Any,
    app: Flask,
    cast: Cast,
    ali: Member,
    bob: Member,
    sign_in: Callable[..., FlaskClient],
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        customer_id = customer_of(own(ali)).id
        db.session.commit()
    client = sign_in(ali)
    base = f"/h5/customers/{customer_id}/visit-plans"
    assert "门头照片" in client.get(f"{base}/new").text
    typed = {"kind": "巡店", "starts_at": "2026-03-04T10:00", "ends_at": "2026-03-04T11:00", "participants": bob.id}
    refused = client.post(base, data={**csrf(client), **typed, "ends_at": ""})
    assert refused.status_code == 422
    made = client.post(base, data={**csrf(client), **typed})
    assert made.status_code == 303, made.text
    page = client.get(made.location).text
    assert "还没有打开应用的同行人：老鲍" in page
    second = client.post(base, data={**csrf(client), **typed, "starts_at": "2026-03-04T10:30"})
    assert "阿丽、老鲍 在 03-04 10:00–11:00 还有另一个拜访" in client.get(second.location).text
    home = client.get("/h5/").text
    assert home.index("今天的拜访") < home.index(made.location)
    plan_id = made.location.rpartition("/")[2]
    form = client.get(f"/h5/customers/{customer_id}/visits/new?plan={plan_id}").text
    assert f'name="plan" value="{plan_id}"' in form
    sent = {**csrf(client), "plan": plan_id, "no_fix_reason": "indoor"}
    visit = client.post(f"/h5/customers/{customer_id}/visits", data=sent)
    assert visit.status_code == 303, visit.text
    assert made.location in client.get(visit.location).text
    assert client.post(f"{made.location}/checklist", data={**csrf(client), "done": ["0", "2"]}).status_code == 303
    assert client.get(made.location).text.count(" checked") == 2
    gone = client.post(f"{second.location}/cancellation", data={**csrf(client), "reason": "客户临时出差"})
    assert gone.status_code == 303
    assert "客户临时出差" in client.get(second.location).text
    assert made.location in client.get("/h5/visits/plans").text


def test_a_deleted_customer_takes_its_plans_along_and_brings_them_back(
    nine: Any, here: Flask, ali: Member, bob: Member
) -> None:
    actor = own(ali)
    customer = customer_of(actor)
    plan = plan_visit(customer, window(participants=[bob.id]), actor=actor)
    visit = log_visit(customer, {"plan": plan.id}, actor=actor)
    db.session.flush()
    delete("visit", visit.id, actor=actor)
    db.session.commit()
    assert find_plan(plan.id, actor=actor).state == "in"
    restore(find_deletion(visit.id, actor=actor), actor=actor)
    db.session.commit()
    delete("customer", customer.id, actor=actor)
    db.session.commit()
    with pytest.raises(NotFound):
        find_plan(plan.id, actor=actor)
    restore(find_deletion(customer.id, actor=actor), actor=actor)
    db.session.commit()
    db.session.expire_all()
    assert participants_of(find_plan(plan.id, actor=actor).id) == [bob.id]
    assert db.session.scalars(sa.select(Visit.plan_id)).all() == [plan.id]


def test_a_merge_moves_plans_to_the_winner(nine: Any, here: Flask, ali: Member) -> None:
    actor = own(ali)
    winner, loser = customer_of(actor), customer_of(actor, "顺德恒昌木业")
    plan = plan_visit(loser, window(), actor=actor)
    db.session.flush()
    merge_customers(loser, winner, actor=actor)
    db.session.flush()
    db.session.refresh(plan)
    assert plan.customer_id == winner.id
