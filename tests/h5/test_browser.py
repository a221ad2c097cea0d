"""The pages in a real browser, over real HTTP: what the script adds, and no fault by the policy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.cast import BROWSER_AGENT, Cast
from tests.h5.conftest import PLACE, Book, photo_bytes
from tests.h5.test_queries import grow
from wsapp.crm.customers.models import Customer
from wsapp.crm.mentions.models import Mention
from wsapp.crm.org.models import Member

pytestmark = [pytest.mark.browser, pytest.mark.server]

PHONE = {"width": 390, "height": 844}
HERE = {"latitude": PLACE["lat"], "longitude": PLACE["lng"], "accuracy": 20}
MOBILE = BROWSER_AGENT.replace("X11; Linux x86_64", "Linux; Android 14; Mobile")

Open = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, base: str, sign_in: Any) -> Iterator[Open]:
    """`open_page(member, path, …)` → a page; at the end, none of them had an error in its console."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def noted(message: Any) -> None:
        # A refused form is no fault of the page.
        if message.type == "error" and not any(f"status of {code}" in message.text for code in (404, 409, 422)):
            wrong.append(message.text)

    def start(member: Member, path: str, **options: Any) -> Page:
        settings = {"viewport": PHONE, "locale": "zh-CN", "user_agent": MOBILE, "geolocation": HERE, **options}
        context = chromium.new_context(base_url=base, **settings)
        contexts.append(context)
        context.add_cookies([{"name": "wsapp", "value": sign_in(member).get_cookie("wsapp").value, "url": base}])
        page = context.new_page()
        page.on("console", noted)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(path)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not wrong


def test_a_tick_finishes_and_a_menu_puts_off_in_place(open_page: Open, book: Book, ali: Member) -> None:
    page = open_page(ali, "/h5/")
    page.locator(f"#task-{book.overdue} .tick__button").click()
    expect(page.locator(f"#task-{book.overdue}.row_done")).to_be_visible()
    expect(page.locator(".toast")).to_have_text("已完成")
    row = page.locator(f"#task-{book.today}")
    row.locator("summary").click()
    row.get_by_role("button", name="明天 09:00").click()
    expect(page.locator(f"#task-{book.today} .row__meta")).to_contain_text("已推迟")
    page.reload()
    expect(page.locator(f"#overdue #task-{book.overdue}")).to_have_count(0)
    expect(page.locator(f"#later #task-{book.today}")).to_be_visible()


def test_lists_grow_in_place_and_search_while_typing(
    open_page: Open, app: Flask, cast: Cast, ali: Member, book: Book
) -> None:
    grow(app, cast, ali)
    page = open_page(ali, "/h5/customers")
    rows = page.locator("#customers > li.row")
    expect(rows).to_have_count(20)
    page.get_by_text("加载更多").click()
    expect(rows).to_have_count(26)
    page.get_by_placeholder("客户名称或电话").fill("第07")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("第07公司")


def test_a_refused_form_keeps_its_text_and_a_double_tap_saves_once(
    open_page: Open, ali: Member, rows_of: Callable[..., list[Any]]
) -> None:
    page = open_page(ali, "/h5/customers/new")
    page.fill("[name=name]", "东")
    page.fill("#f-phones", "12345")
    page.get_by_text("更多资料").click()
    page.fill("[name=source]", "展会")
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".field__error")).to_have_count(2)
    expect(page.locator("[name=name]")).to_be_focused()
    expect(page.locator("[name=source]")).to_have_value("展会")
    page.fill("[name=name]", "东海木业")
    page.fill("#f-phones", "13800138001")
    page.get_by_role("button", name="保存").dblclick()
    page.wait_for_url("**/h5/customers/1*")
    expect(page.locator(".toast")).to_have_text("客户已保存")
    (customer,) = rows_of(Customer, ali)
    assert (customer.name, customer.source) == ("东海木业", "展会")


