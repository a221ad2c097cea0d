"""A day in the field on each host's phone: morning card, route, check-in, a sentence, check-out; the manager's side."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp, Phones
from tests.browser.stack import Sample, Stack
from tests.browser.test_main_job import add_customer, log_visit
from tests.browser.test_saying import say

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

A_ROUND = 90  # seconds: the clock looks for rounds once a minute
HERE = ZoneInfo("Asia/Shanghai")
STOPS = ("苏州工业园区恒通精密仪器有限公司", "昆山市瑞丰达电子材料股份有限公司")
NUMBERS = {"wecom": ("13711110001", "13711110002"), "dingtalk": ("13722220001", "13722220002")}
SPOKEN = "见了采购部的王总，报价十二万八，对方要样品，三天后下午三点送样品"
Picture = Callable[[Page, str], None]


def test_a_day_in_the_field(stack: Stack, phones: Phones, sample: Sample, open_app: OpenApp) -> None:
    def fits(page: Page, name: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name

    spend_a_day(stack, phones, sample, open_app(sample.seller.userid), fits)


def spend_a_day(stack: Stack, phones: Phones, sample: Sample, app: Page, picture: Picture) -> None:
    """Two visits are planned for the next working day, which then is lived through; `picture` is shown each step."""
    customers = [add_known(app, stack, name, NUMBERS[sample.host][at]) for at, name in enumerate(STOPS)]
    day = next_workday(stack)
    for customer, hour in zip(customers, (10, 14), strict=True):
        plan(app, customer, day, hour)
    while now(stack).date() < day:
        stack.move_clock("tomorrow")
    live_the_day(stack, phones, sample, customers, picture)


def now(stack: Stack) -> datetime:
    return datetime.fromisoformat(stack.now()).astimezone(HERE)


def next_workday(stack: Stack) -> date:
    """The next day on which briefs are sent, as the public calendar says; beyond its years a day of the week."""
    day = now(stack).date() + timedelta(days=1)
    while not works(day):
        day += timedelta(days=1)
    return day


def works(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def add_known(app: Page, stack: Stack, name: str, number: str) -> str:
    """Make a customer whose place is known from an earlier visit; returns its address."""
    app.goto(f"{stack.url}/h5/")
    customer = add_customer(app, name, number)
    log_visit(app, "初次上门，留下了产品册")
    return customer


def plan(app: Page, customer: str, day: date, hour: int) -> None:
    app.goto(customer)
    app.get_by_role("link", name="计划拜访").click()
    app.get_by_label("开始").fill(f"{day}T{hour:02d}:00")
    app.get_by_label("结束").fill(f"{day}T{hour + 1:02d}:00")
    app.get_by_label("目的").fill("确认二期合同的付款方式")
    app.get_by_role("button", name="保存").click()
    expect(app).to_have_url(re.compile(r"/h5/plans/\w+|/h5/visits/plans/\w+"))


def live_the_day(stack: Stack, phones: Phones, sample: Sample, customers: list[str], picture: Picture) -> None:
    """From the morning's card to the list behind a figure of the board."""
    first = STOPS[0]
    app = begin_the_morning(stack, phones, sample, picture)
    follow_the_route(app, stack, picture)
    check_in(app, stack, first, picture)
    check_out(app, picture)
    app.goto(customers[0])
    expect(app.locator("#timeline")).to_contain_text("报价十二万八")
    read_as_manager(stack, phones, sample, first, picture)


def begin_the_morning(stack: Stack, phones: Phones, sample: Sample, picture: Picture) -> Page:
    """The card lies in the chat at half past eight and opens the worklist, signed in on the way."""
    seller = sample.seller.userid
    message = stack.card(sample.host, seller, "今天：", but=lambda one: "10:00" not in str(one), within=A_ROUND)
    phone = phones.phone(sample, seller)
    phone.locator("#talk").click()
    card = phone.locator("article.card", has_text=message["title"]).last
    card.scroll_into_view_if_needed()
    expect(card).to_contain_text("10:00")
    picture(phone, "1-morning-card")
    app = phones.app(sample, seller)
    app.goto(message["url"])
    expect(app.get_by_role("heading", level=1)).to_contain_text("早间清单")
    for name in STOPS:
        expect(app.locator("#visits")).to_contain_text(name)
    picture(app, "2-morning")
    return app


def follow_the_route(app: Page, stack: Stack, picture: Picture) -> None:
    app.goto(f"{stack.url}/h5/")
    picture(app, "3-home")
    app.get_by_role("link", name="今日路线").click()
    route = app.locator("#route")
    for name in STOPS:
        expect(route).to_contain_text(name)
    expect(route.get_by_role("link", name="导航").first).to_have_attribute("href", re.compile("^https://uri.amap.com/"))
    picture(app, "4-route")


def check_in(app: Page, stack: Stack, name: str, picture: Picture) -> None:
    """Open the plan, be located, say what was done, look at the draft, and save."""
    app.goto(f"{stack.url}/h5/")
    app.locator("#plans").get_by_role("link", name=re.compile(name)).click()
    picture(app, "5-plan")
    app.get_by_role("link", name="拜访签到").click()
    expect(app.locator("[data-place]")).to_have_attribute("data-state", "good")
    app.get_by_label("添加照片").click()
    expect(app.locator('input[name="photos"]')).to_have_count(1)
    say(app, SPOKEN)
    expect(app.get_by_label("拜访内容")).to_have_value(re.compile("报价十二万八"))
    expect(app.get_by_label("做什么")).to_have_value("送样品")
    expect(app.get_by_label("下次跟进")).to_have_value(re.compile(r"T15:00$"))
    expect(app.locator("[data-place]")).to_have_attribute("data-state", "good")
    expect(app.locator('input[name="photos"]')).to_have_count(1)
    picture(app, "6-draft")
    app.get_by_role("button", name="签到").click()
    expect(app).to_have_url(re.compile(r"/h5/visits/\w+"))
    expect(app.locator("main")).to_contain_text("位置已核实")


def check_out(app: Page, picture: Picture) -> None:
    app.get_by_label("结果").fill("要样品")
    app.get_by_role("button", name="签退").click()
    expect(app.locator("main")).to_contain_text("要样品")
    expect(app.get_by_role("button", name="签退")).to_have_count(0)
    picture(app, "7-visit")


def read_as_manager(stack: Stack, phones: Phones, sample: Sample, name: str, picture: Picture) -> None:
    """The manager's card of the visit, then the board, and from its figure to the list that it counts."""
    begun = f"{sample.seller.name} 拜访了"
    message: Any = stack.card(sample.host, sample.manager.userid, name)
    assert message["title"].startswith(begun)
    phone = phones.phone(sample, sample.manager.userid)
    phone.locator("#talk").click()
    expect(phone.locator("article.card", has_text=message["title"]).last).to_be_visible()
    picture(phone, "8-manager-card")
    board = phones.app(sample, sample.manager.userid)
    board.goto(f"{stack.url}/h5/")
    board.get_by_role("link", name=re.compile("团队看板")).click()
    figure = board.locator("#figures li").filter(has=board.get_by_role("link", name="拜访", exact=True))
    expect(figure).to_contain_text("1")
    picture(board, "9-board")
    figure.get_by_role("link").click()
    expect(board.locator("#found")).to_contain_text(name)
    picture(board, "10-list")
    board.locator("#found").get_by_role("link", name=re.compile(name)).first.click()
    expect(board.locator("main")).to_contain_text(sample.seller.name)
