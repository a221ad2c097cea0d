"""Two customers become one and are two again; one is deleted and comes back: on the phone and at a desk."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenApp
from tests.browser.stack import DINGTALK, WECOM, Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


@pytest.mark.parametrize(("sample", "size"), [(WECOM, PHONE), (DINGTALK, DESK)], ids=["wecom-phone", "dingtalk-desk"])
def test_merge_two_undo_delete_one_and_restore(
    stack: Stack, sample: Sample, size: dict[str, int], open_app: OpenApp
) -> None:
    app = open_app(sample.seller.userid)
    app.set_viewport_size(size)
    kept, gone = "佛山市万家福红木家具制造有限公司", "万家福红木家具制造（龙江）有限公司"
    winner = create(app, stack, kept, "13712340001", "A")
    loser = create(app, stack, gone, "13712340002", "B", told=kept)

    merge(app, winner, gone)
    expect(heading(app)).to_have_text(kept)
    expect(app.locator("#timeline")).to_contain_text(f"把客户 {gone} 合并到这里")
    expect(app.locator("main")).to_contain_text("B 级")  # the other one's, as it was chosen
    app.goto(loser)
    expect(heading(app)).to_have_text(kept)

    app.goto(f"{winner}/edit")
    app.get_by_role("link", name="合并客户").click()
    undoing = app.locator(".card", has_text=gone)
    undoing.get_by_text("撤销合并", exact=True).first.click()
    app.get_by_role("button", name="撤销合并").last.click()
    expect(heading(app)).to_have_text(gone)
    app.goto(winner)
    expect(heading(app)).to_have_text(kept)
    expect(app.locator("main")).to_contain_text("A 级")

    delete(app, loser)
    expect(app.locator("#customers")).not_to_contain_text(gone)
    app.goto(f"{stack.url}/h5/bin")
    app.get_by_role("link", name=re.compile(re.escape(gone))).click()
    app.get_by_role("button", name="恢复", exact=True).click()
    expect(heading(app)).to_have_text(gone)


def heading(app: Page) -> Locator:
    return app.get_by_role("heading", level=1)


def create(app: Page, stack: Stack, name: str, phone: str, level: str, told: str = "") -> str:
    """Save a customer; where another is like it, say that it is meant. Returns its address."""
    app.goto(f"{stack.url}/h5/customers/new")
    app.get_by_label("客户名称").fill(name)
    if told:  # while one types, before anything is saved
        expect(app.locator("#known")).to_contain_text(f"已有名称相近的客户：{told}")
    app.get_by_label("电话", exact=True).fill(phone)
    app.get_by_role("group", name="级别").get_by_label(level, exact=True).check(force=True)
    app.get_by_role("button", name="保存").click()
    again = app.get_by_role("button", name="仍然保存")
    expect(again.or_(app.get_by_role("link", name="写跟进"))).to_be_visible()
    if again.is_visible():
        expect(app.locator("#known")).to_contain_text("已有名称相近的客户")
        again.click()
    expect(heading(app)).to_have_text(name)
    return app.url.split("?")[0]


def merge(app: Page, winner: str, other: str) -> None:
    """Merge another customer into one, and choose the other's level."""
    app.goto(f"{winner}/edit")
    app.get_by_role("link", name="合并客户").click()
    app.locator("#candidates").get_by_role("link", name=other).click()
    app.get_by_role("group", name="级别").get_by_label("B", exact=True).check(force=True)
    app.get_by_role("button", name="合并", exact=True).click()


def delete(app: Page, customer: str) -> None:
    app.goto(f"{customer}/edit")
    app.get_by_role("link", name="删除客户").click()
    app.get_by_role("button", name="删除", exact=True).click()
