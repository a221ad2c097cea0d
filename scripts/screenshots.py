"""Pictures of every page in both hosts' looks, light and dark, under docs/screenshots/: `make screenshots`.

Starts the demo, lives through the main job once in each firm, then photographs the pages as they are on a phone, and
the main ones in the hosts' desktop windows.
"""

import io
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import book_pages  # noqa: E402
import field_pages  # noqa: E402
import together_pages  # noqa: E402

from tests.browser.conftest import CHROMIUM, Phones  # noqa: E402
from tests.browser.stack import SAMPLES, Sample, Stack, running  # noqa: E402
from tests.browser.test_field_day import spend_a_day  # noqa: E402
from tests.browser.test_main_job import add_customer, add_task, log_visit, press_done  # noqa: E402
from tests.browser.test_robot import say  # noqa: E402
from wsapp.connectors.phone import holder_cookie  # noqa: E402

TARGET = ROOT / "docs" / "screenshots"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
SCALE = 1.5  # device pixels: sharp enough in a README, small enough for the repository
COLOURS = 240
SCHEMES = ("light", "dark")
# Every page that is no longer signing in holds one of these.
SIGNED_IN_OR_REFUSED = "header.head, .tabbar, form.form, .whole:not([data-signin]), [data-signin-failed]:not([hidden])"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Safari/537.36"
DESKTOP_AGENTS = {
    "wecom": f"{WINDOWS} wxwork/4.1.36 (MicroMessenger/6.2) WindowsWechat MailPlugin_Electron WeMail embeddisk",
    "dingtalk": f"{WINDOWS} dingtalk-win/1.0.0 nw(0.14.7) DingTalk(7.8.10-Release.250724002) Mojo/1.0.0 Native",
}


@dataclass(frozen=True)
class Story:
    """What happened in a firm before the pictures: paths of its records."""

    customer: str
    visit: str
    task: str
    member: str  # the seller, as the manager sees them
    message: str  # a message of the ledger, with what became of it
    draft: str  # what the seller dictated to the robot
    shelf: book_pages.Shelf  # the customer book's records


# --- the story ----------------------------------------------------------------------------------------------------


def live_through(stack: Stack, phones: Phones, sample: Sample) -> Story:
    """The main job, once: customer, visit with photo, two tasks whose cards arrive, one of them finished."""
    app = phones.app(sample, sample.seller.userid)
    app.goto(f"{stack.url}/h5/")
    app.get_by_role("navigation", name="主导航").wait_for()
    name = "深圳市森林木业家居股份有限公司" if sample.host == "wecom" else "杭州远山茶业进出口有限公司"
    customer = add_customer(app, name, "13800138001" if sample.host == "wecom" else "13900139001")
    log_visit(app, "见到采购经理，确认下个月的用量，样品留在前台。")
    visit = app.url
    add_task(app, stack, customer, "把含运费的报价单发给采购经理")
    task = app.url
    add_task(app, stack, customer, "提醒财务开具上月的增值税发票")
    stack.move_clock("10m")
    phone = phones.phone(sample, sample.seller.userid)
    press_done(phone, "提醒财务开具上月的增值税发票", sample)
    stack.card(sample.host, sample.seller.userid, "把含运费的报价单")
    say(phone, f"记 {name} 样品已寄出，明天上午10点 确认收货")
    draft = stack.card(sample.host, sample.seller.userid, "确认这条跟进")
    app.goto(f"{stack.url}/h5/me/messages")
    app.locator("main .row__link").first.click()
    app.wait_for_url("**/h5/me/messages/*")
    message = app.url
    manager = phones.app(sample, sample.manager.userid)
    manager.goto(f"{stack.url}/h5/team")
    manager.locator("main").get_by_text(sample.seller.name, exact=True).click()
    manager.wait_for_url("**/h5/team/*")
    urls = (customer, visit, task, manager.url, message, _draft_of(draft))
    admin = phones.app(sample, book_pages.ADMINISTRATORS[sample.host])
    admin.goto(f"{stack.url}/h5/")
    admin.get_by_role("navigation", name="主导航").wait_for()
    return Story(*(url.removeprefix(stack.url) for url in urls), open_book(stack, app, manager, admin))


