"""The outbox itself: once, borrowed, given back, shared out between corps and lanes."""

import threading
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask

from wsapp import clock, leases, outbox, worklist
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, current_corp, db, is_postgresql
from wsapp.outbox import Outbox


def _corps_of(claims: list[leases.Claim]) -> list[int | None]:
    return [one.corp_id for one in claims]


def test_work_with_a_known_key_is_left_alone(here: Flask) -> None:
    assert outbox.enqueue("event", {"event": "x"}, key="k")
    assert not outbox.enqueue("event", {"event": "y"}, key="k")
    assert outbox.enqueue("event", {"event": "x"})
    db.session.commit()
    assert worklist.counts() == {"ready": 2}


def test_work_is_lent_when_it_is_due_and_oldest_first(here: Flask) -> None:
    now = clock.now()
    for key, seconds in (("b", -5), ("a", -10), ("later", 60)):
        outbox.enqueue("event", {"key": key}, key=key, due_at=now + timedelta(seconds=seconds))
    db.session.commit()
    assert [one.payload["key"] for one in leases.claim(10)] == ["a", "b"]
    assert leases.claim(10) == []


def test_work_of_a_rolled_back_transaction_never_was(here: Flask) -> None:
    woken: list[bool] = []
    with outbox.listening(lambda: woken.append(True)):
        outbox.enqueue("event", {})
        db.session.rollback()
        assert leases.claim(10) == []
        assert woken == []
        outbox.enqueue("event", {})
        db.session.commit()
        assert woken == [True]


def test_a_corp_with_much_to_do_leaves_room_for_the_others(here: Flask, ivy: Member) -> None:
    for _number in range(50):
        outbox.enqueue("send", {})
    with corp_scope(ivy.corp_id):
        outbox.enqueue("send", {}, due_at=clock.now() + timedelta(milliseconds=1))
    db.session.commit()
    claims = leases.claim(8)
    assert len(claims) >= 5  # a corp's share that it does not use is left to the next look
    assert ivy.corp_id in _corps_of(claims)


def test_a_corp_without_room_is_passed_over_but_its_own_work_goes_on(here: Flask, ivy: Member) -> None:
    outbox.enqueue("send", {})
    outbox.enqueue("event", {})
    with corp_scope(ivy.corp_id):
        outbox.enqueue("send", {})
    db.session.commit()
    claims = leases.claim(8, room=lambda corp_id: 0 if corp_id == current_corp() else 4)
    assert sorted((one.corp_id or 0, one.kind) for one in claims) == sorted(
        [(current_corp(), "event"), (ivy.corp_id, "send")]
    )


def test_messages_do_not_hold_up_what_needs_no_host(here: Flask) -> None:
    for _number in range(50):
        outbox.enqueue("send", {})
    outbox.enqueue("event", {})
    outbox.enqueue("prune", {}, corp=False)
    db.session.commit()
    kinds = [one.kind for one in leases.claim(6)]
    assert sorted(kinds) == ["event", "prune", "send", "send", "send", "send"]


def test_given_back_work_is_as_it_was(here: Flask) -> None:
    outbox.enqueue("event", {}, key="k")
    db.session.commit()
    before = db.session.execute(sa.select(Outbox.due_at, Outbox.attempts, Outbox.crashes)).one()
    (claim,) = leases.claim(10)
    assert leases.release([(claim.attempt_id, (claim.id,))]) == 1
    assert leases.release([(claim.attempt_id, (claim.id,))]) == 0
    assert db.session.execute(sa.select(Outbox.due_at, Outbox.attempts, Outbox.crashes)).one() == before
    assert len(leases.claim(10)) == 1


def test_only_the_holder_settles(here: Flask) -> None:
    outbox.enqueue("event", {})
    db.session.commit()
    (claim,) = leases.claim(10)
    leases.release([(claim.attempt_id, (claim.id,))])
    (other,) = leases.claim(10)
    for settle in (leases.finish, lambda one: leases.retry(one, 1, "x"), lambda one: leases.bury(one, "x")):
        try:
            settle(claim)
        except leases.LeaseLost:
            db.session.rollback()
        else:
            raise AssertionError("settled without the lease")
    assert leases.held([claim, other]) == [other]
    leases.finish(other)
    db.session.commit()
    assert worklist.counts() == {"done": 1}


