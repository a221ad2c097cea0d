"""After signing in only our own pages open (T12): hostile `next` values through every way in, on both hosts."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import BROWSER_AGENT, DINGTALK_AGENT, WECOM_AGENT
from tests.conftest import DATABASE, PUBLIC_URL
from tests.security.markup import Markup, is_own
from tests.security.payloads import EVIL, REDIRECTS
from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom.emulator import demo_org as wecom_org
from wsapp.crm.org.models import Member
from wsapp.web import safe_path

WECOM_CORP = wecom_org("http://x")["corps"][0]["corp_id"]
DINGTALK_CORP = dingtalk_org("http://x")["corps"][0]["corp_id"]
DINGTALK_APP = dingtalk_org("http://x")["corps"][0]["apps"][0]["client_id"]
MINE = REDIRECTS if DATABASE == "sqlite" else REDIRECTS[::20]
GOOD = ("/h5/", "/h5/tasks?state=open", "/h5/customers/abc?corp=x&y=1", "/admin/members")


@pytest.fixture
def addresses() -> Iterator[str]:
    """A new client address at each turn: tries to sign in are counted by it."""
    return (f"127.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}" for number in range(10**6))


def browser(app: Flask, agent: str, address: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base |= {"HTTP_USER_AGENT": agent, "HTTP_HOST": "127.0.0.1:8000", "REMOTE_ADDR": address}
    return client


def stays(location: str | None) -> bool:
    """Whether a browser that follows this address stays with us and on a page."""
    return bool(location) and is_own(location or "") and urlsplit(location or "").path.startswith(("/h5/", "/admin/"))


def test_the_corpus_leads_away() -> None:
    assert len(set(REDIRECTS)) >= 200
    assert sum(not is_own(one) for one in REDIRECTS) > 80  # the rest are traps for careless rules
    assert all(is_own(one) for one in GOOD)


def test_only_pages_of_ours_pass() -> None:
    assert [safe_path(one) for one in GOOD] == list(GOOD)
    for hostile in REDIRECTS:
        assert stays(safe_path(hostile)), hostile
        assert "\r" not in safe_path(hostile)
        assert "\n" not in safe_path(hostile)
        assert EVIL not in urlsplit(safe_path(hostile)).netloc


def test_signing_in_silently_at_wecom(app: Flask, wecom: RunningEmulator, addresses: Iterator[str]) -> None:
    for hostile in (*MINE, *GOOD):
        client = browser(app, WECOM_AGENT, next(addresses))
        off = client.get(f"/signin/wecom/{WECOM_CORP}", query_string={"next": hostile})
        assert off.location.startswith(wecom.url), hostile
        back = requests.get(off.location.split("#")[0], {"user": "LinXiaoYan"}, allow_redirects=False, timeout=10)
        assert back.headers["Location"].startswith(f"{PUBLIC_URL}/signin/"), hostile
        end = client.get(back.headers["Location"].removeprefix(PUBLIC_URL))
        assert end.status_code == 302, hostile
        assert end.location == hostile if hostile in GOOD else stays(end.location), (hostile, end.location)


def test_signing_in_silently_at_dingtalk(app: Flask, dingtalk: RunningEmulator, addresses: Iterator[str]) -> None:
    start = f"/signin/dingtalk/{DINGTALK_CORP}"
    for hostile in (*MINE[::4], *GOOD):
        client = browser(app, DINGTALK_AGENT, next(addresses))
        page = client.get(start, query_string={"next": hostile}).text
        assert Markup(page).foreign_addresses() == []
        nonce = page.split('name="signin-nonce"')[1].split('content="')[1].split('"')[0]
        asked = {"corpId": DINGTALK_CORP, "clientId": DINGTALK_APP, "user": "zhouxiaoyu", "url": f"{PUBLIC_URL}{start}"}
        code = requests.post(f"{dingtalk.url}/webview/code", json=asked, timeout=10).json()["code"]
        end = client.post(f"{start}/code", json={"code": code, "nonce": nonce}, headers={"Origin": PUBLIC_URL})
        assert end.status_code == 200, hostile
        assert end.json["next"] == hostile if hostile in GOOD else stays(end.json["next"]), (hostile, end.json)


@pytest.mark.parametrize("host", ["wecom", "dingtalk"])
def test_signing_in_from_a_browser(
    app: Flask, wecom: RunningEmulator, dingtalk: RunningEmulator, addresses: Iterator[str], host: str
) -> None:
    corp_id = WECOM_CORP if host == "wecom" else DINGTALK_CORP
    base = wecom.url if host == "wecom" else dingtalk.url
    for hostile in MINE:
        client = browser(app, BROWSER_AGENT, next(addresses))
        off = client.get(f"/signin/{host}/{corp_id}/web", query_string={"next": hostile})
        assert off.status_code == 302
        assert off.location.startswith(base), (hostile, off.location)
        assert EVIL not in off.location


def test_the_choice_of_corps_keeps_no_foreign_address(app: Flask, addresses: Iterator[str]) -> None:
    for hostile in MINE:
        client = browser(app, BROWSER_AGENT, next(addresses))
        page = Markup(client.get("/signin/", query_string={"next": hostile}).text)
        assert page.foreign_addresses() == [], hostile
        links = [address for tag, _name, address in page.addresses if tag == "a" and "/signin/" in address]
        assert links
        assert not [one for one in links if EVIL in one and "next=%2Fh5%2F" not in one.replace("/", "%2F")], hostile


def test_the_page_that_asks_who_one_is_keeps_no_foreign_address(sign_in: Any, ali: Member) -> None:
    client = sign_in(ali)
    for hostile in MINE:
        answer = client.get("/h5/me/identity", query_string={"next": hostile})
        assert answer.status_code == 200, hostile
        assert Markup(answer.text).foreign_addresses() == [], hostile


def test_addresses_asked_for_without_a_session_stay(app: Flask, cast: object, addresses: Iterator[str]) -> None:
    """Whatever stands in the line of the request, the way to sign in and the router's own redirects stay here."""
    for hostile in MINE:
        for agent in (WECOM_AGENT, BROWSER_AGENT):
            client = browser(app, agent, next(addresses))
            for prefix in ("/h5/", "/", "//", "/h5//", "/admin/", ""):
                path = prefix + "".join(char for char in hostile if char > " ")
                answer = client.open(path="/", environ_overrides={"PATH_INFO": path.encode().decode("latin-1")})
                assert answer.status_code < 500, path
                assert not answer.location or is_own(answer.location), (path, answer.location)
