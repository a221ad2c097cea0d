"""Forms under thumbs: two taps write once, a mistake or a dead network loses nothing."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenApp
from tests.browser.stack import Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


def fill_customer(app: Page, stack: Stack, name: str, phone: str) -> None:
    app.goto(f"{stack.url}/h5/customers/new")
    app.get_by_label("客户名称").fill(name)
    app.get_by_label("电话", exact=True).fill(phone)
    app.get_by_label("备注").fill("门口登记要带身份证，先找王经理")


def test_a_double_tap_writes_once(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    name = f"双击测试{sample.host}有限公司"
    fill_customer(app, stack, name, "")
    app.get_by_role("button", name="保存").dblclick()
    expect(app.get_by_role("heading", level=1)).to_have_text(name)
    assert how_many(app, stack, name) == 1


def test_the_same_form_from_two_pages_writes_once(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    """Without the page's own guard, as when a web view sends again on its own."""
    app = open_app(sample.seller.userid)
    name = f"重发测试{sample.host}有限公司"
    fill_customer(app, stack, name, "")
    posted = app.evaluate(
        """async () => {
          const form = document.querySelector("form.form");
          const send = () => fetch(form.action, { method: "POST", body: new FormData(form), redirect: "follow" });
          const answers = await Promise.all([send(), send(), send()]);
          return answers.map((one) => one.url);
        }"""
    )
    assert len(set(posted)) == 1
    assert how_many(app, stack, name) == 1


def how_many(app: Page, stack: Stack, name: str) -> int:
    app.goto(f"{stack.url}/h5/customers?q={name}")
    return app.locator("#customers").get_by_text(name, exact=True).count()


def test_a_mistake_keeps_what_was_typed(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    fill_customer(app, stack, "有错的客户有限公司", "12345")
    app.get_by_role("button", name="保存").click()
    expect(app.locator(".field__error")).to_contain_text("11 位")
    expect(app.get_by_label("客户名称")).to_have_value("有错的客户有限公司")
    expect(app.get_by_label("电话", exact=True)).to_have_value("12345")
    expect(app.get_by_label("备注")).to_have_value("门口登记要带身份证，先找王经理")
    app.get_by_label("电话", exact=True).fill("")
    app.get_by_role("button", name="保存").click()
    expect(app).to_have_url(re.compile(r"/h5/customers/\w{20}"))


def test_a_dead_network_keeps_what_was_typed(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    fill_customer(app, stack, "断网的客户有限公司", "")

    def drop(route: Route) -> None:
        if route.request.method == "POST":
            route.abort("internetdisconnected")
        else:
            route.continue_()

    app.route("**/h5/customers", drop)
    app.get_by_role("button", name="保存").click()
    expect(app.locator("#toasts")).to_contain_text("网络不通")
    expect(app.get_by_label("客户名称")).to_have_value("断网的客户有限公司")
    app.unroute("**/h5/customers")
    app.get_by_role("button", name="保存").click()
    expect(app.get_by_role("heading", level=1)).to_have_text("断网的客户有限公司")
