"""On the phone: claim from the pool, see the clock, ask for more time; the manager answers on the card."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp, Phones
from tests.browser.stack import WECOM, Sample

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]


@pytest.mark.parametrize("sample", [WECOM], ids=["wecom"])
def test_claim_see_the_clock_extend(sample: Sample, phones: Phones, open_app: OpenApp) -> None:
    # Not the colleague: the demo's are on leave next week, and other tests move the clock there.
    app = open_app(sample.seller.userid)
    claim(app)
    app.get_by_role("link", name="公海回收").click()
    expect(app.locator("main")).to_contain_text("15 天未跟进")
    expect(app.locator("main")).to_contain_text(re.compile(r"还有 \d\d 天"))
    expect(app.get_by_role("button", name="申请延期")).to_have_count(0)  # it does not leave soon

    name = extend(app)
    phone = phones.phone(sample, sample.manager.userid)
    phone.locator("#talk").click()
    card = phone.locator("article.card", has_text="申请延期保留客户").filter(has_text=name)
    card.get_by_role("button", name="同意延期", exact=True).click()
    expect(card).to_contain_text("已同意延期")

    app.reload()
    app.get_by_role("link", name="公海回收").click()
    expect(app.locator("main")).to_contain_text("1 次，最多 2 次")


def claim(app: Page) -> None:
    """Claim the first customer that the pool lets one have."""
    app.goto(re.sub(r"/h5/.*", "/h5/pool", app.url))
    app.get_by_role("button", name=re.compile("^领取 ")).first.click()
    expect(app).to_have_url(re.compile(r"/h5/customers/\w+"))
    expect(app.locator("main")).to_contain_text("写跟进")


def extend(app: Page) -> str:
    """Open the customer that leaves first, and ask for more time with one tap; returns its name."""
    app.goto(re.sub(r"/h5/.*", "/h5/customers/leaving", app.url))
    first = app.locator("#leaving .row__link").first
    name = first.inner_text()
    first.click()
    expect(app.get_by_role("heading", level=1)).to_have_text(name)
    app.get_by_role("button", name="申请延期").click()
    expect(app.locator("main")).to_contain_text("延期申请中")
    return name
