"""Every kind of event is written by a real deed and told in both languages: on the timeline, in the audit log."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, g
from flask.testing import FlaskClient

import wsapp
from tests.admin.test_console import post
from tests.api.test_transfers import work
from tests.cast import Cast
from tests.crm.transfer.conftest import csv_bytes
from wsapp import clock
from wsapp.crm.appeals.answers import answer as answer_appeal
from wsapp.crm.appeals.work import offer_task
from wsapp.crm.comments.actions import add_comment, change_comment, remove_comment
from wsapp.crm.customers.actions import assign_customer, change_customer, create_customer
from wsapp.crm.customers.contacts import add_contact, change_contact
from wsapp.crm.customers.coworkers import add_coworker, remove_coworker
from wsapp.crm.customers.leads import confirm_lead, remind_of_lead, start_lead
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.reveals import reveal_phone
from wsapp.crm.customers.tags import add_tag
from wsapp.crm.customers.unmerge import find_merge, undo_merge
from wsapp.crm.deletions.actions import delete, purge, restore
from wsapp.crm.deletions.queries import find_deletion
from wsapp.crm.events.kinds import KINDS
from wsapp.crm.events.models import Event
from wsapp.crm.fields.definitions import add_field, change_field, delete_field, restore_field
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.followups.changes import change_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import names
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools import handovers
from wsapp.crm.pools.actions import claim_customer, release_customer
from wsapp.crm.pools.answers import decide
from wsapp.crm.pools.clock_cards import GRANT, REFUSE
from wsapp.crm.pools.extensions import ask_for_extension, lock_customer
from wsapp.crm.pools.keeping import rest_customer
from wsapp.crm.pools.queries import make_first_pool
from wsapp.crm.pools.recycling import begin_run, go_on
from wsapp.crm.pools.releases import release_or_ask
from wsapp.crm.pools.settings import change_pool, find_pool_row, make_pool
from wsapp.crm.reports.actions import change_report, hand_in
from wsapp.crm.reports.queries import current
from wsapp.crm.sharing.actions import answer, ask_to_share
from wsapp.crm.tasks.actions import (
    ask_about,
    assign_task,
    cancel_task,
    change_task,
    complete_task,
    create_task,
    snooze_task,
)
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.crm.visits.consent import give_consent, withdraw_consent
from wsapp.crm.visits.plans import cancel_plan, change_plan, plan_visit, set_out
from wsapp.db import corp_scope, db, rows
from wsapp.h5.timeline_words import LOOKS, said
from wsapp.problems import Duplicate
from wsapp.texts import speaking

# Kinds that come of what a host says, of its connection, or of a clock that nobody waits for here; the tests of those
# have them. That something writes them is asked of the source.
ELSEWHERE = (
    "member.joined",
    "member.changed",
    "member.left",
    "member.returned",
    "directory.synced",
    "directory.accepted",
    "directory.asking",
    "directory.failed",
    "directory.held",
    "member.signed_in",
    "member.sign_in_refused",
    "corp.connected",
    "corp.changed",
    "corp.switched",
    "message.recalled",
    "robot.added",
    "robot.switched",
    "robot.removed",
    "task.overdue",
    "task.escalated",
    "task.unlinked",
    "member.reveals_unusual",
    "member.exports_unusual",
    "access.refused",
    "preference.changed",
    "export.decided",
    "customer.recycled",
    "visit.missed",
)
PHONE = "13800138000"
SOURCE = Path(wsapp.__file__).parent


@pytest.fixture
def inside(app: Flask, cast: Cast) -> Callable[[], Any]:
    """`with inside():` one unit of work in the cast's corp, committed at its end."""

    @contextmanager
    def unit() -> Iterator[None]:
        with app.app_context(), corp_scope(cast.corp_id):
            yield
            db.session.commit()

    return unit


def own(member: Member) -> Member:
    return db.session.merge(member)


