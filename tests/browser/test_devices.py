"""What a phone can do beyond the page, on each host's phone with the host's own script, and in an ordinary browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp, Phones
from tests.browser.stack import Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

VCARD = "\r\n".join(
    (
        "BEGIN:VCARD",
        "VERSION:3.0",
        "N:张;伟;;;",
        "FN:张伟",
        "ORG:深圳市鹏城精密机械有限公司;采购部",
        "TEL;TYPE=CELL:13712345678",
        "END:VCARD",
    )
)
MECARD = "MECARD:N:李,娜;ORG:杭州之江\\;海洋食品有限公司;TEL:13612345678;;"


def phone_has(page: Page, **facts: str) -> None:
    """Say what the phone scans, hears, and whom the person chooses."""
    page.evaluate("(facts) => Object.assign(window.__phone, facts)", facts)


def told(page: Page) -> None:
    """From here on, remember what the client was told to do."""
    page.evaluate(
        """() => {
          window.__told = [];
          window.addEventListener("phone", (event) => window.__told.push(event.detail));
        }"""
    )


def was_told(page: Page, what: str) -> dict[str, str]:
    """Wait until the client was told `what`."""
    page.wait_for_function("(what) => window.__told.some((one) => one.phone === what)", arg=what)
    found: dict[str, str] = page.evaluate("(what) => window.__told.find((one) => one.phone === what)", what)
    return found


def test_a_business_card_is_scanned_into_a_new_customer(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    app.goto(f"{stack.url}/h5/customers/new")
    phone_has(app, scan=VCARD)
    app.get_by_role("button", name="扫名片或二维码").click()
    expect(app.get_by_label("客户名称")).to_have_value("深圳市鹏城精密机械有限公司")
    expect(app.get_by_label("电话", exact=True).first).to_have_value("13712345678")
    phone_has(app, scan=MECARD)
    app.get_by_role("button", name="扫名片或二维码").click()
    expect(app.get_by_label("客户名称")).to_have_value("杭州之江;海洋食品有限公司")


def test_what_is_said_stands_in_the_follow_up(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    app.goto(f"{stack.url}/h5/customers?for=follow-up")
    app.locator("#customers a").first.click()
    words = app.get_by_label("跟进内容")
    words.fill("电话里谈的。")
    phone_has(app, speech="对方同意下周试用。")
    app.get_by_role("button", name="语音输入").click()
    app.get_by_role("button", name="正在听，点此结束").click()
    expect(words).to_have_value("电话里谈的。\n对方同意下周试用")
    expect(app.get_by_label("结果")).to_have_value("同意试用")
    expect(app.get_by_role("button", name="语音输入")).to_be_enabled()


def test_work_is_given_to_a_colleague_out_of_the_hosts_own_list(
    stack: Stack, sample: Sample, open_app: OpenApp
) -> None:
    open_app(sample.seller.userid)
    app = open_app(sample.manager.userid)
    app.goto(f"{stack.url}/h5/tasks/new")
    phone_has(app, member=sample.seller.userid)
    app.get_by_role("button", name="从通讯录选择").click()
    expect(app.get_by_label("负责人").locator("option:checked")).to_have_text(sample.seller.name)
    phone_has(app, member=sample.outsider.userid)
    app.get_by_role("button", name="从通讯录选择").click()
    expect(app.locator(".toast")).to_contain_text("只能交给自己团队的成员或自己的主管")
    expect(app.get_by_label("负责人").locator("option:checked")).to_have_text(sample.seller.name)


def open_with_a_place(app: Page, url: str) -> None:
    """Open the first of one's own customers that is on the map."""
    app.goto(f"{url}/h5/customers")
    found = [one.get_attribute("href") or "" for one in app.locator("#customers > li a").all()]
    for address in dict.fromkeys(one for one in found if re.fullmatch(r"/h5/customers/\w+", one)):
        app.goto(f"{url}{address}")
        if app.get_by_role("link", name="地图").count():
            return
    raise AssertionError(f"none of {len(found)} customers has a place")


def test_profile_call_map_title_and_close(stack: Stack, phones: Phones, sample: Sample, open_app: OpenApp) -> None:
    seller = open_app(sample.seller.userid)
    app = open_app(sample.manager.userid)
    app.goto(f"{stack.url}/h5/team")
    app.get_by_role("link", name=sample.seller.name).click()
    told(app)
    app.get_by_role("button", name="名片").first.click()
    assert was_told(app, "profile")["userid"] == sample.seller.userid

    open_with_a_place(seller, stack.url)
    told(seller)
    seller.locator("#phones button").first.click()  # shows the number, which is counted
    number = seller.locator('#phones a[href^="tel:"]').first
    expect(number).to_be_visible()
    if sample.host == "dingtalk":
        number.click()
        assert was_told(seller, "call")["number"] == (number.get_attribute("href") or "")[4:]
    else:
        assert seller.evaluate("window.WsHost.can.call") is False  # its phones dial the link by themselves
    seller.get_by_role("link", name="地图").click()
    was_told(seller, "map")

    app.goto(f"{stack.url}/h5/me")
    told(app)
    app.evaluate("document.title = '换了标题'")
    assert was_told(app, "title")["title"] == "换了标题"
    app.get_by_role("button", name="关闭应用").click()
    was_told(app, "close")


def test_a_cancelled_scan_says_nothing_and_a_refused_one_says_so(
    stack: Stack, sample: Sample, open_app: OpenApp
) -> None:
    app = open_app(sample.seller.userid)
    app.goto(f"{stack.url}/h5/customers/new")
    button = app.get_by_role("button", name="扫名片或二维码")
    phone_has(app, cancel={"wecom": "scanQRCode", "dingtalk": "biz.util.scan"}[sample.host])
    button.click()
    app.wait_for_function("() => !window.__phone.cancel")
    phone_has(app, refuse={"wecom": "scanQRCode", "dingtalk": "biz.util.scan"}[sample.host])
    button.click()
    expect(app.locator(".toast")).to_have_text(re.compile("没有权限"))  # one note, for the second press alone
    phone_has(app, refuse="", scan="鹏城物流")
    button.click()
    expect(app.get_by_label("客户名称")).to_have_value("鹏城物流")


def test_an_ordinary_browser_shows_none_of_these_buttons(stack: Stack, phones: Phones) -> None:
    page = phones.desktop()
    page.goto(f"{stack.url}/h5/")
    assert page.evaluate("Object.keys((window.WsHost || {can: {}}).can)") == []
