"""The pages of colleagues together, for the pictures: which there are, and what has to be done first."""

import re
from typing import Any

from playwright.sync_api import Page

SELLER = "seller"

# Pages on the phone: name, who, address, as in book_pages.
PAGES = (
    ("follow-up", SELLER, "{log}"),
    ("correction", SELLER, "{log}/edit"),
    ("comment", SELLER, "{comment}"),
    ("help", SELLER, "{known}/help"),
    ("task-offer", SELLER, "{errand}/offer"),
    ("task-delay", SELLER, "{errand}/delay"),
    ("appeals", SELLER, "/h5/appeals"),
    ("appeal", SELLER, "{appeal}"),
    ("phrases", SELLER, "/h5/me/phrases"),
)


def do_as_seller(page: Page, shelf: Any) -> None:
    """Log a follow-up, comment, correct it; keep a phrase, ask a colleague for help. `shelf`: see book_pages."""
    page.goto(f"{shelf.base}{shelf.found['known']}/follow-ups/new")
    page.locator("#f-text").fill("客户确认了交货时间，要求加急两套")
    page.get_by_role("button", name="客户要求寄样品").click()
    page.get_by_role("button", name="保存").click()
    page.wait_for_url(re.compile(r"/h5/customers/\w{20,}$"))
    shelf.found["log"] = _link(page, r"/h5/follow-ups/\w{20,}")
    page.goto(shelf.base + shelf.found["log"])
    page.locator("#f-comment").fill("加急费已经和财务确认过，可以免")
    page.get_by_role("button", name="评论", exact=True).click()
    page.locator("#comments").wait_for()
    page.goto(f"{shelf.base}{shelf.found['log']}/edit")
    page.get_by_label("结果").fill("确认加急两套，周五前交货")
    page.get_by_role("button", name="保存").click()
    page.wait_for_url(re.compile(r"/h5/follow-ups/\w{20,}$"))
    shelf.found["comment"] = _link(page, r"/h5/comments/\w{20,}")
    page.goto(f"{shelf.base}/h5/me/phrases")
    page.locator("#f-text").fill("等总部批复价格")
    page.get_by_role("button", name="添加").click()
    page.locator("#phrases").wait_for()
    page.goto(f"{shelf.base}{shelf.found['known']}/help")
    page.locator("#f-people").select_option(index=0)
    page.locator("#f-note").fill("客户要看技术方案，想请您一起去一次")
    page.get_by_role("button", name="发出请求").click()
    page.get_by_text("等待答复").first.wait_for()
    shelf.found["appeal"] = _link(page, r"/h5/appeals/\w{20,}")
    page.goto(f"{shelf.base}/h5/tasks")
    shelf.found["errand"] = _link(page, r"/h5/tasks/\w{20,}")


def _link(page: Page, wanted: str) -> str:
    hrefs: list[str] = page.locator("main a[href]").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
    return next(one for one in hrefs if re.fullmatch(wanted, one))