def open_book(stack: Stack, seller: Page, manager: Page, admin: Page) -> book_pages.Shelf:
    """Find the records of the customer book, each on the page of somebody who sees it, and do what leaves a page."""
    shelf = book_pages.Shelf(stack.url)
    shelf.look(seller, book_pages.SELLER)
    book_pages.do_as_seller(seller, shelf)
    field_pages.do_as_seller(seller, shelf)
    together_pages.do_as_seller(seller, shelf)
    shelf.look(manager, book_pages.MANAGER)
    book_pages.do_as_manager(manager, shelf)
    shelf.look(admin, book_pages.ADMIN)
    return shelf


def _draft_of(card: Any) -> str:
    """Where the card of a draft leads: its own address stands in the card as data."""
    found = re.search(r"/h5/drafts/\w+", json.dumps(card))
    assert found, card
    return found.group()


# --- the pages ----------------------------------------------------------------------------------------------------


def pages_of(sample: Sample, story: Story) -> Iterator[tuple[str, str, str]]:
    """Yield (name, userid, path) of every page on a phone."""
    seller, manager = sample.seller.userid, sample.manager.userid
    yield "today", seller, "/h5/"
    yield "customers", seller, "/h5/customers"
    yield "customer", seller, story.customer
    yield "customer-new", seller, "/h5/customers/new"
    yield "customer-edit", seller, f"{story.customer}/edit"
    yield "follow-up-new", seller, f"{story.customer}/follow-ups/new"
    yield "visit-new", seller, f"{story.customer}/visits/new"
    yield "visit", seller, story.visit
    yield "visit-start", seller, "/h5/visits/new"
    yield "visits", seller, "/h5/visits"
    yield "tasks", seller, "/h5/tasks"
    yield "task", seller, story.task
    yield "task-new", seller, "/h5/tasks/new"
    yield "task-edit", seller, f"{story.task}/edit"
    yield "search", seller, "/h5/search?q=138"
    yield "search-empty", seller, "/h5/search?q=%E6%B2%A1%E6%9C%89%E8%BF%99%E5%AE%B6"
    yield "me", seller, "/h5/me"
    yield "messages", seller, "/h5/me/messages"
    yield "message", seller, story.message
    yield "channels", seller, "/h5/me/channels"
    yield "mirrors", seller, "/h5/me/mirrors"
    yield "draft", seller, story.draft
    yield "team", manager, "/h5/team"
    yield "team-member", manager, story.member
    yield "visit-of-team", manager, story.visit
    yield "missing", seller, "/h5/customers/00000000000000000000"
    yield "out-of-range", sample.outsider.userid, "/h5/"
    for user, who in ((seller, book_pages.SELLER), (manager, book_pages.MANAGER)):
        yield from ((name, user, path) for name, path in story.shelf.pages(who))


ENGLISH_PAGES = ("today", "customers", "customer", "tasks", "task-new", "team")
DESKTOP_PAGES = (*ENGLISH_PAGES, *(name for name, _who, _path in book_pages.PAGES))
CONSOLE = ("", "members", "corps", "directory", "robots", "notifications", "deliveries", "work", "tokens")


