"""Work reports: filled in from the log, handed in once, changed until read, seen by rights, reminded of by rule."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_transfers import work
from tests.cast import Cast
from tests.crm.test_visit_plans import csrf, own
from wsapp import outbox
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.dashboards.figures import FIGURES, days, scope_of, totals
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.roles import Delegation
from wsapp.crm.org.rules import set_rules
from wsapp.crm.org.standing import changed
from wsapp.crm.reports.actions import change_report, hand_in, mark_read
from wsapp.crm.reports.content import done_words, logged
from wsapp.crm.reports.models import ReportReader, WorkReport
from wsapp.crm.reports.queries import expected, find_report
from wsapp.crm.tasks.actions import complete_task, create_task
from wsapp.crm.visits.actions import log_visit
from wsapp.crm.visits.plans import plan_visit
from wsapp.db import corp_scope, db, new_id
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound

TEN = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)  # 10:00 on a Wednesday
TODAY = date(2026, 3, 4)
HOUR = timedelta(hours=1)
PLACE = {"lat": 22.5431, "lng": 114.0579}
SAID = {"kind": "day", "day": TODAY, "summary": "谈成一单"}


@pytest.fixture
def ten() -> Any:
    with time_machine.travel(TEN, tick=False) as traveller:
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


def a_day_of(actor: Member) -> None:
    """Log two visits (one verified), a follow-up, a finished task, a new customer, and plan something for tomorrow."""
    customer = create_customer({"name": "佛山市华星家具有限公司", "location": PLACE}, actor=actor)
    log_visit(customer, {"location": {**PLACE, "accuracy": 20}, "note": "看了陈列"}, actor=actor)
    log_visit(customer, {"note": "送样品"}, actor=actor)
    log_follow_up(customer, {"text": "报价已经发给采购", "kind": "phone"}, actor=actor)
    due = {"title": "寄合同", "due_at": TEN + HOUR, "customer_id": customer.id}
    complete_task(create_task(due, actor=actor), actor=actor)
    create_task({"title": "收定金", "due_at": TEN + 25 * HOUR, "customer_id": customer.id}, actor=actor)
    window = {"starts_at": TEN + 24 * HOUR, "ends_at": TEN + 25 * HOUR}
    plan_visit(customer, {"kind": "巡店", **window}, actor=actor)
    db.session.flush()


def test_a_report_is_filled_in_from_the_log_and_agrees_with_the_board(ten: Any, here: Flask, ali: Member) -> None:
    actor = own(ali)
    a_day_of(actor)
    found = logged(actor, "day", TODAY)
    board = totals(scope_of(actor), [days(TODAY)], FIGURES)
    assert {name: found.figures[name] for name in FIGURES} == {name: board[name][0] for name in FIGURES}
    assert (found.figures["tasks"], found.figures["next_tasks"], found.figures["next_plans"]) == (1, 1, 1)
    assert done_words(found.figures) == "拜访 2 次（位置已核实 1 次），跟进 1 次，完成待办 1 条，新增客户 1 个"
    assert {name: len(ids) for name, ids in found.items.items()} == {
        "visits": 2,
        "follow_ups": 1,
        "customers": 1,
        "tasks": 1,
        "next_tasks": 1,
        "next_plans": 1,
    }
    assert logged(actor, "day", TODAY - timedelta(days=1)).figures["visits"] == 0
    assert logged(actor, "week", TODAY - timedelta(days=2)).figures["visits"] == 2


def test_handed_in_once_a_person_kind_and_period(ten: Any, here: Flask, ali: Member, bob: Member, guan: Member) -> None:
    actor = own(ali)
    first = hand_in(SAID, actor=actor)
    with pytest.raises(Conflict):
        hand_in(SAID, actor=actor)
    hand_in({**SAID, "kind": "week"}, actor=actor)
    yesterday = hand_in({**SAID, "day": TODAY - timedelta(days=1)}, actor=actor)
    assert {first.day, yesterday.day} == {TODAY, TODAY - timedelta(days=1)}
    assert db.session.scalars(sa.select(WorkReport.day).where(WorkReport.kind == "week")).one() == date(2026, 3, 2)
    with pytest.raises(Invalid):  # he has no manager
        hand_in(SAID, actor=own(bob))
    hand_in({**SAID, "copies": [guan.id]}, actor=own(bob))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "month"}, "kind"),
        ({"day": TODAY + timedelta(days=1)}, "day"),
        ({"day": TODAY - timedelta(days=8)}, "day"),
        ({"summary": " "}, "summary"),
        ({"trouble": "难" * 3001}, "trouble"),
        ({"copies": ["nobody"]}, "copies"),
        ({"copies": [str(one) for one in range(6)]}, "copies"),
    ],
)
def test_reports_that_cannot_be_are_refused(
    ten: Any, here: Flask, ali: Member, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        hand_in({**SAID, **values}, actor=own(ali))
    assert set(caught.value.fields) == {field}


def test_one_card_to_each_reader_and_changes_until_one_has_read(
    ten: Any, app: Flask, cast: Cast, inside: Any, ali: Member, bob: Member, guan: Member
) -> None:
    def cards(person: Member) -> list[dict[str, Any]]:
        work(app)
        with inside():
            wanted = sa.select(Notification.message).where(
                Notification.recipient_id == person.id, Notification.kind == "report.sent"
            )
            return list(db.session.scalars(wanted))

    with inside():
        actor = own(ali)
        a_day_of(actor)
        report_id = hand_in({**SAID, "trouble": "样品不够"}, actor=actor).id
    (card,) = cards(bob)
    assert card["title"] == "阿丽 的日报 · 3月4日"
    assert card["text"] == "谈成一单"
    assert ["完成", "拜访 2 次（位置已核实 1 次），跟进 1 次，完成待办 1 条，新增客户 1 个"] in card["lines"]
    assert f"/h5/reports/{report_id}" in card["url"]
    assert cards(guan) == []
    ten.shift(HOUR)
    with inside():
        report = find_report(report_id, actor=own(ali))
        log_follow_up(create_customer({"name": "顺德恒昌木业"}, actor=own(ali)), {"text": "补记一次"}, actor=own(ali))
        assert change_report(report, {"summary": "谈成两单", "copies": [guan.id]}, actor=own(ali), version=1)
        assert change_report(report, {"summary": "谈成两单"}, actor=own(ali)) is False
        assert (report.figures["follow_ups"], report.version) == (2, 2)
        assert [(one["summary"], one["trouble"]) for one in report.history] == [("谈成一单", "样品不够")]
        with pytest.raises(Forbidden):
            change_report(report, {"summary": "别人改"}, actor=own(bob))
    assert (len(cards(bob)), len(cards(guan))) == (1, 1)  # still one card each
    with inside():
        report = find_report(report_id, actor=own(ali))
        assert mark_read(report, actor=own(ali)) is False  # hers: she is no reader of it
        assert (mark_read(report, actor=own(guan)), mark_read(report, actor=own(guan))) == (True, False)
        with pytest.raises(Forbidden):
            change_report(report, {"summary": "来不及了"}, actor=own(ali))


def test_readers_see_what_they_may_and_count_the_rest(
    ten: Any,
    app: Flask,
    cast: Cast,
    inside: Any,
    ali: Member,
    bob: Member,
    cha: Member,
    sign_in: Callable[..., FlaskClient],
) -> None:
    with inside():
        actor = own(ali)
        a_day_of(actor)
        report = hand_in(SAID, actor=actor)
        report_id = report.id
        # A copy to somebody who sees none of her customers, as an administrator once moved departments.
        db.session.add(ReportReader(id=new_id(), report_id=report_id, member_id=cha.id, copied=True))
    with inside(), pytest.raises(NotFound):
        find_report(new_id(), actor=own(ali))
    theirs = sign_in(cha).get(f"/h5/reports/{report_id}").text
    assert "谈成一单" in theirs
    assert "华星家具" not in theirs
    assert "另有 2 条您看不到，或已经不在" in theirs
    bosses = sign_in(bob).get(f"/h5/reports/{report_id}").text
    assert "华星家具" in bosses
    assert "另有" not in bosses
    mine = sign_in(ali).get(f"/h5/reports/{report_id}").text
    assert mine.count("已读") == 2
    assert "不能" not in mine
    assert f"/h5/reports/{report_id}/edit" not in mine  # it was read
    with inside(), pytest.raises(NotFound):
        find_report(hand_in({**SAID, "day": TODAY - timedelta(days=1)}, actor=own(ali)).id, actor=own(cha))


def test_pages_from_blank_to_handed_in(
    ten: Any, app: Flask, inside: Any, ali: Member, bob: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    with inside():
        a_day_of(own(ali))
    client, boss = sign_in(ali), sign_in(bob)
    blank = client.get("/h5/reports/new?kind=day").text
    assert "拜访 2 次，跟进 1 次，完成待办 1 条，新增客户 1 个" in blank  # without what not every reader may know
    assert "提交给：老鲍" in blank
    assert "未提交" in boss.get("/h5/reports/team").text
    typed = {"kind": "day", "day": "2026-03-04", "summary": "拜访 2 次，谈成一单", "outlook": "收定金"}
    assert client.post("/h5/reports", data={**csrf(client), **typed, "summary": ""}).status_code == 422
    made = client.post("/h5/reports", data={**csrf(client), **typed})
    assert made.status_code == 303, made.text
    again = client.post("/h5/reports", data={**csrf(client), **typed})
    assert again.status_code == 409
    assert client.get("/h5/reports/new?kind=day").location == made.location
    changed_to = {**csrf(client), "summary": "拜访 2 次，谈成两单", "version": "1", "copies": []}
    assert client.get(f"{made.location}/edit").status_code == 200
    assert client.post(made.location, data=changed_to).status_code == 303
    assert "谈成一单" in client.get(made.location).text  # what it said before
    assert made.location in boss.get("/h5/reports?whose=to-me").text
    assert "未读" in boss.get("/h5/reports?whose=to-me").text
    assert "谈成两单" in boss.get(made.location).text
    assert client.post(made.location, data={**changed_to, "version": "2"}).status_code == 403
    assert made.location in boss.get("/h5/reports/team").text


def away(person: Member, starts: datetime, ends: datetime) -> None:
    db.session.add(
        Delegation(
            id=new_id(), absent_id=person.id, deputy_id=person.id, starts_at=starts, ends_at=ends, created_at=starts
        )
    )
    changed()
    db.session.flush()


def test_the_list_knows_leave_and_holidays(ten: Any, here: Flask, ali: Member, bob: Member, guan: Member) -> None:
    actor, boss = own(ali), own(bob)
    create_customer({"name": "佛山市华星家具有限公司"}, actor=actor)
    db.session.flush()

    def of(kind: str, day: date) -> list[tuple[str, bool, bool]]:
        return [(one.name, one.report is not None, one.away) for one in expected(boss, kind, day)]

    assert of("day", TODAY) == [("阿丽", False, False)]
    away(actor, TEN - 10 * HOUR, TEN + 14 * HOUR)
    assert of("day", TODAY) == [("阿丽", False, True)]
    assert of("week", date(2026, 3, 2)) == [("阿丽", False, False)]
    hand_in(SAID, actor=actor)
    assert of("day", TODAY) == [("阿丽", True, True)]
    assert of("day", TODAY - timedelta(days=1)) == [("阿丽", False, False)]


def test_reminders_come_by_rule_alone_once_and_not_on_leave_or_holidays(
    ten: Any, app: Flask, cast: Cast, inside: Any, ali: Member, bob: Member
) -> None:
    def tick() -> int:
        with app.app_context():
            outbox.enqueue("sweep.reports", {}, corp=False)
            db.session.commit()
        work(app)
        with inside():
            wanted = sa.select(sa.func.count()).select_from(Notification)
            return db.session.scalar(wanted.where(Notification.kind == "report.due")) or 0

    with inside():
        for person in (ali, bob):
            create_customer({"name": f"{person.name}的客户"}, actor=own(person))
    ten.move_to(datetime(2026, 3, 4, 10, 5, tzinfo=UTC))
    assert tick() == 0  # nobody asked for it
    with inside():
        set_rules({"report.day": "18:30", "report.week": "18:30"})
    assert tick() == 0
    ten.move_to(datetime(2026, 3, 4, 10, 31, tzinfo=UTC))
    assert tick() == 1  # 阿丽; 老鲍 has nobody above him
    ten.shift(timedelta(minutes=5))
    assert tick() == 1
    ten.move_to(datetime(2026, 3, 5, 10, 31, tzinfo=UTC))
    with inside():
        away(own(ali), TEN + 20 * HOUR, TEN + 37 * HOUR)
    assert tick() == 1
    ten.move_to(datetime(2026, 3, 6, 10, 31, tzinfo=UTC))
    with inside():
        hand_in({**SAID, "day": date(2026, 3, 6)}, actor=own(ali))
    assert tick() == 2  # Friday: the day's is handed in, the week's is not
    ten.move_to(datetime(2026, 3, 7, 10, 31, tzinfo=UTC))
    assert tick() == 2  # Saturday
