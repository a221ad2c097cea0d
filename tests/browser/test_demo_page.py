"""/demo as a newcomer uses it: both phones in one browser, each person with a session of their own, a moving clock."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import Phones
from tests.browser.stack import SAMPLES, Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


def glass(page: Page, sample: Sample) -> FrameLocator:
    """The screen of a phone."""
    return page.frame_locator(f'[data-phone="{sample.host}"] iframe')


def app_on(page: Page, sample: Sample) -> FrameLocator:
    """The app in a phone's web view."""
    return glass(page, sample).frame_locator("iframe")


def open_on(page: Page, sample: Sample) -> None:
    page.locator(f'[data-phone="{sample.host}"] [data-open]').click()


def test_both_phones_work_side_by_side(stack: Stack, phones: Phones) -> None:
    page = phones.desktop()
    page.goto(f"{stack.url}/demo")
    for sample in SAMPLES:
        page.get_by_role("button", name=sample.seller.name).click()
        open_on(page, sample)
    for sample in SAMPLES:
        expect(app_on(page, sample).get_by_role("heading", level=1)).to_contain_text(sample.seller.name)

    # The manager takes one phone over; the other one stays as it is, and so does the seller's session.
    one, other = SAMPLES
    page.get_by_role("button", name=one.manager.name).click()
    open_on(page, one)
    expect(app_on(page, one).get_by_role("heading", level=1)).to_contain_text(one.manager.name)
    expect(app_on(page, other).get_by_role("heading", level=1)).to_contain_text(other.seller.name)
    page.get_by_role("button", name=one.seller.name).click()
    open_on(page, one)
    expect(app_on(page, one).get_by_role("heading", level=1)).to_contain_text(one.seller.name)


def test_one_after_the_other_takes_the_same_phone(stack: Stack, phones: Phones) -> None:
    """Each signs in at once: those who signed in before are no web view that drops cookies."""
    page = phones.desktop()
    page.goto(f"{stack.url}/demo")
    for sample in SAMPLES:
        for person in (sample.seller, sample.manager, sample.seller, sample.manager):
            page.get_by_role("button", name=person.name).click()
            open_on(page, sample)
            expect(app_on(page, sample).get_by_role("heading", level=1)).to_contain_text(person.name)


def test_the_whole_path_on_one_page(stack: Stack, phones: Phones) -> None:
    page = phones.desktop()
    page.goto(f"{stack.url}/demo")
    for sample in SAMPLES:
        page.get_by_role("button", name=sample.seller.name).click()
        open_on(page, sample)
        app = app_on(page, sample)
        app.get_by_label("新建", exact=True).click()
        app.get_by_role("link", name="新待办").click()
        title = f"演示里的待办{sample.host}"
        app.get_by_label("标题").fill(title)
        due = datetime.fromisoformat(stack.now()) + timedelta(hours=8, minutes=1)
        app.get_by_label("到期时间").fill(due.strftime("%Y-%m-%dT%H:%M"))
        app.get_by_role("button", name="保存").click()
        expect(app.get_by_role("heading", level=1).filter(has_text=title)).to_be_visible()

    page.get_by_role("button", name="+10 分钟").click()
    for sample in SAMPLES:
        screen = glass(page, sample)
        screen.locator("#banner", has_text=f"演示里的待办{sample.host}").click()
        card = screen.locator("article.card", has_text=f"演示里的待办{sample.host}")
        card.get_by_role("button", name="完成", exact=True).click()
        expect(card).to_contain_text(f"已完成 · {sample.seller.name}")
        card.locator(".card__body").click()
        expect(app_on(page, sample).locator("main")).to_contain_text("已完成")


def test_the_clock_moves_everywhere(stack: Stack, phones: Phones) -> None:
    page = phones.desktop()
    page.goto(f"{stack.url}/demo")
    before = datetime.fromisoformat(stack.now())
    page.get_by_role("button", name="明天 09:00").click()
    expect(page.locator("#moved")).to_contain_text("时间已拨快", timeout=60_000)
    after = datetime.fromisoformat(stack.now())
    there = after + timedelta(hours=8)
    assert there.date() == (before + timedelta(hours=8)).date() + timedelta(days=1)
    assert (there.hour, there.minute) == (9, 0)
    expect(page.locator("#now")).to_contain_text("09:0")
    for sample in SAMPLES:
        expect(glass(page, sample).locator("#clock")).to_have_text(re.compile(r"09:0\d"))
        rang_on_the_way(stack, sample, since=before.timestamp())


def rang_on_the_way(stack: Stack, sample: Sample, *, since: float) -> None:
    """What fell due meanwhile came at its time, each with its buttons: time passed, nothing was down."""
    mine = [one for one in stack.chats(sample.host, sample.seller.userid) if one["at"] > since]
    assert not [one for one in mine if "系统暂停" in one["title"]]
    reminders = [one for one in mine if one["buttons"]]
    assert reminders
    assert len({round(one["at"] / 60) for one in reminders}) > 1


def test_the_console_opens_for_the_administrator(stack: Stack, phones: Phones) -> None:
    """Through the host's own sign-in page for browsers, as the panel at the left says."""
    page = phones.desktop()
    page.goto(f"{stack.url}/demo")
    expect(page.locator(".links")).to_contain_text("赵敏（企业微信）")
    page.get_by_role("link", name="管理后台").click()
    page.get_by_role("link", name="森林木业").click()
    page.get_by_role("link", name="赵敏").click()
    expect(page.get_by_role("heading", name="管理后台")).to_be_visible()
    expect(page.locator("main")).to_contain_text("森林木业")


def test_sideways_it_scrolls_nowhere(stack: Stack, phones: Phones) -> None:
    for width, height in ((1280, 800), (390, 844)):
        page = phones.desktop(width, height)
        page.goto(f"{stack.url}/demo")
        page.locator(".person").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_other_products_know_nothing_of_it(stack: Stack) -> None:
    """The page, its clock and the phones' script exist in the demo alone."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from wsapp import config
    from wsapp.app import create_app
    from wsapp.connectors import connector_classes

    with TemporaryDirectory() as folder:
        environ = {"WSAPP_SERVER_DATA_DIR": str(Path(folder) / "data"), "WSAPP_SERVER_PUBLIC_URL": stack.url}
        app = create_app(config.load(None, environ, connector_classes()))
    assert not [rule for rule in app.url_map.iter_rules() if "demo" in rule.rule]
