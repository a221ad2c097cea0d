"""The doctor in a browser: the page fills itself, nothing fails in the demo, a phone proves the page's signature."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenApp
from tests.browser.stack import Sample, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADMINS = {"wecom": "ZhaoMin", "dingtalk": "qianwei"}


def test_the_doctor_is_green_in_the_demo_and_a_phone_proves_the_signature(
    open_app: OpenApp, stack: Stack, sample: Sample
) -> None:
    page = open_app(ADMINS[sample.host])
    page.goto(f"{stack.url}/admin/doctor")
    expect(page.get_by_text("等待检查")).to_have_count(0, timeout=40_000)
    expect(page.get_by_role("button", name="全部检查", exact=True)).to_be_visible(timeout=40_000)
    expect(page.locator(".badge_overdue")).to_have_count(0)
    expect(page.locator("#token .badge_done")).to_be_visible()

    page.get_by_role("link", name="已经在手机上？直接打开").click()
    expect(page.get_by_text("客户端接受了签名")).to_be_visible()
    page.goto(f"{stack.url}/admin/doctor")
    expect(page.locator("#phone .badge_done")).to_be_visible()

    page.get_by_role("button", name="重新检查：磁盘空间").click()
    expect(page.get_by_role("button", name="全部检查", exact=True)).to_be_visible(timeout=40_000)
