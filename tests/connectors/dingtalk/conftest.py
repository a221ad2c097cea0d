"""A running emulator with the sample firm, a connector that talks to it, and a small receiver for callbacks."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from flask import Flask, Response, request
from werkzeug.serving import make_server

from wsapp.connectors.base import Account, BadCallback, Callback, CallbackRequest
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator, demo_org, demo_values
from wsapp.connectors.dingtalk.emulator_world import App
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.http import HttpTransport


class MemoryTokens:
    """A token store of one process: one fetch at a time, and it counts them."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.fetched: dict[str, int] = {}
        self.lock = threading.RLock()

    def get(self, kind: str, fetch: Callable[[], tuple[str, float]], *, stale: str = "") -> str:
        with self.lock:
            if kind not in self.values or self.values[kind] == stale:
                self.fetched[kind] = self.fetched.get(kind, 0) + 1
                self.values[kind] = fetch()[0]
            return self.values[kind]


class Receiver:
    """Our side of the callbacks: reads with the real connector, keeps what it read, answers as it says."""

    def __init__(self) -> None:
        self.connector: DingTalkConnector | None = None
        self.callbacks: list[Callback] = []
        self.refused: list[str] = []
        self.failures = 0  # answer that many requests with 500
        self.press: Callable[[Callback], Any] | None = None
        self.arrived = threading.Condition()
        app = Flask("receiver")
        app.post("/callbacks/dingtalk/<corp>", defaults={"kind": ""})(self.receive)
        app.post("/callbacks/dingtalk/<corp>/<kind>")(self.receive)
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def receive(self, corp: str, kind: str) -> Response:
        assert self.connector is not None
        if self.failures:
            self.failures -= 1
            return Response("", 500)
        try:
            callback = self.connector.read_callback(callback_request(kind))
        except BadCallback as error:
            self.refused.append(error.reason)
            return Response("", 403)
        reply = self.press(callback) if self.press and kind == "card" else callback.reply
        with self.arrived:
            self.callbacks.append(callback)
            self.arrived.notify_all()
        return Response(reply.body, reply.status, content_type=reply.content_type)

    def wait_for(self, count: int) -> list[Callback]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.callbacks) >= count, timeout=20)
            return list(self.callbacks)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def callback_request(kind: str) -> CallbackRequest:
    return CallbackRequest(
        kind=kind,
        method=request.method,
        query={name: request.args.getlist(name) for name in request.args},
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_data(),
    )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def org(receiver: Receiver) -> dict[str, Any]:
    return demo_org(receiver.url)


@pytest.fixture
def running(org: dict[str, Any]) -> Iterator[RunningEmulator]:
    emulator = DingTalkEmulator()
    emulator.load(org)
    emulator.knobs["push_scale"] = 0.001
    with emulator.start() as running:
        yield running


@pytest.fixture
def emulator(running: RunningEmulator) -> DingTalkEmulator:
    assert isinstance(running.emulator, DingTalkEmulator)
    return running.emulator


@pytest.fixture
def app(emulator: DingTalkEmulator) -> App:
    return next(iter(emulator.world.apps.values()))


@pytest.fixture
def tokens() -> MemoryTokens:
    return MemoryTokens()


@pytest.fixture
def make_connector(
    running: RunningEmulator, org: dict[str, Any], tokens: MemoryTokens, receiver: Receiver
) -> Callable[..., DingTalkConnector]:
    """Make a connector to the emulator; keyword arguments replace credential values."""

    def make(**values: Any) -> DingTalkConnector:
        account = Account(org["corps"][0]["corp_id"], "蓝海科技", {**demo_values(org), **values})
        return DingTalkConnector(
            account,
            bases=dict.fromkeys(DingTalkConnector.base_keys, running.url),
            http=HttpTransport(),
            tokens=tokens,
            now=lambda: datetime.fromtimestamp(running.emulator.clock.time(), UTC),
            public_url=receiver.url,
        )

    return make


@pytest.fixture
def connector(make_connector: Callable[..., DingTalkConnector], receiver: Receiver) -> DingTalkConnector:
    receiver.connector = make_connector()
    return receiver.connector


@pytest.fixture
def post(running: RunningEmulator) -> Callable[..., requests.Response]:
    """POST JSON to the emulator's own routes."""

    def post(path: str, body: Any, **more: Any) -> requests.Response:
        return requests.post(running.url + path, json=body, timeout=20, **more)

    return post
