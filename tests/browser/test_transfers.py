"""A spreadsheet goes in with its bar to look at, and comes back out; columns are chosen; on the phone and on a desk."""

import io
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Phones
from tests.browser.stack import DINGTALK, WECOM, Sample, Stack
from tests.crm.transfer.conftest import csv_bytes, xlsx_bytes

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

SIZES = {"phone": (WECOM, 390, 844), "desktop": (DINGTALK, 1280, 800)}
ROWS = 3_000


def signed_in(stack: Stack, phones: Phones, sample: Sample, width: int, height: int) -> Page:
    page = phones.app(sample, sample.seller.userid)
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{stack.url}/h5/")
    page.get_by_role("navigation", name="主导航").wait_for()
    return page


def sheet(size: str, folder: Path) -> Path:
    """A book of a thousand firms whose first column has a heading that only people understand."""
    lead = {"phone": "泉州", "desktop": "漳州"}[size]
    first = {"phone": 1360000, "desktop": 1370000}[size]
    rows = [("抬头", "手机", "级别")]
    rows += [(f"{lead}{n:04}陶瓷卫浴制造有限公司", f"{first}{n:04}", "B") for n in range(ROWS)]
    rows[6] = (rows[6][0], "1.36E+10", "B")
    path = folder / ("客户资料.csv" if size == "phone" else "客户资料.xlsx")
    path.write_bytes(csv_bytes(rows, "gb18030") if size == "phone" else xlsx_bytes(rows))
    return path


@pytest.mark.parametrize("size", SIZES)
def test_a_sheet_goes_in_and_is_taken_back(stack: Stack, phones: Phones, size: str, tmp_path: Path) -> None:
    page = signed_in(stack, phones, *SIZES[size])
    page.goto(f"{stack.url}/h5/imports")
    page.locator("#f-file").set_input_files(sheet(size, tmp_path))
    page.get_by_role("button", name="上传并预览").click()
    page.get_by_label("抬头").select_option(label="客户名称 *")
    expect(page.get_by_role("region", name="预览")).to_contain_text("陶瓷卫浴")
    page.get_by_role("button", name="开始").click()

    bar = page.get_by_role("progressbar", name="进度")
    expect(bar).to_be_visible()
    page.evaluate("window.sameDocument = true")
    expect(page.locator("#import")).to_contain_text("已完成", timeout=60_000)
    assert page.evaluate("window.sameDocument") is True  # it went on without a reload
    assert bar.evaluate("bar => bar.value / bar.max") == 1
    expect(page.locator("#import")).to_contain_text(f"{ROWS} / {ROWS} 行")
    expect(page.locator("#import")).to_contain_text("第 7 行")
    with page.expect_download() as download:
        page.get_by_role("link", name="下载没有导入的行").click()
    assert download.value.suggested_filename.endswith(".xlsx")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("summary", has_text="撤销这次导入").click()
    page.get_by_role("button", name="撤销", exact=True).click()
    expect(page.locator("#import")).to_contain_text(f"已撤销 {ROWS - 1} 行", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("size", SIZES)
def test_columns_of_an_export_are_chosen(stack: Stack, phones: Phones, size: str) -> None:
    page = signed_in(stack, phones, *SIZES[size])
    page.goto(f"{stack.url}/h5/exports")
    page.get_by_text("列与顺序").click()
    boxes = page.locator(".sheet-columns input[type=checkbox]")
    names = [box.get_attribute("value") for box in boxes.all()]
    for at in range(2, len(names)):
        boxes.nth(at).uncheck()
    page.get_by_role("button", name="上移“简称”").click()
    expect(boxes.first).to_have_attribute("value", "short_name")
    expect(page.locator(".sheet-columns input:checked")).to_have_count(2)
    page.locator("input[name=format][value=csv]").check(force=True)
    page.get_by_role("button", name="导出", exact=True).click()
    expect(page.locator("#export")).to_contain_text("可下载", timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="下载").click()
    text = io.BytesIO(download.value.path().read_bytes()).read().decode("utf-8-sig")
    assert text.splitlines()[0] == "简称,客户名称"
    page.goto(f"{stack.url}/h5/exports")
    expect(page.locator(".sheet-columns input:checked")).to_have_count(2)
