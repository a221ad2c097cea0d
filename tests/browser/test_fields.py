"""A field is designed in the console and filled in on the phone, with its rule at work while one types."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import Phones
from tests.browser.stack import DINGTALK, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

ADMIN = "qianwei"
PLACE = re.compile(r"^-?\d+\.\d{6},-?\d+\.\d{6}$")  # the host's own grid: no other is named


def test_a_field_is_designed_and_filled_in_on_the_phone(stack: Stack, phones: Phones) -> None:
    console = signed_in(stack, phones, ADMIN)
    console.set_viewport_size({"width": 1280, "height": 800})
    design(console, stack, "是否", "有出口业务", "exports")
    begin(console, stack, "单选", "主要出口地", "region")
    console.get_by_label("选项", exact=False).first.fill("欧洲\n北美\n东南亚")
    preview = console.get_by_role("complementary", name="手机预览")
    expect(preview.get_by_text("东南亚")).to_be_visible()
    console.locator('select[name="show_if.field"]').first.select_option("exports")
    with console.expect_response(lambda one: one.url.endswith("/preview") and "show_if.value=1" in (sent(one) or "")):
        console.locator('input[name="show_if.value"]').first.fill("1")
    expect(preview.get_by_text("东南亚")).to_be_hidden()
    preview.get_by_role("group", name="有出口业务").get_by_label("是", exact=True).check(force=True)
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


def sent(answer: Response) -> str | None:
    return answer.request.post_data


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


def test_a_choice_is_designed_by_keyboard_filled_in_with_a_photo_and_filtered_by(
    stack: Stack, phones: Phones, tmp_path: Path
) -> None:
    console = signed_in(stack, phones, ADMIN)
    console.set_viewport_size({"width": 1280, "height": 800})
    begin(console, stack, "单选", "门店评级", "shop_grade")
    console.locator('textarea[name="options"]').focus()
    console.keyboard.type("甲等门店\n乙等门店")
    expect(console.get_by_role("complementary", name="手机预览").get_by_text("乙等门店")).to_be_visible()
    switch = console.get_by_role("switch", name="可用于筛选和排序")
    switch.focus()
    console.keyboard.press("Space")
    expect(switch).to_be_checked()
    console.get_by_role("button", name="保存").focus()
    console.keyboard.press("Enter")
    expect(console.locator("#fields")).to_contain_text("门店评级")
    design(console, stack, "图片", "门店实景", "shop_photo")
    design(console, stack, "地址（含位置）", "收货地点", "shop_place")

    phone = signed_in(stack, phones, DINGTALK.seller.userid)
    agree_to_positions(phone, stack)
    picture = tmp_path / "实景.png"
    Image.new("RGB", (80, 60), "green").save(picture)
    for name, grade in (("宁波远航纺织品有限公司", "甲等门店"), ("绍兴锦绣印染有限公司", "乙等门店")):
        phone.goto(f"{stack.url}/h5/customers/new")
        phone.get_by_label("客户名称").fill(name)
        phone.get_by_label(grade).check(force=True)
        phone.locator('input[name="custom.shop_photo.files"]').set_input_files(picture)
        expect(phone.get_by_text("已选择 1 个文件 实景.png")).to_be_visible()
        phone.get_by_role("button", name="定位到当前位置").tap()
        expect(phone.get_by_label("收货地点的位置")).to_have_value(PLACE)
        phone.get_by_role("button", name="保存").click()
        expect(phone.get_by_role("heading", level=1)).to_have_text(name)
    expect(phone.get_by_role("main").locator(".album img")).to_have_count(1)
    narrow(phone, stack)
    phone.set_viewport_size({"width": 1280, "height": 800})
    narrow(phone, stack)


def agree_to_positions(phone: Page, stack: Stack) -> None:
    phone.goto(f"{stack.url}/h5/me/location")
    agree = phone.get_by_role("button", name="同意使用位置")
    if agree.count():
        agree.click()
    expect(phone.get_by_text("已同意使用位置", exact=True)).to_be_visible()


def narrow(page: Page, stack: Stack) -> None:
    """Filter the list by the choice: one of the two customers stays."""
    page.goto(f"{stack.url}/h5/customers/filter")
    page.get_by_label("门店评级").select_option("甲等门店")
    page.get_by_role("button", name="查看结果").click()
    expect(page.get_by_text("宁波远航纺织品有限公司")).to_be_visible()
    expect(page.get_by_text("绍兴锦绣印染有限公司")).to_have_count(0)
