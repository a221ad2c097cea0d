"""Streams as the product keeps them: opened, opened again, in one process of several, with the same inbox behind."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from flask import Flask

from tests.jobs.conftest import Firm, make_firm, run_due
from wsapp import clock, hosts
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator, demo_org
from wsapp.connectors.dingtalk.emulator_stream import CARD_TOPIC, OPEN_PATH, ROBOT_TOPIC, event_frame
from wsapp.connectors.dingtalk.emulator_world import App
from wsapp.connectors.emulator import Fault, RunningEmulator
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import STREAM_BROKEN, STREAM_OPEN, STREAM_REFUSED, STREAM_WAITING, Corp, HostStream, Member
from wsapp.crm.org.queries import stream_of
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db, separate
from wsapp.jobs.streams import PACE, StreamKeeper, StreamPace
from wsapp.outbox import Outbox

ROOT = Path(__file__).parent.parent.parent
QUICK = PACE.compressed(100, lease=2, beat=0.2, steady=0.5)


@pytest.fixture
def emulator(dingtalk: RunningEmulator) -> Iterator[DingTalkEmulator]:
    assert isinstance(dingtalk.emulator, DingTalkEmulator)
    yield dingtalk.emulator
    dingtalk.emulator.forget()


@pytest.fixture
def host_app(emulator: DingTalkEmulator) -> App:
    """The sample firm's app at the host, in stream mode; what is not acknowledged comes again soon."""
    emulator.knobs["push_scale"] = 0.01
    host_app = next(iter(emulator.world.apps.values()))
    host_app.event_mode = "stream"
    return host_app


@pytest.fixture
def firm(app: Flask, dingtalk: RunningEmulator, host_app: App) -> Firm:
    """The sample firm at DingTalk, connected with Stream mode, and one seller of it."""
    made = make_firm(app, "dingtalk", dingtalk)
    reconnect(made, event_mode="stream", callback_token="", callback_aes_key="")
    return made


def reconnect(firm: Firm, **values: str) -> None:
    """Change the credential values of the firm, as an administrator does at run time."""
    with firm.app.app_context():
        corp = db.session.scalars(sa.select(Corp).where(Corp.id == firm.corp_id)).one()
        kept = {**hosts.open_credentials(corp), **values}
        org.connect_corp(
            corp.host, corp.host_corp_id, corp.name, hosts.seal_credentials(corp.host, corp.host_corp_id, kept)
        )
        db.session.commit()


@contextmanager
def keeping(app: Flask, pace: StreamPace = QUICK) -> Iterator[StreamKeeper]:
    """What a worker does, in this process."""
    keeper = StreamKeeper(app, pace=pace)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


@pytest.fixture
def keeper(firm: Firm) -> Iterator[StreamKeeper]:
    with keeping(firm.app) as keeper:
        assert firm.emulator.streams.wait_for(1)
        yield keeper


def stored(firm: Firm) -> HostStream:
    """Return how the stream is, as the database has it."""
    with firm.app.app_context():
        return stream_of(firm.corp_id) or HostStream(state=STREAM_WAITING, opened=0)


@contextmanager
def without_table(firm: Firm, name: str) -> Iterator[None]:
    """Take a table away, so that whoever writes to it fails."""
    _rename(firm, name, f"{name}_away")
    try:
        yield
    finally:
        _rename(firm, f"{name}_away", name)


def _rename(firm: Firm, name: str, to: str) -> None:
    with firm.app.app_context(), separate() as connection:
        connection.execute(sa.text(f"ALTER TABLE {name} RENAME TO {to}"))


