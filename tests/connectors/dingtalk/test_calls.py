"""Calls to a host that misbehaves: one refresh, bounded token calls, no success that is none, nothing secret said."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from wsapp.connectors.base import BadCredentials, HostError, Message, OutOfRange, Refused, TryLater
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_world import App

USER_GET = "/topapi/v2/user/get"
SEND = "/topapi/message/corpconversation/asyncsend_v2"
CARD = "/v1.0/card/instances/createAndDeliver"
TOKEN = "/v1.0/oauth2/accessToken"
TICKET = "/v1.0/oauth2/jsapiTickets"
Post = Callable[..., requests.Response]


def fault(post: Post, api: str, kind: str, **options: Any) -> None:
    post("/_emulator/faults", {"api": api, "fault": kind, **options})


def raised(call: Callable[[], Any]) -> HostError:
    with pytest.raises(HostError) as caught:
        call()
    return caught.value


def notice(connector: DingTalkConnector) -> Callable[[], Any]:
    parcel = connector.compose(Message("t-1", "回访"), ["wulei"])
    return lambda: connector.send(parcel)


# --- tokens ---------------------------------------------------------------------------------------------------


def test_one_token_serves_both_hosts(connector: DingTalkConnector, tokens: Any, emulator: DingTalkEmulator) -> None:
    connector.person("wulei")
    connector.js_config("https://crm.example.com/")
    notice(connector)()
    assert tokens.fetched == {"app": 1, "jsapi.ticket": 1}
    assert emulator.call_counts[TOKEN] == 1


@pytest.mark.parametrize("code", ["40014", "42001", "40001"])
def test_a_dead_token_is_refreshed_once(connector: DingTalkConnector, tokens: Any, post: Post, code: str) -> None:
    fault(post, USER_GET, "code", code=code)
    assert connector.person("wulei").name == "吴磊"
    assert tokens.fetched["app"] == 2


def test_a_dead_token_of_the_new_host_is_refreshed_once(connector: DingTalkConnector, tokens: Any, post: Post) -> None:
    fault(post, TICKET, "code", code="InvalidAuthentication")
    assert connector.js_config("https://crm.example.com/")["signature"]
    assert tokens.fetched["app"] == 2


def test_tokens_that_die_early_are_replaced(connector: DingTalkConnector, tokens: Any, post: Post) -> None:
    connector.person("wulei")
    post("/_emulator/tokens", {})
    assert connector.person("wulei").name == "吴磊"
    assert tokens.fetched["app"] == 2


def test_a_token_dead_for_good_stays_bounded(connector: DingTalkConnector, post: Post, tokens: Any) -> None:
    """88 + 40014 again and again: two calls and one more token for each attempt, then wait (fact 7: 487 calls)."""
    fault(post, USER_GET, "code", code="40014", times=1000)
    for _ in range(5):
        error = raised(lambda: connector.person("wulei"))
        assert isinstance(error, TryLater)
        assert (error.code, error.after) == ("40014", 60)
    assert tokens.fetched["app"] <= 6
    counts = requests.get(connector.calls.oapi_base + "/_emulator/calls", timeout=5).json()["counts"]
    assert counts[USER_GET] == 10


def test_expired_tokens_of_the_emulator_are_refused(
    connector: DingTalkConnector, tokens: Any, emulator: DingTalkEmulator
) -> None:
    connector.person("wulei")
    emulator.clock.offset += 7201
    assert connector.person("wulei").name == "吴磊"
    assert tokens.fetched["app"] == 2


@pytest.mark.parametrize("values", [{"client_secret": "wrong-secret-000"}, {"client_id": "dingnobody"}])
def test_wrong_secrets(make_connector: Callable[..., DingTalkConnector], values: dict[str, str]) -> None:
    error = raised(lambda: make_connector(**values).person("wulei"))
    assert type(error) is BadCredentials
    assert error.code == "invalidClientIdOrSecret"


@pytest.mark.parametrize(
    "body",
    ['{"accessToken":""}', '{"accessToken":5}', '{"accessToken":"' + "a" * 600 + '"}', "{}", '{"accessToken":"a\\nb"}'],
)
def test_an_answer_without_a_token_is_no_token(
    connector: DingTalkConnector, post: Post, body: str, tokens: Any
) -> None:
    fault(post, TOKEN, "status", status=200, body=body)
    assert type(raised(lambda: connector.person("wulei"))) is TryLater
    assert tokens.values == {}


def test_another_corps_token_is_not_used(connector: DingTalkConnector, app: App, emulator: DingTalkEmulator) -> None:
    assert requests.get(
        f"{connector.calls.oapi_base}/topapi/v2/user/get", params={"access_token": "stolen"}, timeout=5
    ).json() | {"request_id": ""} == {
        "errcode": 88,
        "sub_code": "40014",
        "sub_msg": "不合法的access_token",
        "errmsg": "ding talk error[subcode=40014,submsg=不合法的access_token]",
        "request_id": "",
    }


# --- misbehaviour ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "kind", "options", "code", "ambiguous", "after"),
    [
        (SEND, "html", {}, "IP_BANNED", False, 300),
        (SEND, "html", {"status": 502}, "GATEWAY", True, 5),
        (SEND, "status", {"status": 500}, "GATEWAY", True, 5),
        (SEND, "status", {"status": 503, "body": "{}"}, "GATEWAY", True, 5),
        (SEND, "status", {"status": 200, "body": ""}, "NOT_UNDERSTOOD", True, 5),
        (SEND, "status", {"status": 200, "body": '{"task_id":1}'}, "NOT_UNDERSTOOD", True, 5),
        (SEND, "status", {"status": 200, "body": '{"errcode":0}'}, "NOT_UNDERSTOOD", True, 5),
        (SEND, "status", {"status": 200, "body": '{"errcode":false,"task_id":1}'}, "NOT_UNDERSTOOD", True, 5),
        (SEND, "status", {"status": 200, "body": '{"status":1111,"punish":"deny"}'}, "IP_BANNED", False, 300),
        (SEND, "truncate", {}, "NOT_UNDERSTOOD", True, 5),
        (SEND, "reset_before", {}, "connection_lost", True, 5),
        (SEND, "reset_after", {}, "connection_lost", True, 5),
        (SEND, "huge", {"bytes": 5_000_000}, "too_large", True, 5),
        (SEND, "code", {"code": "90018"}, "90018", False, 1),
        (SEND, "code", {"code": "90002"}, "90002", False, 1),
        (SEND, "code", {"code": "90020"}, "90020", False, 3600),
        (SEND, "code", {"code": "-1"}, "-1", True, 5),
        (SEND, "code", {"code": "15"}, "15", True, 5),
        (SEND, "code", {"code": "143103"}, "143103", False, 60),
        (SEND, "code", {"code": "system.busy"}, "system.busy", True, 5),
        (TOKEN, "status", {"status": 500}, "GATEWAY", False, 5),
        (TOKEN, "html", {}, "IP_BANNED", False, 300),
        (TOKEN, "truncate", {}, "NOT_UNDERSTOOD", False, 5),
    ],
)
def test_try_later(
    connector: DingTalkConnector,
    post: Post,
    api: str,
    kind: str,
    options: Any,
    code: str,
    ambiguous: bool,
    after: float,
) -> None:
    fault(post, api, kind, **options)
    error = raised(notice(connector))
    assert isinstance(error, TryLater)
    assert (error.code, error.ambiguous, error.after) == (code, ambiguous, after)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("40056", BadCredentials),
        ("60020", BadCredentials),
        ("50003", BadCredentials),
        ("400002", Refused),
        ("1430002", Refused),
        ("45002", Refused),
        ("424242", Refused),
        ("33012", OutOfRange),
        ("Forbidden.AccessDenied.IpNotInWhiteList", BadCredentials),
        ("Forbidden.AccessDenied.AccessTokenPermissionDenied", Refused),
        ("something.new", Refused),
    ],
)
def test_no_retry(connector: DingTalkConnector, post: Post, code: str, kind: type[HostError]) -> None:
    fault(post, SEND, "code", code=code)
    error = raised(notice(connector))
    assert type(error) is kind
    assert error.code == code


@pytest.mark.parametrize(
    "code",
    ["QpsLimitForApi", "QpsLimitForAppkeyAndApi", "QpmLimitForAppkeyAndApi"],
)
def test_throttling_is_http_403_and_no_missing_permission(connector: DingTalkConnector, post: Post, code: str) -> None:
    fault(post, TICKET, "code", code=f"Forbidden.AccessDenied.{code}")
    assert type(raised(lambda: connector.js_config("https://crm.example.com/"))) is TryLater


def test_a_host_that_drips_is_left(connector: DingTalkConnector, post: Post) -> None:
    """Each byte comes within the read timeout; the whole would take minutes."""
    fault(post, USER_GET, "drip", body="{" + " " * 300 + "}", seconds=0.5)
    started = time.monotonic()
    error = raised(lambda: connector.person("wulei"))
    assert isinstance(error, TryLater)
    assert time.monotonic() - started < 60


def test_an_unreachable_host_is_not_ambiguous(make_connector: Callable[..., DingTalkConnector], tokens: Any) -> None:
    connector = make_connector()
    tokens.values["app"] = "token"
    connector.calls.oapi_base = "http://127.0.0.1:9"
    error = raised(notice(connector))
    assert isinstance(error, TryLater)
    assert not error.ambiguous


def test_nothing_secret_in_errors_or_logs(
    connector: DingTalkConnector, post: Post, caplog: pytest.LogCaptureFixture, tokens: Any
) -> None:
    caplog.set_level("DEBUG")
    said = ""
    faults = [("html", {}), ("truncate", {}), ("reset_after", {}), ("code", {"code": "40014", "times": 2})]
    for kind, options in faults:
        fault(post, SEND, kind, **options)
        error = raised(notice(connector))
        said += f"{error!r} {error} {error.reason}"
    said += repr(connector.account) + caplog.text
    for secret in (connector.account["client_secret"], tokens.values["app"], connector.account["callback_aes_key"]):
        assert secret not in said
