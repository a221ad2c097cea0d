"""The first look at the home page: what comes over the wire into an empty browser, and how soon it answers a finger.

Bytes are counted by a relay between browser and product, headers and all, whoever in the browser asked for them.
Timings depend on the machine: they are printed (docs/benchmarks.md keeps them), and fail nothing.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page

from tests.cast import DINGTALK_AGENT, WECOM_AGENT
from tests.h5.conftest import Book
from wsapp.crm.org.models import Member

pytestmark = [pytest.mark.browser, pytest.mark.server]

BUDGET = 80 * 1024
CHUNK = 65536
SLOWER = 4  # times, the processor
# A phone on 4G: 9 Mbit/s both ways, 170 ms there and back (the profile "4G" of WebPageTest).
FOUR_G = {"offline": False, "latency": 170, "downloadThroughput": 9e6 / 8, "uploadThroughput": 9e6 / 8}
LONG_TASKS = """
    window.busyUntil = 0;
    new PerformanceObserver((list) => {
        const ends = list.getEntries().map((one) => one.startTime + one.duration);
        window.busyUntil = Math.max(window.busyUntil, ...ends);
    }).observe({ type: "longtask", buffered: true });
"""
TIMES = """() => {
    const page = performance.getEntriesByType("navigation")[0];
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return {
        first_paint: Math.round(paint ? paint.startTime : 0),
        interactive: Math.round(Math.max(page.domContentLoadedEventEnd, window.busyUntil)),
        loaded: Math.round(page.loadEventEnd),
    };
}"""


class Relay:
    """Passes connections on to a port, and counts what comes back."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.bytes = 0
        self.lock = threading.Lock()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.door.getsockname()[1]

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _address = self.door.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                for source, sink, counted in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pass_on, args=(source, sink, counted), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                if counted:
                    with self.lock:
                        self.bytes += len(chunk)
                sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    made = Relay(port)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.door.shutdown(socket.SHUT_RDWR)
        made.door.close()
        thread.join()


@pytest.fixture(params=[WECOM_AGENT, DINGTALK_AGENT], ids=["wecom", "dingtalk"])
def fresh(
    request: pytest.FixtureRequest,
    chromium: Browser,
    base: str,
    sign_in: Callable[..., FlaskClient],
    ali: Member,
    book: Book,
) -> Iterator[Page]:
    """A phone that is signed in and has loaded nothing yet; its owner has tasks for today."""
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, user_agent=request.param, locale="zh-CN", is_mobile=True, has_touch=True
    )
    cookie = sign_in(ali).get_cookie("wsapp")
    assert cookie is not None
    context.add_cookies([{"name": "wsapp", "value": cookie.value, "url": base}])  # for every port of the machine
    yield context.new_page()
    context.close()


def test_the_home_page_comes_within_its_budget(fresh: Page, base: str, request: pytest.FixtureRequest) -> None:
    with relay(urlsplit(base).port or 0) as counted:
        fresh.goto(f"http://127.0.0.1:{counted.port}/h5/")
        fresh.get_by_role("navigation", name="主导航").wait_for()
        fresh.wait_for_load_state("networkidle")
        print(f"{request.node.name}: {counted.bytes / 1024:.1f} KB over the wire")
        assert 20 * 1024 < counted.bytes <= BUDGET


def test_how_soon_the_home_page_answers(fresh: Page, base: str, request: pytest.FixtureRequest) -> None:
    session = fresh.context.new_cdp_session(fresh)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", FOUR_G)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    fresh.add_init_script(LONG_TASKS)
    fresh.goto(f"{base}/h5/")
    fresh.wait_for_load_state("networkidle")
    times = fresh.evaluate(TIMES)
    print(f"{request.node.name}: {times} milliseconds, {SLOWER} times slower, on 4G")
    assert 0 < times["interactive"] < 60_000
    assert fresh.locator("h1").first.is_visible()
