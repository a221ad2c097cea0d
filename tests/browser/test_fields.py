"""A field is designed in the console and filled in on the phone, with its rule at work while one types."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Phones
from tests.browser.stack import DINGTALK, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

ADMIN = "qianwei"


def test_a_field_is_designed_and_filled_in_on_the_phone(stack: Stack, phones: Phones) -> None:
    console = signed_in(stack, phones, ADMIN)
    console.set_viewport_size({"width": 1280, "height": 800})
    design(console, stack, "是否", "有出口业务", "exports")
    begin(console, stack, "单选", "主要出口地", "region")
    console.get_by_label("选项", exact=False).first.fill("欧洲\n北美\n东南亚")
    preview = console.get_by_role("complementary", name="手机预览")
    expect(preview.get_by_text("东南亚")).to_be_visible()
    console.locator('select[name="show_if.field"]').first.select_option("exports")
    console.locator('input[name="show_if.value"]').first.fill("1")
    expect(preview.get_by_text("东南亚")).to_be_hidden()
    preview.get_by_label("是", exact=True).check(force=True)
    expect(preview.get_by_text("东南亚")).to_be_visible()
    console.get_by_role("button", name="保存").click()
    expect(console.locator("#fields")).to_contain_text("主要出口地")

    phone = signed_in(stack, phones, DINGTALK.seller.userid)
    phone.goto(f"{stack.url}/h5/customers/new")
    phone.get_by_label("客户名称").fill("杭州千帆进出口贸易有限公司")
    expect(phone.get_by_text("东南亚")).to_be_hidden()
    phone.get_by_role("group", name="有出口业务").get_by_label("是", exact=True).check(force=True)
    phone.get_by_label("东南亚").check(force=True)
    phone.get_by_role("button", name="保存").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("杭州千帆进出口贸易有限公司")
    facts = phone.get_by_role("main")
    expect(facts).to_contain_text("主要出口地")
    expect(facts).to_contain_text("东南亚")


def signed_in(stack: Stack, phones: Phones, user: str) -> Page:
    page = phones.app(DINGTALK, user)
    page.goto(f"{stack.url}/h5/")
    page.get_by_role("navigation", name="主导航").wait_for()
    return page


def begin(console: Page, stack: Stack, kind: str, label: str, key: str) -> None:
    """Choose a type and name the field."""
    console.goto(f"{stack.url}/admin/fields")
    console.get_by_label("类型").select_option(label=kind)
    console.get_by_role("button", name="下一步").click()
    console.locator('#design-form input[name="label"]').fill(label)
    console.locator('#design-form input[name="key"]').fill(key)


def design(console: Page, stack: Stack, kind: str, label: str, key: str) -> None:
    begin(console, stack, kind, label, key)
    console.get_by_role("button", name="保存").click()
    expect(console.locator("#fields")).to_contain_text(label)