def with_customers(ali: Member, bob: Member, cha: Member) -> None:
    """What a seller, her manager and a colleague do with customers."""
    me, boss, other = own(ali), own(bob), own(cha)
    make_first_pool()
    one = create_customer({"name": "佛山市华星家具有限公司", "phones": [PHONE]}, actor=me)
    twin = create_customer({"name": "顺德恒昌木业经营部"}, actor=me)
    change_customer(one, {"level": "A", "phones": [PHONE, "13800138001"]}, actor=me)
    contact = add_contact(one, {"name": "王姐"}, actor=me)
    change_contact(contact, {"title": "采购"}, actor=me)
    add_coworker(one, other, may_edit=False, actor=me)
    remove_coworker(one, other.id, actor=me)
    reveal_phone(one, 0, actor=me)
    lock_customer(one.id, locked=True, actor=boss)
    lock_customer(one.id, locked=False, actor=boss)
    db.session.flush()
    merge_customers(twin, one, actor=me)
    db.session.flush()
    undo_merge(find_merge(one, twin.id), one, actor=me)
    db.session.flush()
    assign_customer(twin, boss.id, actor=boss)
    add_tag("老客户", "blue", actor=me)
    lead = create_customer({"name": "东莞市明辉五金"}, actor=me)
    start_lead(lead, actor=me)
    lead.respond_by = clock.now() - timedelta(minutes=1)
    remind_of_lead(lead.id, "owner")
    confirm_lead(lead, actor=me)
    release_customer(lead, actor=me, reason="没有需求")
    db.session.flush()
    claim_customer(lead.id, actor=other)
    for obj, record in _records_of(one, me, boss):
        db.session.flush()
        delete(obj, record.id, actor=me)
        db.session.flush()
        restore(find_deletion(record.id, actor=me), actor=me)
        db.session.flush()
    delete("contact", contact.id, actor=me)
    db.session.flush()
    restore(find_deletion(contact.id, actor=me), actor=me)
    db.session.flush()
    delete("customer", one.id, actor=me)
    db.session.flush()
    restore(find_deletion(one.id, actor=me), actor=me)
    slip = log_follow_up(one, {"text": "写错了"}, actor=me)
    db.session.flush()
    purge(delete("follow_up", slip.id, actor=me), actor=boss, reason="写错了")


def _records_of(customer: Customer, me: Member, boss: Member) -> Iterator[tuple[str, Any]]:
    log = log_follow_up(customer, {"text": "谈了价格"}, actor=me)
    yield "follow_up", change_follow_up(log, {"text": "谈了价格，要样品"}, actor=me)
    visit = log_visit(customer, {"note": "到访", "no_fix_reason": "indoor"}, actor=me)
    db.session.flush()
    check_out(visit, actor=me, result="有意向")
    hours = {"starts_at": clock.now() + timedelta(hours=1), "ends_at": clock.now() + timedelta(hours=2)}
    plan = plan_visit(customer, {"kind": "巡店", **hours}, actor=me)
    change_plan(plan, customer, {"purpose": "看样"}, actor=me)
    set_out(plan, actor=me)
    cancel_plan(plan, actor=me, reason="客户出差")
    report = hand_in({"kind": "day", "day": current("day"), "summary": "谈了价格"}, actor=me)
    change_report(report, {"summary": "谈成了"}, actor=me)
    comment = add_comment(visit, "辛苦了", actor=boss)
    change_comment(comment, visit, "辛苦了！", actor=boss)
    remove_comment(comment, visit, actor=boss)
    yield "visit", visit
    withdraw_consent(actor=me)
    give_consent(actor=me)
    due = {"title": "回访", "due_at": clock.now() + timedelta(days=1), "customer_id": customer.id}
    task = create_task(due, actor=me)
    change_task(task, {"title": "再回访"}, actor=me)
    assign_task(task, boss.id, actor=me)
    assign_task(task, me.id, actor=boss)
    ask_about(task, actor=boss)
    snooze_task(task, clock.now() + timedelta(minutes=30), actor=me)
    complete_task(task, note="好", actor=me)
    cancel_task(create_task(due, actor=me), reason="不用了", actor=me)
    assert answer_appeal(offer_task(create_task(due, actor=me).id, boss.id, actor=me), "appeal_refuse", actor=boss)
    yield "task", task


def share(ali: Member, cha: Member) -> None:
    """A colleague hears of the customer by a save that is refused, and asks its owner."""
    with pytest.raises(Duplicate) as refused:
        create_customer({"name": "新客户公司", "phones": [PHONE]}, actor=own(cha))
    db.session.rollback()
    (request,) = ask_to_share(refused.value.asked, actor=own(cha), reason="展会上认识的")
    answer(request, "share_read", actor=own(ali))


def extend(ali: Member, bob: Member) -> None:
    """A customer is about to leave; its owner asks for more time and gets it."""
    late = create_customer({"name": "中山市宏远灯饰厂"}, actor=own(ali))
    late.created_at = clock.now() - timedelta(days=14)
    db.session.commit()
    found = begin_run()
    while found and go_on(found.id):
        db.session.commit()
    decide(ask_for_extension(late.id, actor=own(ali)), GRANT, actor=own(bob))
    set_rules({"pool.release_approval": True})
    asked = release_or_ask(late, actor=own(ali), reason="busy")
    assert asked is not None
    decide(asked, REFUSE, actor=own(bob))
    set_rules({"pool.release_approval": False})


