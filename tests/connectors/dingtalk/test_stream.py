"""Stream mode over a real WebSocket: our own line, and the client package as its authors ship it."""

import asyncio
import json
import logging
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import dingtalk_stream
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from wsapp.connectors.base import BadCredentials, Callback, CallbackReply, TryLater
from wsapp.connectors.dingtalk import stream
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_stream import CARD_TOPIC, OPEN_PATH, ROBOT_TOPIC, event_frame
from wsapp.connectors.dingtalk.emulator_world import App
from wsapp.connectors.emulator import Fault, RunningEmulator
from wsapp.connectors.streams import NotKept

PRESS = {
    "type": "actionCallback",
    "outTrackId": "t-1",
    "userId": "wulei",
    "content": json.dumps({"cardPrivateData": {"actionIds": ["done"], "params": {}}}),
}
MESSAGE = {
    "msgId": "m-1",
    "senderStaffId": "wulei",
    "conversationType": "2",
    "msgtype": "text",
    "text": {"content": " 今天 "},
}


class Port:
    """The product's end: keeps what arrives. `failures` times it cannot, as with the database away."""

    def __init__(self) -> None:
        self.callbacks: list[Callback] = []
        self.refusals: list[str] = []
        self.opens = 0
        self.failures = 0
        self.reply = CallbackReply(b"{}")
        self.changed = threading.Condition()

    def opened(self) -> None:
        self.opens += 1

    def refused(self, reason: str) -> None:
        with self.changed:
            self.refusals.append(reason)
            self.changed.notify_all()

    async def ask(self, call: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(call)

    async def take(self, callback: Callback) -> CallbackReply:
        if self.failures:
            self.failures -= 1
            raise NotKept
        with self.changed:
            self.callbacks.append(callback)
            self.changed.notify_all()
        return self.reply

    def wait_for(self, count: int) -> list[Callback]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.callbacks) >= count, 20)
            return list(self.callbacks)

    def wait_for_refusal(self) -> str:
        with self.changed:
            assert self.changed.wait_for(lambda: self.refusals, 20)
            return self.refusals[-1]


@contextmanager
def listening(connector: DingTalkConnector, port: Port) -> Iterator["Future[None]"]:
    """Listen on an event loop of its own; the future ends as the listening does."""
    with loop_of_its_own() as loop:
        future = asyncio.run_coroutine_threadsafe(connector.listen(port), loop)
        yield future
        future.cancel()
        assert asyncio.run_coroutine_threadsafe(_left_over(), loop).result(20) == set()  # it tidies up after itself


@contextmanager
def loop_of_its_own() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop on a thread; whatever is left on it in the end is cancelled."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _left_over() -> set[Any]:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return (await asyncio.wait(others, timeout=10))[1] if others else set()


async def _end_all() -> None:
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=0.1)  # the package takes the first cancelling for a broken network


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.fixture
def line(
    make_connector: Callable[..., DingTalkConnector], emulator: DingTalkEmulator, app: App, port: Port
) -> Iterator[None]:
    """An open stream of the sample firm's app."""
    app.event_mode = "stream"
    with listening(make_connector(event_mode="stream"), port):
        assert emulator.streams.wait_for(1)
        yield


def events_of(callbacks: list[Callback]) -> list[tuple[str, tuple[str, ...]]]:
    return [(event.kind, event.userids) for callback in callbacks for event in callback.events]


