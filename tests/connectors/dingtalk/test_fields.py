"""The emulator's new host against the field list of the vendor's generated client, and ours against both."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from wsapp.connectors.base import Button, Message
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_api import API
from wsapp.connectors.dingtalk.emulator_gate import legacy_error, new_error
from wsapp.connectors.dingtalk.emulator_world import App, HostError
from wsapp.connectors.emulator import RunningEmulator

FIELDS = json.loads((DingTalkConnector.folder / "fixtures" / "v1_api_fields.json").read_text(encoding="utf-8"))
CASES = json.loads((DingTalkConnector.folder / "fixtures" / "error_envelopes.json").read_text(encoding="utf-8"))[
    "cases"
]
CALLS = {(row["method"], row["path"]): row for group in FIELDS["apis"].values() for row in group.values()}
TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "boolean": bool, "any": object}
HEADER = "x-acs-dingtalk-access-token"
MESSAGE = Message("task-1", "回访", "谈报价", (("截止", "今天"),), "/h5/tasks/1", (Button("done", "完成"),))


def mistakes(value: Any, shape: Any, where: str = "") -> list[str]:
    """What in `value` is not as the field list says; fields that are missing are no mistake unless starred."""
    if isinstance(shape, str):
        if shape.startswith("map<"):
            good = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
            return [] if good else [f"{where} is no {shape}"]
        kind = TYPES[shape]
        exact = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        return [] if exact or kind is object else [f"{where} is no {shape}: {value!r}"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [found for number, one in enumerate(value) for found in mistakes(one, shape[0], f"{where}[{number}]")]
    if not isinstance(value, dict):
        return [f"{where} is no object"]
    known = {name.rstrip("*"): inner for name, inner in shape.items()}
    found = [f"{where}.{name} is unknown" for name in value if name not in known]
    found += [f"{where}.{name} is missing" for name in shape if name.endswith("*") and name[:-1] not in value]
    for name, inner in known.items():
        if name in value:
            found += mistakes(value[name], inner, f"{where}.{name}")
    return found


@pytest.fixture
def seen(running: RunningEmulator, emulator: DingTalkEmulator, app: App) -> dict[tuple[str, str], Any]:
    """A good answer of each call of the new host that the emulator knows."""
    secrets = {"appKey": app.client_id, "appSecret": app.client_secret}
    base = running.url

    def call(method: str, path: str, body: Any = None, token: str = "") -> Any:
        headers = {HEADER: token} if token else {}
        answer = requests.request(method, base + path, json=body, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    answers: dict[tuple[str, str], Any] = {}
    answers["POST", "/v1.0/oauth2/accessToken"] = call("POST", "/v1.0/oauth2/accessToken", secrets)
    token = answers["POST", "/v1.0/oauth2/accessToken"]["accessToken"]
    grant = {"client_id": app.client_id, "client_secret": app.client_secret, "grant_type": "client_credentials"}
    answers["POST", "/v1.0/oauth2/{corpId}/token"] = call("POST", f"/v1.0/oauth2/{app.corp.corp_id}/token", grant)
    code = emulator.world.issue_code("oauth", app, "UNwulei0001iEiE", emulator.clock.time(), corp_scope=True)
    grant = {
        "clientId": app.client_id,
        "clientSecret": app.client_secret,
        "grantType": "authorization_code",
        "code": code,
    }
    user = answers["POST", "/v1.0/oauth2/userAccessToken"] = call("POST", "/v1.0/oauth2/userAccessToken", grant)
    grant |= {"grantType": "refresh_token", "refreshToken": user["refreshToken"]}
    assert call("POST", "/v1.0/oauth2/userAccessToken", grant)["accessToken"] != user["accessToken"]
    me = call("GET", "/v1.0/contact/users/me", token=user["accessToken"])
    answers["GET", "/v1.0/contact/users/{unionId}"] = me
    answers["POST", "/v1.0/oauth2/jsapiTickets"] = call("POST", "/v1.0/oauth2/jsapiTickets", {}, token)
    route = {"callbackRouteKey": "wsapp-dingb1a5e0c3d7f92468", "callbackUrl": "http://127.0.0.1:9/", "apiSecret": "s"}
    answers["POST", "/v1.0/card/callbacks/register"] = call("POST", "/v1.0/card/callbacks/register", route, token)
    track = {
        "cardTemplateId": next(iter(app.templates)),
        "outTrackId": "t-9",
        "openSpaceId": "dtv1.card//IM_ROBOT.wulei",
    }
    track |= {"cardData": {"cardParamMap": {"title": "x"}}, "imRobotOpenSpaceModel": {"supportForward": False}}
    track |= {"imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT"}}
    deliver = "/v1.0/card/instances/createAndDeliver"
    answers["POST", deliver] = call("POST", deliver, track, token)
    update = {"outTrackId": "t-9", "cardData": {"cardParamMap": {"title": "y"}}}
    answers["PUT", "/v1.0/card/instances"] = call("PUT", "/v1.0/card/instances", update, token)
    search = {"queryWord": "吴", "offset": 0, "size": 10}
    answers["POST", "/v1.0/contact/users/search"] = call("POST", "/v1.0/contact/users/search", search, token)
    robot = "/v1.0/robot"
    said = {"robotCode": app.robot_code, "msgKey": "sampleText", "msgParam": '{"content": "x"}'}
    people = {**said, "userIds": ["wulei", "nobody"]}
    sent = answers["POST", f"{robot}/oToMessages/batchSend"] = call(
        "POST", f"{robot}/oToMessages/batchSend", people, token
    )
    told = next(iter(emulator.groups.groups.values()))
    group = f"{robot}/groupMessages/send"
    answers["POST", group] = call("POST", group, {**said, "openConversationId": told.id}, token)
    key = sent["processQueryKey"]
    status = f"{robot}/oToMessages/readStatus"
    answers["GET", status] = call("GET", f"{status}?robotCode={app.robot_code}&processQueryKey={key}", token=token)
    recall = {"robotCode": app.robot_code, "processQueryKeys": [key, "unknown"]}
    answers["POST", f"{robot}/otoMessages/batchRecall"] = call(
        "POST", f"{robot}/otoMessages/batchRecall", recall, token
    )
    failed = "/v1.0/event/callbacks/failedResults"
    answers["GET", failed] = call("GET", failed, token=token)
    return answers


def test_every_answer_has_the_vendors_fields(seen: dict[tuple[str, str], Any]) -> None:
    found = {key: mistakes(answer, CALLS[key]["response"]) for key, answer in seen.items()}
    assert {key: rows for key, rows in found.items() if rows} == {}


def test_every_call_of_the_emulator_was_seen(seen: dict[tuple[str, str], Any]) -> None:
    assert set(API) <= set(seen)


def test_what_we_send_has_the_vendors_fields(
    connector: DingTalkConnector, monkeypatch: pytest.MonkeyPatch, seen: dict[tuple[str, str], Any]
) -> None:
    sent: list[tuple[str, str, Any]] = []
    inner = connector.http.request

    def record(method: str, url: str, **options: Any) -> Any:
        path = re.sub(r"^https?://[^/]+", "", url)
        sent.append((method, path, options.get("json")))
        return inner(method, url, **options)

    monkeypatch.setattr(connector.http, "request", record)
    receipt = connector.send(connector.compose(MESSAGE, ["wulei"]))
    connector.update_card(MESSAGE, receipt, ["wulei"])
    connector.js_config("https://crm.example.com/")
    known = [(method, path, body) for method, path, body in sent if (method, path) in CALLS]
    assert {path.rsplit("/", 1)[-1] for _, path, _ in known} == {
        "accessToken",
        "register",
        "createAndDeliver",
        "instances",
        "jsapiTickets",
    }
    found = {path: mistakes(body, CALLS[method, path].get("body", {})) for method, path, body in known}
    assert {path: rows for path, rows in found.items() if rows} == {}


# --- errors ---------------------------------------------------------------------------------------------------

# case → the emulator's own path and error; the rest of the 29 belongs to calls that it does not have
LEGACY: dict[str, tuple[str, str]] = {
    "legacy-bad-token": ("/topapi/x", "40014"),
    "legacy-missing-token": ("/topapi/x", "40000"),
    "legacy-permission-missing": ("/topapi/x", "60011"),
    "legacy-unknown-method": ("/topapi/x", "22"),
    "legacy-ip-not-allowed": ("/topapi/x", "60020"),
    "legacy-app-qps": ("/topapi/x", "90018"),
    "legacy-global-qps-old-style": ("/user/list", "90002"),
    "legacy-business-error": ("/topapi/x", "60121"),
    "legacy-auth-code-used": ("/topapi/x", "40078"),
    "legacy-monthly-quota": ("/topapi/x", "90020"),
    "legacy-backend-timeout-88": ("/topapi/x", "BACKEND"),
}
NEW = [case["id"] for case in CASES if case["id"].startswith("new-") and case["http"] >= 400]


@pytest.mark.parametrize("name", LEGACY)
def test_legacy_envelopes(name: str, emulator: DingTalkEmulator) -> None:
    case = next(one for one in CASES if one["id"] == name)
    path, code = LEGACY[name]
    with emulator.app.test_request_context(path):
        answer = legacy_error(path, HostError(code, case["body"].get("sub_msg") or case["body"].get("errmsg", "")))
    got = answer.get_json()
    assert answer.status_code == case["http"]
    assert got.keys() | {"request_id"} == case["body"].keys() | {"request_id"}
    assert {key: type(value) for key, value in got.items() if key in case["body"]} == {
        key: type(value) for key, value in case["body"].items() if key in got
    }
    for key in ("errcode", "sub_code"):
        assert got.get(key) == case["body"].get(key)


@pytest.mark.parametrize("name", NEW)
def test_new_envelopes(name: str, emulator: DingTalkEmulator) -> None:
    case = next(one for one in CASES if one["id"] == name)
    extra = {key: value for key, value in case["body"].items() if key == "accessdenieddetail"}
    with emulator.app.test_request_context("/v1.0/x"):
        answer = new_error(HostError(case["body"]["code"], case["body"]["message"], **extra))
    assert answer.status_code == case["http"]
    assert answer.get_json() | {"requestid": ""} == case["body"] | {"requestid": ""}


@pytest.fixture
def faulty(connector: DingTalkConnector, post: Callable[..., requests.Response]) -> Callable[[str], Any]:
    def ask(code: str) -> Any:
        post("/_emulator/faults", {"api": "/topapi/v2/user/get", "fault": "code", "code": code, "message": "emulated"})
        url = f"{connector.calls.oapi_base}/topapi/v2/user/get"
        return requests.post(url, json={}, timeout=5)

    return ask


@pytest.mark.parametrize(
    ("code", "status", "found"),
    [
        ("90018", 200, {"errcode": 88, "sub_code": "90018"}),
        ("60121", 200, {"errcode": 60121}),
        ("-1", 200, {"errcode": -1}),
        ("Forbidden.AccessDenied.QpsLimitForApi", 403, {"code": "Forbidden.AccessDenied.QpsLimitForApi"}),
        ("system.busy", 500, {"code": "system.busy"}),
        ("ServiceUnavailable", 504, {"code": "ServiceUnavailable"}),
    ],
)
def test_codes_on_demand(faulty: Callable[[str], Any], code: str, status: int, found: dict[str, Any]) -> None:
    answer = faulty(code)
    assert answer.status_code == status
    assert found.items() <= answer.json().items()