class Camera:
    """Takes pictures of one running demo."""

    def __init__(self, browser: Browser, stack: Stack) -> None:
        self.browser = browser
        self.stack = stack
        self.taken = 0

    def phone_pages(self, sample: Sample, story: Story) -> None:
        for scheme in SCHEMES:
            for user, pages in _by_user(pages_of(sample, story)).items():
                context = self._phone(sample, user, scheme)
                page = context.new_page()
                page.goto(f"{self.stack.phone(sample.host)}/h5/")
                page.locator(SIGNED_IN_OR_REFUSED).first.wait_for()
                for name, path in pages:
                    page.goto(self.stack.phone(sample.host) + path)
                    page.locator(SIGNED_IN_OR_REFUSED).first.wait_for()
                    self._shoot(page, f"{sample.host}-{name}-{scheme}")
                context.close()

    def chats(self, sample: Sample) -> None:
        for scheme in SCHEMES:
            context = self.browser.new_context(viewport=PHONE, device_scale_factor=SCALE, color_scheme=scheme)
            page = context.new_page()
            for name, user in (("chat", sample.seller.userid), ("chat-manager", sample.manager.userid)):
                page.goto(f"{self.stack.emulator(sample.host)}/phone?bare=1&user={user}")
                page.locator("#talk").click()
                page.locator("article.card").first.wait_for()
                self._shoot(page, f"{sample.host}-{name}-{scheme}")
            context.close()

    def desktop_pages(self, sample: Sample, story: Story) -> None:
        for scheme in SCHEMES:
            for user, pages in _by_user(pages_of(sample, story)).items():
                chosen = [(name, path) for name, path in pages if name in DESKTOP_PAGES]
                if chosen:
                    self._desktop(sample, user, chosen, scheme)

    def english_pages(self, sample: Sample, story: Story) -> None:
        """The desktop pages for somebody whose client speaks English."""
        pages = [(name, path) for name, user, path in pages_of(sample, story) if user == sample.seller.userid]
        chosen = [(f"{name}-english", path) for name, path in pages if name in ENGLISH_PAGES]
        self._desktop(sample, sample.seller.userid, chosen, "light", locale="en-US")

    def _desktop(
        self, sample: Sample, user: str, pages: list[tuple[str, str]], scheme: str, *, locale: str = "zh-CN"
    ) -> None:
        context = self.browser.new_context(
            viewport=DESKTOP, user_agent=DESKTOP_AGENTS[sample.host], color_scheme=scheme, locale=locale
        )
        self._carry_session(sample, user, context)
        page = context.new_page()
        for name, path in pages:
            page.goto(self.stack.url + path)
            self._shoot(page, f"{sample.host}-{name}-desktop-{scheme}")
        context.close()

    def console(self, sample: Sample, story: Story) -> None:
        for scheme in SCHEMES:
            context = self.browser.new_context(viewport=DESKTOP, color_scheme=scheme, locale="zh-CN")
            self._carry_session(sample, book_pages.ADMINISTRATORS[sample.host], context)
            page = context.new_page()
            for name in CONSOLE:
                page.goto(f"{self.stack.url}/admin/{name}")
                self._shoot(page, f"admin{'-' + name if name else ''}-{scheme}")
            for name, path in book_pages.CONSOLE:
                page.goto(self.stack.url + story.shelf.address(path))
                self._shoot(page, f"admin-{name}-{scheme}")
            self._doctor(page, scheme)
            self._wizard(page, scheme)
            context.close()

    def console_on_a_phone(self, sample: Sample, story: Story) -> None:
        user = book_pages.ADMINISTRATORS[sample.host]
        for scheme in SCHEMES:
            context = self._phone(sample, user, scheme)
            page = context.new_page()
            base = self.stack.phone(sample.host)
            page.goto(f"{base}/h5/")
            page.locator(SIGNED_IN_OR_REFUSED).first.wait_for()
            for name, path in (("home", "/admin/"), *book_pages.CONSOLE):
                page.goto(base + story.shelf.address(path))
                self._shoot(page, f"{sample.host}-admin-{name}-{scheme}")
            context.close()

    def _doctor(self, page: Page, scheme: str) -> None:
        page.goto(f"{self.stack.url}/admin/doctor")
        page.get_by_text("等待检查").first.wait_for(state="detached", timeout=60_000)
        page.get_by_role("button", name="全部检查", exact=True).wait_for(timeout=60_000)
        self._shoot(page, f"admin-doctor-{scheme}")

    def _wizard(self, page: Page, scheme: str) -> None:
        """The first step of connecting a corp, for each host."""
        for host, label in (("wecom", "接入企业微信"), ("dingtalk", "接入钉钉")):
            page.goto(f"{self.stack.url}/admin/corps")
            page.get_by_role("button", name=label, exact=True).click()
            page.wait_for_url("**/set-ups/**")
            self._shoot(page, f"admin-connect-{host}-{scheme}")

    def _carry_session(self, sample: Sample, user: str, context: BrowserContext) -> None:
        """Sign in on the phone and take the session along to another window."""
        phone = self._phone(sample, user, "light")
        page = phone.new_page()
        page.goto(f"{self.stack.phone(sample.host)}/h5/")
        page.get_by_role("navigation", name="主导航").wait_for()
        session = next(one for one in phone.cookies() if one["name"].endswith("-wsapp"))
        context.add_cookies([{"name": "wsapp", "value": session["value"], "url": self.stack.url}])
        phone.close()

    def front(self) -> None:
        """What a newcomer sees: /demo with the app open on both phones, the sign-in page, the API's pages."""
        for scheme in SCHEMES:
            context = self.browser.new_context(viewport=DESKTOP, color_scheme=scheme, locale="zh-CN")
            page = context.new_page()
            page.goto(f"{self.stack.url}/demo")
            for sample in SAMPLES:
                page.get_by_role("button", name=sample.seller.name).click()
                page.locator(f'[data-phone="{sample.host}"] [data-open]').click()
                app = page.frame_locator(f'[data-phone="{sample.host}"] iframe').frame_locator("iframe")
                app.get_by_role("navigation", name="主导航").wait_for()
            self._shoot(page, f"demo-{scheme}")
            page.goto(f"{self.stack.url}/signin/")
            self._shoot(page, f"signin-{scheme}")
            page.goto(f"{self.stack.url}/api/docs")
            self._shoot(page, f"api-docs-{scheme}")
            context.close()

    def field_day(self, sample: Sample, folder: Path) -> None:
        """A day in the field, step by step; last, for it moves the clock on."""
        phones = Phones(self.browser, self.stack, folder)
        app = phones.app(sample, sample.seller.userid)
        app.goto(f"{self.stack.url}/h5/")
        spend_a_day(self.stack, phones, sample, app, lambda page, name: self._shoot(page, f"{sample.host}-day-{name}"))
        phones.close(failed=False)

    def _phone(self, sample: Sample, user: str, scheme: str) -> BrowserContext:
        context = self.browser.new_context(
            viewport=PHONE,
            device_scale_factor=SCALE,
            color_scheme=scheme,
            locale="zh-CN",
            is_mobile=True,
            has_touch=True,
        )
        base = self.stack.emulator(sample.host)
        context.add_cookies([{"name": holder_cookie(sample.host), "value": user, "url": base}])
        return context

    def _shoot(self, page: Page, name: str) -> None:
        page.locator("[data-pane] .skeleton__row").first.wait_for(state="hidden")  # the list beside a record
        page.evaluate("document.fonts.ready")
        if page.locator('[data-place="auto"]').count():
            page.locator('[data-place][data-state="good"]').wait_for()
        _small(page.screenshot(animations="disabled", caret="hide")).save(TARGET / f"{name}.png", optimize=True)
        self.taken += 1


