"""People talk to the app's robot on each host's phone: what they type, what it answers, and the button that writes."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp, Phones
from tests.browser.stack import DINGTALK, Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


def say(phone: Page, words: str) -> None:
    phone.get_by_label("给应用发消息").fill(words)
    phone.get_by_role("button", name="发送", exact=True).click()
    expect(phone.locator("article.card_mine", has_text=words)).to_have_count(1)


def customer_of(app: Page, stack: Stack) -> str:
    """The name of one of the seller's customers that no other bears."""
    app.goto(f"{stack.url}/h5/customers")
    return app.locator("#customers .row__link").first.inner_text().strip()


def test_a_follow_up_is_dictated_and_confirmed(stack: Stack, phones: Phones, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    name = customer_of(app, stack)
    phone = phones.phone(sample, sample.seller.userid)
    phone.locator("#talk").click()
    say(phone, "今天")
    expect(phone.locator("article.card", has_text=re.compile("条待办|没有待办")).last).to_be_visible()
    words = f"样品已寄出 {sample.host}"
    say(phone, f"记 {name} {words}，明天上午10点 确认收货")
    card = phone.locator("article.card", has_text="确认这条跟进？")
    expect(card).to_contain_text(name)
    expect(card).to_contain_text("10:00 确认收货")
    card.get_by_role("button", name="确认", exact=True).click()
    expect(card).to_contain_text("已写入")
    app.locator("#customers .row__link").first.click()
    expect(app.locator("#timeline")).to_contain_text(words)


def test_a_group_asks_the_robot(stack: Stack, phones: Phones) -> None:
    sample = DINGTALK
    page = phones.app(sample, sample.seller.userid)
    page.goto(f"{stack.url}/h5/")
    page.get_by_role("navigation", name="主导航").wait_for()
    phone = phones.phone(sample, sample.seller.userid)
    phone.locator("#groups .talk").first.click()
    phone.get_by_label("给应用发消息").fill("帮助")
    phone.get_by_role("button", name="发送", exact=True).click()
    expect(phone.locator("article.card", has_text="可以这样对我说")).to_have_count(1)
    phone.get_by_label("返回").first.click()
    phone.locator("#talk").click()
    expect(phone.locator("article.card", has_text="可以这样对我说")).to_have_count(0)
