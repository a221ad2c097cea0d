"""Signing in: both kinds of codes, once each, and nobody who is no employee."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from wsapp.connectors.base import BadCode, BadCredentials, NotAMember, Refused, TryLater
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_world import App

Post = Callable[..., requests.Response]


@pytest.fixture
def silent_code(emulator: DingTalkEmulator, app: App) -> Callable[[str], str]:
    return lambda userid: emulator.world.issue_code("silent", app, userid, emulator.clock.time())


@pytest.fixture
def web_code(connector: DingTalkConnector, receiver: Any) -> Callable[..., str]:
    """Walk the browser's sign-in as a person does; returns the code that comes back."""

    def walk(person: str, name: str = "authCode") -> str:
        page = connector.web_sign_in(f"{receiver.url}/signin/dingtalk/x/web/return", "0123456789abcdef")
        choice = requests.get(page, timeout=5)
        href = next(link for link in re.findall(r'href="([^"]+)"', choice.text) if link.endswith(f"user={person}"))
        url = page.split("?")[0] + href.replace("&amp;", "&")
        answer = requests.get(url, allow_redirects=False, timeout=5)
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert back["state"] == ["0123456789abcdef"]
        return back[name][0]

    return walk


def test_a_silent_code_works_once(connector: DingTalkConnector, silent_code: Callable[[str], str]) -> None:
    code = silent_code("zhouxiaoyu")
    who = connector.sign_in(code)
    assert (who.userid, who.name, who.unionid) == ("zhouxiaoyu", "周小雨", "UNzhouxiaoyu0001iEiE")
    with pytest.raises(BadCode) as raised:
        connector.sign_in(code)
    assert raised.value.code == "40078"


def test_a_silent_code_lives_five_minutes(
    connector: DingTalkConnector, silent_code: Callable[[str], str], emulator: DingTalkEmulator
) -> None:
    late, early = silent_code("wulei"), silent_code("wulei")
    emulator.clock.offset += 299
    assert connector.sign_in(early).userid == "wulei"
    emulator.clock.offset += 2
    with pytest.raises(BadCode):
        connector.sign_in(late)


@pytest.mark.parametrize("code", ["", "x", "x" * 513, "码" * 200, "a\nb", "\x00", " "])
@pytest.mark.parametrize("web", [False, True])
def test_no_code(connector: DingTalkConnector, code: str, web: bool) -> None:
    with pytest.raises(BadCode):
        connector.sign_in(code, web=web)


def test_codes_are_not_interchangeable(
    connector: DingTalkConnector, silent_code: Callable[[str], str], web_code: Callable[..., str]
) -> None:
    for code, web in ((silent_code("wulei"), True), (web_code("wulei"), False)):
        with pytest.raises(BadCode):
            connector.sign_in(code, web=web)
        assert connector.sign_in(code, web=not web).userid == "wulei"  # the wrong way spends nothing


def test_a_code_of_another_app(connector: DingTalkConnector, emulator: DingTalkEmulator, org: dict[str, Any]) -> None:
    other = {**org["corps"][0]["apps"][0], "client_id": "dingotherapp", "agent_id": 5}
    emulator.load({"corp_id": "dingb1a5e0c3d7f92468", "apps": [other]})
    code = emulator.world.issue_code("silent", emulator.world.apps["dingotherapp"], "wulei", emulator.clock.time())
    with pytest.raises(BadCode):
        connector.sign_in(code)


@pytest.mark.parametrize("name", ["authCode", "code"])
def test_signing_in_from_a_browser(connector: DingTalkConnector, web_code: Callable[..., str], name: str) -> None:
    code = web_code("sunlihua", name)
    who = connector.sign_in(code, web=True)
    assert (who.userid, who.name) == ("sunlihua", "孙丽华")
    with pytest.raises(BadCode):
        connector.sign_in(code, web=True)


def test_the_host_may_send_authcode_alone(emulator: DingTalkEmulator, web_code: Callable[..., str]) -> None:
    emulator.knobs["oauth_code_names"] = "authCode"
    assert web_code("wulei")
    with pytest.raises(KeyError):
        web_code("wulei", "code")


@pytest.mark.parametrize(
    "stranger",
    [
        {"unionid": "UNstranger", "name": "路人甲"},
        {"unionid": "UNexternal", "name": "客户乙", "external_of": "dingb1a5e0c3d7f92468"},
        {"unionid": "UNelsewhere", "name": "别家丙", "corp_id": "ding0123456789abcdef"},
    ],
    ids=lambda row: row["unionid"],
)
def test_strangers_do_not_get_in(
    connector: DingTalkConnector, emulator: DingTalkEmulator, web_code: Callable[..., str], stranger: dict[str, str]
) -> None:
    emulator.load({"corps": [{"corp_id": "dingb1a5e0c3d7f92468"}], "strangers": [stranger]})
    with pytest.raises(NotAMember):
        connector.sign_in(web_code(stranger["unionid"]), web=True)


def test_a_leaver_does_not_get_in(
    connector: DingTalkConnector, silent_code: Callable[[str], str], web_code: Callable[..., str], post: Post
) -> None:
    silent, web = silent_code("wulei"), web_code("wulei")
    assert post("/_emulator/people", {"userid": "wulei", "action": "leave"}).status_code == 200
    with pytest.raises(BadCode):
        connector.sign_in(silent)
    with pytest.raises(Refused):
        connector.sign_in(web, web=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"redirect_uri": "https://evil.example.com/"}, "回调域名"),
        ({"redirect_uri": ""}, "回调域名"),
        ({"client_id": "dingnobody"}, "参数错误"),
        ({"response_type": "token"}, "参数错误"),
        ({"prompt": ""}, "参数错误"),
        ({"scope": "everything"}, "scope"),
    ],
)
def test_the_sign_in_page_checks_its_parameters(
    connector: DingTalkConnector, receiver: Any, changes: dict[str, str], reason: str
) -> None:
    address = urlsplit(connector.web_sign_in(f"{receiver.url}/back", "s"))
    query = {name: values[0] for name, values in parse_qs(address.query).items()} | changes
    answer = requests.get(address._replace(query="").geturl(), params=query, allow_redirects=False, timeout=5)
    assert answer.status_code == 400
    assert reason in answer.text


