"""Coming in and going out: links from messages, people without access, sign-out, leavers."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenApp, Phones
from tests.browser.stack import Sample, Stack, eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]


def first_customer(app: Page, stack: Stack) -> str:
    """The address of some customer that this person sees."""
    app.goto(f"{stack.url}/h5/customers")
    link = app.locator("#customers a").first
    path = link.get_attribute("href")
    assert path
    assert re.match(r"/h5/customers/\w+", path)
    return path


def test_a_link_leads_to_its_record_through_the_sign_in(
    stack: Stack, phones: Phones, sample: Sample, open_app: OpenApp
) -> None:
    path = first_customer(open_app(sample.seller.userid), stack)
    stranger_to_this_phone = phones.app(sample, sample.seller.userid)
    stranger_to_this_phone.goto(f"{stack.url}{path}?corp={sample.corp_id}")
    expect(stranger_to_this_phone).to_have_url(re.compile(re.escape(path)))
    expect(stranger_to_this_phone.get_by_role("link", name="拜访签到")).to_be_visible()


def test_another_sellers_record_is_not_shown(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    path = first_customer(open_app(sample.seller.userid), stack)
    other = open_app(sample.colleague.userid)
    answer = other.goto(f"{stack.url}{path}")
    assert answer
    assert answer.status == 404
    expect(other.locator("main")).to_contain_text("无权查看")


def test_whoever_is_out_of_range_reads_what_to_ask_for(stack: Stack, phones: Phones, sample: Sample) -> None:
    app = phones.app(sample, sample.outsider.userid)
    app.goto(f"{stack.url}/h5/")
    expect(app.get_by_text("可见范围").first).to_be_visible()
    expect(app.get_by_text("管理员").first).to_be_visible()
    expect(app.get_by_role("navigation", name="主导航")).to_have_count(0)


def test_signing_out_ends_it(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.seller.userid)
    cookies = app.context.cookies()
    app.goto(f"{stack.url}/h5/me")
    app.get_by_role("button", name="退出登录").last.click()
    expect(app).to_have_url(re.compile(r"/signin/"))
    app.context.add_cookies(cookies)  # whoever kept the cookie has nothing
    answer = app.request.get(f"{stack.url}/h5/me", max_redirects=0)
    assert answer.status == 302
    assert "/signin/" in answer.headers["location"]


def test_a_leavers_session_dies_with_the_hosts_event(stack: Stack, sample: Sample, open_app: OpenApp) -> None:
    app = open_app(sample.colleague.userid)
    leaver = sample.colleague.userid
    stack.tell_host(sample.host, "/_emulator/people", {"action": "leave", "userid": leaver})
    try:
        eventually(lambda: is_signed_out(app, stack), "the leaver's session lives on", within=5)
        app.reload()
        expect(app.get_by_role("navigation", name="主导航")).to_have_count(0)
    finally:
        stack.tell_host(sample.host, "/_emulator/people", rejoin(sample))


def is_signed_out(app: Page, stack: Stack) -> bool:
    return app.request.get(f"{stack.url}/h5/customers", max_redirects=0).status == 302


def rejoin(sample: Sample) -> dict[str, object]:
    person = sample.colleague
    manager = [sample.manager.userid] if sample.manager_field == "direct_leader" else sample.manager.userid
    return {
        "action": "join",
        "userid": person.userid,
        "name": person.name,
        "departments": [3],
        sample.manager_field: manager,
    }