def test_two_windows_on_one_customer(open_page: Open, book: Book, ali: Member, bob: Member) -> None:
    path = f"/h5/customers/{book.customer}/edit"
    mine, theirs = open_page(ali, path), open_page(bob, path)
    theirs.fill("[name=address]", "望京 SOHO T3")
    theirs.get_by_role("button", name="保存").click()
    theirs.wait_for_url(f"**/h5/customers/{book.customer}")
    mine.fill("[name=address]", "方恒国际中心")
    mine.get_by_role("button", name="保存").click()
    expect(mine.locator(".diff__mine")).to_have_text("方恒国际中心")
    expect(mine.locator(".diff__theirs")).to_have_text("望京 SOHO T3")
    mine.get_by_role("button", name="仍按我的保存").click()
    mine.wait_for_url(f"**/h5/customers/{book.customer}")
    expect(mine.locator("dd", has_text="方恒国际中心")).to_be_visible()


def test_a_visit_with_position_and_photo(open_page: Open, book: Book, ali: Member) -> None:
    page = open_page(ali, f"/h5/customers/{book.customer}/visits/new", permissions=["geolocation"])
    expect(page.locator("[data-place][data-state=good]")).to_be_visible()
    page.set_input_files(
        "[name=photo_files]", [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes((2000, 1500))}]
    )
    expect(page.locator("input[name=photos]")).to_have_count(1)
    page.fill("[name=note]", "看了仓库")
    page.get_by_role("button", name="签到").click()
    page.wait_for_url("**/h5/visits/*")
    expect(page.locator(".album img")).to_have_js_property("complete", True)
    assert page.locator(".album img").evaluate("image => image.naturalWidth") == 320
    page.fill("[name=result]", "确认报价")
    page.get_by_role("button", name="签退").click()
    expect(page.locator(".hero .badge")).to_have_text("已签退")


def test_without_permission_a_reason_is_enough(open_page: Open, book: Book, ali: Member) -> None:
    page = open_page(ali, f"/h5/customers/{book.customer}/visits/new", permissions=[])
    expect(page.locator("[data-place-state]")).to_have_text("无法定位")
    page.select_option("[name=no_fix_reason]", "denied")
    page.get_by_role("button", name="签到").click()
    page.wait_for_url("**/h5/visits/*")
    expect(page.locator(".badge", has_text="未定位")).to_be_visible()


def test_everything_works_without_script(open_page: Open, book: Book, ali: Member) -> None:
    page = open_page(ali, "/h5/customers/new", java_script_enabled=False)
    page.fill("[name=name]", "西山木业")
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/h5/customers/1*")
    page.get_by_role("link", name="拜访签到").click()
    page.locator("noscript select").select_option("indoor")
    page.set_input_files("[name=photo_files]", [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes()}])
    page.get_by_role("button", name="签到").click()
    page.wait_for_url("**/h5/visits/*")
    assert page.locator(".album img").count() == 1
    page.goto(f"/h5/tasks/{book.given}")
    page.locator("summary", has_text="稍后").click()
    page.get_by_role("button", name="1 小时后").click()
    expect(page.locator(".toast")).to_contain_text("再提醒")


def test_what_people_type_never_runs(open_page: Open, ali: Member) -> None:
    page = open_page(ali, "/h5/customers/new")
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    evil = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
    page.fill("[name=name]", evil)
    page.fill("[name=note]", evil)
    page.fill("[name=address]", f"{evil}' onload='alert(3)")
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/h5/customers/1*")
    expect(page.locator("h1")).to_have_text(evil)
    page.goto("/h5/customers")
    expect(page.locator(".row__link").first).to_have_text(evil)


def test_an_at_opens_a_list_of_colleagues_and_phrases_need_no_network(
    open_page: Open, book: Book, ali: Member, bob: Member, rows_of: Callable[..., list[Any]]
) -> None:
    page = open_page(ali, f"/h5/customers/{book.customer}/follow-ups/new")
    text = page.locator("#f-text")
    text.press_sequentially("报价请@老")
    page.get_by_role("button", name="老鲍 · 华南销售部").click()
    expect(text).to_have_value("报价请@老鲍 ")
    expect(text).to_be_focused()
    text.press_sequentially("看一下，发到 sales@gu")
    expect(page.locator("[data-mentions-found]")).to_be_hidden()
    page.context.set_offline(True)
    page.get_by_role("button", name="客户要求寄样品").click()
    expect(text).to_have_value("报价请@老鲍 看一下，发到 sales@gu\n客户要求寄样品")
    page.context.set_offline(False)
    page.get_by_role("button", name="保存").click()
    page.wait_for_url(f"**/h5/customers/{book.customer}")
    assert [one.member_id for one in rows_of(Mention, ali)] == [bob.id]
