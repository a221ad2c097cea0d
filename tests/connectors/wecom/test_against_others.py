"""The emulator is no mirror of our own mistakes: recorded answers and another client library agree with it."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from wechatpy.exceptions import WeChatClientException
from wechatpy.work import WeChatClient, parse_message
from wechatpy.work.crypto import WeChatCrypto
from wechatpy.work.exceptions import InvalidCorpIdException

from wsapp.connectors.base import Message, Refused, TryLater
from wsapp.connectors.wecom.connector import WeComConnector
from wsapp.connectors.wecom.emulator_demo import (
    AGENT_ID,
    APP_SECRET,
    CALLBACK_AES_KEY,
    CALLBACK_TOKEN,
    CONTACTS_SECRET,
    CORP_ID,
)

# --- recorded answers -----------------------------------------------------------------------------------------

# What the emulator leaves out on purpose, per fixture.
ABSENT = {
    "user.get": {"mobile", "gender", "email", "avatar", "thumb_avatar", "address", "qr_code"}  # not for new apps
    | {"open_userid", "external_position", "external_profile"},  # providers; customer contact
    "auth.getuserinfo": {"user_ticket", "openid", "external_userid"},  # other scopes, other people
    "message.send": {"invaliduser", "invalidparty", "invalidtag", "unlicenseduser"},  # only when there are any
    "auth.getuserdetail": set(),
}
ABSENT["user.list"] = ABSENT["user.get"] | {"english_name"}


def shape(value: Any) -> Any:
    """Names and types of a JSON value; of lists, the shape of their first element."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def assert_like(found: Any, recorded: Any, absent: set[str], path: str = "") -> None:
    if isinstance(recorded, dict):
        assert isinstance(found, dict), path
        missing = set(recorded) - set(found) - absent
        assert not missing, f"{path}: missing {missing}"
        for key in set(recorded) & set(found):
            assert_like(found[key], recorded[key], absent, f"{path}.{key}")
    elif isinstance(recorded, list):
        assert isinstance(found, list), path
        if found and recorded:
            assert_like(found[0], recorded[0], absent, f"{path}[0]")
    else:
        assert found == recorded, f"{path}: {found} is no {recorded}"


@pytest.fixture
def ask(host: Any) -> Callable[..., Any]:
    def ask_host(api: str, body: Any = None, *, secret: str = APP_SECRET, **params: Any) -> Any:
        token = requests.get(
            f"{host.url}/cgi-bin/gettoken", params={"corpid": CORP_ID, "corpsecret": secret}, timeout=10
        ).json()["access_token"]
        url, params = f"{host.url}/cgi-bin/{api}", {**params, "access_token": token}
        if body is None:
            return requests.get(url, params=params, timeout=10).json()
        data = json.dumps(body, ensure_ascii=False).encode()
        return requests.post(url, params=params, data=data, timeout=10).json()

    return ask_host


READS: list[tuple[str, dict[str, Any]]] = [
    ("get_jsapi_ticket", {}),
    ("ticket/get", {"type": "agent_config"}),
    ("getcallbackip", {}),
    ("agent/get", {"agentid": AGENT_ID}),
    ("department/get", {"id": 2}),
    ("department/list", {}),
    ("department/simplelist", {}),
    ("user/get", {"userid": "WangJianGuo"}),
    ("user/list", {"department_id": 2}),
    ("user/simplelist", {"department_id": 2}),
    ("message/get_statistics", {"body": {"time_type": 0}}),
    ("user/list_id", {"body": {"limit": 2}, "secret": CONTACTS_SECRET}),
]


@pytest.mark.parametrize(("api", "options"), READS)
def test_reads_look_like_the_recorded_ones(
    fixture: Callable[[str], Any], ask: Callable[..., Any], api: str, options: dict[str, Any]
) -> None:
    name = api.replace("/", ".")
    assert_like(shape(ask(api, **options)), shape(fixture(f"answers/{name}.json")), ABSENT.get(name, set()))


def test_tokens_look_like_the_recorded_ones(host: Any, fixture: Callable[[str], Any]) -> None:
    params = {"corpid": CORP_ID, "corpsecret": APP_SECRET}
    found = requests.get(f"{host.url}/cgi-bin/gettoken", params=params, timeout=10).json()
    assert shape(found) == shape(fixture("answers/gettoken.json"))
    assert len(found["access_token"]) <= 512


