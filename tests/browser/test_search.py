"""A customer is found by the initials of its name: on a phone, and with a mouse on a desktop."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Phones
from tests.browser.stack import WECOM, Stack, eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

NAME = "绍兴锦绣年华印染有限公司"
INITIALS = "sxjxnh"
DESKTOP = {"width": 1280, "height": 800}


def test_a_customer_is_found_by_initials(stack: Stack, phones: Phones) -> None:
    phone = phones.app(WECOM, WECOM.seller.userid)
    phone.goto(f"{stack.url}/h5/customers/new")
    phone.get_by_label("客户名称").fill(NAME)
    phone.get_by_role("button", name="保存").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text(NAME)
    eventually(lambda: is_spelt(phone, stack), "the worker does not spell the name")
    find(phone, stack)
    phone.set_viewport_size(DESKTOP)
    find(phone, stack)


def is_spelt(page: Page, stack: Stack) -> bool:
    page.goto(f"{stack.url}/h5/search?q={INITIALS}")
    return page.get_by_role("link", name=NAME).count() > 0


def find(page: Page, stack: Stack) -> None:
    """Type the initials into the box, as they come, and open what is found."""
    page.goto(f"{stack.url}/h5/search")
    box = page.get_by_role("searchbox")
    box.press_sequentially(INITIALS[:4], delay=40)
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
    box.press_sequentially("zzz", delay=40)
    expect(page.get_by_role("link", name=NAME)).to_have_count(0)
    box.fill(INITIALS)
    page.get_by_role("link", name=NAME).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
