"""The pages of field work and follow-through, for the pictures: which there are, and what has to be done first."""

import re
from typing import Any

from playwright.sync_api import Page

SELLER, MANAGER = "seller", "manager"

# Pages on the phone: name, who, address, as in book_pages.
PAGES = (
    ("brief-morning", SELLER, "/h5/briefs/morning"),
    ("brief-evening", SELLER, "/h5/briefs/evening"),
    ("saying", SELLER, "/h5/follow-ups/new"),
    ("location", SELLER, "/h5/me/location"),
    ("offline", SELLER, "/h5/offline"),
    ("nearby", SELLER, "{near}"),
    ("route", SELLER, "/h5/route"),
    ("plans", SELLER, "/h5/visits/plans"),
    ("plan", SELLER, "{plan}"),
    ("plan-new", SELLER, "{known}/visit-plans/new"),
    ("plan-edit", SELLER, "{plan}/edit"),
    ("reports", SELLER, "/h5/reports"),
    ("report-new", SELLER, "/h5/reports/new?kind=week"),
    ("report", SELLER, "{report}"),
    ("report-edit", SELLER, "{report}/edit"),
    ("reports-team", MANAGER, "/h5/reports/team"),
    ("board", MANAGER, "/h5/board"),
    ("board-week", MANAGER, "/h5/board?span=week"),
    ("board-list", MANAGER, "/h5/board/list?what=visits"),
    ("board-feed", MANAGER, "/h5/board/feed"),
)


def do_as_seller(page: Page, shelf: Any) -> None:
    """Look for customers around oneself, and plan to visit two of them; `shelf` as in book_pages."""
    page.goto(f"{shelf.base}/h5/nearby")
    page.locator('[data-place][data-state="good"]').wait_for()
    page.get_by_role("button", name="查找附近客户").click()
    page.locator("#nearby").wait_for()
    shelf.found["near"] = page.url.removeprefix(shelf.base)
    around = page.locator('#nearby input[name="stop"]').evaluate_all("all => all.map((one) => one.value)")
    for customer, purpose in zip(around[:2], ("确认二期合同的付款方式", "送样品，顺便看陈列"), strict=True):
        page.goto(f"{shelf.base}/h5/customers/{customer}/visit-plans/new")
        page.get_by_label("目的").fill(purpose)
        page.get_by_role("button", name="保存").click()
        page.wait_for_url(re.compile(r"/h5/visits/plans/\w{20,}$"))
    shelf.found["plan"] = page.url.removeprefix(shelf.base)
    page.get_by_role("button", name="出发").click()
    page.get_by_text("在路上").first.wait_for()
    page.goto(f"{shelf.base}/h5/reports/new?kind=day")
    page.get_by_label("困难和需要的支持").fill("样品不够，请总部再寄两套")
    page.get_by_role("button", name="提交").click()
    page.wait_for_url(re.compile(r"/h5/reports/\w{20,}$"))
    shelf.found["report"] = page.url.removeprefix(shelf.base)
