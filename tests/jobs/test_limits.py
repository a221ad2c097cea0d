"""The hosts' limits are kept before anything is sent, whoever sends and however often it was killed."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.jobs.conftest import Firm, run_due
from wsapp import clock, leases, outbox
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import create_task
from wsapp.db import db, insert_rows
from wsapp.jobs.limits import Limits
from wsapp.jobs.rates import Rates
from wsapp.outbox import Outbox


def _sent(recipient: str, *ages: float) -> None:
    """Put messages into the ledger that were tried so many seconds ago."""
    now = clock.now()
    blank = {"kind": "x", "message": {}, "state": "accepted", "due_at": now, "created_at": now}
    rows = [
        {**blank, "key": f"{recipient}{number}", "card": f"{recipient}{number}", "recipient_id": recipient}
        | {"tried_at": now - timedelta(seconds=age)}
        for number, age in enumerate(ages)
    ]
    insert_rows(Notification, rows)


def _waiting(recipient: str, key: str = "new") -> Notification:
    now = clock.now()
    message = Notification(
        id=key, kind="x", key=key, card=key, recipient_id=recipient, message={}, due_at=now, created_at=now
    )
    db.session.add(message)
    db.session.flush()
    return message


def test_a_person_gets_so_many_a_minute(here: Flask, ali: Member) -> None:
    _sent(ali.id, 50, 40, 30, 70)
    seconds, limit = Limits({"person_minute": 3}, [ali.id]).take(_waiting(ali.id))
    assert limit == "person_minute"
    assert 9 <= seconds <= 10  # until the one of 50 seconds ago is a minute old
    assert Limits({"person_minute": 4}, [ali.id]).take(_waiting(ali.id, "b")) == (0, "")


def test_places_are_taken_within_a_batch(here: Flask, ali: Member, bob: Member) -> None:
    limits = Limits({"person_minute": 2}, [ali.id, bob.id])
    assert [limits.take(_waiting(ali.id, key))[1] for key in "abc"] == ["", "", "person_minute"]
    assert limits.take(_waiting(bob.id, "d")) == (0, "")


def test_a_message_counts_from_when_the_host_took_it(here: Flask, ali: Member) -> None:
    """A batch is marked as tried before it is posted: by the host's clock its last one is seconds younger."""
    _sent(ali.id, 63, 62)
    now = clock.now()
    db.session.execute(sa.update(Notification).values(sent_at=now - timedelta(seconds=55)))
    seconds, limit = Limits({"person_minute": 2}, [ali.id]).take(_waiting(ali.id))
    assert limit == "person_minute"
    assert 4 <= seconds <= 5


def test_who_is_next_waits_no_longer_than_for_the_window(here: Flask, ali: Member) -> None:
    """Those of the same batch that have their place do not wait before it."""
    limits = Limits({"person_minute": 2}, [ali.id])
    first, second, third = (_waiting(ali.id, key) for key in "abc")
    for number, one in enumerate((first, second, third)):
        one.due_at = clock.now() + timedelta(milliseconds=number)
    for one in (first, second):
        assert limits.take(one) == (0, "")
        one.state, one.tried_at = "sending", clock.now()
    seconds, _limit = limits.take(third)
    assert 55 < seconds <= 60


def test_who_is_further_back_waits_longer(here: Flask, ali: Member) -> None:
    _sent(ali.id, *[1.0] * 2)
    first = _waiting(ali.id, "first")
    for number in range(4):
        _waiting(ali.id, f"w{number}")
    last = _waiting(ali.id, "last")
    for number, message in enumerate(
        db.session.scalars(sa.select(Notification).where(Notification.state == "planned"))
    ):
        message.due_at = clock.now() + timedelta(seconds=number if message.key != "last" else 100)
    first.due_at = clock.now() - timedelta(seconds=5)
    db.session.flush()
    limits = Limits({"person_minute": 2}, [ali.id])
    assert limits.take(first)[0] < 60
    assert 2 * 60 < limits.take(last)[0] < 4 * 60


def test_an_app_gets_so_many_a_minute(here: Flask, ali: Member, bob: Member) -> None:
    _sent(ali.id, 20, 10)
    seconds, limit = Limits({"app_minute": 2}, [bob.id]).take(_waiting(bob.id))
    assert limit == "app_minute"
    assert 39 <= seconds <= 40


def test_the_hosts_day_is_the_calendars(here: Flask, ali: Member) -> None:
    _sent(ali.id, *[86400.0 * 2] * 5, 5)
    assert Limits({"person_day": 2}, [ali.id]).take(_waiting(ali.id)) == (0, "")
    seconds, limit = Limits({"person_day": 1}, [ali.id]).take(_waiting(ali.id, "b"))
    if limit:  # unless midnight was five seconds ago
        assert 0 < seconds <= 3600


@pytest.mark.parametrize("firm", ["dingtalk"], indirect=True)
def test_what_an_app_may_ask_a_second_counts_what_is_done_and_what_is_borrowed(firm: Firm) -> None:
    rates = Rates()
    assert rates.room(firm.corp_id) == 18
    _sent(firm.seller_id, *[0.1] * 5, *[3.0] * 4)
    for _number in range(2):
        outbox.enqueue("send", {})
    db.session.commit()
    assert rates.room(firm.corp_id) == 13
    assert len(leases.claim(10)) == 2
    assert rates.room(firm.corp_id) == 11


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_host_without_such_a_limit_takes_all(firm: Firm) -> None:
    _sent(firm.seller_id, *[0.1] * 50)
    assert Rates().room(firm.corp_id) > 1000


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_nothing_is_dropped_for_being_too_fast(firm: Firm) -> None:
    """Forty at once for one person: the host would drop ten of them in silence."""
    actor = firm.seller()
    for number in range(40):
        create_task({"title": f"回访 {number}", "due_at": clock.now()}, actor=actor)
    db.session.commit()
    run_due(firm.app, kinds=("remind", "send"))
    assert len(firm.chat()) == 25
    db.session.rollback()
    waiting = db.session.scalars(sa.select(Notification).where(Notification.state == "planned")).all()
    assert len(waiting) == 15
    assert all(one.reason.startswith("宿主限频，排队到 ") for one in waiting)
    put_off = sa.and_(Outbox.state == "ready", Outbox.kind == "send")
    for due_at, attempts in db.session.execute(sa.select(Outbox.due_at, Outbox.attempts).where(put_off)):
        assert attempts == 0
        assert 30 < (due_at - clock.now()).total_seconds() <= 120
    two_minutes_ago = clock.now() - timedelta(minutes=2)
    db.session.execute(
        sa.update(Notification)
        .where(Notification.tried_at.is_not(None))
        .values(tried_at=two_minutes_ago, sent_at=two_minutes_ago)
    )
    db.session.execute(sa.update(Outbox).where(put_off).values(due_at=clock.now()))
    db.session.commit()
    firm.emulator.clock.offset += 61
    run_due(firm.app, kinds=("send",))
    assert len(firm.chat()) == 40
    assert not [one for one in firm.emulator.chats("") if one["dropped"]]
