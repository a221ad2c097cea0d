"""A client that we did not write, against the emulator: dingtalk-sdk, redirected by its API_BASE_URL."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from dingtalk import AppKeyClient
from dingtalk.client.base import BaseClient
from dingtalk.core.exceptions import DingTalkClientException
from dingtalk.crypto import DingTalkCrypto

from wsapp.connectors.base import CallbackRequest, Message
from wsapp.connectors.dingtalk.callbacks import CallbackReader
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_world import App
from wsapp.connectors.emulator import RunningEmulator


@pytest.fixture
def make_client(running: RunningEmulator, app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    session = requests.Session()
    session.trust_env = False
    monkeypatch.setattr(BaseClient, "_http", session)

    def make(secret: str = "", **options: Any) -> Any:
        one = app.subscription
        client = AppKeyClient(
            app.corp.corp_id,
            app.client_id,
            secret or app.client_secret,
            one.token,
            one.aes_key,
            timeout=(3, 10),
            **options,
        )
        client.API_BASE_URL = running.url + "/"
        return client

    yield make
    session.close()


def test_it_gets_a_token_and_reads_people(make_client: Callable[..., Any]) -> None:
    client = make_client()
    assert client.user.get("wulei")["name"] == "吴磊"
    found = client.post("/topapi/v2/user/get", {"userid": "sunlihua"})["result"]
    assert (found["name"], found["leader_in_dept"]) == ("孙丽华", [{"dept_id": 2, "leader": True}])
    assert [one["name"] for one in client.department.list(_id=1, fetch_child=True)] == [
        "销售部",
        "华东一组",
        "客服部",
    ]
    assert client.department.get(2)["name"] == "销售部"
    assert [one["userid"] for one in client.user.simple_list(3)["userlist"]] == ["zhouxiaoyu", "wulei"]


def test_it_signs_in(make_client: Callable[..., Any], emulator: DingTalkEmulator, app: App) -> None:
    code = emulator.world.issue_code("silent", app, "wulei", emulator.clock.time())
    assert make_client().user.getuserinfo(code)["userid"] == "wulei"
    with pytest.raises(DingTalkClientException) as raised:
        make_client().user.getuserinfo(code)
    assert raised.value.errcode == 40078


def test_it_is_refused_with_a_wrong_secret(make_client: Callable[..., Any]) -> None:
    with pytest.raises(DingTalkClientException) as raised:
        make_client("wrong").user.get("wulei")
    assert raised.value.errcode == 40096


def test_it_reads_business_errors(make_client: Callable[..., Any]) -> None:
    with pytest.raises(DingTalkClientException) as raised:
        make_client().post("/topapi/v2/user/get", {"userid": "nobody"})
    assert raised.value.errcode == 33012


def test_it_refreshes_a_bare_token_error_only(
    make_client: Callable[..., Any], emulator: DingTalkEmulator, running: RunningEmulator
) -> None:
    """Old paths name the dead token barely, topapi inside 88: the package knows the first kind alone."""
    client = make_client()
    client.user.get("wulei")
    emulator.world.drop_tokens()
    assert client.user.get("wulei")["name"] == "吴磊"
    emulator.world.drop_tokens()
    with pytest.raises(DingTalkClientException) as raised:
        client.post("/topapi/v2/user/get", {"userid": "wulei"})
    assert raised.value.errcode == 88


def test_it_signs_pages_that_the_client_accepts(
    make_client: Callable[..., Any], app: App, running: RunningEmulator
) -> None:
    url = "https://crm.example.com/h5/"
    signed = make_client().get_jsapi_params(url)
    body = {**signed, "agentId": app.agent_id, "url": url}
    assert requests.post(f"{running.url}/webview/verify-signature", json=body, timeout=5).json() == {"ok": True}


def test_it_opens_what_the_emulator_pushes(emulator: DingTalkEmulator, app: App) -> None:
    event = {"EventType": "user_modify_org", "UserId": ["wulei"], "note": "张三" * 40}
    query, body = emulator.events.seal(app.subscription, event)
    values = {name: found[0] for name, found in parse_qs(query).items()}
    crypto = DingTalkCrypto(app.subscription.token, app.subscription.aes_key, app.client_id)
    opened = crypto.decrypt_message(body, values["signature"], values["timestamp"], values["nonce"])
    assert '"user_modify_org"' in opened
    assert "张三" * 40 in opened


def test_our_reader_opens_what_it_seals(app: App, connector: DingTalkConnector) -> None:
    crypto = DingTalkCrypto(app.subscription.token, app.subscription.aes_key, app.client_id)
    timestamp = str(int(connector.now().timestamp() * 1000))
    sealed = crypto.encrypt_message('{"EventType":"check_url"}', timestamp=timestamp)
    query = {"signature": [sealed["msg_signature"]], "timestamp": [timestamp], "nonce": [sealed["nonce"]]}
    request = CallbackRequest("", "POST", query, {}, json.dumps({"encrypt": sealed["encrypt"]}).encode())
    callback = CallbackReader(connector.account, connector.now).read(request)
    assert callback.events[0].data["event"] == "check_url"


def test_it_reads_the_list_of_failed_pushes(
    make_client: Callable[..., Any], emulator: DingTalkEmulator, receiver: Any, connector: DingTalkConnector
) -> None:
    receiver.failures = 3
    emulator.people.change({"userid": "wulei", "action": "leave"})
    emulator.wait_for_callbacks()
    failed = make_client().callback.get_call_back_failed_result()
    assert failed["failed_list"][0]["call_back_tag"] == "user_leave_org"


def test_it_can_send_by_the_plain_call(
    make_client: Callable[..., Any], emulator: DingTalkEmulator, connector: DingTalkConnector
) -> None:
    """Its own message methods go to another company's gateway; its plain POST reaches the host."""
    notice = json.loads(connector.compose(Message("t-1", "回访"), ["wulei"]).body)["notice"]
    answer = make_client().post("/topapi/message/corpconversation/asyncsend_v2", notice)
    assert answer["task_id"]
    assert emulator.chats("wulei")[0]["title"] == "回访"