# --- our own line -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("line")
def test_an_event_a_press_and_a_robot_message_arrive_and_are_acknowledged(
    emulator: DingTalkEmulator, app: App, port: Port
) -> None:
    emulator.people.change({"userid": "wulei", "action": "leave"})
    emulator.wait_for_callbacks()
    assert emulator.streams.call(app, CARD_TOPIC, {**PRESS, "corpId": app.corp.corp_id}) == (200, {})
    assert emulator.streams.call(app, ROBOT_TOPIC, MESSAGE) == (200, {})
    left, pressed, said = [callback.events[0] for callback in port.wait_for(3)]
    assert (left.kind, left.userids, left.data["event"]) == ("member.left", ("wulei",), "user_leave_org")
    assert left.id == emulator.streams.pushed[0]["headers"]["eventId"]
    assert (pressed.kind, pressed.userids, pressed.card, pressed.action) == ("card.pressed", ("wulei",), "t-1", "done")
    assert (said.kind, said.id, said.data["text"], said.data["group"]) == ("robot.message", "m-1", "今天", True)
    assert len(emulator.streams.pushed) == 3  # none had to be sent again
    assert port.opens == 1


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize("name", ["ping", "event", "robot", "card"])
def test_the_frames_of_the_protocol_are_acknowledged_as_it_says(
    emulator: DingTalkEmulator, app: App, port: Port, name: str
) -> None:
    text = (DingTalkConnector.folder / "fixtures" / "stream_frames.json").read_text(encoding="utf-8")
    frame = json.loads(text.replace("ding0123456789abcdef", app.corp.corp_id))["frames"][name]
    wanted = frame["client_ack"]
    if name == "card":
        port.reply = CallbackReply(json.dumps(json.loads(wanted["data"])["response"]).encode())
    (connection,) = emulator.streams.live(app)
    ack = connection.ask(frame["server"], 10)
    assert ack is not None
    assert (ack["code"], ack["headers"]) == (200, wanted["headers"])
    told, expected = json.loads(ack["data"]), json.loads(wanted["data"])
    expected.pop("message", None)
    assert told == expected
    if name != "ping":
        (event,) = port.callbacks[0].events
        assert event.userids == ("manager01",)
        assert event.kind == {"event": "member.changed", "robot": "robot.message", "card": "card.pressed"}[name]


@pytest.mark.usefixtures("line")
def test_the_cards_new_face_goes_back_in_the_acknowledgement(emulator: DingTalkEmulator, app: App, port: Port) -> None:
    face = {"cardUpdateOptions": {"updateCardDataByKey": True}, "cardData": {"cardParamMap": {"state": "已完成"}}}
    port.reply = CallbackReply(json.dumps(face).encode())
    assert emulator.streams.call(app, CARD_TOPIC, PRESS) == (200, face)


@pytest.mark.usefixtures("line")
def test_what_could_not_be_kept_is_told_again(emulator: DingTalkEmulator, app: App, port: Port) -> None:
    port.failures = 2
    emulator.streams.push(app, {"EventType": "user_add_org", "eventId": "e-7", "UserId": ["wulei"]}).join(20)
    assert events_of(port.callbacks) == [("member.changed", ("wulei",))]
    assert len(emulator.streams.pushed) == 3
    assert not emulator.streams.given_up
    port.failures = 1
    assert emulator.streams.call(app, CARD_TOPIC, PRESS) == (500, {})


@pytest.mark.usefixtures("line")
def test_a_message_that_comes_twice_carries_the_same_digest(emulator: DingTalkEmulator, app: App, port: Port) -> None:
    frame = event_frame(app, {"EventType": "user_add_org", "eventId": "e-8", "UserId": ["wulei"]}, 1.0)
    (connection,) = emulator.streams.live(app)
    for _again in range(2):
        assert connection.ask(frame, 5)
    emulator.streams.call(app, CARD_TOPIC, PRESS)
    emulator.streams.call(app, CARD_TOPIC, PRESS)
    first, second, *presses = port.wait_for(4)
    assert (first.digest, first.events[0].id) == (second.digest, second.events[0].id)
    assert presses[0].digest != presses[1].digest  # somebody who presses twice


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("no json", "frame"),
        ("[]", "frame"),
        ('{"type": "EVENT"}', "frame"),
        (json.dumps({"type": "EVENT", "headers": {"topic": "*", "messageId": "1"}, "data": {}, "x": 1}), None),
        (json.dumps({"type": "EVENT", "headers": {"topic": "*", "messageId": "1"}, "data": "[" * 9999}), "frame data"),
        (json.dumps({"type": "EVENT", "headers": {"time": "soon"}, "data": "{}"}), "unreadable"),
        (json.dumps({"type": "CALLBACK", "headers": {"topic": CARD_TOPIC, "messageId": "1"}, "data": "{}"}), "card"),
        (
            json.dumps({"type": "EVENT", "headers": {"topic": "*", "messageId": "1", "eventCorpId": "dingother"}}),
            "another corp",
        ),
    ],
)
def test_what_makes_no_sense_or_is_another_corps_has_no_effect(
    emulator: DingTalkEmulator, app: App, port: Port, frame: str, reason: str | None
) -> None:
    (connection,) = emulator.streams.live(app)
    connection.socket.send(frame)
    if reason:
        assert port.wait_for_refusal() == reason
    emulator.streams.push(app, {"EventType": "user_add_org", "eventId": "after", "UserId": ["wulei"]}).join(20)
    assert [event.id for callback in port.callbacks for event in callback.events][-1] == "after"
    assert len(port.callbacks) == (1 if reason else 2)
    assert emulator.streams.live(app) == [connection]  # it takes more than that to lose the connection