def comes(check: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until `check` gives something true."""
    end = clock.wall() + timedelta(seconds=seconds)
    pause = threading.Event()
    while not (found := check()):
        assert clock.wall() < end, "it did not come"
        pause.wait(0.02)
    return found


def member_status(firm: Firm, userid: str) -> str:
    with firm.app.app_context(), corp_scope(firm.corp_id):
        return str(db.session.scalar(sa.select(Member.status).where(Member.userid == userid)))


# --- what comes over it -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("keeper")
def test_a_press_over_the_stream_ends_the_reminder(firm: Firm) -> None:
    with firm.app.app_context(), corp_scope(firm.corp_id):
        run_due(firm.app)
        task_id = firm.task("回访森林木业").id
        run_due(firm.app)
        (card,) = firm.chat()
        assert [button["key"] for button in card["buttons"]]
        assert "/v1.0/card/callbacks/register" not in firm.emulator.call_counts  # no address of ours is needed
    done = next(one for one in card["buttons"] if "完成" in one["text"])
    body = {"user": "zhouxiaoyu", "card": card["card"], "key": done["key"], "wait": True}
    answer = requests.post(f"{firm.running.url}/phone/press", json=body, timeout=20)
    assert answer.json()["status"] == 200
    with firm.app.app_context(), corp_scope(firm.corp_id):
        assert db.session.scalar(sa.select(Task.state).where(Task.id == task_id)) == "done"
        (card,) = firm.chat()
    assert card["state"]
    assert card["buttons"] == []
    assert firm.emulator.streams.pushed[-1]["headers"]["topic"] == CARD_TOPIC
    assert comes(lambda: stored(firm).last_event_at)


@pytest.mark.usefixtures("keeper")
def test_a_leaver_is_shut_out_by_an_event_over_the_stream(firm: Firm) -> None:
    assert member_status(firm, "zhouxiaoyu") == "active"
    firm.emulator.people.change({"userid": "zhouxiaoyu", "action": "leave"})
    firm.emulator.wait_for_callbacks()
    assert member_status(firm, "zhouxiaoyu") == "left"
    assert len(firm.emulator.streams.pushed) == 1


@pytest.mark.usefixtures("keeper")
def test_doubled_and_late_deliveries_have_one_effect(firm: Firm, host_app: App) -> None:
    event = {
        "EventType": "user_modify_org",
        "eventId": "e-1",
        "CorpId": host_app.corp.corp_id,
        "UserId": ["zhouxiaoyu"],
    }
    frame = event_frame(host_app, event, 1.0)
    (line,) = firm.emulator.streams.live(host_app)
    for _again in range(3):
        assert line.ask(frame, 10)
    assert line.ask(event_frame(host_app, event, 1.0), 10)  # the same event under another message id
    with firm.app.app_context():
        checks = sa.select(sa.func.count()).select_from(Outbox).where(Outbox.kind == "member.check")
        assert db.session.scalar(checks) == 1


@pytest.mark.usefixtures("keeper")
def test_another_corps_messages_have_no_effect(firm: Firm, host_app: App) -> None:
    event = {"EventType": "user_leave_org", "eventId": "e-1", "CorpId": "dingother", "UserId": ["zhouxiaoyu"]}
    (line,) = firm.emulator.streams.live(host_app)
    assert line.ask(event_frame(host_app, event, 1.0), 10)
    press = {"outTrackId": "t-1", "corpId": "dingother", "userId": "zhouxiaoyu", "content": "{}"}
    assert firm.emulator.streams.call(host_app, CARD_TOPIC, press) == (400, {})
    assert member_status(firm, "zhouxiaoyu") == "active"


@pytest.mark.usefixtures("keeper")
def test_what_cannot_be_written_down_is_asked_for_again(firm: Firm, host_app: App) -> None:
    event = {"EventType": "user_leave_org", "eventId": "e-2", "CorpId": host_app.corp.corp_id, "UserId": ["zhouxiaoyu"]}
    frame = event_frame(host_app, event, 1.0)
    press = {"outTrackId": "t-1", "userId": "zhouxiaoyu", "content": "{}"}
    (line,) = firm.emulator.streams.live(host_app)
    with without_table(firm, "seen_callback"):
        assert status_of(line.ask(frame, 10)) == "LATER"
        assert firm.emulator.streams.call(host_app, CARD_TOPIC, press)[0] == 500
        assert member_status(firm, "zhouxiaoyu") == "active"
    assert status_of(line.ask(frame, 10)) == "SUCCESS"  # the same bytes: what failed was not remembered
    assert member_status(firm, "zhouxiaoyu") == "left"


def status_of(ack: dict[str, Any] | None) -> str:
    assert ack is not None
    return str(json.loads(ack["data"])["status"])


# --- opening and opening again ------------------------------------------------------------------------------------


def test_the_state_of_the_stream_is_written_down(firm: Firm) -> None:
    with keeping(firm.app):
        state = comes(lambda: (one := stored(firm)).state == STREAM_OPEN and one)
        assert state.holder
        assert state.since
        assert (state.opened, state.reason, state.last_event_at) == (1, "", None)
    after = stored(firm)
    assert (after.state, after.holder, after.held_until) == (STREAM_WAITING, None, None)
    assert firm.emulator.streams.wait_for(0)


def test_it_comes_back_after_cuts_and_a_gateway_in_trouble(firm: Firm, keeper: StreamKeeper) -> None:
    streams = firm.emulator.streams
    firm.fault("status", api=OPEN_PATH, status=503, times=2)
    streams.live()[0].cut()
    assert streams.wait_for(1, opened=2)
    streams.disconnect(streams.live()[0])
    assert streams.wait_for(1, opened=3)
    assert comes(lambda: stored(firm).opened == 3)


def test_it_comes_back_when_the_host_does(firm: Firm) -> None:
    """The emulator goes away altogether, and starts again at the same address."""
    other = DingTalkEmulator()
    other.load(demo_org("http://127.0.0.1:8000"))
    running = other.start()
    port = running.server.server_port
    with running_at(firm, running.url), keeping(firm.app):
        assert other.streams.wait_for(1)
        running.stop()
        assert comes(lambda: stored(firm).state == STREAM_BROKEN)
        with other.start(port):
            assert other.streams.wait_for(1)
            assert comes(lambda: stored(firm).state == STREAM_OPEN)


@contextmanager
def running_at(firm: Firm, url: str) -> Iterator[None]:
    """Point the product at another address of the host."""
    house = firm.app.extensions["wsapp"]
    before = house.settings.hosts["dingtalk"]
    house.settings.hosts["dingtalk"] = dict.fromkeys(before, url)
    house.lines.made.clear()
    try:
        yield
    finally:
        house.settings.hosts["dingtalk"] = before
        house.lines.made.clear()


def test_after_a_long_gap_the_directory_is_read_anew_once_an_hour(firm: Firm, keeper: StreamKeeper) -> None:
    def runs() -> list[Any]:
        with firm.app.app_context():
            return list(
                db.session.scalars(sa.select(Outbox).where(Outbox.kind == "directory.start").order_by(Outbox.id))
            )

    comes(lambda: stored(firm).listened_at)
    firm.emulator.streams.live()[0].cut()  # a short one: the host tells again what was missed
    comes(lambda: stored(firm).opened == 2)
    assert runs() == []
    for number in (3, 4, 5):
        with gateway_down(firm):
            missed_since(firm, clock.now() - timedelta(minutes=2))
        comes(lambda number=number: stored(firm).opened == number)
    first, second = runs()
    assert first.payload == second.payload == {"cause": "stream"}
    assert first.due_at <= clock.now() < second.due_at


@contextmanager
def gateway_down(firm: Firm) -> Iterator[None]:
    """Cut the stream, and let no other one open meanwhile."""
    firm.fault("status", api=OPEN_PATH, status=503, times=10**6)
    firm.emulator.streams.live()[0].cut()
    comes(lambda: stored(firm).state != STREAM_OPEN)
    yield
    firm.emulator.faults.clear()


def missed_since(firm: Firm, moment: datetime) -> None:
    with firm.app.app_context():
        db.session.execute(sa.update(HostStream).values(listened_at=moment))
        db.session.commit()


def test_wrong_secrets_are_tried_seldom_and_right_ones_at_once(firm: Firm, host_app: App) -> None:
    reconnect(firm, client_secret="wrong-secret-of-the-app-0001")
    slow = PACE.compressed(100, lease=2, beat=0.1, refused=PACE.refused)
    assert 3600 / slow.refused <= 6
    with keeping(firm.app, slow):
        state = comes(lambda: (one := stored(firm)).state == STREAM_REFUSED and one)
        assert "authFailed" in state.reason
        assert "wrong-secret" not in state.reason
        tries = firm.emulator.call_counts[OPEN_PATH]
        comes(lambda: stored(firm).held_until > state.held_until)  # beats go by
        assert firm.emulator.call_counts[OPEN_PATH] == tries == 1
        reconnect(firm, client_secret=host_app.client_secret)
        assert firm.emulator.streams.wait_for(1)


def test_a_corp_that_changes_its_mind_is_followed(firm: Firm, keeper: StreamKeeper) -> None:
    reconnect(firm, event_mode="http")
    assert firm.emulator.streams.wait_for(0)
    assert comes(lambda: stored(firm).holder is None)
    reconnect(firm, event_mode="stream")
    assert firm.emulator.streams.wait_for(1)
    with firm.app.app_context():
        db.session.execute(sa.update(Corp).where(Corp.id == firm.corp_id).values(enabled=False))
        db.session.commit()
    assert firm.emulator.streams.wait_for(0)


def test_a_host_that_hangs_holds_up_no_other_corps_stream(firm: Firm, keeper: StreamKeeper, host_app: App) -> None:
    firm.emulator.faults.append(Fault(OPEN_PATH, "delay", times=1, options={"seconds": 3}))
    with firm.app.app_context():
        values = {"event_mode": "stream", "client_id": "dingnobody00001", "client_secret": "nobody-secret-0001"}
        sealed = hosts.seal_credentials("dingtalk", "dinghanging", {"agent_id": "1", **values})
        org.connect_corp("dingtalk", "dinghanging", "慢吞吞公司", sealed)
        db.session.commit()
    comes(lambda: not firm.emulator.faults)
    began = clock.wall()
    assert firm.emulator.streams.call(host_app, ROBOT_TOPIC, {"msgId": "m-1", "senderStaffId": "zhouxiaoyu"})[0] == 200
    assert clock.wall() - began < timedelta(seconds=2)


# --- several processes --------------------------------------------------------------------------------------------


def test_of_two_processes_one_holds_the_stream_and_hands_it_over_when_it_stops(firm: Firm) -> None:
    streams = firm.emulator.streams
    with keeping(firm.app) as one, keeping(firm.app) as two:
        assert streams.wait_for(1)
        looks = (one.renewed_at, two.renewed_at)
        comes(lambda: one.renewed_at > looks[0] and two.renewed_at > looks[1])
        assert streams.opened == 1
        holder, follower = (one, two) if one.lines else (two, one)
        began = clock.wall()
        holder.stop()
        assert streams.wait_for(1, opened=2)
        assert clock.wall() - began < timedelta(seconds=QUICK.lease)  # it need not wait for the lease to run out
        assert comes(lambda: stored(firm).holder == follower.holder)


@pytest.mark.server
def test_when_the_holder_is_killed_another_process_takes_over(firm: Firm, tmp_path: Path) -> None:
    streams = firm.emulator.streams
    pace = json.dumps({"lease": 2, "beat": 0.2})
    command = [sys.executable, "-m", "tests.soak.processes", "streams", str(tmp_path / "data" / "config.toml"), pace]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert streams.wait_for(1)
        with keeping(firm.app) as keeper:
            comes(lambda: keeper.renewed_at)
            assert not keeper.lines
            killed = clock.wall()
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            assert streams.wait_for(1, opened=2)
            assert clock.wall() - killed < timedelta(seconds=10)
            assert comes(lambda: stored(firm).holder == keeper.holder)
    finally:
        process.kill()
        process.wait(10)


def test_who_lost_the_lease_hangs_up(firm: Firm, keeper: StreamKeeper) -> None:
    """As after a long freeze: another process has taken the stream over meanwhile."""
    with firm.app.app_context():
        until = clock.wall() + timedelta(hours=1)
        db.session.execute(sa.update(HostStream).values(holder="another", held_until=until))
        db.session.commit()
    assert firm.emulator.streams.wait_for(0)
    assert not keeper.lines


def test_who_cannot_renew_the_lease_hangs_up_when_it_has_run_out(firm: Firm, keeper: StreamKeeper) -> None:
    with without_table(firm, "host_stream"):
        assert firm.emulator.streams.wait_for(0)
    assert firm.emulator.streams.wait_for(1, opened=2)


def test_default_times_take_a_dead_holders_stream_over_within_thirty_seconds() -> None:
    assert PACE.lease + PACE.beat < 30
    assert PACE.lease > 2 * PACE.beat  # one late beat loses nothing
    assert max(PACE.pause(99) for _once in range(50)) < 30
    even = PACE.compressed(1, jitter=0)
    assert [even.pause(failures) for failures in (1, 2, 3, 9)] == [1, 2, 4, 24]
    assert even.pause(1, after=300) == 300


# --- as a worker --------------------------------------------------------------------------------------------------


@pytest.mark.server
def test_a_worker_holds_the_stream_and_lets_it_go_when_it_is_told_to_stop(firm: Firm, tmp_path: Path) -> None:
    streams = firm.emulator.streams
    command = [sys.executable, "-m", "tests.soak.processes", "worker", str(tmp_path / "data" / "config.toml"), "{}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert streams.wait_for(1)
        answer = requests.post(f"{firm.running.url}/phone/say", json={"user": "zhouxiaoyu", "text": "今天"}, timeout=20)
        assert answer.json()["status"] == 200
        comes(lambda: [one for one in firm.chat() if not one.get("mine")])  # the robot's answer
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert streams.wait_for(0)
        assert (stored(firm).holder, stored(firm).state) == (None, STREAM_WAITING)
    finally:
        process.kill()
        process.wait(10)
