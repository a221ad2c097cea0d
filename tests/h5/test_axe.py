"""No page breaks axe's rules or is wider than its window. Made from the route map: a page that nobody lists here is
looked at all the same.

Each page is looked at in one look, the next page in the next one; `make soak` looks at every page in all of them.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Error, Page

from tests.cast import BROWSER_AGENT, DINGTALK_AGENT, WECOM_AGENT
from tests.h5.conftest import PLACE
from tests.h5.test_pages import COMMON
from tests.house.test_routes import ADMIN, MEMBER, PUBLIC, ROUTES, World, world
from wsapp.crm.org.models import Member

__all__ = ["world"]

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(600)]

PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
# Tap targets are no part of the default, as they came with WCAG 2.2.
OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
HERE = {"latitude": PLACE["lat"], "longitude": PLACE["lng"], "accuracy": 20}

# What answers to an address without being a page to look at.
NO_PAGES = {
    "GET /": "leads on to the app",
    "GET /signin/<host>/<corp_id>": "leads on to the host",
    "GET /signin/<host>/<corp_id>/return": "leads on to the app, or says what is wrong: see errors",
    "GET /signin/<host>/<corp_id>/web": "leads on to the host",
    "GET /signin/<host>/<corp_id>/web/return": "as above",
    "GET /admin/first-run": "gone once there is an administrator",
    "GET /h5/colleagues": "data for the list of colleagues",
    "GET /h5/host-config": "data for the host's script",
    "GET /h5/imports/templates/<name>": "a file",
    "GET /h5/probe": "data for the host's script",
    "GET /<name>.txt": "a file of the host's, where there is one",
}


class Look(NamedTuple):
    """How a page is looked at: by which client, in which colours, in which window."""

    agent: str
    scheme: str
    size: dict[str, int]


LOOKS = (
    Look(WECOM_AGENT, "light", PHONE),
    Look(DINGTALK_AGENT, "dark", PHONE),
    Look(BROWSER_AGENT, "light", WIDE),
    Look(WECOM_AGENT, "dark", PHONE),
    Look(DINGTALK_AGENT, "light", PHONE),
    Look(BROWSER_AGENT, "dark", WIDE),
)


class Windows:
    """Browser windows, one for each look and reader."""

    def __init__(self, chromium: Browser, base: str, cookies: dict[str, str]) -> None:
        self.chromium = chromium
        self.base = base
        self.cookies = cookies  # reader → session
        self.pages: dict[tuple[int, str], Page] = {}

    def open(self, look: Look, path: str) -> Page | None:
        """Open an address as whoever may see it; None when what is there is no page. Fails when nobody sees it."""
        seen: dict[str, int] = {}
        for reader in self.cookies:
            page = self._page(look, reader)
            try:
                answer = page.goto(path, wait_until="load")
            except Error as error:
                if "Download is starting" not in error.message:
                    raise
                return None
            assert answer is not None
            if answer.status == 200:
                return page if "<html" in answer.text() else None  # else data, or a part of a page
            seen[reader] = answer.status
        raise AssertionError(f"{path}: {seen}")

    def _page(self, look: Look, reader: str) -> Page:
        key = (LOOKS.index(look), reader)
        if key not in self.pages:
            context = self.chromium.new_context(
                base_url=self.base,
                user_agent=look.agent,
                color_scheme=look.scheme,  # type: ignore[arg-type]
                viewport=look.size,  # type: ignore[arg-type]
                locale="zh-CN",
                bypass_csp=True,
                reduced_motion="reduce",  # half-faded text has no contrast
                geolocation=HERE,  # type: ignore[arg-type]
                permissions=["geolocation"],
                service_workers="block",
            )
            context.add_cookies([{"name": "wsapp", "value": self.cookies[reader], "url": self.base}])
            self.pages[key] = context.new_page()
        return self.pages[key]


@pytest.fixture
def windows(
    chromium: Browser, base: str, sign_in: Callable[..., FlaskClient], guan: Member, bob: Member, ali: Member
) -> Iterator[Windows]:
    """Windows of an administrator, of a leader, and of 阿丽 herself, for what is hers alone."""
    cookies = {}
    for reader in (guan, bob, ali):
        cookie = sign_in(reader).get_cookie("wsapp")
        assert cookie is not None
        cookies[reader.userid] = cookie.value
    made = Windows(chromium, base, cookies)
    yield made
    for page in made.pages.values():
        page.context.close()


def _look_at(page: Page) -> list[Any]:
    """Return what is wrong with a page."""
    for unsettled in (".skeleton__row", '[data-place="auto"]:not([data-state])', '[data-place][data-state="busy"]'):
        page.locator(unsettled).first.wait_for(state="hidden")
    # At the end of a page the bars that stay below cover nothing.
    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    broken = Axe().run(page, options=OPTIONS).response["violations"]
    wrong: list[Any] = [(one["id"], [node["html"][:200] for node in one["nodes"]][:5]) for one in broken]
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*wrong, *([("too wide", too_wide)] if too_wide else [])]


def _addresses(world: World) -> list[str]:
    """Return every address to look at: of the route map, and of lists that are narrowed down."""
    found = [path for path in COMMON if "?" in path]
    for line, route in ROUTES.items():
        if line.startswith("GET ") and route.guard in (PUBLIC, MEMBER, ADMIN) and line not in NO_PAGES:
            query = world.fill(route.query)
            found.append(world.path(line) + (f"?{urlencode(query)}" if query else ""))
    return found


def _sweep(world: World, windows: Windows, looks: Callable[[], Iterable[Look]]) -> tuple[int, dict[str, list[Any]]]:
    """Look at every page; returns how many there were, and what is wrong."""
    pages, found = 0, {}
    for path in _addresses(world):
        for look in looks():
            page = windows.open(look, path)
            if page is not None:
                pages += 1
                if wrong := _look_at(page):
                    found[f"{path} {look.agent[-20:]} {look.scheme}"] = wrong
    return pages, found


def dump(found: dict[str, list[Any]]) -> str:
    return json.dumps(found, ensure_ascii=False, indent=1)


def test_no_page_breaks_the_rules(world: World, windows: Windows) -> None:
    turn = cycle(LOOKS)
    pages, found = _sweep(world, windows, lambda: [next(turn)])
    assert not found, dump(found)
    assert pages > 90


@pytest.mark.long
def test_no_page_breaks_the_rules_in_any_look(world: World, windows: Windows) -> None:
    pages, found = _sweep(world, windows, lambda: LOOKS)
    assert not found, dump(found)
    assert pages > 90 * len(LOOKS)
