"""Without network: what is recorded waits on the phone, is sent once, and is nobody else's."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Phones
from tests.browser.stack import DINGTALK, WECOM, Sample, Stack, eventually
from tests.h5.conftest import photo_bytes
from wsapp.connectors.phone import holder_cookie

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

PLACE = {"latitude": 22.5431, "longitude": 114.0579, "accuracy": 30}
LATER = timedelta(minutes=98)
KEPT = """async () => [
  ...(await indexedDB.databases()).map((one) => one.name),
  ...(await caches.keys()),
  ...Object.keys(localStorage),
  ...Object.keys(sessionStorage).filter((name) => !name.startsWith("htmx-")),
  ...(await navigator.serviceWorker.getRegistrations()).map((one) => one.scope),
]"""


def prepare(app: Page, stack: Stack, name: str) -> str:
    """A customer, the consent to positions, and the page that the phone keeps; returns the customer's address."""
    app.context.grant_permissions(["geolocation"])
    app.context.set_geolocation(PLACE)
    customer = _customer(app, stack, name)
    app.goto(f"{customer}/visits/new")
    consent = app.get_by_role("button", name="同意使用位置")
    expect(consent.or_(app.locator("[data-place]")).first).to_be_visible()
    if consent.count():
        consent.click()
    expect(app.locator("[data-place]")).to_have_attribute("data-state", "good")
    expect(app.locator("html[data-offline-ready]")).to_be_attached()
    return customer


def _customer(app: Page, stack: Stack, name: str) -> str:
    app.goto(f"{stack.url}/h5/customers/new")
    app.get_by_label("客户名称").fill(name)
    app.get_by_role("button", name="保存").click()
    expect(app.get_by_role("heading", level=1)).to_have_text(name)
    return app.url


def check_in(app: Page, note: str, ago: timedelta = LATER) -> None:
    """Fill in the form that stands here and press twice, so long ago by the phone's clock."""
    expect(app.locator("[data-place]")).to_have_attribute("data-state", re.compile("good|rough"))
    picture = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes((2400, 1800))}
    app.locator("input[name=photo_files]").set_input_files(picture)  # type: ignore[arg-type]
    expect(app.locator(".photos__note")).to_have_text("等待网络")
    app.get_by_label("拜访内容").fill(note)
    app.clock.set_fixed_time(datetime.now() - ago)  # noqa: DTZ005 - the phone's own clock
    app.get_by_role("button", name="签到").dblclick()
    expect(app.locator("main")).to_contain_text("保存在手机上")


def visits_with(app: Page, customer: str, note: str) -> Any:
    app.goto(customer)
    return app.locator("#timeline > li", has_text=note)


def waiting(app: Page) -> Any:
    return app.locator("[data-list] > li")


def drop(route: Route) -> None:
    route.abort("internetdisconnected")


@pytest.mark.parametrize("sample", [WECOM, pytest.param(DINGTALK, marks=pytest.mark.long)], ids=["wecom", "dingtalk"])
def test_a_visit_in_the_basement(stack: Stack, phones: Phones, sample: Sample) -> None:
    app = signed_in(phones, stack, sample.seller.userid, sample)
    name = f"地下三层{'深圳市' if sample.host == 'wecom' else '杭州市'}冷链仓储有限公司"
    customer, note = prepare(app, stack, name), "地下三层冷库，看了货架和温度记录"
    phone = app.context
    kept = app.evaluate(CACHED)
    assert [one for one in kept if not one.startswith("/static/")] == ["/h5/offline"]
    phone.set_offline(True)

    app.goto(f"{customer}/visits/new")
    expect(app.locator("select[name=customer] option:checked")).to_have_text(name)
    app.get_by_label("拜访内容").fill("写到一半")
    eventually(lambda: app.evaluate(DRAFTED), "the draft was not kept")
    app.reload()
    expect(app.get_by_label("拜访内容")).to_have_value("写到一半")
    check_in(app, note)
    app.close()

    phone.clock.set_fixed_time(datetime.now())  # noqa: DTZ005 - the phone's own clock
    again = phone.new_page()
    again.goto(f"{stack.url}/h5/")
    expect(again.locator(".waiting")).to_contain_text("离线，1 条记录保存在手机上")
    again.locator(".waiting").click()
    expect(waiting(again)).to_contain_text(name)
    expect(waiting(again)).to_contain_text("1 张照片")
    other = phone.new_page()
    other.goto(f"{stack.url}/h5/offline")
    expect(waiting(other)).to_have_count(1)

    phone.set_offline(False)
    expect(again.locator("[data-none]")).to_be_visible()
    expect(other.locator("[data-none]")).to_be_visible()
    found = visits_with(again, customer, note)
    expect(found).to_have_count(1)
    expect(found).to_contain_text(re.compile(r"\d\d:\d\d 记录，.*\d\d:\d\d 收到"))
    expect(found).to_contain_text("在客户附近")  # the customer has no place yet
    expect(found.locator("img")).to_have_count(1)


CACHED = """async () => {
  const asked = await (await caches.open("wsapp-offline")).keys();
  return asked.map((one) => new URL(one.url).pathname);
}"""
DRAFTED = """() => new Promise((resolve) => {
  const opening = indexedDB.open("wsapp");
  opening.onsuccess = () => {
    const asked = opening.result.transaction("entries").objectStore("entries").getAll();
    asked.onsuccess = () => {
      opening.result.close();
      resolve(asked.result.some((one) => one.state === "draft"));
    };
  };
})"""