def with_settings(guan: Member, ali: Member, bob: Member) -> None:
    """What an administrator sets up: fields, pools, who gets whose customers."""
    boss = own(guan)
    field = add_field({"label": "楼层", "type": "number", "key": "floor"}, actor=boss)
    change_field(field, {"label": "所在楼层"}, actor=boss)
    delete_field(field, actor=boss)
    restore_field(field, actor=boss)
    pool = make_pool({"name": "华南公海", "managers": [bob.id]}, actor=boss)
    change_pool(find_pool_row(pool.id), {"name": "华南区公海"}, actor=boss)
    moved = handovers.hand_over(own(ali), {bob.id: 1}, way="load", actor=boss)
    db.session.commit()
    handovers.go_on(moved.id)
    db.session.commit()
    handovers.undo(moved, actor=boss)
    db.session.commit()
    handovers.go_on(moved.id)
    pooled = create_customer({"name": "肇庆四会玉器城"}, actor=boss)
    release_customer(pooled, actor=boss, reason="busy")
    rest_customer(pooled.id, clock.now().date() + timedelta(days=30), actor=boss, reason="合同期内")


def at_the_desk(desk: FlaskClient, cha: Member) -> None:
    """What an administrator does in the console itself."""
    soon = (clock.now() + timedelta(days=3)).isoformat()
    for path, fields in (
        ("/admin/rules", {"bin.days": "45"}),
        ("/admin/roles", {"source": "reader", "name": "见习"}),
        (f"/admin/members/{cha.id}/roles", {"roles": "reader"}),
        (f"/admin/members/{cha.id}/deputy", {"deputy": "ali", "starts_at": "", "ends_at": soon}),
        ("/admin/workdays", {"day": "2026-12-24", "until": "", "works": "0", "note": "年会"}),
        ("/admin/tokens", {"scope": "read", "days": "90"}),
        ("/admin/audit/export", {}),
    ):
        status, page = post(desk, path, **fields)
        assert status < 400, (path, re.findall(r"(?:alert|error)[^<]*>([^<]+)<", page))
    desk.get("/admin/audit")


def test_every_kind_is_written_by_a_real_deed_and_told_in_both_languages(
    app: Flask,
    cast: Cast,
    inside: Callable[[], Any],
    rest: Callable[..., Any],
    sign_in: Callable[..., FlaskClient],
    ali: Member,
    bob: Member,
    cha: Member,
    guan: Member,
) -> None:
    desk = sign_in(guan)
    with inside():
        with_customers(ali, bob, cha)
    with inside():
        share(ali, cha)
    with inside():
        extend(ali, bob)
    with inside():
        with_settings(guan, ali, bob)
    at_the_desk(desk, cha)
    me = rest(ali)
    sheet = {"file": (io.BytesIO(csv_bytes([["客户名称"], ["江门市联丰卫浴"]])), "客户.csv")}
    job = me("POST", "/imports", data=sheet).get_json()
    sent = me.post("/exports", {"object": "customer", "format": "csv"}).get_json()
    work(app)
    assert me.get(f"/exports/{sent['id']}/result").status_code == 200
    assert me("POST", f"/imports/{job['id']}/rollback").status_code == 200
    work(app)

    with inside():
        g.member = own(guan)
        events = rows(sa.select(Event).order_by(Event.at))
        people = names([one.actor_id for one in events])
        assert {*KINDS} - {one.kind for one in events} - {*ELSEWHERE} == set()
        for event in events:
            if event.customer_id and event.kind in LOOKS:
                in_chinese = said(event, people)
                with speaking("en"):
                    in_english = said(event, people)
                assert event.kind not in in_chinese + in_english, event.kind
                assert in_english != in_chinese, event.kind
        on_a_customer = {one.kind for one in events if one.customer_id}
        assert on_a_customer - {*LOOKS} == set()
        shown = {one.kind: one.id for one in events}
    for kind, event_id in shown.items():
        page = desk.get(f"/admin/audit/{event_id}")
        assert page.status_code == 200, kind
        assert str(KINDS[kind]) in page.get_data(as_text=True)


def test_every_kind_has_an_english_name(app: Flask) -> None:
    with app.app_context(), speaking("en"):
        assert [kind for kind, text in KINDS.items() if not str(text).isascii()] == []


def test_no_kind_is_known_that_nothing_writes() -> None:
    source = "".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name != "kinds.py")
    assert [kind for kind in ELSEWHERE if f'"{kind}"' not in source] == []
