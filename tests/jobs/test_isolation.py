"""One corp's trouble is nobody else's: a wrong secret asks seldom, a host that hangs holds up its own corps only."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from tests.cast import settings_for
from tests.conftest import PUBLIC_URL
from tests.jobs.conftest import Firm, make_firm, run_due
from tests.jobs.hanging import HangingHost, hanging_host
from wsapp import clock, hosts, leases, outbox
from wsapp.connectors.base import BadCredentials
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Corp, HostToken, Member
from wsapp.crm.tasks.actions import create_task
from wsapp.db import corp_scope, db, every_corp
from wsapp.jobs import handlers
from wsapp.jobs.gates import Gates
from wsapp.jobs.pace import PACE
from wsapp.jobs.runner import Desk
from wsapp.jobs.worker import Engine
from wsapp.tokens import Tokens

TOKEN_APIS = {"wecom": "/cgi-bin/gettoken", "dingtalk": "/v1.0/oauth2/accessToken"}
LATE = 9.0  # seconds: without gates it is more than ten; tests/soak asks for five
ALLOWED = 6  # tokens that a corp with a wrong secret may ask for in any hour


# --- the gates ----------------------------------------------------------------------------------------------------


def test_a_gate_lets_so_many_in_and_keeps_the_rest_in_order() -> None:
    gates, lots = Gates(2), [("a", (number,)) for number in range(4)]
    assert [gates.enter("wecom", lot) for lot in lots] == [True, True, False, False]
    assert gates.enter("dingtalk", ("b", (9,)))
    assert gates.waiting() == gates.waiting("wecom") == {lots[2], lots[3]}
    assert gates.leave("wecom") == lots[2]
    assert gates.leave("wecom") == lots[3]
    assert not gates.enter("wecom", lots[0])  # both places are taken by those who went on
    assert gates.leave("wecom") == lots[0]
    assert [gates.leave("wecom"), gates.leave("wecom")] == [None, None]
    assert [gates.enter("wecom", lot) for lot in lots] == [True, True, False, False]


def test_a_stop_gives_back_what_waits_at_a_gate(
    here: Flask, ali: Member, ivy: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two corps of one host, two lots each, three places: the fourth lot waits, and is nobody's after the stop."""
    opened = threading.Event()

    def hang(claim: leases.Claim, desk: Desk) -> None:
        db.session.rollback()
        opened.wait(30)

    monkeypatch.setitem(handlers.HANDLERS, "member.check", hang)
    for member in (ali, ivy):
        with corp_scope(member.corp_id):
            for _number in range(4):
                outbox.enqueue("member.check", {})
    db.session.commit()
    engine = Engine(here, threads=4, pace=PACE.compressed(1, poll=0.1, stop=0.2), queue_url="")
    engine.start()
    try:
        _wait(lambda: len(engine.gates.waiting()) == 1, 10)
        assert engine.gates.inside == {"wecom": 3}
        assert not engine.stop()
        states = sa.select(outbox.Outbox.state).where(outbox.Outbox.kind == "member.check").distinct()
        assert db.session.scalars(states).all() == ["ready"]
        db.session.rollback()
    finally:
        opened.set()
        if not engine.stopping.is_set():
            engine.stop()


# --- a wrong secret -----------------------------------------------------------------------------------------------


def _remind(members: list[str], count: int) -> None:
    for number in range(count):
        actor = db.session.scalars(sa.select(Member).where(Member.id == members[number % len(members)])).one()
        create_task({"title": f"回访 {number:03d} {clock.now():%H%M%S%f}", "due_at": clock.now()}, actor=actor)
    db.session.commit()


def _states(corp_id: int) -> list[tuple[str, float | None]]:
    """The state of each message of a corp, and by how many seconds it was late when it was sent."""
    with corp_scope(corp_id):
        found = db.session.execute(sa.select(Notification.state, Notification.due_at, Notification.sent_at)).all()
        db.session.rollback()  # an open transaction would lock out the workers
        return [(one.state, (one.sent_at - one.due_at).total_seconds() if one.sent_at else None) for one in found]


@pytest.mark.parametrize("wrong_host", ["wecom", "dingtalk"])
def test_a_wrong_secret_asks_six_times_an_hour_and_holds_up_nobody(
    app: Flask,
    wecom: RunningEmulator,
    dingtalk: RunningEmulator,
    monkeypatch: pytest.MonkeyPatch,
    wrong_host: str,
) -> None:
    """An hour and a half on a clock that jumps: reminders of both, and people of the wrong one who open the app."""
    running = {"wecom": wecom, "dingtalk": dingtalk}
    good_host = next(one for one in running if one != wrong_host)
    monkeypatch.setattr("wsapp.jobs.breakers.time.monotonic", lambda: clock.wall().timestamp())
    with app.app_context():
        wrong = make_firm(app, wrong_host, running[wrong_host])
        good = make_firm(app, good_host, running[good_host])
        _break_secret(wrong.corp_id)
        counts, token_api = wrong.emulator.call_counts, TOKEN_APIS[wrong_host]
        before, asked, desk = counts.get(token_api, 0), [], Desk()
        start = clock.wall().replace(second=0, microsecond=0)
        for minute in range(0, 90, 5):
            with time_machine.travel(start + timedelta(minutes=minute)):
                for firm in (wrong, good) if minute < 20 else (good,):
                    with corp_scope(firm.corp_id):
                        _remind([firm.seller_id], 1)
                with pytest.raises(BadCredentials):
                    hosts.lines().of(_fresh(wrong.corp_id)).person("anybody")
                run_due(app, desk)
            fresh = counts.get(token_api, 0) - before - len(asked)
            asked += [start + timedelta(minutes=minute)] * fresh
        hours = [sum(1 for other in asked if one <= other < one + timedelta(hours=1)) for one in asked]
        assert len(asked) > ALLOWED  # it was asked again and again, not given up
        assert max(hours) <= ALLOWED, asked
        theirs = _states(good.corp_id)
        assert {state for state, _late in theirs} == {"accepted"}
        assert max(late for _state, late in theirs if late is not None) <= LATE
        assert {state for state, _late in _states(wrong.corp_id)} <= {"sending", "planned"}  # nothing is lost
        assert _fresh(wrong.corp_id).fault


