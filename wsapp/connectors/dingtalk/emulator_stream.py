"""Stream mode of the emulator: tickets, a real WebSocket, events pushed until acknowledged, calls that want an answer.

Timing of redelivery is not published; it is that of the HTTP push (10 s and 30 s). Card presses and robot messages are
sent once. With several connections of one app, each message goes to any one of them.
"""

import json
import random
import secrets
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from flask import Response, request
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from wsapp.connectors.dingtalk.emulator_gate import json_response, new_error, read_body
from wsapp.connectors.dingtalk.emulator_world import App, HostError

if TYPE_CHECKING:
    from websockets.http11 import Request as Handshake
    from websockets.http11 import Response as Refusal

    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

OPEN_PATH, CONNECT_PATH = "/v1.0/gateway/connections/open", "/connect"
ROBOT_TOPIC, CARD_TOPIC = "/v1.0/im/bot/messages/get", "/v1.0/card/instances/callback"
TOPICS = {("EVENT", "*"), ("CALLBACK", ROBOT_TOPIC), ("CALLBACK", CARD_TOPIC)}
TICKET_LIFE = 90
ACK_SECONDS, ANSWER_SECONDS = 3.0, 2.0
PAUSES = (10.0, 30.0)
LEAVE_SECONDS = 10.0
PING_SECONDS = 60


@dataclass
class Ticket:
    app: App
    topics: frozenset[tuple[str, str]]
    until: float


