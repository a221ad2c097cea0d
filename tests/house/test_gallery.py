"""The pages' parts in a real browser: accessible in every look, and doing what app.js promises."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

GALLERY = Path(__file__).resolve().parents[2] / "frontend/gallery"
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 800}
# The product's own pages are looked at in all looks elsewhere (tests/h5/test_axe.py); here in one for each client.
LOOKS = [("wecom", "light"), ("dingtalk", "dark"), ("browser", "light")]
OTHERS = [("wecom", "dark"), ("dingtalk", "light"), ("browser", "dark")]
PAGES = ("lists", "form", "record", "states", "error/404", "refused")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def gallery() -> Iterator[Any]:
    sys.path.insert(0, str(GALLERY))
    try:
        import app as module

        made = module.create_gallery()
        with module.serving(made) as base:
            made.extensions["gallery"].base = base
            yield made.extensions["gallery"]
    finally:
        sys.path.remove(str(GALLERY))
        for name in ("app", "sample"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def state(gallery: Any) -> Any:
    gallery.seen.clear()
    gallery.uploads.clear()
    gallery.done.clear()
    gallery.status.clear()
    gallery.position = gallery.code = True
    gallery.gate.set()
    yield gallery
    gallery.gate.set()


@pytest.fixture
def open_page(chromium: Browser, state: Any) -> Iterator[Any]:
    """Open a page of the gallery; fail on any error that the browser reports (policy, script, missing file)."""
    contexts, said = [], []

    def opened(path: str, *, size: dict[str, int] | None = None, quiet: bool = True, **more: Any) -> Page:
        context = chromium.new_context(base_url=state.base, viewport=size or PHONE, locale="zh-CN", **more)
        contexts.append(context)
        context.set_default_timeout(8000)
        page = context.new_page()
        if quiet:
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize(("host", "theme"), [*LOOKS, *(pytest.param(*one, marks=pytest.mark.long) for one in OTHERS)])
def test_everybody_can_use_the_pages(open_page: Any, host: str, theme: str) -> None:
    page = open_page(f"/lists?host={host}&theme={theme}")
    found = {}
    for name in PAGES:
        for size in (PHONE, WIDE):
            page.set_viewport_size(size)
            page.goto(f"/{name}?host={host}&theme={theme}")
            found[name, size["width"]] = violations(page)
    assert {where: what for where, what in found.items() if what} == {}


def test_open_sheets_and_menus_are_accessible(open_page: Any) -> None:
    page = open_page("/record?host=dingtalk&theme=light")
    for words in ("退回公海", "稍后"):
        page.locator("summary", has_text=words).click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.locator("summary", has_text=words)).to_be_focused()


@pytest.mark.parametrize("width", [320, 390, 899, 1280])
def test_nothing_runs_out_of_the_window(open_page: Any, width: int) -> None:
    page = open_page("/lists?host=wecom", size={"width": width, "height": 800})
    for host in ("wecom", "dingtalk"):
        for name in ("lists", "form", "record", "states"):
            page.goto(f"/{name}?host={host}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (host, name)


def test_everything_to_tap_is_large_enough(open_page: Any) -> None:
    page = open_page("/lists?host=wecom")
    for name in ("lists", "form", "record", "states"):
        page.goto(f"/{name}?host=wecom")
        small = page.evaluate(
            """() => [...document.querySelectorAll("a, button, summary, select, textarea, input:not([type=hidden])")]
              .filter((e) => e.checkVisibility() && !e.matches(".row__link, .skip, .chip input, .switch input"))
              .map((e) => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])
              .filter(([, box]) => Math.round(box.height) < 44 || Math.round(box.width) < 44)
              .map(([html, box]) => `${Math.round(box.width)}x${Math.round(box.height)} ${html}`)"""
        )
        assert small == [], name


def test_a_double_tap_posts_once_and_errors_keep_what_was_typed(open_page: Any, state: Any) -> None:
    page = open_page("/form", quiet=False)
    page.get_by_label("地址").fill("望京街道 6 号")
    state.gate.clear()
    save = page.get_by_role("button", name="保存")
    save.dblclick()
    expect(save).to_be_disabled()
    save.evaluate("button => button.form.requestSubmit()")
    with page.expect_response("**/form"):
        state.gate.set()
    expect(page.get_by_text("请填写客户名称")).to_be_visible()
    expect(page.get_by_label("地址")).to_have_value("望京街道 6 号")
    expect(page.get_by_label("客户名称")).to_be_focused()
    expect(save).to_be_enabled()
    assert [path for path, _ in state.seen] == ["/form"]
    fields = state.seen[0][1]
    assert fields["csrf_token"] == ["token-of-the-gallery"]
    assert fields["idempotency_key"] == ["k-1"]


def test_a_saved_form_leads_to_the_record(open_page: Any, state: Any) -> None:
    page = open_page("/form")
    page.get_by_label("客户名称").fill("华星贸易")
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/record")
    assert [path for path, _ in state.seen] == ["/form"]


def test_a_conflict_shows_both_versions_within_the_form(open_page: Any) -> None:
    page = open_page("/form", quiet=False)
    page.get_by_label("客户名称").fill("conflict")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("cell", name="方恒国际中心 A 座")).to_be_visible()
    expect(page.locator("input[name=version]")).to_have_value("4")
    expect(page.get_by_label("客户名称")).to_have_value("conflict")


def test_without_a_network_the_form_stays(open_page: Any) -> None:
    page = open_page("/form", quiet=False)
    page.get_by_label("地址").fill("望京街道 6 号")
    page.context.set_offline(True)
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("网络不通，内容还在")).to_be_visible()
    expect(page.get_by_label("地址")).to_have_value("望京街道 6 号")
    expect(page.get_by_role("button", name="保存")).to_be_enabled()


def test_an_ended_session_signs_in_again_once_and_gives_back_what_was_typed(open_page: Any, state: Any) -> None:
    page = open_page("/form", quiet=False)
    page.get_by_label("地址").fill("望京街道 6 号")
    page.get_by_label("个人").check()
    state.status["POST", "/form"] = 401
    with page.expect_navigation():
        page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("刚才填写的内容已恢复")).to_be_visible()
    expect(page.get_by_label("地址")).to_have_value("望京街道 6 号")
    expect(page.get_by_label("个人")).to_be_checked()
    assert page.evaluate("sessionStorage.getItem('wsapp.kept')") is None
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("登录没有成功")).to_be_visible()
    expect(page.get_by_label("地址")).to_have_value("望京街道 6 号")


def test_more_rows_come_below_the_first(open_page: Any) -> None:
    page = open_page("/lists")
    expect(page.locator("#customers > li.row")).to_have_count(4)
    page.get_by_text("加载更多").click()
    expect(page.locator("#customers > li.row")).to_have_count(8)
    expect(page.get_by_text("没有更多了")).to_be_visible()
    expect(page.locator("#customers > li.row").nth(4).get_by_role("link").first).to_be_focused()


def test_the_list_is_searched_while_typing(open_page: Any) -> None:
    page = open_page("/lists?host=wecom")
    page.locator("#customers > li").first.evaluate("row => row.dataset.old = '1'")
    with page.expect_request(lambda request: "/h5/customers" in request.url) as asked:
        page.get_by_role("searchbox").fill("bjsl")
    assert asked.value.url.endswith("/h5/customers?q=bjsl")
    expect(page.locator("#customers > li[data-old]")).to_have_count(0)
    expect(page.locator("#customers > li.row")).to_have_count(4)
    assert page.url.endswith("/h5/customers?q=bjsl")


def test_a_tick_finishes_the_task_in_place(open_page: Any, state: Any) -> None:
    page = open_page("/lists")
    page.get_by_role("button", name="完成 电话回访").click()
    expect(page.locator("#task-t2.row_done")).to_be_visible()
    assert [path for path, _ in state.seen] == ["/h5/tasks/t2/completion"]
    assert page.url.endswith("/lists")


def test_moments_are_told_in_words(open_page: Any) -> None:
    page = open_page("/lists")
    texts = page.locator("#customers time").all_inner_texts()
    assert texts[:2] == ["7 分钟前", "明天"]
    assert texts[2] == "3 天前"


def picture(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 120, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def test_photos_go_up_small_and_can_be_taken_back(open_page: Any, state: Any) -> None:
    page = open_page("/form")
    files = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": picture(2400, 1200)} for n in range(2)]
    page.locator("input[type=file]").set_input_files(files)
    expect(page.locator("input[name=photos]")).to_have_count(4)
    assert [kind for kind, _ in state.uploads] == ["image/jpeg"] * 2
    sent = Image.open(io.BytesIO(state.uploads[0][1]))
    assert (sent.format, sent.size) == ("JPEG", (1600, 800))
    page.get_by_role("button", name="删除这张照片").first.click()
    values = page.locator("input[name=photos]").evaluate_all("all => all.map((one) => one.value)")
    assert values == ["f2", "file-1", "file-2"]


def test_a_failed_photo_is_sent_again_on_demand(open_page: Any, state: Any) -> None:
    page = open_page("/form", quiet=False)
    state.status["POST", "/h5/photos"] = 503
    page.locator("input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture(40, 30)}
    )
    retry = page.get_by_role("button", name="上传失败，点此重试")
    expect(retry).to_be_visible()
    state.status.clear()
    retry.click()
    expect(page.locator("input[name=photos]")).to_have_count(3)
    expect(retry).to_have_count(0)


def test_the_host_tells_the_position(open_page: Any) -> None:
    page = open_page("/form?host=wecom")
    page.get_by_role("button", name="定位").click()
    expect(page.get_by_text("精度约 35 米")).to_be_visible()
    values = {
        name: page.locator(f"input[name={name}]").input_value() for name in ("lat", "lng", "accuracy", "coordinate")
    }
    assert values == {"lat": "39.99", "lng": "116.48", "accuracy": "35", "coordinate": "gcj02"}
    assert page.locator("input[name=fixed_at]").input_value().endswith("Z")


def test_the_browser_tells_the_position_where_the_host_does_not(open_page: Any, state: Any) -> None:
    state.position = False
    where = {"latitude": 31.2, "longitude": 121.5, "accuracy": 800}
    page = open_page("/form?host=wecom", quiet=False, geolocation=where, permissions=["geolocation"])
    page.get_by_role("button", name="定位").click()
    expect(page.get_by_text("定位不够精确")).to_be_visible()
    expect(page.locator("input[name=coordinate]")).to_have_value("wgs84")
    expect(page.get_by_label("无法定位的原因")).to_be_hidden()


def test_without_a_position_a_reason_is_asked(open_page: Any, state: Any) -> None:
    page = open_page("/form?host=browser")  # no permission is given
    page.get_by_role("button", name="定位").click()
    expect(page.get_by_text("定位权限未开启")).to_be_visible()
    page.get_by_label("无法定位的原因").select_option("indoor")
    page.get_by_label("客户名称").fill("华星")
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/record")
    assert state.seen[0][1]["no_fix_reason"] == ["indoor"]
    assert state.seen[0][1]["lat"] == [""]


def test_no_more_choices_than_allowed(open_page: Any) -> None:
    page = open_page("/form")
    for words in ("提前 15 分钟", "提前 1 小时", "提前 1 天"):
        page.get_by_label(words).click()
    expect(page.get_by_text("最多选择 3 项").last).to_be_visible()
    assert page.locator("input[name=reminders]:checked").count() == 3


def test_silent_sign_in_leads_on(open_page: Any, state: Any) -> None:
    page = open_page("/signin?host=dingtalk")
    page.wait_for_url("**/lists")
    assert [path for path, _ in state.seen] == ["/signin/code"]


def test_failed_sign_in_never_runs_in_circles(open_page: Any, state: Any) -> None:
    state.code = False
    page = open_page("/signin?host=dingtalk", quiet=False)
    expect(page.get_by_text("登录没有成功")).to_be_visible()
    expect(page.get_by_text("加入应用的可见范围")).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name="再试一次").click()
    expect(page.get_by_text("加入应用的可见范围")).to_be_visible()
    page.reload()
    expect(page.get_by_text("加入应用的可见范围")).to_be_visible()
    assert state.seen == []


def test_a_lost_cookie_does_not_sign_in_for_ever(open_page: Any, state: Any) -> None:
    page = open_page("/error/404", quiet=False)
    # A page of somebody who is signed in would end the count.
    page.route(
        "**/lists", lambda route: route.fulfill(body="<!doctype html><title>-</title>", content_type="text/html")
    )
    page.goto("/signin?host=dingtalk")
    page.wait_for_url("**/lists")
    page.goto("/signin?host=dingtalk")
    page.wait_for_url("**/lists")
    page.goto("/signin?host=dingtalk")
    expect(page.get_by_text("加入应用的可见范围")).to_be_visible()
    assert [path for path, _ in state.seen] == ["/signin/code"] * 2


def test_the_list_stands_beside_the_record_only_where_it_is_wide(open_page: Any) -> None:
    page = open_page("/record", size=WIDE)
    expect(page.locator(".pane li.row")).to_have_count(4)
    requests: list[str] = []
    phone = open_page("/lists")
    phone.on("request", lambda request: requests.append(request.url))
    phone.goto("/record", wait_until="networkidle")
    assert not any("/h5/customers" in url for url in requests)


def test_everything_works_without_script(open_page: Any, state: Any) -> None:
    page = open_page("/lists", java_script_enabled=False, quiet=False)
    page.get_by_text("加载更多").click()
    expect(page.get_by_text("没有更多了")).to_be_visible()
    page.locator("summary.plus__open").click()
    expect(page.get_by_role("link", name="新客户", exact=True)).to_be_visible()
    page.goto("/lists")
    page.get_by_role("button", name="完成 电话回访").click()
    expect(page.locator("#task-t2.row_done")).to_be_visible()
    page.goto("/form")
    page.get_by_label("地址").fill("望京街道 6 号")
    page.locator("noscript select").select_option("indoor")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("请填写客户名称")).to_be_visible()
    expect(page.get_by_label("地址")).to_have_value("望京街道 6 号")
    page.goto("/record")
    page.get_by_text("退回公海", exact=True).click()
    page.get_by_role("button", name="退回", exact=True).click()
    assert state.seen[-1][0] == "/form"
    assert state.seen[-1][1]["version"] == ["3"]