def test_sign_in_looks_like_the_recorded_one(
    host: Any, connector: WeComConnector, fixture: Callable[[str], Any], ask: Callable[..., Any]
) -> None:
    found = ask("auth/getuserinfo", code=host.code_for("LinXiaoYan", connector))
    assert_like(shape(found), shape(fixture("answers/auth.getuserinfo.json")), ABSENT["auth.getuserinfo"])


def test_messages_look_like_the_recorded_ones(
    host: Any, connector: WeComConnector, reminder: Message, fixture: Callable[[str], Any], ask: Callable[..., Any]
) -> None:
    body = json.loads(connector.compose(reminder, ["LinXiaoYan", "NoBody"]).body)
    sent = ask("message/send", body)
    assert_like(shape(sent), shape(fixture("answers/message.send.json")), ABSENT["message.send"])
    assert sent["invaliduser"] == "nobody", "names come back in lower case"
    update = {"userids": ["NoBody"], "agentid": AGENT_ID, "response_code": sent["response_code"]}
    found = ask("message/update_template_card", {**update, "button": {"replace_name": "已同意"}})
    assert shape(found) == shape(fixture("answers/message.update_template_card.json"))


def test_uploads_look_like_the_recorded_one(
    host: Any, connector: WeComConnector, fixture: Callable[[str], Any]
) -> None:
    params = {"access_token": connector.calls.token(), "type": "image"}
    files = {"media": ("照片.jpg", b"\xff\xd8" + b"x" * 100, "image/jpeg")}
    found = requests.post(f"{host.url}/cgi-bin/media/upload", params=params, files=files, timeout=10).json()
    assert shape(found) == shape(fixture("answers/media.upload.json"))
    assert connector.media(found["media_id"]).startswith(b"\xff\xd8")


def test_errors_have_the_tail_and_the_headers_of_the_host(host: Any) -> None:
    answer = requests.get(f"{host.url}/cgi-bin/user/get", params={"access_token": "nonsense"}, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["error-code"] == "40014"
    assert answer.json()["errcode"] == 40014
    text = answer.json()["errmsg"]
    assert text.startswith("invalid access_token, hint: [")
    assert text.endswith("from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e=40014")


# --- wechatpy -------------------------------------------------------------------------------------------------


@pytest.fixture
def other(host: Any) -> WeChatClient:
    """wechatpy's client; only the address of the host is ours (it has the real one written in)."""

    class Client(WeChatClient):  # type: ignore[misc,unused-ignore]
        API_BASE_URL = f"{host.url}/cgi-bin/"

        def fetch_access_token(self) -> Any:
            return self._fetch_access_token(
                url=f"{host.url}/cgi-bin/gettoken", params={"corpid": self.corp_id, "corpsecret": self.secret}
            )

    return Client(CORP_ID, APP_SECRET, timeout=10, auto_retry=False)


def test_wechatpy_reads_people(other: WeChatClient) -> None:
    assert other.user.get("LinXiaoYan")["name"] == "林晓燕"
    assert [one["name"] for one in other.department.list()] == ["销售部", "华南组"]
    assert [one["userid"] for one in other.user.list(3)] == ["LinXiaoYan", "ChenZiHao"]
    assert other.agent.get(AGENT_ID)["name"] == "客户管理"
    with pytest.raises(WeChatClientException) as caught:
        other.user.get("OuYangMuRong")
    assert caught.value.errcode == 60111


def test_wechatpy_signs_in(host: Any, other: WeChatClient, connector: WeComConnector) -> None:
    found = other.oauth.get_user_info(host.code_for("LinXiaoYan", connector))
    assert found["UserId"] == "LinXiaoYan"


def test_wechatpy_sends(host: Any, other: WeChatClient, connector: WeComConnector, reminder: Message) -> None:
    assert other.message.send_text(AGENT_ID, ["LinXiaoYan"], "你好")["msgid"]
    card = json.loads(connector.compose(reminder, ["LinXiaoYan"]).body)["template_card"]
    sent = other.message.send(AGENT_ID, ["LinXiaoYan"], msg={"msgtype": "template_card", "template_card": card})
    assert sent["response_code"]
    assert [one["kind"] for one in host.shown("LinXiaoYan")] == ["text", "template_card"]


def test_wechatpy_and_we_sign_a_page_alike(host: Any, other: WeChatClient, connector: WeComConnector) -> None:
    page = f"{connector.public_url}/h5/visits/new?customer=7"
    ours = connector.js_config(page + "#photo")
    for ticket, signature in (
        (other.jsapi.get_ticket()["ticket"], ours["signature"]),
        (other.jsapi.get_agent_ticket()["ticket"], ours["agent_signature"]),
    ):
        theirs = other.jsapi.get_jsapi_signature(ours["nonce"], ticket, ours["timestamp"], page)
        # wechatpy sorts its "name=value" parts; the host's order is the same alphabetical one
        assert theirs == signature


def test_wechatpy_opens_what_the_emulator_pushes(
    host: Any, door: Any, connector: WeComConnector, reminder: Message
) -> None:
    connector.send(connector.compose(reminder, ["LinXiaoYan"]))
    host.post("/phone/press", {"user": "LinXiaoYan", "card": reminder.card, "key": "done"})
    query, body = door.queries[-1], door.bodies[-1].decode()
    reader = WeChatCrypto(CALLBACK_TOKEN, CALLBACK_AES_KEY, CORP_ID)
    signed = (query["msg_signature"][0], query["timestamp"][0], query["nonce"][0])
    plain = reader.decrypt_message(body, *signed)
    found = parse_message(plain)
    assert (found.source, found.target) == ("LinXiaoYan", CORP_ID)
    assert reminder.card in plain
    with pytest.raises(InvalidCorpIdException):
        WeChatCrypto(CALLBACK_TOKEN, CALLBACK_AES_KEY, "ww0").decrypt_message(body, *signed)


# --- the page script ------------------------------------------------------------------------------------------


def verify(host: Any, connector: WeComConnector, kind: str = "agentConfig", **changes: Any) -> Any:
    url = changes.pop("sign", f"{connector.public_url}/h5/")
    made = connector.js_config(url)
    field = "agent_signature" if kind == "agentConfig" else "signature"
    body = {
        "kind": kind,
        "corpid": made["corp_id"],
        "agentid": str(made["agent_id"]),
        "timestamp": str(made["timestamp"]),
        "nonceStr": made["nonce"],
        "signature": made[field],
        "url": url,
        **changes,
    }
    return host.post("/webview/verify-signature", body)


@pytest.mark.parametrize("kind", ["config", "agentConfig"])
def test_our_page_signatures_are_taken(host: Any, connector: WeComConnector, kind: str) -> None:
    assert verify(host, connector, kind)["ok"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signature": "0" * 40}, 40093),
        ({"nonceStr": "other"}, 40093),
        ({"timestamp": "1700000000"}, 40093),
        ({"url": "https://evil.example.com/h5/"}, 80001),
        ({"agentid": "7"}, 40056),
        ({"corpid": "ww0"}, 40013),
    ],
)
def test_other_page_signatures_are_not(
    host: Any, connector: WeComConnector, changes: dict[str, Any], code: int
) -> None:
    assert verify(host, connector, **changes)["errCode"] == code


