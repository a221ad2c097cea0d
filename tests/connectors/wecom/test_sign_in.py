"""Signing in: silent and in a browser, codes that live once, and people who are no members."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from wsapp.connectors.base import BadCode, NotAMember, Refused, TryLater
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_demo import AGENT_ID, CORP_ID, demo_org
from wsapp.connectors.wecom.emulator_org import app_from


def test_the_silent_address_is_exactly_the_hosts(connector: WeComConnector, host: Any) -> None:
    url = connector.silent_sign_in("https://crm.example.com:8443/signin/wecom/x/return?a=1&b=二", "0a1b").redirect
    assert url == (
        f"{host.url}/connect/oauth2/authorize?appid={CORP_ID}"
        "&redirect_uri=https%3A%2F%2Fcrm.example.com%3A8443%2Fsignin%2Fwecom%2Fx%2Freturn%3Fa%3D1%26b%3D%E4%BA%8C"
        f"&response_type=code&scope=snsapi_base&state=0a1b&agentid={AGENT_ID}#wechat_redirect"
    )


def test_the_browser_address_is_exactly_the_hosts(connector: WeComConnector, host: Any) -> None:
    url = connector.web_sign_in("https://crm.example.com/web/return", "0a1b")
    assert url == (
        f"{host.url}/wwlogin/sso/login?login_type=CorpApp&appid={CORP_ID}&agentid={AGENT_ID}"
        "&redirect_uri=https%3A%2F%2Fcrm.example.com%2Fweb%2Freturn&state=0a1b&lang=zh"
    )


@pytest.mark.parametrize("web", [False, True])
def test_a_member_signs_in_with_either(host: Any, connector: WeComConnector, web: bool) -> None:
    code = host.code_for("linxiaoyan", connector, web=web)
    assert connector.sign_in(code, web=web).userid == "LinXiaoYan"


def test_a_code_lives_once(host: Any, connector: WeComConnector) -> None:
    code = host.code_for("LinXiaoYan", connector)
    connector.sign_in(code)
    with pytest.raises(BadCode):
        connector.sign_in(code)


def test_a_code_lives_five_minutes(host: Any, connector: WeComConnector) -> None:
    codes = [host.code_for("LinXiaoYan", connector) for _ in range(2)]
    host.advance(seconds=298)
    assert connector.sign_in(codes[0]).userid == "LinXiaoYan"
    host.advance(seconds=3)
    with pytest.raises(BadCode):
        connector.sign_in(codes[1])


@pytest.mark.parametrize("code", ["", "x", "x" * 513, "码", "a\nb", "a\x00", " "])
def test_impossible_codes_are_bad_codes(connector: WeComConnector, host: Any, code: str) -> None:
    with pytest.raises(BadCode):
        connector.sign_in(code)


def test_a_code_of_another_app_is_refused(host: Any, make: Callable[..., WeComConnector], tokens: Any) -> None:
    other = {"agent_id": 1000003, "secret": "other-app-secret-0001", "trusted_domains": ["127.0.0.1:1"]}
    corp = host.emulator.corps[CORP_ID]
    corp.apps[1000003] = app_from(other, corp, 0.0)
    code = host.code_for("LinXiaoYan", make())
    tokens.values.clear()
    with pytest.raises(Refused) as caught:
        make(agent_id=1000003, app_secret="other-app-secret-0001").sign_in(code)
    assert caught.value.code == "50001"


def test_outside_the_visible_range_one_still_signs_in(host: Any, connector: WeComConnector) -> None:
    assert connector.sign_in(host.code_for("OuYangMuRong", connector)).userid == "OuYangMuRong"


@pytest.mark.parametrize("external_userid", ["", "wmExternalUser0001"])
def test_an_outsider_is_no_member(host: Any, connector: WeComConnector, external_userid: str) -> None:
    host.emulator.corps[CORP_ID].externals["oOpenId1"] = external_userid
    with pytest.raises(NotAMember):
        connector.sign_in(host.code_for("external:oOpenId1", connector))


def test_a_member_of_a_linked_corp_is_no_member(host: Any, connector: WeComConnector) -> None:
    with pytest.raises(NotAMember):
        connector.sign_in(host.code_for("linked:wwother/LinXiaoYan", connector))


def test_an_answer_without_anybody_is_no_sign_in(host: Any, connector: WeComConnector) -> None:
    connector.calls.token()
    host.emulator.sign_in.who_is = lambda grant, code: {}
    with pytest.raises(TryLater):
        connector.sign_in("some-code")


# --- the host's pages -----------------------------------------------------------------------------------------


def authorize(host: Any, connector: WeComConnector, **changes: str) -> requests.Response:
    url = urlsplit(connector.silent_sign_in(f"{connector.public_url}/return", "abc").redirect)
    query = {key: values[0] for key, values in parse_qs(url.query).items()} | {"user": "LinXiaoYan"} | changes
    return requests.get(
        f"{host.url}/connect/oauth2/authorize",
        params={key: value for key, value in query.items() if value != "-"},
        allow_redirects=False,
        timeout=10,
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"redirect_uri": "https://evil.example.com/return"}, 50001),
        ({"redirect_uri": "http://127.0.0.1:1/return"}, 50001),
        ({"redirect_uri": "javascript:alert(1)"}, 50001),
        ({"state": "a-b_c"}, 40058),
        ({"state": "a" * 129}, 40058),
        ({"scope": "snsapi_userinfo"}, 40058),
        ({"response_type": "token"}, 40058),
        ({"appid": "ww0"}, 40013),
        ({"agentid": "7"}, 40056),
        ({"scope": "snsapi_privateinfo", "user": "OuYangMuRong"}, 60011),
    ],
)
def test_the_authorise_page_refuses(host: Any, connector: WeComConnector, changes: dict[str, str], code: int) -> None:
    answer = authorize(host, connector, **changes)
    assert answer.status_code == 400
    assert f"错误码 {code}" in answer.text


@pytest.mark.parametrize("optional", [True, False])
def test_an_omitted_agentid(host: Any, connector: WeComConnector, optional: bool) -> None:
    host.knobs(agentid_optional=optional)
    assert authorize(host, connector, agentid="-").status_code == (302 if optional else 400)


@pytest.mark.parametrize("only", [True, False])
def test_an_ordinary_browser_at_the_authorise_page(host: Any, connector: WeComConnector, only: bool) -> None:
    host.knobs(client_only=only)
    assert authorize(host, connector).status_code == (400 if only else 302)


def test_the_phone_remembers_who_holds_it(host: Any, connector: WeComConnector) -> None:
    browser = requests.Session()
    url = connector.silent_sign_in(f"{connector.public_url}/return", "abc").redirect.split("#")[0]
    chooser = browser.get(url, allow_redirects=False, timeout=10)
    assert chooser.status_code == 200
    assert "林晓燕" in chooser.text
    browser.get(url + "&user=WangJianGuo", allow_redirects=False, timeout=10)
    answer = browser.get(url, allow_redirects=False, timeout=10)
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    assert connector.sign_in(code).userid == "WangJianGuo"


@pytest.mark.parametrize("twice", [False, True])
def test_a_client_that_loads_the_return_address_twice(host: Any, connector: WeComConnector, twice: bool) -> None:
    host.knobs(loads_twice=twice)
    answer = authorize(host, connector)
    assert answer.status_code == (200 if twice else 302)
    assert ("location.replace" in answer.text) is twice


def test_a_company_that_is_loaded_anew_starts_anew(host: Any, connector: WeComConnector, door: Any) -> None:
    old = host.code_for("LinXiaoYan", connector)
    connector.calls.token()
    host.emulator.load(demo_org(door.url))
    assert connector.sign_in(host.code_for("LinXiaoYan", connector)).userid == "LinXiaoYan"
    with pytest.raises(BadCode):
        connector.sign_in(old)


def test_the_ownership_file(host: Any, door: Any, connector: WeComConnector) -> None:
    files = {"file": "WW_verify_a1B2c3.txt", "content": "a1B2c3"}
    assert host.post("/_emulator/domain", files) == {"ok": False, "status": 403}, "our door knows no such file"
    door.files["/WW_verify_a1B2c3.txt"] = b"a1B2c3"
    assert host.post("/_emulator/domain", files) == {"ok": True, "status": 200}
    door.files["/WW_verify_a1B2c3.txt"] = b"a1B2c3\n"
    assert host.post("/_emulator/domain", files)["ok"] is False
    assert host.post("/_emulator/domain", {**files, "file": "../secret"})["ok"] is False


def test_scanning_can_be_refused(host: Any, connector: WeComConnector) -> None:
    page = requests.get(connector.web_sign_in(f"{connector.public_url}/return", "abc"), timeout=10)
    assert "扫码登录" in page.text
    assert f'data-refuse href="{connector.public_url}/return?state=abc"' in page.text


def test_private_fields_need_the_scope_the_tick_and_the_ticket(host: Any, connector: WeComConnector) -> None:
    host.emulator.corps[CORP_ID].users["linxiaoyan"].private["mobile"] = "13800000000"
    answer = authorize(host, connector, scope="snsapi_privateinfo")
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    token = {"access_token": connector.calls.token()}
    found = requests.get(f"{host.url}/cgi-bin/auth/getuserinfo", params={**token, "code": code}, timeout=10).json()
    ticket = {"user_ticket": found["user_ticket"]}

    def detail() -> Any:
        return requests.post(f"{host.url}/cgi-bin/auth/getuserdetail", params=token, json=ticket, timeout=10).json()

    assert detail()["mobile"] == "13800000000"
    host.knobs(private_fields=["avatar"])
    assert "mobile" not in detail()
    host.advance(minutes=31)
    assert detail()["errcode"] == 84014
