"""Leads that wait, birthdays, tags that get another name: what happens in the background."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from wsapp import clock, outbox
from wsapp.crm.customers.actions import change_customer, create_customer, note_contact
from wsapp.crm.customers.contacts import add_contact, change_contact
from wsapp.crm.customers.leads import convert_lead, remind_of_lead, score_of, start_lead, working_moment
from wsapp.crm.customers.models import Contact, Customer, Tag
from wsapp.crm.customers.rules import WorkingHours, working_hours
from wsapp.crm.customers.stages import stage_history
from wsapp.crm.customers.tags import change_tag, find_tag, known_tags, remove_tag, replace_tag
from wsapp.crm.notifications.birthdays import remind_of_birthdays
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools.actions import claim_customer, release_customer
from wsapp.crm.pools.settings import make_pool
from wsapp.db import db, rows
from wsapp.jobs import dispatcher
from wsapp.outbox import Outbox
from wsapp.problems import Invalid

WEEK = WorkingHours(frozenset({1, 2, 3, 4, 5}), 9, 18)


def told() -> list[tuple[str, str]]:
    """Who was told of what, by kind and recipient."""
    db.session.flush()
    for event in rows(sa.select(Outbox).where(Outbox.kind == "event", Outbox.state == outbox.READY)):
        dispatcher.dispatch(event.payload["event"])
        event.state = outbox.DONE
    db.session.flush()
    found = db.session.execute(sa.select(Notification.kind, Notification.recipient_id).order_by(Notification.id))
    return [(row.kind, row.recipient_id) for row in found]


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-11-20T10:00", 30, "2026-11-20T10:30"),  # a Friday
        ("2026-11-20T17:45", 30, "2026-11-23T09:15"),  # over the weekend
        ("2026-11-20T06:00", 30, "2026-11-20T09:30"),
        ("2026-11-21T12:00", 30, "2026-11-23T09:30"),
        ("2026-11-20T09:00", 540, "2026-11-20T18:00"),
        ("2026-11-20T09:00", 541, "2026-11-23T09:01"),
    ],
)
def test_working_time_leaves_out_nights_and_weekends(here: Flask, start: str, minutes: int, end: str) -> None:
    from wsapp.house import zone

    begins = datetime.fromisoformat(start).replace(tzinfo=zone()).astimezone(UTC)
    found = working_moment(begins, timedelta(minutes=minutes), WEEK)
    assert found == datetime.fromisoformat(end).replace(tzinfo=zone())


@pytest.mark.parametrize(
    ("start", "end", "end_without"),
    [
        ("2026-09-30T17:45", "2026-10-08T09:15", "2026-10-01T09:15"),  # over National Day
        ("2026-02-14T10:00", "2026-02-14T10:30", "2026-02-16T09:30"),  # a Saturday worked in lieu
        ("2031-10-01T10:00", "2031-10-01T10:30", "2031-10-01T10:30"),  # no notice is out yet
    ],
)
def test_public_holidays_are_no_working_time(here: Flask, start: str, end: str, end_without: str) -> None:
    from wsapp.house import zone

    begins, half = datetime.fromisoformat(start).replace(tzinfo=zone()), timedelta(minutes=30)
    assert working_hours().holidays
    assert working_moment(begins, half, working_hours()) == datetime.fromisoformat(end).replace(tzinfo=zone())
    set_rules({"leads.holidays": False})
    found = working_moment(begins, half, working_hours())
    assert found == datetime.fromisoformat(end_without).replace(tzinfo=zone())


def lead(ali: Member) -> Customer:
    customer = create_customer({"name": "东莞市明辉五金"}, actor=ali)
    start_lead(customer, actor=ali)
    db.session.flush()
    return customer


def test_a_lead_nobody_answers_is_told_to_its_owner_then_to_the_manager(here: Flask, ali: Member, bob: Member) -> None:
    customer = lead(ali)
    remind_of_lead(customer.id, "owner")
    assert told() == []  # it is not due yet
    customer.respond_by = clock.now() - timedelta(minutes=1)
    remind_of_lead(customer.id, "owner")
    assert told() == [("lead.unanswered", ali.id)]
    waiting = rows(sa.select(Outbox).where(Outbox.kind == "lead.remind"))
    assert [one.payload["step"] for one in waiting] == ["owner", "manager"]
    remind_of_lead(customer.id, "manager")
    assert sorted(told()) == [("lead.unanswered", ali.id), ("team.lead", bob.id)]


def test_a_lead_that_was_answered_is_nobodys_worry(here: Flask, ali: Member) -> None:
    customer = lead(ali)
    note_contact(customer, at=clock.now())
    customer.respond_by = clock.now() - timedelta(minutes=1)
    remind_of_lead(customer.id, "owner")
    assert told() == []
    assert (customer.lead, customer.responded_at is not None) == ("working", True)


def test_a_corp_may_do_without_the_timer(here: Flask, ali: Member) -> None:
    set_rules({"leads.response_minutes": 0})
    assert lead(ali).respond_by is None
    assert rows(sa.select(Outbox).where(Outbox.kind == "lead.remind")) == []


def test_leads_have_a_pool_of_their_own_and_the_timer_runs_anew_for_who_claims(
    here: Flask, ali: Member, bob: Member, guan: Member
) -> None:
    pool = make_pool({"name": "华南线索公海", "kind": "lead", "is_default": True, "enabled": True}, actor=guan)
    known = create_customer({"name": "佛山市华星家具有限公司"}, actor=ali)
    with pytest.raises(Invalid):
        release_customer(known, actor=ali, reason="客户太多", pool_id=pool.id)
    assert release_customer(known, actor=ali, reason="客户太多").kind == "customer"
    fresh = lead(ali)
    assert release_customer(fresh, actor=ali, reason="联系不上").id == pool.id
    assert fresh.respond_by is None
    claim_customer(fresh.id, actor=bob)
    assert fresh.respond_by is not None
    assert fresh.respond_by > clock.now()
    convert_lead(fresh, actor=bob)
    assert release_customer(fresh, actor=bob, reason="客户太多").kind == "customer"
    assert [one.after for one in stage_history(fresh.id)] == ["intent"]


def test_a_score_says_what_it_is_made_of(here: Flask) -> None:
    now = clock.now()
    nothing: dict[str, Any] = {}
    assert score_of(nothing, now).total == 0
    fields = ("phone", "contact", "address", "industry", "size", "website", "level")
    full = dict.fromkeys(fields, "x") | {"source": "老客户转介绍", "last_followed_at": now}
    assert score_of(full, now).parts == (("completeness", 40, 40), ("activity", 40, 40), ("source", 20, 20))
    stale = full | {"last_followed_at": now - timedelta(days=10), "source": "别处"}
    assert score_of(stale, now).parts[1:] == (("activity", 20, 40), ("source", 6, 20))
    set_rules({"leads.weight_activity": 0})
    assert score_of(full, now).total == 60


def test_owners_hear_of_birthdays_the_day_before(here: Flask, ali: Member) -> None:
    customer = create_customer({"name": "华星木业"}, actor=ali)
    for name, birthday in (("陈志远", "1988-05-03"), ("黄敏", "05-03"), ("林峰", "05-04"), ("闰年生", "02-29")):
        add_contact(customer, {"name": name, "birthday": birthday}, actor=ali)
    assert remind_of_birthdays(date(2026, 5, 2)) == 0  # off by default
    set_rules({"contacts.birthday_reminder": True})
    assert remind_of_birthdays(date(2026, 5, 1)) == 0
    assert remind_of_birthdays(date(2026, 5, 2)) == 1
    assert remind_of_birthdays(date(2026, 5, 2)) == 1
    assert remind_of_birthdays(date(2027, 2, 28)) == 1
    assert remind_of_birthdays(date(2028, 2, 28)) == 1
    kinds = rows(sa.select(Notification).where(Notification.kind == "contact.birthday").order_by(Notification.id))
    assert [one.recipient_id for one in kinds] == [ali.id] * 3  # told twice, it is sent once
    assert kinds[0].message["title"] == "明天有 2 位联系人生日"


def test_a_renamed_tag_reaches_all_records(here: Flask, ali: Member, guan: Member) -> None:
    customer = create_customer({"name": "华星木业", "tags": ["展会", "重点"]}, actor=ali)
    contact = add_contact(customer, {"name": "陈志远", "tags": ["展会"]}, actor=ali)
    assert list(known_tags()) == ["展会", "重点"]
    tag = db.session.execute(sa.select(Tag).where(Tag.name == "展会")).scalar_one()
    change_tag(tag, "广交会", "red", actor=guan)
    work = db.session.execute(sa.select(Outbox).where(Outbox.kind == "tags.replace")).scalar_one()
    version = customer.version
    assert replace_tag(work.payload["old"], work.payload["new"]) == 2
    assert replace_tag(work.payload["old"], work.payload["new"]) == 0
    assert (customer.tags, contact.tags, customer.version) == (["广交会", "重点"], ["广交会"], version + 1)
    assert dict(known_tags()) == {"广交会": "red", "重点": "grey"}


def test_tags_are_merged_and_removed(here: Flask, ali: Member, guan: Member) -> None:
    customer = create_customer({"name": "华星木业", "tags": ["重点客户", "重点", "展会"]}, actor=ali)
    by_name = {one.name: one.id for one in rows(sa.select(Tag))}
    change_tag(find_tag(by_name["重点客户"]), "重点", "grey", actor=guan)
    replace_tag("重点客户", "重点")
    assert customer.tags == ["重点", "展会"]
    remove_tag(find_tag(by_name["展会"]), actor=guan)
    replace_tag("展会", "")
    assert customer.tags == ["重点"]
    assert list(known_tags()) == ["重点"]


def test_where_the_corp_wants_it_only_leaders_add_tags(here: Flask, ali: Member, bob: Member) -> None:
    customer = create_customer({"name": "华星木业", "tags": ["展会"]}, actor=ali)
    contact = add_contact(customer, {"name": "陈志远"}, actor=ali)
    set_rules({"tags.who_adds": "leaders"})
    with pytest.raises(Invalid) as refused:
        change_customer(customer, {"tags": ["展会", "新的"]}, actor=ali)
    assert set(refused.value.fields) == {"tags"}
    with pytest.raises(Invalid):
        change_contact(contact, {"tags": ["新的"]}, actor=ali)
    change_customer(customer, {"tags": ["展会", "新的"]}, actor=bob)
    change_contact(contact, {"tags": ["新的"]}, actor=ali)
    assert rows(sa.select(Contact.tags)) == [["新的"]]