def test_a_lost_answer_writes_once_and_signing_out_leaves_nothing(stack: Stack, phones: Phones) -> None:
    app = signed_in(phones, stack, WECOM.seller.userid)
    customer, note = prepare(app, stack, "答复丢失的深圳市远航船务有限公司"), "谈了下季度的舱位"

    def lose(route: Route) -> None:
        route.fetch(max_redirects=0)  # the server takes it
        route.abort("connectionreset")

    app.route(re.compile(r"/h5/customers/\w+/visits$"), lose)
    app.get_by_label("拜访内容").fill(note)
    app.get_by_role("button", name="签到").click()
    expect(app).to_have_url(re.compile(r"/h5/visits/\w+"))
    expect(visits_with(app, customer, note)).to_have_count(1)

    app.goto(f"{customer}/follow-ups/new")
    app.context.set_offline(True)
    app.get_by_label("跟进内容").fill("电话里答应了涨价")
    app.get_by_role("button", name="保存").click()
    expect(app.locator("main")).to_contain_text("保存在手机上")
    app.route("**/h5/offline/session", drop)
    app.context.set_offline(False)
    app.goto(f"{stack.url}/h5/me")
    app.get_by_role("button", name="退出登录").last.click()
    expect(app.locator("main")).to_contain_text("还有 1 条离线记录没有发送，退出登录后会丢失")
    app.get_by_role("button", name="仍然退出").click()
    expect(app).to_have_url(re.compile("/signin/"))
    assert app.evaluate(KEPT) == []


def test_it_is_nobody_elses(stack: Stack, phones: Phones) -> None:
    app = signed_in(phones, stack, WECOM.seller.userid)
    customer, note = prepare(app, stack, "换人登录的深圳市南山五金有限公司"), "只有我能看到的一句话"
    phone = app.context
    app.goto(f"{customer}/follow-ups/new")
    phone.set_offline(True)
    app.get_by_label("跟进内容").fill(note)
    app.get_by_role("button", name="保存").click()
    expect(app.locator("main")).to_contain_text("保存在手机上")

    becomes(phone, stack, WECOM.colleague.userid)
    phone.set_offline(False)
    app.goto(f"{stack.url}/h5/offline")
    expect(app.locator("main")).to_contain_text("另一位成员在这台手机上还有 1 条离线记录没有发送")
    expect(app.locator("[data-none]")).to_be_visible()
    assert note not in app.content()

    becomes(phone, stack, WECOM.seller.userid)
    app.goto(f"{stack.url}/h5/offline")
    expect(app.locator("#toasts")).to_contain_text("已发送 1 条离线记录")
    expect(visits_with(app, customer, note)).to_have_count(1)


def test_a_refused_record_is_mended(stack: Stack, phones: Phones) -> None:
    """In a web view without IndexedDB, whose plain storage keeps texts."""
    app = phones.app(WECOM, WECOM.seller.userid)
    app.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    app.goto(f"{stack.url}/h5/")
    app.get_by_role("navigation", name="主导航").wait_for()
    customer = _customer(app, stack, "要修改的深圳市宝安模具有限公司")
    app.goto(f"{customer}/follow-ups/new")
    app.context.set_offline(True)
    app.get_by_label("跟进内容").fill("模具下周到")
    app.get_by_label("发生时间").fill("2020-01-01T10:00")
    app.get_by_role("button", name="保存").click()
    expect(app.locator("main")).to_contain_text("保存在手机上")
    app.context.set_offline(False)
    app.get_by_role("link", name="1 条离线记录没有被接受，点此处理").click()
    expect(waiting(app)).to_contain_text("发生时间不能早于 72 小时前")
    app.get_by_role("link", name="修改").click()
    expect(app.locator(".field_bad")).to_contain_text("发生时间不能早于 72 小时前")
    app.get_by_label("发生时间").fill("")
    app.get_by_role("button", name="保存").click()
    expect(app).to_have_url(customer)
    expect(visits_with(app, customer, "模具下周到")).to_have_count(1)


def signed_in(phones: Phones, stack: Stack, user: str, sample: Sample = WECOM) -> Page:
    page = phones.app(sample, user)
    page.goto(f"{stack.url}/h5/")
    page.get_by_role("navigation", name="主导航").wait_for()
    return page


def becomes(phone: BrowserContext, stack: Stack, user: str) -> None:
    """The phone is somebody else's from now on; nobody signed out."""
    phone.clear_cookies(name="wsapp")
    base = stack.emulator(WECOM.host)
    phone.add_cookies([{"name": holder_cookie(WECOM.host), "value": user, "url": base}])


@pytest.mark.long
def test_what_comes_too_late_is_saved_as_of_now(stack: Stack, phones: Phones) -> None:
    app = signed_in(phones, stack, WECOM.seller.userid)
    customer, note = prepare(app, stack, "来得太晚的珠海市横琴口岸置业有限公司"), "四天前的地下室"
    phone = app.context
    phone.set_offline(True)
    app.goto(f"{customer}/visits/new")
    check_in(app, note, ago=timedelta(days=4))
    phone.clock.set_fixed_time(datetime.now())  # noqa: DTZ005 - the phone's own clock
    phone.set_offline(False)
    app.goto(f"{stack.url}/h5/offline")
    expect(waiting(app)).to_contain_text("记录时间早于 72 小时前，不能再补记")
    app.get_by_role("link", name="修改").click()
    app.get_by_label("按现在的时间保存").check(force=True)
    app.get_by_role("button", name="签到").click()
    expect(app).to_have_url(re.compile(r"/h5/visits/\w+"))
    expect(app.locator("main")).to_contain_text("定位已过时")
    expect(visits_with(app, customer, note)).to_have_count(1)