def test_old_work_is_thrown_away_but_the_dead_stay(here: Flask) -> None:
    for key in ("old", "dead", "fresh"):
        outbox.enqueue("event", {}, key=key)
    db.session.commit()
    claims = {one.id: one for one in leases.claim(10)}
    leases.finish(*claims.values())
    long_ago = clock.now() - timedelta(days=100)
    db.session.execute(sa.update(Outbox).where(Outbox.key != "fresh").values(done_at=long_ago))
    db.session.execute(sa.update(Outbox).where(Outbox.key == "dead").values(state="dead"))
    assert outbox.prune(clock.now() - timedelta(days=90)) == 1
    assert set(db.session.scalars(sa.select(Outbox.key))) == {"dead", "fresh"}


def test_the_console_sees_what_waits_runs_and_died(here: Flask, ivy: Member) -> None:
    now = clock.now()
    for key in ("run", "die"):
        outbox.enqueue("event", {}, key=key, due_at=now - timedelta(minutes=9))
    db.session.commit()
    claims = {one.id: one for one in leases.claim(10)}
    died = next(one for one in claims.values())
    leases.bury(died, "no way")
    outbox.enqueue("event", {}, key="wait", due_at=now - timedelta(minutes=3))
    outbox.enqueue("event", {}, key="plan", due_at=now + timedelta(minutes=3))
    with corp_scope(ivy.corp_id):
        outbox.enqueue("event", {}, key="other")
    db.session.commit()
    ours = worklist.overview(current_corp())
    assert (ours.waiting, ours.planned, ours.running, ours.dead, ours.done_last_hour) == (1, 1, 1, 1, 0)
    assert 170 <= ours.lag.total_seconds() <= 190
    assert worklist.overview().waiting == 2
    assert worklist.lateness() >= timedelta(minutes=3)
    assert [(one.key, one.error) for one in worklist.rows_in("dead")] == [(_key(died.id), "no way")]
    assert [one.key for one in worklist.rows_in("ready", corp_id=current_corp())] == ["wait", "plan"]
    assert not worklist.revive(died.id, corp_id=ivy.corp_id)
    assert worklist.revive(died.id, corp_id=current_corp())
    db.session.commit()
    assert worklist.overview(current_corp()).dead == 0


def _key(outbox_id: int) -> str | None:
    return db.session.scalar(sa.select(Outbox.key).where(Outbox.id == outbox_id))


def test_work_that_is_ensured_begins_after_the_commit(here: Flask) -> None:
    outbox.ensure("act", {}, key="alarm", due_at=clock.now())
    db.session.commit()
    if is_postgresql():  # on SQLite a writer shuts out every other one, anyway
        outbox.ensure("act", {}, key="alarm", due_at=clock.now())
        assert _claims_elsewhere(here) == []  # it would run before what is written here can be seen
        db.session.commit()
    assert len(_claims_elsewhere(here)) == 1
    outbox.ensure("act", {}, key="alarm", due_at=clock.now())  # begun already: once more
    db.session.commit()
    assert len(_claims_elsewhere(here)) == 1


def _claims_elsewhere(app: Flask) -> list[leases.Claim]:
    found: list[leases.Claim] = []

    def claim() -> None:
        with app.app_context():
            found.extend(leases.claim(10))

    thread = threading.Thread(target=claim)
    thread.start()
    thread.join(15)
    return found


def test_work_put_in_together_is_all_there_and_each_key_once(here: Flask) -> None:
    assert outbox.enqueue("event", {"event": "b"}, key="event:b")
    with outbox.together():
        for one in "abc":
            outbox.enqueue("event", {"event": one}, key=f"event:{one}")
        assert db.session.scalars(sa.select(Outbox.key).where(Outbox.key == "event:a")).all() == []
    found = db.session.scalars(sa.select(Outbox.key).where(Outbox.key.startswith("event:")).order_by(Outbox.key))
    assert [one for one in found if len(one) == len("event:a")] == ["event:a", "event:b", "event:c"]
    outbox.enqueue("event", {"event": "d"}, key="event:d")
    assert outbox.is_waiting("event:d")