def test_the_two_tickets_are_not_exchangeable(host: Any, connector: WeComConnector) -> None:
    made = connector.js_config(f"{connector.public_url}/h5/")
    both = {"nonceStr": made["nonce"], "timestamp": str(made["timestamp"])}
    assert verify(host, connector, "config", signature=made["agent_signature"], **both)["errCode"] == 40093
    assert verify(host, connector, "agentConfig", signature=made["signature"], **both)["errCode"] == 40093


def test_a_page_of_another_address_needs_its_own_signature(host: Any, connector: WeComConnector) -> None:
    url = f"{connector.public_url}/h5/tasks"
    assert verify(host, connector, url=url)["errCode"] == 40093


def test_tickets_are_kept(host: Any, connector: WeComConnector) -> None:
    for number in range(20):
        connector.js_config(f"{connector.public_url}/h5/{number}")
    assert (host.calls("get_jsapi_ticket"), host.calls("ticket/get")) == (1, 1)


def test_ticket_limits_of_the_host(host: Any, connector: WeComConnector, tokens: Any) -> None:
    host.knobs(app_tickets_per_hour=3)
    for _ in range(3):
        connector.js_config(f"{connector.public_url}/h5/")
        del tokens.values["ticket.app"]
    with pytest.raises(TryLater) as caught:
        connector.js_config(f"{connector.public_url}/h5/")
    assert caught.value.code == "45009"


# --- media ----------------------------------------------------------------------------------------------------


def uploaded(host: Any, **params: str) -> str:
    answer = requests.post(
        f"{host.url}/webview/upload",
        params=params,
        data=b"\xff\xd8photo",
        headers={"Content-Type": "image/jpeg", "Origin": "http://127.0.0.1:8000"},
        timeout=10,
    )
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:8000"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    return str(answer.json()["media_id"])