@pytest.mark.usefixtures("line")
def test_no_bytes_whatever_end_the_connection(
    emulator: DingTalkEmulator, app: App, port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    """Real frames with pieces cut out, doubled, swapped and replaced."""
    chance = random.Random(7)
    event = {"EventType": "user_modify_org", "eventId": "e-9", "CorpId": app.corp.corp_id, "UserId": ["wulei"]}
    good = json.dumps(event_frame(app, event, 1.0), ensure_ascii=False)
    (connection,) = emulator.streams.live(app)
    for _number in range(400):
        text = good
        for _change in range(chance.randint(1, 4)):
            start = chance.randrange(len(text))
            end = min(len(text), start + chance.randint(0, 40))
            piece = chance.choice(
                ["", '"', "}", "null", "[[[", "\\u0000", "\\ud83d", "\U0001f600", text[start:end] * 2, "9" * 400]
            )
            text = text[:start] + piece + text[end:]
        connection.socket.send(text)
    emulator.streams.push(app, {"EventType": "user_add_org", "eventId": "after", "UserId": ["wulei"]}).join(20)
    assert [event.id for callback in port.callbacks for event in callback.events][-1] == "after"
    assert emulator.streams.live(app) == [connection]
    assert emulator.streams.opened == 1
    assert len(port.refusals) > 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "wulei" not in caplog.text


@pytest.mark.usefixtures("line")
def test_it_answers_the_hosts_ping(emulator: DingTalkEmulator, app: App) -> None:
    (connection,) = emulator.streams.live(app)
    ack = emulator.streams.ping(connection)
    assert ack is not None
    assert (ack["code"], json.loads(ack["data"])) == (200, {"opaque": "p"})


@pytest.mark.usefixtures("line")
def test_it_follows_the_host_to_another_connection_before_the_old_one_closes(
    emulator: DingTalkEmulator, app: App, port: Port
) -> None:
    (old,) = emulator.streams.live(app)
    emulator.knobs["push_scale"] = 1.0  # the host closes after ten seconds
    emulator.streams.disconnect(old)
    assert emulator.streams.wait_for(1, opened=2)
    assert old in emulator.streams.lines
    assert emulator.streams.call(app, ROBOT_TOPIC, MESSAGE)[0] == 200
    assert port.opens == 2


def test_a_host_that_sends_every_connection_on_is_left_alone_for_a_while(
    make_connector: Callable[..., DingTalkConnector], emulator: DingTalkEmulator, app: App, port: Port
) -> None:
    with listening(make_connector(event_mode="stream"), port) as future:
        for number in range(1, stream.MOST_HURRIED + 2):
            assert emulator.streams.wait_for(1, opened=number)
            emulator.streams.disconnect(emulator.streams.live(app)[0])
        with pytest.raises(TryLater):
            future.result(20)
    assert port.opens == stream.MOST_HURRIED + 1


def test_the_end_of_the_connection_is_told(
    make_connector: Callable[..., DingTalkConnector], emulator: DingTalkEmulator, app: App, port: Port
) -> None:
    with listening(make_connector(event_mode="stream"), port) as future:
        assert emulator.streams.wait_for(1)
        emulator.streams.live(app)[0].cut()
        with pytest.raises(TryLater):
            future.result(20)


def test_a_connection_that_hangs_is_given_up(
    make_connector: Callable[..., DingTalkConnector],
    emulator: DingTalkEmulator,
    app: App,
    port: Port,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "PING_EVERY", 0.1)
    monkeypatch.setattr(stream, "PONG_WITHIN", 0.1)
    with listening(make_connector(event_mode="stream"), port) as future:
        assert emulator.streams.wait_for(1)
        (connection,) = emulator.streams.live(app)
        # The host reads no more, and does not hang up either.
        with connection.socket.protocol_mutex, pytest.raises(TryLater):
            future.result(20)


def test_wrong_secrets_are_no_reason_to_try_on(make_connector: Callable[..., DingTalkConnector], port: Port) -> None:
    connector = make_connector(event_mode="stream", client_secret="wrong-secret-0001")
    with listening(connector, port) as future, pytest.raises(BadCredentials) as caught:
        future.result(20)
    assert caught.value.code == "authFailed"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(OPEN_PATH, "status", options={"status": 503}),
        Fault(OPEN_PATH, "html"),
        Fault(OPEN_PATH, "reset_before"),
        Fault(OPEN_PATH, "truncate"),
        Fault(OPEN_PATH, "status", options={"status": 200, "body": '{"endpoint":"ws://127.0.0.1:9/x","ticket":"t1"}'}),
        Fault(OPEN_PATH, "status", options={"status": 200, "body": '{"endpoint":"http://127.0.0.1/","ticket":"t1"}'}),
        Fault(OPEN_PATH, "status", options={"status": 200, "body": '{"endpoint":"ws://127.0.0.1:9/x"}'}),
    ],
    ids=lambda fault: f"{fault.fault}-{fault.options.get('body', '')[:20]}",
)
def test_a_gateway_in_trouble_is_tried_again_later(
    make_connector: Callable[..., DingTalkConnector], emulator: DingTalkEmulator, port: Port, fault: Fault
) -> None:
    fault.times = 1
    emulator.faults.append(fault)
    with listening(make_connector(event_mode="stream"), port) as future, pytest.raises(TryLater):
        future.result(20)


