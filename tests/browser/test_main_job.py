"""The main job on each host's phone: sign in, customer, visit, task, card in the chat, done on the card."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp, Phones
from tests.browser.stack import Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

HERE = ZoneInfo("Asia/Shanghai")


def test_the_main_job(stack: Stack, phones: Phones, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    expect(app.get_by_role("heading", level=1)).to_contain_text(sample.seller.name)

    name = f"{'深圳市' if sample.host == 'wecom' else '杭州市'}鹏程万里国际物流有限公司"
    customer_url = add_customer(app, name, "13800138000" if sample.host == "wecom" else "13900139000")
    log_visit(app, "见到采购经理，确认了首批订单的数量")
    app.goto(customer_url)
    expect(app.locator("#timeline")).to_contain_text("确认了首批订单的数量")

    add_task(app, stack, customer_url, "把修改后的合同发给法务")
    stack.move_clock("10m")
    phone = phones.phone(sample, sample.seller.userid)
    press_done(phone, "把修改后的合同发给法务", sample)

    app.goto(customer_url)
    timeline = app.locator("#timeline")
    for words in ("把修改后的合同发给法务", "完成", "签到", "新建了客户"):
        expect(timeline).to_contain_text(words)
    expect(app.get_by_role("heading", name="未完成的待办")).to_have_count(0)

    read_as_manager(stack, phones, sample, name)


def add_customer(app: Page, name: str, number: str) -> str:
    """Make a customer by the round button; returns the address of its page."""
    app.get_by_label("新建", exact=True).click()
    app.get_by_role("link", name="新客户").click()
    app.get_by_label("客户名称").fill(name)
    app.get_by_label("电话", exact=True).fill(number)
    app.get_by_role("button", name="保存").click()
    expect(app.get_by_role("heading", level=1)).to_have_text(name)
    show_number(app)
    expect(app.locator(f'#phones a[href="tel:{number}"]')).to_be_visible()  # the next tap calls
    return app.url


def show_number(app: Page) -> None:
    """Tap the first number, which pages show in part until somebody asks for it."""
    expect(app.locator('#phones a[href^="tel:"]')).to_have_count(0)
    app.locator("#phones button").first.click()


def log_visit(app: Page, note: str) -> None:
    """Check in from the customer's page, with the phone's position and camera."""
    app.get_by_role("link", name="拜访签到").click()
    consent = app.get_by_role("button", name="同意使用位置")
    expect(consent.or_(app.locator("[data-place]")).first).to_be_visible()
    if consent.count():
        consent.click()
    expect(app.locator("[data-place]")).to_have_attribute("data-state", "good")
    app.get_by_label("设为客户位置").check(force=True)
    app.get_by_label("添加照片").click()
    expect(app.locator('input[name="photos"]')).to_have_count(1)
    app.get_by_label("拜访内容").fill(note)
    app.get_by_role("button", name="签到").click()
    expect(app).to_have_url(re.compile(r"/h5/visits/\w+"))
    expect(app.locator("main")).to_contain_text(note)
    expect(app.locator("main")).to_contain_text("位置已核实")
    show_photo(app)


def show_photo(app: Page) -> None:
    """The photo is there, once the worker has fetched it where it lay with the host, and it is a picture."""
    picture = app.locator("main img").first
    for _look in range(20):
        if picture.count():
            break
        app.reload()
    expect(picture).to_be_visible()
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") > 0


def add_task(app: Page, stack: Stack, customer_url: str, title: str) -> None:
    """Make a task that is due in a minute."""
    app.goto(customer_url)
    app.get_by_role("link", name="新待办").click()
    app.get_by_label("标题").fill(title)
    due = datetime.fromisoformat(stack.now()).astimezone(HERE) + timedelta(minutes=1)
    app.get_by_label("到期时间").fill(due.strftime("%Y-%m-%dT%H:%M"))
    app.get_by_role("button", name="保存").click()
    expect(app.get_by_role("heading", level=1).filter(has_text=title)).to_be_visible()


def press_done(phone: Page, title: str, sample: Sample) -> None:
    """The card arrives in the chat; its button finishes the task; the card then says who did it and when."""
    phone.locator("#talk").click()
    card = phone.locator("article.card", has_text=title)
    expect(card).to_have_count(1)
    card.get_by_role("button", name="完成", exact=True).click()
    expect(card).to_contain_text(f"已完成 · {sample.seller.name}")
    expect(card).to_contain_text(re.compile(r"\d\d:\d\d"))
    expect(card.get_by_role("button", name="完成", exact=True)).to_have_count(0)


def read_as_manager(stack: Stack, phones: Phones, sample: Sample, customer: str) -> None:
    """The manager heard of the visit; the message opens that very visit, signed in on the way."""
    message = stack.card(sample.host, sample.manager.userid, customer)
    assert message["title"].startswith(f"{sample.seller.name} 拜访了")
    app = phones.app(sample, sample.manager.userid)
    app.goto(message["url"])
    expect(app).to_have_url(re.compile(r"/h5/visits/\w+"))
    expect(app.get_by_role("heading", level=1).filter(has_text=customer)).to_be_visible()
    expect(app.locator("main")).to_contain_text(sample.seller.name)