def test_a_photo_of_the_page_script_can_be_fetched_for_three_days(host: Any, connector: WeComConnector) -> None:
    media_id = uploaded(host, user="LinXiaoYan")
    host.advance(hours=71)
    assert connector.media(media_id) == b"\xff\xd8photo"
    host.advance(hours=2)
    for wrong in (media_id, "no-such-media"):
        with pytest.raises(Refused) as caught:
            connector.media(wrong)
        assert caught.value.code == "40007"


def test_media_of_another_corp(host: Any, connector: WeComConnector) -> None:
    host.post("/_emulator/org", {"corps": [{"corp_id": "wwbbbbbbbbbbbbbbbb", "users": [{"userid": "a"}]}]})
    with pytest.raises(Refused):
        connector.media(uploaded(host, user="a", corp="wwbbbbbbbbbbbbbbbb"))


@pytest.mark.parametrize(
    ("fault", "options"),
    [("html", {}), ("html", {"status": 502}), ("status", {"status": 504}), ("reset_before", {}), ("truncate", {})],
)
def test_media_over_a_bad_line(host: Any, connector: WeComConnector, fault: str, options: dict[str, Any]) -> None:
    media_id = uploaded(host, user="LinXiaoYan")
    host.fault("media/get", fault, **options)
    with pytest.raises(TryLater):
        connector.media(media_id)
    assert connector.media(media_id) == b"\xff\xd8photo"


def test_a_large_photo_passes_where_a_large_answer_would_not(host: Any, connector: WeComConnector) -> None:
    photo = b"\xff\xd8" + bytes(5_000_000)
    url = f"{host.url}/webview/upload?user=LinXiaoYan"
    media_id = requests.post(url, data=photo, headers={"Content-Type": "image/jpeg"}, timeout=10).json()["media_id"]
    assert connector.media(media_id) == photo


def test_positions_of_phones(host: Any) -> None:
    def where(user: str) -> Any:
        return requests.get(f"{host.url}/webview/position", params={"user": user}, timeout=10).json()

    assert where("LinXiaoYan")["latitude"] == pytest.approx(22.543, abs=0.01)
    host.post("/webview/position", {"user": "linxiaoyan", "latitude": 23.1, "longitude": 113.3})
    assert (where("LinXiaoYan")["latitude"], where("ChenZiHao")["latitude"]) == (23.1, 22.543096)


# --- several corps --------------------------------------------------------------------------------------------


def test_corps_do_not_meet(host: Any, make: Callable[..., WeComConnector], tokens: Any, reminder: Message) -> None:
    """The same userid, app number and card in two corps are two of everything."""
    twin = {
        "corp_id": "wwcccccccccccccccc",
        "name": "双生",
        "users": [{"userid": "LinXiaoYan", "name": "另一位"}],
        "apps": [{"agent_id": AGENT_ID, "secret": "twin-secret-000000000001", "callback_url": "http://127.0.0.1:1/"}],
    }
    host.post("/_emulator/org", {"corps": [twin]})
    here = make()
    sent = here.send(here.compose(reminder, ["LinXiaoYan"]))
    assert here.person("LinXiaoYan").name == "林晓燕"
    tokens.values.clear()
    there = make(corp_id="wwcccccccccccccccc", app_secret="twin-secret-000000000001")
    assert there.person("LinXiaoYan").name == "另一位"
    assert there.send(there.compose(reminder, ["LinXiaoYan"])).host_id != sent.host_id
    assert len(host.shown("LinXiaoYan")) == 2
    assert len(host.shown("wwcccccccccccccccc/LinXiaoYan")) == 1
    with pytest.raises(Refused):
        there.update_card(reminder, sent, ["LinXiaoYan"])


def test_the_demo_firm_is_what_the_demo_shows(host: Any) -> None:
    found = requests.get(f"{host.url}/phone/people", timeout=10).json()["items"]
    names = {one["name"]: one["apps"][0]["visible"] for one in found}
    assert names == {"林晓燕": True, "陈子豪": True, "王建国": True, "赵敏": True, "欧阳慕容": False}


def test_a_press_is_dated_now(host: Any, door: Any, connector: WeComConnector, reminder: Message) -> None:
    host.advance(hours=50)
    connector.send(connector.compose(reminder, ["LinXiaoYan"]))
    assert host.post("/phone/press", {"user": "LinXiaoYan", "card": reminder.card, "key": "done"})["status"] == 200
    stamp = int(door.queries[-1]["timestamp"][0])
    assert abs(stamp - time.time() - 50 * 3600) < 10
    assert door.queries[-1].keys() == {"msg_signature", "timestamp", "nonce"}
