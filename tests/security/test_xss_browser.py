"""The same hostile texts before a real browser: no dialog, nothing run, nothing refused, nobody else asked."""

import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, Route
from werkzeug.serving import make_server

from tests.cast import BROWSER_AGENT, DINGTALK_AGENT, WECOM_AGENT, Cast
from tests.security.filling import fill
from tests.security.markup import is_own
from tests.security.pages import World
from tests.security.payloads import ADDRESSES, EVIL, MARK, MARKUP, REDIRECTS
from wsapp.crm.org.models import Member
from wsapp.web import safe_path

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

AGENTS = {"wecom": WECOM_AGENT, "dingtalk": DINGTALK_AGENT, "browser": BROWSER_AGENT}
TOGETHER = 32
TEXTS = [*(" ".join(MARKUP[at : at + TOGETHER]) for at in range(0, len(MARKUP), TOGETHER)), *ADDRESSES[::4]]


@pytest.fixture
def served(app: Flask) -> Iterator[str]:
    """The address of the product, answering real requests."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


class Watched:
    """A page, and everything on it that should not have happened."""

    def __init__(self, page: Page, own: str) -> None:
        self.page, self.own = page, own
        self.wrong: list[str] = []
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.route(lambda url: not url.startswith((own, "data:", "blob:")), self._refuse)

    def _hear(self, kind: str, text: str) -> None:
        if "Content Security Policy" in text or MARK in text:
            self.wrong.append(f"{kind}: {text}")

    def _refuse(self, route: Route) -> None:
        self.wrong.append(f"asked {route.request.url}")
        route.abort()

    def visit(self, path: str) -> None:
        """Open a page, wait for its scripts, and touch what could be listening."""
        self.page.goto(f"{self.own}{path}", wait_until="load")
        self.page.evaluate(
            """() => document.querySelectorAll("input, select, textarea, details, [title]").forEach((one) => {
                 one.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
                 if (one.focus) one.focus();
               })"""
        )
        if self.page.evaluate(f"() => typeof window.{MARK} !== 'undefined'"):
            self.wrong.append(f"{MARK} ran")
        if urlsplit(self.page.url).netloc != urlsplit(self.own).netloc:
            self.wrong.append(f"led to {self.page.url}")


def watch(browser: Browser, own: str, client: FlaskClient, agent: str) -> Watched:
    """A page with the session of a test client."""
    context = browser.new_context(user_agent=agent, locale="zh-CN", viewport={"width": 390, "height": 844})
    cookie = client.get_cookie("wsapp")
    assert cookie is not None
    context.add_cookies([{"name": "wsapp", "value": cookie.value, "url": own}])
    return Watched(context.new_page(), own)


@pytest.mark.parametrize(
    "client", ["browser", *(pytest.param(one, marks=pytest.mark.long) for one in ("wecom", "dingtalk"))]
)
def test_a_browser_sees_text(
    app: Flask,
    cast: Cast,
    world: World,
    guan: Member,
    served: str,
    browser: Browser,
    sign_in: Callable[..., FlaskClient],
    client: str,
) -> None:
    watched = watch(browser, served, sign_in(guan), AGENTS[client])
    book, shelf = world.book, world.shelf
    pages = (
        *("/h5/", "/h5/customers", f"/h5/customers/{book.customer}", f"/h5/customers/{book.customer}/edit"),
        *(f"/h5/visits/{book.visit}", f"/h5/tasks/{book.given}", "/h5/me", "/h5/team"),
        *("/admin/", "/admin/members", "/admin/work?state=dead", "/admin/deliveries"),
        *(f"/h5/contacts/{shelf['contact']}/edit", "/h5/customers/choose", f"/h5/pool/{shelf['pooled']}"),
        *("/admin/fields", f"/admin/fields/{shelf['lines']}", f"/admin/audit/{shelf['changed']}"),
    )
    seen = 0
    for text in TEXTS if client == "browser" else TEXTS[:1]:
        fill(app, cast, text)
        for path in (*pages, f"/h5/search?q={text[:40].replace('#', '%23').replace('&', '%26')}"):
            watched.visit(path)
            assert watched.wrong == [], f"{path} with {text!r}"
            seen += text[:10].strip() in watched.page.content() or text[:6] in watched.page.inner_text("body")
    assert seen > len(pages) // 2  # the texts are really there
    watched.page.context.close()


@pytest.mark.long
def test_this_browser_would_have_run_them(served: str, browser: Browser) -> None:
    """The corpus is alive: without our escaping and policy, what is watched for happens."""
    context = browser.new_context()
    context.route(f"**/*{EVIL}*/**", lambda route: route.abort())
    ran = 0
    for text in MARKUP:
        page = context.new_page()  # of its own: some texts send their page elsewhere, now or in a moment
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.set_content(f"<!doctype html><title>x</title><p>{text}</p>", wait_until="commit")
        ran += bool(page.evaluate(f"() => typeof window.{MARK} !== 'undefined'"))
        page.close()
    context.close()
    assert ran >= 10


def test_this_browser_stays_where_we_say_it_does(served: str, browser: Browser) -> None:
    """What `safe_path` lets through stays on our site by the browser's own reading; our tests read as it does."""
    page = browser.new_page()
    page.goto(f"{served}/signin/")
    base = "http://own.test/h5/"
    texts = [one for one in REDIRECTS if one.isprintable() or "\t" in one]
    read = page.evaluate(
        """([texts, base]) => texts.map((text) => {
             try { return new URL(text, base).origin } catch { return "none" }
           })""",
        [texts, base],
    )
    for text, origin in zip(texts, read, strict=True):
        if is_own(text) and not text.startswith(("tel:", "geo:")):
            assert origin in ("http://own.test", "none"), text
    kept = page.evaluate(
        "([texts, base]) => texts.map((text) => new URL(text, base).origin)",
        [[safe_path(one) for one in REDIRECTS], base],
    )
    assert set(kept) == {"http://own.test"}
    page.close()