@dataclass(eq=False)
class Line:
    """One open connection of an app."""

    app: App
    topics: frozenset[tuple[str, str]]
    socket: ServerConnection
    waiting: "dict[str, Future[dict[str, Any]]]" = field(default_factory=dict)
    leaving: bool = False

    def ask(self, frame: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Send a frame and return its acknowledgement, None when none came in time."""
        answer: Future[dict[str, Any]] = Future()
        message_id = frame["headers"]["messageId"]
        self.waiting[message_id] = answer
        try:
            self.socket.send(json.dumps(frame, ensure_ascii=False))
            return answer.result(seconds)
        except (ConnectionClosed, NoAnswer, OSError):
            return None
        finally:
            self.waiting.pop(message_id, None)

    def listen(self) -> None:
        """Match what the app sends with what waits for it, until the connection ends."""
        with suppress(ConnectionClosed):
            for raw in self.socket:
                try:
                    ack = json.loads(raw)
                    answer = self.waiting.get(ack["headers"]["messageId"])
                except (ValueError, KeyError, TypeError):
                    continue
                if answer is not None and not answer.done():
                    answer.set_result(ack)

    def cut(self) -> None:
        """Hang up without a word."""
        with suppress(OSError):
            self.socket.socket.shutdown(2)


class Streams:
    """The gateway of one emulator. Its WebSocket server starts with the first ticket, on a port of its own."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.tickets: dict[str, Ticket] = {}
        self.lines: list[Line] = []
        self.changed = threading.Condition()
        self.server: Server | None = None
        self.opened = 0  # connections so far
        self.refused = 0  # connections with a ticket that is unknown, used or too old
        self.pushed: list[dict[str, Any]] = []  # every frame that was sent or tried
        self.given_up: list[dict[str, Any]] = []

    # --- life ------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        self.tickets.clear()
        for line in self.live():
            line.cut()
        self.pushed.clear()
        self.given_up.clear()
        self.opened = self.refused = 0

    def close(self) -> None:
        """End the WebSocket server and every connection, as when the host goes away."""
        with self.changed:
            server, self.server = self.server, None
        if server is not None:
            server.shutdown()
        for line in self.live():
            line.cut()

    def live(self, app: App | None = None) -> list[Line]:
        """The connections that take messages."""
        with self.changed:
            return [one for one in self.lines if (app is None or one.app is app) and not one.leaving]

    def wait_for(self, count: int, *, opened: int = 0, timeout: float = 20) -> bool:
        """Wait until exactly `count` connections take messages, after at least `opened` were ever made."""
        with self.changed:
            return self.changed.wait_for(
                lambda: self.opened >= opened and sum(not one.leaving for one in self.lines) == count, timeout
            )

    # --- opening ---------------------------------------------------------------------------------------------

    def open(self) -> Response:
        """POST /v1.0/gateway/connections/open: no token, the app's key and secret stand in the body."""
        try:
            return json_response(self._ticket(read_body()))
        except HostError as error:
            return new_error(error)

    def _ticket(self, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            app = self.emulator.world.app_by_secret(body.get("clientId"), body.get("clientSecret"), "authFailed")
        except HostError:
            raise HostError("authFailed", "鉴权失败", status=401) from None
        if app.ips and request.remote_addr not in app.ips:
            raise HostError("Forbidden.AccessDenied.IpNotInWhiteList", f"访问ip不在白名单之中 appKey({app.client_id})")
        wanted = body.get("subscriptions")
        rows = [one for one in wanted if isinstance(one, dict)] if isinstance(wanted, list) else []
        topics = frozenset((str(one.get("type")), str(one.get("topic"))) for one in rows)
        if not topics or not topics <= TOPICS:
            raise HostError("paramError", "subscriptions不合法")
        ticket = secrets.token_hex(20)
        with self.changed:
            self.tickets[ticket] = Ticket(app, topics, self.emulator.clock.time() + TICKET_LIFE)
        return {"endpoint": f"ws://{self._address()}{CONNECT_PATH}", "ticket": ticket}

    def _address(self) -> str:
        """Where the WebSocket listens: the interface on which the caller came, a port of its own."""
        here = request.environ["werkzeug.socket"].getsockname()[0]
        with self.changed:
            if self.server is None:
                self.server = serve(
                    self._connected, here, 0, process_request=self._admit, ping_interval=PING_SECONDS, close_timeout=2
                )
                threading.Thread(target=self.server.serve_forever, daemon=True, name="dingtalk-stream").start()
            port = self.server.socket.getsockname()[1]
        return f"{here}:{port}"

    def _admit(self, connection: ServerConnection, handshake: "Handshake") -> "Refusal | None":
        """Let a connection in for one ticket that was not used and is not too old."""
        address = urlsplit(handshake.path)
        given = parse_qs(address.query).get("ticket", [""])[0]
        with self.changed:
            ticket = self.tickets.pop(given, None)
        if address.path != CONNECT_PATH or ticket is None or self.emulator.clock.time() > ticket.until:
            self.refused += 1
            return connection.respond(401, "invalid ticket\n")
        connection.ticket = ticket  # type: ignore[attr-defined]
        return None

    def _connected(self, connection: ServerConnection) -> None:
        ticket: Ticket = connection.ticket  # type: ignore[attr-defined]
        line = Line(ticket.app, ticket.topics, connection)
        with self.changed:
            self.lines.append(line)
            self.opened += 1
            self.changed.notify_all()
        try:
            line.listen()
        finally:
            with self.changed:
                self.lines.remove(line)
                self.changed.notify_all()

    # --- messages --------------------------------------------------------------------------------------------

    def push(self, app: App, event: Mapping[str, Any]) -> threading.Thread:
        """Push an event from a thread of its own until it is acknowledged: at once, after 10 s, after 30 s."""
        scale = self.emulator.knobs["push_scale"]
        frame = event_frame(app, event, self.emulator.clock.time())

        def tell() -> None:
            for pause in (*PAUSES, None):
                if _is_done(self._send(app, frame, ACK_SECONDS * min(1.0, max(scale, 0.4)))):
                    return
                if pause is not None:
                    time.sleep(pause * scale)
            self.given_up.append(frame)

        thread = threading.Thread(target=tell, daemon=True, name="dingtalk-stream-event")
        with self.emulator.lock:
            alive = [one for one in self.emulator.callback_threads if one.is_alive()]
            self.emulator.callback_threads = [*alive, thread]
        thread.start()
        return thread

    def call(self, app: App, topic: str, data: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Send a card press or a robot message, once; returns the code of the answer (0: none came) and the answer."""
        headers = {"topic": topic, "messageId": secrets.token_hex(12)}
        frame = _frame("CALLBACK", headers, data, self.emulator.clock.time())
        seconds = self.emulator.knobs["press_seconds"] if topic == CARD_TOPIC else ANSWER_SECONDS
        ack = self._send(app, frame, seconds)
        if ack is None:
            return 0, {}
        try:
            response = json.loads(ack.get("data") or "{}").get("response")
        except (ValueError, AttributeError):
            response = None
        return int(ack.get("code") or 0), response if isinstance(response, dict) else {}

    def _send(self, app: App, frame: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        kind = (frame["type"], frame["headers"]["topic"])
        self.pushed.append(frame)
        lines = [one for one in self.live(app) if kind in one.topics]
        return random.choice(lines).ask(frame, seconds) if lines else None

    # --- the platform's own messages -------------------------------------------------------------------------

    def ping(self, line: Line) -> dict[str, Any] | None:
        """Ask whether the app is there; it sends back what it got."""
        frame = _frame("SYSTEM", {"topic": "ping", "messageId": secrets.token_hex(12)}, {"opaque": "p"}, 0)
        return line.ask(frame, ACK_SECONDS)

    def disconnect(self, line: Line) -> None:
        """Tell the app to open another connection; this one takes no message any more, and closes after a while."""
        line.leaving = True
        with self.changed:
            self.changed.notify_all()
        headers = {"topic": "disconnect", "messageId": secrets.token_hex(12)}
        line.socket.send(json.dumps(_frame("SYSTEM", headers, {"reason": "connection is expired"}, 0)))
        seconds = LEAVE_SECONDS * self.emulator.knobs["push_scale"]
        timer = threading.Timer(seconds, line.socket.close)
        timer.daemon = True
        timer.start()

    def switch(self) -> Response | tuple[Response, int]:
        """POST /_emulator/stream {"do": "disconnect" | "cut", "mode": "stream" | "http", "client_id"}: all optional."""
        body = request.get_json(force=True, silent=True) or {}
        apps = [one for key, one in self.emulator.world.apps.items() if body.get("client_id") in (None, key)]
        for app in apps:
            if body.get("mode") in ("stream", "http"):
                app.event_mode = body["mode"]
            for line in self.live(app):
                if body.get("do") == "disconnect":
                    self.disconnect(line)
                elif body.get("do") == "cut":
                    line.cut()
        with self.changed:
            return json_response({"open": len(self.lines), "opened": self.opened, "refused": self.refused})


def _is_done(ack: Mapping[str, Any] | None) -> bool:
    """Say whether an acknowledgement ends the pushing: LATER, and any code but 200, asks for the event again."""
    if ack is None or ack.get("code") != 200:
        return False
    try:
        return bool(json.loads(ack.get("data") or "{}").get("status") != "LATER")
    except (ValueError, AttributeError):
        return True


def event_frame(app: App, event: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return the frame of an event as HTTP push has it: what is common goes to the headers, names begin small."""
    common = {"EventType": "eventType", "eventId": "eventId", "CorpId": "eventCorpId", "EventTime": "eventBornTime"}
    headers = {name: str(event[old]) for old, name in common.items() if old in event}
    data = {key[0].lower() + key[1:]: value for key, value in event.items() if key not in common}
    headers |= {"topic": "*", "messageId": secrets.token_hex(12), "eventUnifiedAppId": f"app-{app.agent_id}"}
    return _frame("EVENT", headers, data, now)


def _frame(kind: str, headers: Mapping[str, str], data: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {
        "specVersion": "1.0",
        "type": kind,
        "headers": {"contentType": "application/json", "time": str(int(now * 1000)), **headers},
        "data": json.dumps(data, ensure_ascii=False),
    }
