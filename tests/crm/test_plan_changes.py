"""Planned visits on their way: setting out, moving, the reminder before them and its buttons."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_transfers import work
from tests.cast import Cast
from tests.crm.test_visit_plans import csrf, customer_of, own, window
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.visit_cards import press
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.visits.actions import log_visit
from wsapp.crm.visits.models import VisitPlan
from wsapp.crm.visits.plans import cancel_plan, change_plan, close_missed, participants_of, plan_visit, set_out
from wsapp.db import corp_scope, db
from wsapp.problems import Forbidden, Invalid, Stale

NINE = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)  # 09:00 on a Wednesday
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def nine() -> Any:
    with time_machine.travel(NINE, tick=False) as traveller:
        yield traveller


@pytest.fixture
def inside(app: Flask, cast: Cast) -> Callable[[], Any]:
    """`with inside():` one committed unit of work."""

    @contextmanager
    def unit() -> Iterator[None]:
        with app.app_context(), corp_scope(cast.corp_id):
            yield
            db.session.commit()

    return unit


def told(app: Flask, cast: Cast, person: Member, kind: str) -> list[Notification]:
    """Do all work that is due, and return the messages of a kind to a person."""
    work(app)
    with app.app_context(), corp_scope(cast.corp_id):
        found = sa.select(Notification).where(Notification.recipient_id == person.id, Notification.kind == kind)
        return list(db.session.scalars(found.order_by(Notification.created_at, Notification.id)))


def arrived(message: Notification) -> None:
    """Have a message be at the host."""
    db.session.execute(
        sa.update(Notification).where(Notification.id == message.id).values(host_id="m1", state="accepted")
    )


def test_setting_out_is_counted_once_and_told_to_those_who_go(
    nine: Any, app: Flask, cast: Cast, inside: Any, ali: Member, bob: Member, cha: Member
) -> None:
    with inside():
        actor = own(ali)
        plan = plan_visit(customer_of(actor), window(13, participants=[bob.id]), actor=actor)
        plan_id = plan.id
        with pytest.raises(Invalid):  # 13 hours before
            set_out(plan, actor=actor)
        with pytest.raises(Forbidden):
            set_out(plan, actor=own(cha))
    nine.shift(12 * HOUR)
    with inside():
        plan = db.session.get(VisitPlan, (cast.corp_id, plan_id))
        assert (set_out(plan, actor=own(ali)), set_out(plan, actor=own(bob))) == (True, False)
        assert (plan.state, plan.left_at) == ("on_way", NINE + 12 * HOUR)
    assert [one.message["title"] for one in told(app, cast, bob, "visit.set_out")] == [
        "阿丽 已出发去拜访 佛山市华星家具有限公司"
    ]
    assert told(app, cast, ali, "visit.set_out") == []
    with inside():
        plan = db.session.get(VisitPlan, (cast.corp_id, plan_id))
        log_visit(find_customer(plan.customer_id, actor=own(ali)), {"plan": plan.id}, actor=own(ali))
        assert plan.state == "in"


def test_a_plan_on_its_way_to_which_nobody_came_is_missed(nine: Any, here: Flask, ali: Member) -> None:
    actor = own(ali)
    plan = plan_visit(customer_of(actor), window(1), actor=actor)
    set_out(plan, actor=actor)
    nine.shift(24 * HOUR)
    assert (close_missed(), plan.state) == (1, "missed")


@pytest.mark.parametrize("minutes", [30, 0, 90])
def test_the_reminder_comes_once_at_its_minute(
    nine: Any, app: Flask, cast: Cast, inside: Any, ali: Member, bob: Member, minutes: int
) -> None:
    with inside():
        set_rules({"visit.remind": minutes})
        actor = own(ali)
        plan_visit(customer_of(actor), window(2, participants=[bob.id]), actor=actor)
    nine.shift(timedelta(hours=2, minutes=-(minutes or 30)) - MINUTE)
    assert told(app, cast, ali, "visit.soon") == []
    nine.shift(MINUTE)
    found = told(app, cast, ali, "visit.soon")
    assert len(found) == (1 if minutes else 0)
    nine.shift(HOUR)
    assert len(told(app, cast, ali, "visit.soon")) == len(told(app, cast, bob, "visit.soon")) == len(found)
    if found:
        buttons = {one["key"]: one.get("url", "") for one in found[0].message["buttons"]}
        assert list(buttons) == ["plan_set_out", "plan_check_in", "plan_cancel"]
        assert "/visits/new?plan=" in buttons["plan_check_in"]
        assert found[0].message["title"] == "拜访提醒：佛山市华星家具有限公司"
        theirs = told(app, cast, bob, "visit.soon")[0].message["buttons"]
        assert "plan_cancel" not in [one["key"] for one in theirs]


def test_a_reminder_moves_with_its_plan_and_ends_with_it(
    nine: Any, app: Flask, cast: Cast, inside: Any, ali: Member, bob: Member
) -> None:
    with inside():
        actor = own(ali)
        customer = customer_of(actor)
        moved = plan_visit(customer, window(2, participants=[bob.id]), actor=actor)
        called_off = plan_visit(customer, window(3), actor=actor)
        change_plan(moved, customer, {"starts_at": NINE + 5 * HOUR, "ends_at": NINE + 6 * HOUR}, actor=actor)
        cancel_plan(called_off, actor=actor, reason="客户临时出差")
        moved_id = moved.id
    nine.shift(4 * HOUR)
    assert told(app, cast, ali, "visit.soon") == []
    (card,) = told(app, cast, bob, "visit.replanned")
    assert ["时间", "今天 14:00 – 今天 15:00"] in card.message["lines"]
    nine.shift(HOUR / 2)
    (sent,) = told(app, cast, ali, "visit.soon")
    with inside():
        arrived(sent)
        actor = own(ali)
        plan = db.session.get(VisitPlan, (cast.corp_id, moved_id))
        customer = find_customer(plan.customer_id, actor=actor)
        change_plan(plan, customer, {"starts_at": NINE + 7 * HOUR, "ends_at": NINE + 8 * HOUR}, actor=actor)
    work(app)
    assert told(app, cast, ali, "visit.soon")[0].shown == "拜访已改期"
    nine.shift(2 * HOUR)
    assert [one.shown for one in told(app, cast, ali, "visit.soon")] == ["拜访已改期", ""]


def test_the_buttons_of_a_reminder_count_once_and_for_whom_it_was_sent_to(
    nine: Any, app: Flask, cast: Cast, inside: Any, ali: Member, bob: Member
) -> None:
    with inside():
        actor = own(ali)
        customer = customer_of(actor)
        ids = [plan_visit(customer, window(2), actor=actor).id for _one in range(2)]
    nine.shift(1.5 * HOUR)
    first, second = sorted(told(app, cast, ali, "visit.soon"), key=lambda one: ids.index(one.subject_id or ""))
    with inside():
        arrived(first)
        arrived(second)
        assert press("n-not-ours", ali.userid, "plan_set_out", fold=True) is None
        assert press(first.card, bob.userid, "plan_set_out", fold=True).counted is False  # type: ignore[union-attr]
        assert press(first.card, ali.userid, "plan_set_out", fold=True).counted  # type: ignore[union-attr]
        assert press(first.card, ali.userid, "plan_set_out", fold=True).counted is False  # type: ignore[union-attr]
        assert press(second.card, ali.userid, "plan_cancel", fold=True).counted  # type: ignore[union-attr]
        states = {one.id: (one.state, one.reason) for one in db.session.scalars(sa.select(VisitPlan))}
        assert [states[one] for one in ids] == [("on_way", ""), ("cancelled", "在提醒卡片上取消")]
    shown = {one.subject_id: one.shown for one in told(app, cast, ali, "visit.soon")}
    assert [shown[one] for one in ids] == ["已出发 10:30 · 到达后点开签到", "拜访已取消"]


def test_who_goes_along_is_changed_and_hears_just_that(
    nine: Any, app: Flask, cast: Cast, inside: Any, ali: Member, bob: Member, guan: Member
) -> None:
    with inside():
        actor, boss = own(ali), own(bob)
        customer = customer_of(boss)
        plan = plan_visit(customer, window(2, participants=[actor.id]), actor=boss)
        with pytest.raises(Forbidden):
            change_plan(plan, customer, {"purpose": "看样"}, actor=actor)
        with pytest.raises(Invalid):
            change_plan(plan, customer, {"ends_at": NINE}, actor=boss)
        with pytest.raises(Stale):
            change_plan(plan, customer, {"purpose": "看样"}, actor=boss, version=7)
        assert change_plan(plan, customer, {"participants": []}, actor=boss, version=1)
        assert (participants_of(plan.id), plan.version) == ([], 2)
        assert change_plan(plan, customer, {"participants": []}, actor=boss) is False
    (card,) = told(app, cast, ali, "visit.cancelled")
    assert card.message["title"] == "老鲍 不再需要您一起拜访 佛山市华星家具有限公司"


def test_pages_set_out_and_move(
    nine: Any, app: Flask, inside: Any, ali: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    with inside():
        actor = own(ali)
        plan_id = plan_visit(customer_of(actor), window(2), actor=actor).id
    client, base = sign_in(ali), f"/h5/visits/plans/{plan_id}"
    page = client.get(f"{base}/edit").text
    assert 'value="2026-03-04T11:00"' in page
    typed = {"kind": "巡店", "starts_at": "2026-03-04T15:00", "ends_at": "2026-03-04T16:00", "version": "1"}
    assert client.post(base, data={**csrf(client), **typed, "ends_at": "2026-03-04T14:00"}).status_code == 422
    assert client.post(base, data={**csrf(client), **typed}).location == base
    assert client.post(base, data={**csrf(client), **typed, "purpose": "晚了一步"}).status_code == 409
    assert "03-04 15:00–16:00" in client.get(base).text
    assert client.post(f"{base}/departure", data=csrf(client)).location == base
    page = client.get(base).text
    assert "在路上" in page
    assert f'action="{base}/departure"' not in page