def test_an_unencrypted_endpoint_is_refused_where_the_host_is_reached_encrypted() -> None:
    answer = {"endpoint": "ws://127.0.0.1/connect", "ticket": "0123456789"}
    with pytest.raises(TryLater):
        stream._address(answer, allow_plain=False)
    answer["endpoint"] = "wss://wss-open-connection.dingtalk.com:443/connect"
    address = stream._address({**answer, "ticket": "a b/+"}, allow_plain=False)
    assert address == "wss://wss-open-connection.dingtalk.com:443/connect?ticket=a+b%2F%2B"


def test_neither_logs_nor_errors_hold_a_ticket_or_the_secret(
    make_connector: Callable[..., DingTalkConnector],
    running: RunningEmulator,
    app: App,
    port: Port,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At DEBUG, too, where the libraries would write their handshakes."""
    caplog.set_level(logging.DEBUG)
    emulator = running.emulator
    assert isinstance(emulator, DingTalkEmulator)
    seen: list[str] = []
    take = emulator.streams._ticket

    def noted(body: Any) -> dict[str, Any]:
        answer = take(body)
        seen.append(answer["ticket"])
        return answer

    emulator.streams._ticket = noted  # type: ignore[method-assign]
    with listening(make_connector(event_mode="stream"), port) as future:
        assert emulator.streams.wait_for(1)
        emulator.streams.call(app, ROBOT_TOPIC, {**MESSAGE, "text": {"content": "绝密报价"}})
        running.stop()
        with pytest.raises(TryLater) as caught:
            future.result(20)
    assert seen
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    words = "\n".join(record.getMessage() + str(record.exc_info or "") for record in ours) + str(caught.value)
    for secret in (*seen, app.client_secret, "绝密报价"):
        assert secret not in words


# --- the gateway itself -------------------------------------------------------------------------------------------


def ticket_for(running: RunningEmulator, app: App, **body: Any) -> requests.Response:
    wanted = {
        "clientId": app.client_id,
        "clientSecret": app.client_secret,
        "subscriptions": [{"type": "EVENT", "topic": "*"}],
        **body,
    }
    return requests.post(running.url + OPEN_PATH, json=wanted, timeout=10)


def test_a_ticket_works_once_and_for_ninety_seconds(running: RunningEmulator, app: App) -> None:
    given = ticket_for(running, app).json()
    address = f"{given['endpoint']}?ticket={given['ticket']}"
    with connect(address, proxy=None):
        pass
    late = ticket_for(running, app).json()
    running.emulator.clock.offset = 91
    for bad in (address, f"{late['endpoint']}?ticket={late['ticket']}", f"{given['endpoint']}?ticket=forged"):
        with pytest.raises(InvalidStatus) as refused:
            connect(bad, proxy=None)
        assert refused.value.response.status_code == 401
    assert running.emulator.streams.refused == 3  # type: ignore[attr-defined]


def test_the_gateway_wants_key_secret_and_known_topics(running: RunningEmulator, app: App) -> None:
    wrong = ticket_for(running, app, clientSecret="x")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "authFailed")
    assert ticket_for(running, app, subscriptions=[]).status_code == 400
    assert ticket_for(running, app, subscriptions=[{"type": "EVENT", "topic": "user_add_org"}]).status_code == 400


# --- the package as it is -----------------------------------------------------------------------------------------


class Noted(dingtalk_stream.EventHandler):
    def __init__(self, arrived: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.arrived = arrived

    async def process(self, event: dingtalk_stream.EventMessage) -> tuple[int, str]:
        self.arrived.append((event.headers.event_type, event.data["userId"]))
        return dingtalk_stream.AckMessage.STATUS_OK, "OK"


class Pressed(dingtalk_stream.CallbackHandler):
    def __init__(self, arrived: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.arrived = arrived

    async def process(self, callback: dingtalk_stream.CallbackMessage) -> tuple[int, dict[str, Any]]:
        card = dingtalk_stream.CardCallbackMessage.from_dict(callback.data)
        self.arrived.append((card.card_instance_id, card.content["cardPrivateData"]["actionIds"]))
        return dingtalk_stream.AckMessage.STATUS_OK, {"cardData": {"cardParamMap": {"state": "已完成"}}}


class Heard(dingtalk_stream.ChatbotHandler):
    def __init__(self, arrived: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.arrived = arrived

    async def process(self, callback: dingtalk_stream.CallbackMessage) -> tuple[int, str]:
        said = dingtalk_stream.ChatbotMessage.from_dict(callback.data)
        self.arrived.append((said.sender_staff_id, said.text.content.strip()))
        return dingtalk_stream.AckMessage.STATUS_OK, "OK"


def test_the_client_package_itself_connects_and_exchanges_everything(
    running: RunningEmulator, emulator: DingTalkEmulator, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of ours in between: it opens, acknowledges, presses get answers, and it comes back after a disconnect."""
    app.event_mode = "stream"
    monkeypatch.setattr(dingtalk_stream.DingTalkStreamClient, "OPEN_CONNECTION_API", running.url + OPEN_PATH)
    monkeypatch.setattr(dingtalk_stream.DingTalkStreamClient, "get_host_ip", lambda self: "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "*")
    arrived: list[tuple[str, Any]] = []
    client = dingtalk_stream.DingTalkStreamClient(dingtalk_stream.Credential(app.client_id, app.client_secret))
    client.register_all_event_handler(Noted(arrived))
    client.register_callback_handler(CARD_TOPIC, Pressed(arrived))
    client.register_callback_handler(ROBOT_TOPIC, Heard(arrived))
    with loop_of_its_own() as loop:
        asyncio.run_coroutine_threadsafe(client.start(), loop)
        assert emulator.streams.wait_for(1)
        emulator.people.change({"userid": "wulei", "action": "update", "title": "经理"})
        emulator.wait_for_callbacks()
        assert emulator.streams.call(app, CARD_TOPIC, PRESS)[1]["cardData"]["cardParamMap"]["state"] == "已完成"
        assert emulator.streams.call(app, ROBOT_TOPIC, MESSAGE)[0] == 200
        assert arrived == [("user_modify_org", ["wulei"]), ("t-1", ["done"]), ("wulei", "今天")]
        assert len(emulator.streams.pushed) == 3
        assert emulator.streams.ping(emulator.streams.live(app)[0])
        emulator.streams.disconnect(emulator.streams.live(app)[0])
        assert emulator.streams.wait_for(1, opened=2)
