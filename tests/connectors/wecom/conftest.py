"""A corp, its connector, the emulated host and a door for callbacks; all real servers on free ports."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from wsapp.connectors.base import Account, BadCallback, Callback, CallbackRequest, Message
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.http import HttpTransport
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator import WeComEmulator, demo_corp, demo_org

FIXTURES = Path(__file__).parents[3] / "wsapp/connectors/wecom/fixtures"


class MemoryTokens:
    """The simplest token store that keeps the promise of `TokenStore`: one fetch at a time, `stale` fetches anew."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lock = threading.RLock()

    def get(self, kind: str, fetch: Callable[[], tuple[str, float]], *, stale: str = "") -> str:
        with self.lock:
            if kind not in self.values or self.values[kind] == stale:
                self.values[kind] = fetch()[0]
            return self.values[kind]


class Door:
    """The product's callback addresses, without the product: reads with the connector and answers as it says."""

    def __init__(self) -> None:
        self.connector: WeComConnector | None = None
        self.seen: list[Callback | BadCallback] = []
        self.queries: list[dict[str, list[str]]] = []
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []  # what to answer instead, one per request
        self.reply: bytes | None = None
        self.files: dict[str, bytes] = {}
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                door.handle(self)

            def do_POST(self) -> None:
                door.handle(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        query = parse_qs(parts.query, keep_blank_values=True)
        self.queries.append(query)
        self.bodies.append(body)
        if parts.path in self.files:
            self._send(handler, 200, self.files[parts.path])
            return
        status, answer = self._read(CallbackRequest(parts.path.rsplit("/", 1)[1], handler.command, query, {}, body))
        status = self.statuses.pop(0) if self.statuses else status
        answer = answer if self.reply is None else self.reply
        self._send(handler, status, answer)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, answer: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _read(self, request: CallbackRequest) -> tuple[int, bytes]:
        assert self.connector is not None
        try:
            callback = self.connector.read_callback(request)
        except BadCallback as error:
            self.seen.append(error)
            return 403, b""
        self.seen.append(callback)
        return callback.reply.status, callback.reply.body

    @property
    def events(self) -> list[Any]:
        return [event for callback in self.seen if isinstance(callback, Callback) for event in callback.events]


class Host:
    """The running emulator with its switches at hand."""

    def __init__(self, emulator: WeComEmulator, running: RunningEmulator) -> None:
        self.emulator = emulator
        self.url = running.url

    def post(self, path: str, body: Any) -> Any:
        return requests.post(self.url + path, json=body, timeout=60).json()

    def fault(self, api: str, fault: str, **options: Any) -> None:
        path = api if api == "*" else f"/cgi-bin/{api}"
        self.post("/_emulator/faults", {"api": path, "fault": fault, **options})

    def knobs(self, **values: Any) -> None:
        found = self.post("/_emulator/knobs", values)
        assert "unknown" not in found

    def advance(self, **time: float) -> None:
        seconds = time.get("seconds", 0) + 60 * time.get("minutes", 0) + 3600 * time.get("hours", 0)
        self.post("/_emulator/clock", {"advance": seconds})

    def calls(self, api: str) -> int:
        counts = requests.get(self.url + "/_emulator/calls", timeout=10).json()["counts"]
        return int(counts.get(f"/cgi-bin/{api}", 0))

    def shown(self, user: str = "") -> list[dict[str, Any]]:
        """What people really see: deliveries that were not dropped."""
        found = requests.get(self.url + "/_emulator/chats", params={"user": user}, timeout=30).json()["items"]
        return [one for one in found if not one["dropped"]]

    def code_for(self, user: str, connector: WeComConnector, *, web: bool = False) -> str:
        """Sign in as the client would and return the code that comes back."""
        back, state = f"{connector.public_url}/signin/return?corp=1", "0123456789abcdef"
        url = connector.web_sign_in(back, state) if web else connector.silent_sign_in(back, state).redirect
        answer = requests.get(url.split("#")[0] + f"&user={user}", allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert query["state"] == [state]
        assert query["corp"] == ["1"]
        return query["code"][0]


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def host(door: Door) -> Iterator[Host]:
    emulator = WeComEmulator()
    emulator.load(demo_org(door.url))
    emulator.knobs["callback_pause"] = 0.01
    with emulator.start() as running:
        yield Host(emulator, running)
        emulator.wait_for_callbacks()


@pytest.fixture
def tokens() -> MemoryTokens:
    return MemoryTokens()


@pytest.fixture
def make(host: Host, door: Door, tokens: MemoryTokens) -> Callable[..., WeComConnector]:
    """Make a connector for the sample firm; keyword arguments override its settings."""

    def make_connector(**values: Any) -> WeComConnector:
        corp = {**demo_corp(), **values}
        return WeComConnector(
            Account(corp["corp_id"], corp["name"], corp),
            bases={"api_base": host.url, "oauth_base": host.url, "login_base": host.url},
            http=HttpTransport(),
            tokens=tokens,
            now=lambda: datetime.fromtimestamp(host.emulator.clock.time(), UTC),
            public_url=door.url,
        )

    return make_connector


@pytest.fixture
def connector(make: Callable[..., WeComConnector], door: Door) -> WeComConnector:
    made = make()
    door.connector = made
    return made


@pytest.fixture
def reminder(door: Door) -> Message:
    """A task reminder as the product words it."""
    from wsapp.connectors.base import Button

    return Message(
        card="task-7f3a-1",
        title="待办：回访华星家具",
        text="客户说周五前要报价",
        lines=(("客户", "深圳市华星家具有限公司"), ("到期", "今天 10:30")),
        url=f"{door.url}/h5/tasks/7f3a",
        buttons=(
            Button("done", "完成", "primary"),
            Button("snooze-1h", "1 小时后"),
            Button("open", "打开", url=f"{door.url}/h5/tasks/7f3a"),
        ),
        source="客户管理",
    )


@pytest.fixture(scope="session")
def fixture() -> Callable[[str], Any]:
    """Read a fixture of the host: JSON as data, anything else as text."""

    def read(path: str) -> Any:
        text = (FIXTURES / path).read_text(encoding="utf-8")
        return json.loads(text) if path.endswith(".json") else text

    return read