def _small(picture: bytes) -> Image.Image:
    """A picture with a palette: it fits a page's few colours, and keeps the repository small."""
    return Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)


def _by_user(pages: Iterator[tuple[str, str, str]]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name, user, path in pages:
        found.setdefault(user, []).append((name, path))
    return found


# --- all of it ----------------------------------------------------------------------------------------------------


def main() -> None:
    """Take all pictures anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    with TemporaryDirectory() as folder, running(Path(folder)) as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--lang=zh-CN"])
        phones = Phones(browser, stack, Path(folder))
        stories = {sample.host: live_through(stack, phones, sample) for sample in SAMPLES}
        phones.close(failed=False)
        camera = Camera(browser, stack)
        for sample in SAMPLES:
            camera.phone_pages(sample, stories[sample.host])
            camera.chats(sample)
            camera.desktop_pages(sample, stories[sample.host])
            camera.english_pages(sample, stories[sample.host])
        camera.console(SAMPLES[1], stories[SAMPLES[1].host])
        camera.console_on_a_phone(SAMPLES[0], stories[SAMPLES[0].host])
        camera.front()
        for sample in SAMPLES:
            camera.field_day(sample, Path(folder))
        browser.close()
    size = sum(one.stat().st_size for one in TARGET.iterdir())
    print(f"{camera.taken} pictures, {size / 1e6:.1f} MB, in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
