"""Phones for the tests: Chromium at phone size with the host's user agent and the host's native side."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.stack import SAMPLES, Sample, Stack, running
from wsapp.connectors import connector_class
from wsapp.connectors.phone import holder_cookie

CHROMIUM = "/usr/bin/chromium"
SCREEN = {"width": 390, "height": 844}
PATIENCE = 15_000  # milliseconds
LOST_REQUEST = (
    "Failed to load resource",
    "htmx:sendError",
    "htmx:sendAbort",  # the page was left meanwhile
    "htmx:afterRequest",
    "An unknown error occurred when fetching the script",  # of the service worker, while there is no network
)
expect.set_options(timeout=PATIENCE)

NATIVE_CALLS = """
// What the client's native side asks its server for must not pass through the page, whose policy forbids it.
(function () {
  const facts = FACTS;
  window.__phone = { base: facts.base, user: facts.user };
  const ask = window.fetch.bind(window);
  const encode = async (body) => {
    if (body === undefined || body === null) return "";
    const bytes = new Uint8Array(await new Response(body).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
  window.fetch = async (url, options = {}) => {
    if (!String(url).startsWith(facts.base)) return ask(url, options);
    const { method = "GET", headers = {}, body } = options;
    const answer = await window.__native({ url: String(url), method, headers, body: await encode(body) });
    const bytes = Uint8Array.from(atob(answer.body), (char) => char.charCodeAt(0));
    return new Response(bytes, { status: answer.status, headers: { "Content-Type": answer.type } });
  };
})();
"""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one file: a second one at the same time, of another file, Playwright does not take."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.host)
def sample(request: pytest.FixtureRequest) -> Sample:
    """Each host's sample firm in turn."""
    found: Sample = request.param
    return found


class Phones:
    """Hands out pages and notes what goes wrong on them."""

    def __init__(self, browser: Browser, stack: Stack, folder: Path) -> None:
        self.browser = browser
        self.stack = stack
        self.folder = folder
        self.contexts: list[BrowserContext] = []
        self.problems: list[str] = []

    def app(self, sample: Sample, user: str) -> Page:
        """The host's web view on a person's phone, nothing opened yet."""
        context = self._context(sample.agent)
        base = self.stack.emulator(sample.host)
        context.add_cookies([{"name": holder_cookie(sample.host), "value": user, "url": base}])
        context.expose_function("__native", lambda call: _native(call, user, sample.host))
        facts = json.dumps({"base": base, "user": user})
        bridge = (connector_class(sample.host).folder / "bridge.js").read_text(encoding="utf-8")
        context.add_init_script(NATIVE_CALLS.replace("FACTS", facts) + bridge)
        return self._page(context)

    def phone(self, sample: Sample, user: str) -> Page:
        """A person's phone with its chats, as the emulator draws it."""
        page = self._page(self._context(None))
        page.goto(f"{self.stack.emulator(sample.host)}/phone?user={user}")
        return page

    def desktop(self, width: int = 1280, height: int = 800) -> Page:
        """An ordinary browser."""
        context = self.browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
        self.contexts.append(context)
        return self._page(context)

    def _context(self, agent: str | None) -> BrowserContext:
        context = self.browser.new_context(
            viewport=SCREEN,
            user_agent=agent,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            is_mobile=True,
            has_touch=True,
        )
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        return context

    def _page(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._note(page, message.type, message.text))
        page.on("dialog", lambda dialog: self.problems.append(f"{page.url}: dialog {dialog.message}"))
        return page

    def _note(self, page: Page, kind: str, text: str) -> None:
        # A refused or lost request is the test's own matter; a script or a style that the policy stops is ours.
        if kind == "error" and not any(one in text for one in LOST_REQUEST):
            self.problems.append(f"{page.url}: {text}")

    def close(self, *, failed: bool) -> None:
        for number, context in enumerate(self.contexts):
            for page in context.pages:
                if failed and not page.is_closed():
                    page.screenshot(path=self.folder / f"page-{number}.png", full_page=True)
            context.close()


def _native(call: dict[str, Any], user: str, host: str) -> dict[str, Any]:
    answer = requests.request(
        call["method"],
        call["url"],
        data=base64.b64decode(call["body"]),
        headers={**call["headers"], "Cookie": f"{holder_cookie(host)}={user}"},
        timeout=20,
    )
    body = base64.b64encode(answer.content).decode()
    return {"status": answer.status_code, "type": answer.headers.get("Content-Type", ""), "body": body}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def phones(browser: Browser, stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Phones]:
    """Pages for one test; whatever a page's script or policy complained about fails it."""
    made = Phones(browser, stack, tmp_path)
    yield made
    made.close(failed=request.node.stash.get(FAILED, True))
    assert made.problems == []


OpenApp = Callable[[str], Page]


@pytest.fixture
def open_app(phones: Phones, stack: Stack, sample: Sample) -> OpenApp:
    """Open the app as a person of this host, signed in without a word."""

    def opened(user: str) -> Page:
        page = phones.app(sample, user)
        page.goto(f"{stack.url}/h5/")
        page.get_by_role("navigation", name="主导航").wait_for()
        return page

    return opened