def test_the_sign_in_address(connector: DingTalkConnector) -> None:
    address = connector.web_sign_in("https://crm.example.com/signin/dingtalk/ding1/web/return?a=b&c=d", "ab12")
    assert address.startswith(f"{connector.bases['login_base']}/oauth2/auth?redirect_uri=https%3A%2F%2Fcrm.example.com")
    assert "scope=openid%20corpid" in address
    assert parse_qs(urlsplit(address).query)["redirect_uri"] == [
        "https://crm.example.com/signin/dingtalk/ding1/web/return?a=b&c=d"
    ]
    assert parse_qs(urlsplit(address).query)["state"] == ["ab12"]


def test_refusing_comes_back_with_an_error(connector: DingTalkConnector, receiver: Any) -> None:
    page = connector.web_sign_in(f"{receiver.url}/back", "s1") + "&cancel=1"
    answer = requests.get(page, allow_redirects=False, timeout=5)
    assert answer.headers["Location"] == f"{receiver.url}/back?error=access_denied&state=s1"


def test_silent_sign_in_asks_the_script(connector: DingTalkConnector) -> None:
    silent = connector.silent_sign_in("https://crm.example.com/back", "state")
    assert silent.redirect == ""
    assert silent.script_config == {"corpId": connector.account.corp_id, "clientId": connector.account["client_id"]}


@pytest.mark.parametrize(
    ("api", "code", "kind"),
    [
        ("/topapi/v2/user/getuserinfo", "40078", BadCode),
        ("/topapi/v2/user/getuserinfo", "-1", TryLater),
        ("/topapi/v2/user/getuserinfo", "60011", Refused),
        ("/topapi/v2/user/getuserinfo", "60020", BadCredentials),
    ],
)
def test_what_goes_wrong_when_signing_in(
    connector: DingTalkConnector, post: Post, api: str, code: str, kind: type[Exception], silent_code: Any
) -> None:
    post("/_emulator/faults", {"api": api, "fault": "code", "code": code})
    with pytest.raises(kind):
        connector.sign_in(silent_code("wulei"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalidParameter.authCode.notFound", BadCode),
        ("invalidClientIdOrSecret", BadCredentials),
        ("system.busy", TryLater),
        ("Forbidden.AccessDenied.QpsLimitForApi", TryLater),
    ],
)
def test_what_goes_wrong_when_signing_in_from_a_browser(
    connector: DingTalkConnector, post: Post, web_code: Callable[..., str], code: str, kind: type[Exception]
) -> None:
    good = web_code("wulei")
    post("/_emulator/faults", {"api": "/v1.0/oauth2/userAccessToken", "fault": "code", "code": code})
    with pytest.raises(kind):
        connector.sign_in(good, web=True)


# --- codes that the phone hands out ---------------------------------------------------------------------------


def ask_phone(post: Post, connector: DingTalkConnector, receiver: Any, **changes: Any) -> dict[str, Any]:
    body = {**connector.silent_sign_in("", "").script_config, "user": "wulei", "url": f"{receiver.url}/h5/", **changes}
    answer: dict[str, Any] = post("/webview/code", body, headers={"Origin": receiver.url}).json()
    return answer


def test_the_phone_hands_out_codes(post: Post, connector: DingTalkConnector, receiver: Any) -> None:
    assert connector.sign_in(ask_phone(post, connector, receiver)["code"]).userid == "wulei"
    assert connector.sign_in(ask_phone(post, connector, receiver, clientId=None)["code"]).userid == "wulei"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user": "nobody"}, "3"),
        ({"user": "simaxiangru"}, "50002"),
        ({"url": "https://evil.example.com/"}, "9"),
        ({"corpId": "ding0"}, "9"),
        ({"clientId": "dingnobody"}, "9"),
    ],
)
def test_the_phone_refuses(
    post: Post, connector: DingTalkConnector, receiver: Any, changes: dict[str, str], code: str
) -> None:
    assert ask_phone(post, connector, receiver, **changes)["errorCode"] == code


def test_outside_of_the_range_the_server_may_be_the_first_to_know(
    post: Post, connector: DingTalkConnector, receiver: Any, emulator: DingTalkEmulator
) -> None:
    emulator.knobs["code_outside_range"] = "allow"
    who = connector.sign_in(ask_phone(post, connector, receiver, user="simaxiangru")["code"])
    with pytest.raises(Refused) as raised:
        connector.person(who.userid)
    assert raised.value.code == "50002"


def test_the_phone_remembers_who_holds_it(running: Any, connector: DingTalkConnector, receiver: Any) -> None:
    phone = requests.Session()
    phone.post(f"{running.url}/phone/user", json={"user": "wulei"}, timeout=5)
    body = {**connector.silent_sign_in("", "").script_config, "url": f"{receiver.url}/h5/"}
    answer = phone.post(f"{running.url}/webview/code", json=body, headers={"Origin": receiver.url}, timeout=5)
    assert connector.sign_in(answer.json()["code"]).userid == "wulei"
    assert answer.headers["Access-Control-Allow-Origin"] == receiver.url
    page = phone.get(connector.web_sign_in(f"{receiver.url}/back", "s"), allow_redirects=False, timeout=5)
    assert page.status_code == 302
