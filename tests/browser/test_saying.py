"""A sentence is said at each host's phone, fills the form, is looked at and saved."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp
from tests.browser.stack import Sample, Stack
from tests.browser.test_devices import phone_has
from tests.browser.test_main_job import add_customer

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

NAME = "绍兴古越龙泉酒业有限公司"
SPOKEN = "嗯，昨天去了古越龙泉，报价十二万八，对方要样品，下下周三，不对，是周四，下午三点再去送样品"


def say(app: Page, words: str) -> None:
    phone_has(app, speech=words)
    app.get_by_role("button", name="语音输入").click()
    app.get_by_role("button", name="正在听，点此结束").click()


def test_a_sentence_becomes_a_follow_up(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    customer = add_customer(app, NAME, "13912340001")
    app.goto(f"{stack.url}/h5/")
    app.get_by_label("新建", exact=True).click()
    app.get_by_role("link", name="说一句").click()
    say(app, SPOKEN)
    expect(app.get_by_role("heading", level=1)).to_have_text("写跟进")
    expect(app.locator("main")).to_contain_text(NAME)
    expect(app.get_by_label("结果")).to_have_value("要样品")
    expect(app.get_by_label("做什么")).to_have_value("去送样品")
    expect(app.get_by_label("跟进内容")).to_have_value("昨天去了古越龙泉，报价十二万八，对方要样品")
    expect(app.get_by_label("下次跟进")).to_have_value(re.compile(r"T15:00$"))
    expect(app.locator("input[name=kind][value=visit]")).to_be_checked()
    expect(app.locator("[data-heard]").first).to_contain_text("听到的，请核对")

    say(app, "2月30号再联系")
    error = app.locator("#f-next_at-error")
    expect(error).to_contain_text("没有“2月30号”这一天")
    expect(app.get_by_label("下次跟进")).to_be_focused()
    app.get_by_role("button", name="三天后").click()
    app.get_by_role("button", name="保存").last.click()
    expect(app).to_have_url(customer)
    expect(app.locator("#timeline")).to_contain_text("报价十二万八")
