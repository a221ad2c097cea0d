"""Stream mode (Stream 推送): a WebSocket that we open, over which events, card presses and robot messages come.

The client package `dingtalk-stream` knows the frames: it reads them, finds the handler and writes the
acknowledgement. What surrounds that is our own. The package waits without end for the host's answer, at fixed pauses
and for good; it logs tickets and whole messages; after an error in a handler it acknowledges nothing; and it hangs up
before the next connection stands, which loses messages to the robot, for the host sends those once.

Protocol: open.dingtalk.com/document/development/introduction-to-stream-mode and the frames in dingtalk-stream 0.24.3.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus, urlsplit

from dingtalk_stream import (
    AckMessage,
    CallbackHandler,
    CallbackMessage,
    ChatbotMessage,
    Credential,
    DingTalkStreamClient,
    EventHandler,
    EventMessage,
)
from dingtalk_stream.frames import Headers
from dingtalk_stream.version import VERSION_STRING
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from wsapp.connectors.base import Account, BadCallback, Callback, CallbackReply, HostEvent, TryLater
from wsapp.connectors.dingtalk.calls import Calls
from wsapp.connectors.dingtalk.codes import NOT_UNDERSTOOD, as_text
from wsapp.connectors.dingtalk.events import card_event, host_event, robot_event
from wsapp.connectors.http import parse_object
from wsapp.connectors.streams import NotKept, StreamPort
from wsapp.logs import register_secret

OPEN_PATH = "/v1.0/gateway/connections/open"
ROBOT_TOPIC = ChatbotMessage.TOPIC
CARD_TOPIC = CallbackHandler.TOPIC_CARD_CALLBACK

MAX_TICKET = 2000
MAX_FRAME = 1024 * 1024
AT_ONCE = 4  # messages of one connection under way; the next ones wait unread, at the host's end
OPEN_SECONDS = 10
# A connection that died without a word is noticed within both together.
PING_EVERY, PONG_WITHIN = 10, 10
# The host closes a connection about ten seconds after it said so; what is under way has until then.
RETIRE_SECONDS = 12
LAST_WORDS_SECONDS = 3
SETTLED_SECONDS = 30
MOST_HURRIED = 3  # connections in a row that the host may send on sooner than that, before we pause

logger = logging.getLogger(__name__)
# What both packages are given to log to: their own loggers would write tickets and what people say.
SILENT = logging.getLogger(f"{__name__}.silent")
SILENT.disabled = True


async def listen(account: Account, calls: Calls, port: StreamPort) -> None:
    """Keep one connection open, and follow the host to the next one when it asks for it.

    Raises TryLater when the connection ended or did not open, BadCredentials when the app's key or secret is wrong.
    """
    current = await Connection.to_host(account, calls, port)
    retiring: list[Connection] = []
    hurried = 0
    try:
        while True:
            port.opened()
            began = time.monotonic()
            await current.ended_or_leaving()
            hurried = hurried + 1 if time.monotonic() - began < SETTLED_SECONDS else 0
            if hurried > MOST_HURRIED:
                raise TryLater("the host sends every stream on at once", code="disconnect")
            retiring = [one for one in retiring if not one.reader.done()]
            following = await Connection.to_host(account, calls, port)
            current.retire()
            retiring.append(current)
            current = following
    finally:
        await asyncio.gather(*(one.close() for one in [current, *retiring]), return_exceptions=True)


class Connection(DingTalkStreamClient):
    """One connection, from its ticket to its end. The package's client, with our own ways in and out."""

    websocket: ClientConnection
    reader: "asyncio.Task[None]"

    def __init__(self, account: Account, calls: Calls, port: StreamPort) -> None:
        super().__init__(Credential(account["client_id"], account["client_secret"]), logger=SILENT)
        self.calls = calls
        self.port = port
        self.leaving = asyncio.Event()
        self.room = asyncio.Semaphore(AT_ONCE)
        self.under_way: set[asyncio.Task[None]] = set()
        self.closing: asyncio.Task[None] | None = None
        self.register_all_event_handler(Events(account, port))
        self.register_callback_handler(CARD_TOPIC, Presses(account, port))
        self.register_callback_handler(ROBOT_TOPIC, RobotMessages(account, port))

    @classmethod
    async def to_host(cls, account: Account, calls: Calls, port: StreamPort) -> "Connection":
        """Open a connection: a ticket over HTTP, then the WebSocket. Raises TryLater, BadCredentials."""
        made = cls(account, calls, port)
        made.websocket = await _connect(await port.ask(made.open_connection))
        made.reader = asyncio.create_task(made._read())
        return made

    def open_connection(self) -> str:
        """POST /v1.0/gateway/connections/open; returns the address to connect to, with its ticket. Blocking.

        The ticket lives for 90 s and for one connection.
        """
        topics = [{"type": "EVENT", "topic": "*"}]
        topics += [{"type": "CALLBACK", "topic": topic} for topic in self.callback_handler_map]
        body = {
            "clientId": self.credential.client_id,
            "clientSecret": self.credential.client_secret,
            "subscriptions": topics,
            "ua": f"dingtalk-sdk-python/v{VERSION_STRING}-union",
        }
        answer = self.calls.plain(OPEN_PATH, body)
        return _address(answer, allow_plain=self.calls.api_base.startswith("http://"))

    # --- life ------------------------------------------------------------------------------------------------

    async def ended_or_leaving(self) -> None:
        """Return when the host asks us to leave for another connection. Raises TryLater when this one ended."""
        leaving = asyncio.create_task(self.leaving.wait())
        try:
            await asyncio.wait({self.reader, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
        if not self.leaving.is_set():
            raise TryLater("the host closed the stream", code=_close_code(self.websocket))

    def retire(self) -> None:
        """Let the host close this connection, in the time that it gives itself."""
        self.closing = asyncio.create_task(self._wait_and_close())

    async def _wait_and_close(self) -> None:
        await asyncio.wait({self.reader}, timeout=RETIRE_SECONDS)
        await self.close()

    async def close(self) -> None:
        """Stop reading, let what is under way be acknowledged, and hang up."""
        if self.closing is not None and self.closing is not asyncio.current_task():
            self.closing.cancel()
        self.reader.cancel()
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=LAST_WORDS_SECONDS)
        for task in self.under_way:
            task.cancel()
        await self.websocket.close()

    # --- messages --------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for raw in self.websocket:
                await self.room.acquire()
                task = asyncio.create_task(self._handle(raw))
                self.under_way.add(task)
                task.add_done_callback(self.under_way.discard)

    async def _handle(self, raw: str | bytes) -> None:
        """Have the package route one frame. Whatever is wrong with a frame ends here, and not the connection."""
        try:
            if await self.route_message(_frame(raw)) == self.TAG_DISCONNECT:
                self.leaving.set()
        except BadCallback as error:
            self.port.refused(error.reason)
        except ConnectionClosed:
            pass  # not acknowledged: the host tells it again
        except Exception as error:  # noqa: BLE001 - the texts of errors may repeat what people wrote
            self.port.refused("unreadable")
            logger.warning("dingtalk stream: a frame could not be read: %s", type(error).__name__)
        finally:
            self.room.release()


# --- what arrives -------------------------------------------------------------------------------------------------


class Events(EventHandler):
    """Events of the organisation. The package answers with the event itself, the host wants a status."""

    def __init__(self, account: Account, port: StreamPort) -> None:
        super().__init__()
        self.account = account
        self.port = port

    async def raw_process(self, event_message: EventMessage) -> AckMessage:
        headers = event_message.headers
        ack = AckMessage()
        ack.headers.message_id = headers.message_id
        ack.headers.content_type = Headers.CONTENT_TYPE_APPLICATION_JSON
        ack.message = "OK"
        ack.data = {"status": "SUCCESS"}
        try:
            await self.port.take(self._read(event_message))
        except BadCallback as error:
            self.port.refused(error.reason)  # and acknowledged: it would only come again
        except NotKept:
            ack.data = {"status": "LATER", "message": "try again"}
        return ack

    def _read(self, message: EventMessage) -> Callback:
        headers = message.headers
        told = {"eventType": headers.event_type, "eventId": headers.event_id, "corpId": headers.event_corp_id}
        whole = {**message.data, **{name: value for name, value in told.items() if value}}
        event = host_event(self.account, whole, _digest(message.data))
        return Callback(_digest(message.data, headers), (event,), CallbackReply())


class _Callbacks(CallbackHandler):
    """Messages that want an answer, and which the host sends once."""

    def __init__(self, account: Account, port: StreamPort) -> None:
        super().__init__()
        self.account = account
        self.port = port

    async def process(self, message: CallbackMessage) -> tuple[int, dict[str, Any]]:
        """Return the code of the acknowledgement and the answer in it."""
        try:
            reply = await self.port.take(self.read(message))
        except BadCallback as error:
            self.port.refused(error.reason)
            return AckMessage.STATUS_BAD_REQUEST, {}
        except NotKept:
            return AckMessage.STATUS_SYSTEM_EXCEPTION, {}
        return AckMessage.STATUS_OK, parse_object(reply.body) or {}

    def read(self, message: CallbackMessage) -> Callback:
        digest = _digest(message.data, message.headers)
        return Callback(digest, (self.event(message.data, digest),), CallbackReply(b"{}", "application/json"))

    def event(self, data: Mapping[str, Any], digest: str) -> HostEvent:
        raise NotImplementedError


class Presses(_Callbacks):
    """Presses of a card's buttons; the card's new face goes back in the acknowledgement."""

    def event(self, data: Mapping[str, Any], digest: str) -> HostEvent:
        return card_event(self.account, data, digest)


class RobotMessages(_Callbacks):
    """What people write to the app's robot."""

    def event(self, data: Mapping[str, Any], digest: str) -> HostEvent:
        return robot_event(self.account, data)


def _frame(raw: str | bytes) -> dict[str, Any]:
    """Return a frame that the package can read. Raises BadCallback."""
    frame = parse_object(raw if isinstance(raw, bytes) else raw.encode())
    if frame is None or not isinstance(frame.get("headers"), dict):
        raise BadCallback("frame")
    # What it carries is JSON within JSON, read by the package with no bound of its own.
    if (data := frame.get("data")) and (not isinstance(data, str) or parse_object(data.encode()) is None):
        raise BadCallback("frame data")
    return frame


def _digest(data: Mapping[str, Any], headers: Headers | None = None) -> str:
    """Return what recognises a message that comes again: with its id when `headers` are given, else its content."""
    told = json.dumps(data, sort_keys=True, ensure_ascii=False)
    which = f"{headers.topic}\n{headers.message_id}\n" if headers else ""
    return hashlib.sha256(f"{which}{told}".encode()).hexdigest()


# --- connecting ---------------------------------------------------------------------------------------------------


def _address(answer: Mapping[str, Any], *, allow_plain: bool) -> str:
    """Return the WebSocket's address out of the host's answer; unencrypted only where our way to the host is, too."""
    endpoint, ticket = as_text(answer.get("endpoint"), 500), as_text(answer.get("ticket"), MAX_TICKET)
    parts = urlsplit(endpoint)
    is_good = parts.scheme == "wss" or (parts.scheme == "ws" and allow_plain)
    if not (is_good and parts.hostname and ticket) or parts.query or parts.username:
        raise TryLater("the answer names no usable endpoint", code=NOT_UNDERSTOOD)
    register_secret(ticket)
    return f"{endpoint}?ticket={quote_plus(ticket)}"


async def _connect(address: str) -> ClientConnection:
    """Connect. Raises TryLater; neither it nor anything logged carries the address, which holds the ticket."""
    try:
        return await connect(
            address,
            open_timeout=OPEN_SECONDS,
            ping_interval=PING_EVERY,
            ping_timeout=PONG_WITHIN,
            close_timeout=LAST_WORDS_SECONDS,
            max_size=MAX_FRAME,
            max_queue=AT_ONCE,
            proxy=None,
            logger=SILENT,
        )
    except InvalidStatus as error:
        raise TryLater("the host refused the stream", code=f"HTTP {error.response.status_code}") from None
    except TimeoutError:
        raise TryLater("the host did not open the stream in time", code="connect_timeout") from None
    except (OSError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
        raise TryLater("the stream could not be opened", code=type(error).__name__) from None


def _close_code(websocket: ClientConnection) -> str:
    return str(websocket.close_code or "closed")