def _break_secret(corp_id: int) -> None:
    """Have the host refuse a corp's secret, as after a reset that nobody told us of."""
    corp = db.session.scalars(sa.select(Corp).where(Corp.id == corp_id)).one()
    values = hosts.open_credentials(corp)
    key = "app_secret" if corp.host == "wecom" else "client_secret"
    sealed = hosts.seal_credentials(corp.host, corp.host_corp_id, {**values, key: "no-longer-this-one"})
    org.connect_corp(corp.host, corp.host_corp_id, corp.name, sealed)
    db.session.execute(sa.delete(HostToken).where(HostToken.corp_id == corp_id))
    db.session.commit()


def _fresh(corp_id: int) -> Corp:
    corp = db.session.scalars(sa.select(Corp).where(Corp.id == corp_id)).one()
    db.session.refresh(corp)
    db.session.expunge(corp)
    db.session.rollback()
    return corp


# --- a host that hangs --------------------------------------------------------------------------------------------


@pytest.fixture
def hanging() -> Iterator[HangingHost]:
    with hanging_host() as host:
        yield host


@pytest.fixture
def half_dead(database_url: str, tmp_path: Path, hanging: HangingHost, dingtalk: RunningEmulator) -> Iterator[Flask]:
    """The product where WeCom takes calls and never answers, and DingTalk is well. Five corps at WeCom."""
    from wsapp.app import create_app

    settings = settings_for(
        tmp_path / "data",
        url=database_url,
        public_url=PUBLIC_URL,
        wecom_base=hanging.url,
        dingtalk_base=dingtalk.url,
    )
    app = create_app(settings)
    with app.app_context():
        hosts.connect_configured_corps()
        for number in range(4):
            host_corp_id = f"ww{number:016d}"
            values = {"agent_id": "1", "app_secret": "x", "callback_token": "t" * 8, "callback_aes_key": "a" * 43}
            org.connect_corp(
                "wecom", host_corp_id, f"企业{number}", hosts.seal_credentials("wecom", host_corp_id, values)
            )
        db.session.commit()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def _person(userid: str) -> Member:
    facts = SimpleNamespace(
        userid=userid,
        unionid="",
        name="员工",
        departments=(),
        main_department="",
        leads=(),
        manager="",
        position="",
        avatar="",
        phone="",
        is_admin=False,
        status="active",
    )
    member, _is_new = org.keep_member(facts, fold=True, leads_root=False)
    return member


def test_a_host_that_hangs_holds_up_only_its_own_corps(
    half_dead: Flask, dingtalk: RunningEmulator, hanging: HangingHost
) -> None:
    """All threads' worth of messages hang at one host, corp by corp; the other host's reminders come in time."""
    seconds = 6.0
    with half_dead.app_context():
        well: Firm = make_firm(half_dead, "dingtalk", dingtalk)
        with every_corp():
            stuck = list(db.session.scalars(sa.select(Corp.id).where(Corp.host == "wecom")))
        for corp_id in stuck:
            with corp_scope(corp_id):
                people = [_person(f"p{number}").id for number in range(8)]
                _remind(people, 40)
            if corp_id in stuck[:3]:  # these hang while they send, the others while they ask for a token
                Tokens(half_dead, corp_id, "wecom").get("app", lambda: ("token-of-the-app", 7200))
        engine = Engine(half_dead, threads=8, pace=PACE.compressed(1, poll=0.2, stop=12), queue_url="")
        engine.start()
        try:
            assert hanging.called.wait(10)
            _wait(lambda: engine.gates.inside["wecom"] == engine.gates.most, 10)
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                with corp_scope(well.corp_id):
                    _remind([well.seller_id], 1)
                time.sleep(0.5)  # a person a moment: the reminders are to be spread over the time of trouble
            _wait(lambda: all(late is not None for _state, late in _states(well.corp_id)), 15)
            delays = [late for _state, late in _states(well.corp_id) if late is not None]
        finally:
            engine.stopping.set()
            for caller in hanging.callers:
                caller.close()
            engine.stop()
        assert len(delays) >= seconds
        assert max(delays) <= LATE, delays
        for corp_id in stuck:
            assert {state for state, _late in _states(corp_id)} <= {"planned", "sending"}


def _wait(ready: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
