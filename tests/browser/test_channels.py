"""The channels page on each host's phone: choose, send a test message, watch it arrive, read its story."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenApp, Phones
from tests.browser.stack import Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


def test_a_member_chooses_and_follows_a_test_message(
    stack: Stack, phones: Phones, sample: Sample, open_app: OpenApp
) -> None:
    app = open_app(sample.seller.userid)
    app.goto(f"{stack.url}/h5/me")
    app.get_by_role("link", name="通知设置").click()
    expect(app.get_by_role("heading", level=1)).to_have_text("通知设置")

    overdue = app.locator('input[value="overdue/message"]')
    expect(overdue).to_be_checked()
    overdue.uncheck(force=True)
    app.get_by_label("自己定").check(force=True)
    app.get_by_label("从", exact=True).fill("22:30")
    app.get_by_role("button", name="保存").click()
    expect(app.locator("#toasts")).to_contain_text("通知设置已保存")
    expect(overdue).not_to_be_checked()
    expect(app.get_by_label("从", exact=True)).to_have_value("22:30")

    app.get_by_role("button", name="发一条测试消息").click()
    expect(app).to_have_url(re.compile(r"/h5/me/messages/\w+"))
    expect(app.locator("#story")).to_contain_text(re.compile("平台已接收|已送达"))  # by itself, while one watches
    phone = phones.phone(sample, sample.seller.userid)
    expect(phone.locator("body")).to_contain_text("测试消息")

    app.get_by_role("link", name="返回").click()
    expect(app.locator("#messages")).to_contain_text("测试消息")
