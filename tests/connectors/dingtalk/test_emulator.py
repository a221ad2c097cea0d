"""The emulator is the host: its envelopes, limits, pushes and switches, by plain HTTP."""

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator_world import App
from wsapp.connectors.emulator import RunningEmulator

USER_GET = "/topapi/v2/user/get"
TICKETS = "/v1.0/oauth2/jsapiTickets"
HEADER = "x-acs-dingtalk-access-token"
Post = Callable[..., requests.Response]


class Raw:
    """The two hosts as a client without any library sees them."""

    def __init__(self, base: str, app: App) -> None:
        self.base, self.app = base, app

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        return requests.get(self.base + path, params=params, timeout=10).json()

    def old_token(self) -> str:
        return self.get("/gettoken", appkey=self.app.client_id, appsecret=self.app.client_secret)["access_token"]

    def new_token(self) -> str:
        body = {"appKey": self.app.client_id, "appSecret": self.app.client_secret}
        return requests.post(f"{self.base}/v1.0/oauth2/accessToken", json=body, timeout=10).json()["accessToken"]

    def oapi(self, path: str, body: Any, token: str = "", **options: Any) -> dict[str, Any]:
        url = f"{self.base}{path}"
        params = {"access_token": token or self.old_token()}
        return requests.post(url, **{"json": body, "params": params, "timeout": 10, **options}).json()

    def api(self, method: str, path: str, body: Any = None, token: str = "", **options: Any) -> requests.Response:
        headers = {HEADER: token or self.new_token()}
        return requests.request(
            method, self.base + path, **{"json": body, "headers": headers, "timeout": 10, **options}
        )


@pytest.fixture
def raw(running: RunningEmulator, app: App) -> Raw:
    return Raw(running.url, app)


# --- tokens and envelopes (11.1–11.8) -------------------------------------------------------------------------


def test_the_old_token_reads_only_the_query(raw: Raw) -> None:
    body = {"appkey": raw.app.client_id, "appsecret": raw.app.client_secret}
    assert requests.get(f"{raw.base}/gettoken", json=body, timeout=10).json()["errcode"] == 40035
    answer = raw.get("/gettoken", **body)
    assert (answer["errcode"], answer["expires_in"], len(answer["access_token"])) == (0, 7200, 32)


@pytest.mark.parametrize("code", [40096, 40089])
def test_bad_credentials(raw: Raw, emulator: DingTalkEmulator, code: int) -> None:
    emulator.knobs["bad_credentials"] = code
    assert raw.get("/gettoken", appkey=raw.app.client_id, appsecret="x")["errcode"] == code
    answer = requests.post(f"{raw.base}/v1.0/oauth2/accessToken", json={"appKey": "x", "appSecret": "y"}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidClientIdOrSecret")


def test_the_unified_token(raw: Raw) -> None:
    body = {"client_id": raw.app.client_id, "client_secret": raw.app.client_secret, "grant_type": "client_credentials"}
    url = f"{raw.base}/v1.0/oauth2/{raw.app.corp.corp_id}/token"
    assert requests.post(url, json=body, timeout=10).json() == {"access_token": raw.app.token, "expires_in": 7200}
    for change, status, code in (
        ({"client_secret": "x"}, 400, "invalid.client"),
        ({"grant_type": "x"}, 400, "unsupported.grant.type"),
    ):
        answer = requests.post(url, json={**body, **change}, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    stray = requests.post(f"{raw.base}/v1.0/oauth2/dingnobody/token", json=body, timeout=10)
    assert (stray.status_code, stray.json()["code"]) == (500, "unknownError")


def test_the_token_stays_and_its_end_moves(raw: Raw, emulator: DingTalkEmulator) -> None:
    first = raw.old_token()
    emulator.clock.offset += 7000
    assert raw.new_token() == first
    emulator.clock.offset += 7000
    assert raw.oapi(USER_GET, {"userid": "wulei"}, first)["errcode"] == 0
    emulator.clock.offset += 7201
    assert raw.oapi(USER_GET, {"userid": "wulei"}, first)["sub_code"] == "42001"
    assert raw.api("POST", TICKETS, {}, first).json()["code"] == "InvalidAuthentication"
    assert raw.new_token() != first


def test_a_short_life(raw: Raw, emulator: DingTalkEmulator) -> None:
    emulator.knobs["token_life"] = 5
    token = raw.new_token()
    emulator.clock.offset += 6
    assert raw.oapi(USER_GET, {"userid": "wulei"}, token)["errcode"] == 88


def test_tokens_go_in_their_own_place(raw: Raw) -> None:
    token = raw.new_token()
    header_only = requests.post(
        raw.base + USER_GET, json={"userid": "wulei"}, headers={HEADER: token}, timeout=10
    ).json()
    assert (header_only["errcode"], header_only["sub_code"]) == (88, "40000")
    for options in (
        {"params": {"access_token": token}},
        {"headers": {"Authorization": f"Bearer {token}"}},
    ):
        answer = requests.post(raw.base + TICKETS, json={}, timeout=10, **options)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (400, "AuthenticationFailed.MissingParameter")


def test_user_tokens_and_app_tokens_do_not_mix(raw: Raw, emulator: DingTalkEmulator) -> None:
    user_token, _ = emulator.world.issue_user_token(raw.app, "UNwulei0001iEiE", emulator.clock.time(), 100)
    assert raw.oapi(USER_GET, {"userid": "wulei"}, user_token)["sub_code"] == "33009"
    assert raw.api("POST", TICKETS, {}, user_token).json()["code"] == "InvalidAuthentication"
    assert raw.api("GET", "/v1.0/contact/users/me", token=raw.new_token()).json()["code"] == "InvalidAuthentication"
    assert raw.api("GET", "/v1.0/contact/users/me", token=user_token).json()["nick"] == "吴磊"


def test_unknown_paths(raw: Raw) -> None:
    assert raw.oapi("/topapi/nothing/here", {})["errcode"] == 22
    answer = requests.post(f"{raw.base}/oauth2/accessToken", json={}, timeout=10)
    assert (answer.status_code, answer.json()["errcode"]) == (200, 404)
    assert requests.post(f"{raw.base}/v1.0/nothing", json={}, timeout=10).status_code == 404


def test_forms_are_as_good_as_json(raw: Raw, emulator: DingTalkEmulator) -> None:
    token = raw.old_token()
    form = {"access_token": token, "userid": "wulei"}
    assert requests.post(raw.base + USER_GET, data=form, timeout=10).json()["result"]["name"] == "吴磊"
    msg = '{"msgtype":"text","text":{"content":"你好"}}'
    form = {"agent_id": str(raw.app.agent_id), "userid_list": "wulei", "msg": msg}
    path = "/topapi/message/corpconversation/asyncsend_v2"
    answer = requests.post(raw.base + path, params={"access_token": token}, data=form, timeout=10).json()
    assert answer["task_id"] > 2**32
    assert emulator.chats("wulei")[0]["text"] == "你好"


def test_real_types(raw: Raw) -> None:
    record = raw.oapi(USER_GET, {"userid": "wulei"})["result"]
    assert type(record["active"]) is bool
    assert record["dept_id_list"] == [3]
    assert record["dept_order_list"][0]["order"] > 2**53
    assert "avatar" not in record  # the default one
    assert "email" not in record


def test_a_missing_permission_is_named(raw: Raw) -> None:
    raw.app.missing_permissions = {"qyapi_get_member", "Card.Instance.Write"}
    answer = raw.oapi(USER_GET, {"userid": "wulei"})
    assert (answer["errcode"], answer["sub_code"]) == (88, "60011")
    assert "qyapi_get_member" in answer["errmsg"]
    refused = raw.api("PUT", "/v1.0/card/instances", {})
    assert refused.status_code == 403
    assert refused.json()["accessdenieddetail"] == {"requiredScopes": ["Card.Instance.Write"]}


def test_the_ip_list(raw: Raw) -> None:
    raw.app.ips = ["203.0.113.7"]
    answer = raw.oapi(USER_GET, {"userid": "wulei"})
    assert answer["errcode"] == 60020
    assert "127.0.0.1" in answer["errmsg"]
    assert raw.app.client_id in answer["errmsg"]
    refused = raw.api("POST", TICKETS, {})
    assert (refused.status_code, refused.json()["code"]) == (403, "Forbidden.AccessDenied.IpNotInWhiteList")
    raw.app.ips.append("127.0.0.1")
    assert raw.oapi(USER_GET, {"userid": "wulei"})["errcode"] == 0


# --- limits (11.9–11.11) --------------------------------------------------------------------------------------


def test_calls_a_second(raw: Raw, emulator: DingTalkEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.knobs["qps"] = 20
    token, now = raw.old_token(), emulator.clock.time()
    monkeypatch.setattr(emulator.clock, "time", lambda: now)
    answers = [raw.oapi(USER_GET, {"userid": "wulei"}, token) for _ in range(21)]
    assert [one["errcode"] for one in answers] == [0] * 20 + [88]
    assert answers[-1]["sub_code"] == "90018"
    assert "处罚将在" in answers[-1]["errmsg"]
    emulator.knobs["qps"] = 1
    statuses = [raw.api("POST", TICKETS, {}, token).status_code for _ in range(2)]
    assert statuses == [200, 403]
    monkeypatch.setattr(emulator.clock, "time", lambda: now + 1)
    assert raw.oapi(USER_GET, {"userid": "wulei"}, token)["errcode"] == 0


def test_everybody_is_throttled(raw: Raw, emulator: DingTalkEmulator) -> None:
    emulator.knobs["global_limit"] = True
    assert raw.oapi(USER_GET, {"userid": "wulei"})["sub_code"] == "90002"
    assert raw.oapi("/user/get", {"userid": "wulei"})["errcode"] == 90002  # old paths: bare
    assert raw.api("POST", TICKETS, {}).json()["code"] == "Forbidden.AccessDenied.QpsLimitForApi"


@pytest.mark.parametrize("page", ["json", "html"])
def test_an_address_that_calls_too_often_is_banned_for_five_minutes(
    raw: Raw, emulator: DingTalkEmulator, connector: DingTalkConnector, page: str
) -> None:
    token = raw.old_token()
    emulator.knobs.update(ip_calls=5, ban_page=page)
    answers = [
        requests.post(raw.base + USER_GET, params={"access_token": token}, json={"userid": "wulei"}, timeout=10)
        for _ in range(6)
    ]
    assert answers[0].json()["errcode"] == 0
    assert answers[-1].status_code == 200
    assert ("<html>" in answers[-1].text) == (page == "html")
    with pytest.raises(Exception, match="IP_BANNED") as raised:
        connector.person("wulei")
    assert raised.value.after == 300  # type: ignore[attr-defined]
    emulator.clock.offset += 301
    assert connector.person("wulei").name == "吴磊"


def test_the_months_allowance(raw: Raw, emulator: DingTalkEmulator) -> None:
    emulator.knobs["monthly_limit"] = 2
    body = {"agent_id": raw.app.agent_id, "userid_list": "wulei", "msg": {"msgtype": "text", "text": {"content": "x"}}}
    path = "/topapi/message/corpconversation/asyncsend_v2"
    answers = [raw.oapi(path, body) for _ in range(3)]
    assert [one.get("sub_code", "") for one in answers] == ["", "", "90020"]
    assert raw.oapi(USER_GET, {"userid": "wulei"})["errcode"] == 0  # contacts are free
    assert raw.api("PUT", "/v1.0/card/instances", {}).json()["code"] == "Forbidden.AccessDenied.ApiCountLimitForOrg"


# --- work notifications (11.19, 11.20) ------------------------------------------------------------------------


def send(raw: Raw, **change: Any) -> dict[str, Any]:
    msg = {"msgtype": "text", "text": {"content": "你好"}}
    body = {"agent_id": raw.app.agent_id, "userid_list": "wulei", "msg": msg}
    return raw.oapi("/topapi/message/corpconversation/asyncsend_v2", {**body, **change})


ACTION = {"title": "t", "markdown": "m", "single_title": "开", "single_url": "https://crm.example.com/"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agent_id": 1}, 40056),
        ({"userid_list": ""}, 40035),
        ({"userid_list": ",".join(f"u{n}" for n in range(101))}, 40035),
        ({"dept_id_list": ",".join(str(n) for n in range(21))}, 40035),
        ({"msg": {}}, 40035),
        ({"msg": {"msgtype": "unknown", "unknown": {}}}, 40035),
        ({"msg": {"msgtype": "text", "text": "x"}}, 40035),
        ({"msg": {"msgtype": "action_card", "action_card": {**ACTION, "markdown": ""}}}, 40035),
        ({"msg": {"msgtype": "action_card", "action_card": {**ACTION, "single_title": "字" * 21}}}, 40035),
        ({"msg": {"msgtype": "action_card", "action_card": {**ACTION, "single_url": "https://" + "x" * 500}}}, 40035),
        ({"msg": {"msgtype": "text", "text": {"content": "字" * 700}}}, 45002),
    ],
)
def test_malformed_notices(raw: Raw, change: dict[str, Any], code: int) -> None:
    assert send(raw, **change)["errcode"] == code


def test_an_oversize_notice_may_be_accepted(raw: Raw, emulator: DingTalkEmulator) -> None:
    emulator.knobs["oversize"] = "accept"
    assert send(raw, msg={"msgtype": "text", "text": {"content": "字" * 700}})["errcode"] == 0


def test_departments_are_expanded(raw: Raw, emulator: DingTalkEmulator) -> None:
    assert send(raw, userid_list="", dept_id_list="2")["errcode"] == 0
    assert [one for one in ("wulei", "sunlihua", "qianwei") if emulator.chats(one)] == ["wulei", "sunlihua"]
    send(raw, userid_list="", to_all_user=True, msg={"msgtype": "markdown", "markdown": {"title": "t", "text": "x"}})
    assert len(emulator.chats("qianwei")) == 1


@pytest.mark.parametrize("code", [41052, 15])
def test_results_of_many(raw: Raw, emulator: DingTalkEmulator, code: int) -> None:
    emulator.knobs.update(many_recipients=code, send_seconds=0)
    users = [{"userid": f"u{number}", "name": "x", "departments": [4]} for number in range(101)]
    emulator.load({"corp_id": raw.app.corp.corp_id, "users": users})
    task = send(raw, userid_list="", dept_id_list="4")["task_id"]
    body = {"agent_id": raw.app.agent_id, "task_id": task}
    assert raw.oapi("/topapi/message/corpconversation/getsendresult", body)["errcode"] == code


def test_progress_and_recall(raw: Raw, emulator: DingTalkEmulator) -> None:
    emulator.knobs["send_seconds"] = 100
    task = send(raw)["task_id"]
    base, body = "/topapi/message/corpconversation", {"agent_id": raw.app.agent_id, "task_id": task}
    emulator.clock.offset += 50
    progress = raw.oapi(f"{base}/getsendprogress", body)["progress"]
    assert 40 <= progress["progress_in_percent"] <= 60
    assert progress["status"] == 1
    assert raw.oapi(f"{base}/getsendresult", body)["errcode"] == 41052
    emulator.clock.offset += 60
    assert raw.oapi(f"{base}/getsendprogress", body)["progress"] == {"progress_in_percent": 100, "status": 2}
    assert raw.oapi(f"{base}/recall", {"agent_id": raw.app.agent_id, "msg_task_id": task})["errcode"] == 0
    assert emulator.chats("wulei") == emulator.chats() == []
    assert raw.oapi(f"{base}/recall", {"agent_id": raw.app.agent_id, "msg_task_id": 1})["errcode"] == 400002


def test_the_status_bar_of_an_oa_message(raw: Raw, emulator: DingTalkEmulator) -> None:
    oa = {"message_url": "https://crm.example.com/", "head": {"bgcolor": "FFBBBBBB", "text": "x"}}
    oa |= {"body": {"title": "审批", "form": [{"key": "客户", "value": "华星"}], "content": "内容"}}
    task = send(raw, msg={"msgtype": "oa", "oa": oa})["task_id"]
    path = "/topapi/message/corpconversation/status_bar/update"
    body = {"agent_id": raw.app.agent_id, "task_id": task, "status_value": "已同意"}
    assert raw.oapi(path, body)["errcode"] == 0
    shown = emulator.chats("wulei")[0]
    assert (shown["state"], shown["lines"], shown["title"]) == ("已同意", [["客户", "华星"]], "审批")
    text = send(raw)["task_id"]
    assert raw.oapi(path, {**body, "task_id": text})["errcode"] == 41052


def test_an_update_replaces_the_whole_map_unless_told_otherwise(raw: Raw, emulator: DingTalkEmulator) -> None:
    raw.api("POST", "/v1.0/card/callbacks/register", {"callbackRouteKey": "k", "callbackUrl": "http://127.0.0.1:9/"})
    body = {
        "cardTemplateId": next(iter(raw.app.templates)),
        "outTrackId": "t-1",
        "callbackType": "HTTP",
        "callbackRouteKey": "k",
        "cardData": {"cardParamMap": {"title": "一", "text": "二"}},
        "openSpaceId": "dtv1.card//im_robot.wulei",
        "imRobotOpenSpaceModel": {"supportForward": False},
        "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT"},
    }
    assert raw.api("POST", "/v1.0/card/instances/createAndDeliver", body).json()["result"]["deliverResults"][0][
        "success"
    ]
    update = {"outTrackId": "t-1", "cardData": {"cardParamMap": {"text": "三"}}}
    by_key = {**update, "cardUpdateOptions": {"updateCardDataByKey": True}}
    raw.api("PUT", "/v1.0/card/instances", by_key)
    assert emulator.chats("wulei")[0]["title"] == "一"
    raw.api("PUT", "/v1.0/card/instances", update)
    assert emulator.chats("wulei")[0]["params"] == {"text": "三"}
    again = raw.api("POST", "/v1.0/card/instances/createAndDeliver", body)
    assert (again.status_code, again.json()["code"]) == (400, "param.cardAlreadyExist")


# --- contacts (11.16–11.18) -----------------------------------------------------------------------------------


def test_lists_that_know_no_range(raw: Raw) -> None:
    assert raw.oapi("/topapi/user/listid", {"dept_id": 1})["result"]["userid_list"] == ["simaxiangru"]
    assert raw.oapi("/topapi/v2/department/listsubid", {"dept_id": 1})["result"]["dept_id_list"] == [2, 4]
    assert raw.oapi("/topapi/user/count", {"only_active": False})["result"]["count"] == 5
    assert raw.oapi("/topapi/v2/department/listsub", {"dept_id": 1})["errcode"] == 50004
    assert raw.oapi("/topapi/v2/department/listparentbydept", {"dept_id": 3})["result"]["parent_id_list"] == [3, 2, 1]
    chains = raw.oapi("/topapi/v2/department/listparentbyuser", {"userid": "wulei"})["result"]["parent_list"]
    assert chains == [{"parent_dept_id_list": [3, 2, 1]}]


def test_people_found_by_other_names(raw: Raw) -> None:
    assert raw.oapi("/topapi/v2/user/getbymobile", {"mobile": "13900010002"})["result"] == {"userid": "wulei"}
    assert raw.oapi("/topapi/v2/user/getbymobile", {"mobile": "1"})["errcode"] == 60121
    assert raw.oapi("/topapi/v2/user/getbymobile", {"mobile": "x"})["errcode"] == 40104
    assert raw.oapi("/topapi/user/listadmin", {})["result"] == [{"userid": "qianwei", "sys_level": 1}]
    found = raw.api("POST", "/v1.0/contact/users/search", {"queryWord": "吴", "offset": 0, "size": 10}).json()
    assert found == {"hasMore": False, "totalCount": 1, "list": ["wulei"]}


@pytest.mark.parametrize("page", [{"cursor": 0, "size": 101}, {"cursor": -1, "size": 10}, {"cursor": 0}, {}])
def test_bad_pages(raw: Raw, page: dict[str, int]) -> None:
    assert raw.oapi("/topapi/v2/user/list", {"dept_id": 2, **page})["errcode"] == 40035


def test_the_last_page_has_no_cursor(raw: Raw) -> None:
    first = raw.oapi("/topapi/v2/user/list", {"dept_id": 3, "cursor": 0, "size": 1})["result"]
    last = raw.oapi("/topapi/v2/user/list", {"dept_id": 3, "cursor": first["next_cursor"], "size": 1})["result"]
    assert first["has_more"]
    assert not last["has_more"]
    assert "next_cursor" not in last


def test_somebody_returns_under_another_userid(raw: Raw, post: Post, emulator: DingTalkEmulator) -> None:
    post("/_emulator/people", {"userid": "wulei", "action": "leave"})
    post("/_emulator/people", {"userid": "wulei2", "action": "join", "unionid": "UNwulei0001iEiE", "departments": [3]})
    result = raw.oapi("/topapi/user/getbyunionid", {"unionid": "UNwulei0001iEiE"})["result"]
    assert result == {"contact_type": 0, "userid": "wulei2"}


# --- pushes (11.26, 11.28) ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"action": "leave"}, "member.left"),
        ({"action": "move", "departments": [4]}, "member.changed"),
        ({"action": "disable"}, "member.changed"),
        ({"action": "update", "title": "经理"}, "member.changed"),
    ],
)
def test_changes_are_pushed(connector: DingTalkConnector, post: Post, receiver: Any, body: Any, kind: str) -> None:
    assert post("/_emulator/people", {"userid": "wulei", **body}).json()["pushed"] == 1
    event = receiver.wait_for(1)[0].events[0]
    assert (event.kind, event.userids) == (kind, ("wulei",))


def test_who_joins_is_pushed(connector: DingTalkConnector, post: Post, receiver: Any) -> None:
    post("/_emulator/people", {"userid": "new1", "action": "join", "name": "新人", "departments": [3]})
    assert receiver.wait_for(1)[0].events[0].userids == ("new1",)
    assert connector.person("new1").name == "新人"
    assert post("/_emulator/people", {"userid": "nobody", "action": "leave"}).status_code == 404


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_push_is_tried_three_times(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, receiver: Any, failures: int
) -> None:
    receiver.failures = failures
    post("/_emulator/people", {"userid": "wulei", "action": "leave"})
    callbacks = receiver.wait_for(1)
    emulator.wait_for_callbacks()
    assert len(callbacks) == 1
    assert emulator.events.take_failed(next(iter(emulator.world.apps.values()))) == ([], False)


def test_a_push_that_failed_for_good_can_be_fetched_once(
    raw: Raw, connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, receiver: Any
) -> None:
    receiver.failures = 6
    for userid in ("wulei", "zhouxiaoyu"):
        post("/_emulator/people", {"userid": userid, "action": "leave"})
    emulator.wait_for_callbacks()
    assert receiver.callbacks == []
    answer = raw.get("/call_back/get_call_back_failed_result", access_token=raw.old_token())
    people = sorted(row["user_leave_org"]["userid"][0] for row in answer["failed_list"])
    assert (people, answer["has_more"]) == (["wulei", "zhouxiaoyu"], False)
    assert raw.api("GET", "/v1.0/event/callbacks/failedResults").json() == {"failedList": [], "hasMore": False}


def test_plain_success_is_no_answer(emulator: DingTalkEmulator, app: App, post: Post, running: RunningEmulator) -> None:
    """The address of the emulator's own page answers 200, but not with an encrypted success."""
    app.subscription.url = f"{running.url}/phone/user"
    post("/_emulator/people", {"userid": "wulei", "action": "leave"})
    emulator.wait_for_callbacks()
    rows, _ = emulator.events.take_failed(app)
    assert rows[0].tag == "user_leave_org"
    assert rows[0].new()["callBackTag"] == "user_leave_org"


def test_saving_a_subscription_checks_the_address(
    connector: DingTalkConnector, app: App, post: Post, receiver: Any, running: RunningEmulator
) -> None:
    one = app.subscription
    body = {"client_id": app.client_id, "url": one.url, "token": one.token, "aes_key": one.aes_key}
    assert post("/_emulator/callback", body).status_code == 200
    assert receiver.callbacks[0].events[0].data["event"] == "check_url"
    for change in ({"url": f"{running.url}/phone/user"}, {"token": "wrongToken"}, {"aes_key": "z" * 43}):
        assert post("/_emulator/callback", {**body, **change}).status_code == 422
    assert app.subscription == one


def test_a_subscription_by_api_has_the_corp_id_as_owner(
    raw: Raw, connector: DingTalkConnector, app: App, receiver: Any, post: Post
) -> None:
    one = app.subscription
    body = {"url": one.url, "token": one.token, "aes_key": one.aes_key, "call_back_tag": ["user_leave_org"]}
    assert raw.oapi("/call_back/register_call_back", body)["errcode"] == 71006
    raw.get("/call_back/delete_call_back", access_token=raw.old_token())
    assert raw.get("/call_back/get_call_back", access_token=raw.old_token())["errcode"] == 71007
    assert raw.oapi("/call_back/register_call_back", {**body, "token": "wrongToken"})["errcode"] == 71009
    assert raw.oapi("/call_back/register_call_back", body)["errcode"] == 0
    assert raw.oapi("/call_back/update_call_back", {**body, "aes_key": "short"})["errcode"] == 400002
    assert app.subscription.owner == app.corp.corp_id
    before = len(receiver.callbacks)
    post("/_emulator/people", {"userid": "wulei", "action": "leave"})
    assert receiver.wait_for(before + 1)[-1].events[0].kind == "member.left"


def test_a_burst_of_odd_events(connector: DingTalkConnector, app: App, post: Post, receiver: Any) -> None:
    odd = {"EventType": "user_leave_org", "userid": ["u1"], "eventId": "same", "CorpId": app.corp.corp_id}
    post("/_emulator/event", {"client_id": app.client_id, "event": odd, "times": 20})
    post("/_emulator/event", {"client_id": app.client_id, "event": {"EventType": "future_event"}})
    callbacks = receiver.wait_for(21)
    assert len({callback.digest for callback in callbacks}) == 21
    assert {event.id for callback in callbacks for event in callback.events if event.kind == "member.left"} == {"same"}
    assert receiver.refused == []


# --- tickets and the web view (11.15) -------------------------------------------------------------------------


def verify(post: Post, signed: dict[str, Any], url: str) -> dict[str, Any]:
    answer: dict[str, Any] = post("/webview/verify-signature", {**signed, "url": url}).json()
    return answer


URL = "https://crm.example.com/h5/?name=%E5%BC%A0%E4%B8%89&next=%2Fh5%2F"


@pytest.mark.parametrize("digest", ["sha256", "sha1"])
@pytest.mark.parametrize("mode", ["either", "sha1", "sha256"])
def test_the_client_checks_the_hash(
    make_connector: Callable[..., DingTalkConnector], emulator: DingTalkEmulator, post: Post, digest: str, mode: str
) -> None:
    emulator.knobs["jsapi_hash"] = mode
    signed = make_connector(jsapi_hash=digest).js_config(URL + "#/top")
    assert verify(post, signed, URL).get("errorCode") == (None if mode in ("either", digest) else "52013")


@pytest.mark.parametrize(("mode", "good"), [("decoded", True), ("raw", False), ("either", True)])
def test_the_client_decodes_the_address(
    connector: DingTalkConnector, emulator: DingTalkEmulator, post: Post, mode: str, good: bool
) -> None:
    emulator.knobs["jsapi_url"] = mode
    assert ("ok" in verify(post, connector.js_config(URL), URL)) is good


@pytest.mark.parametrize(
    ("change", "url", "code"),
    [
        ({}, "https://crm.example.com/other", "52013"),
        ({}, "http://crm.example.com/h5/", "52013"),
        ({"nonceStr": "x"}, URL, "52013"),
        ({"timeStamp": "1"}, URL, "52013"),
        ({"signature": ""}, URL, "52013"),
        ({"agentId": "5"}, URL, "52019"),
        ({"corpId": "ding0"}, URL, "52019"),
    ],
)
def test_what_the_client_refuses(
    connector: DingTalkConnector, post: Post, change: dict[str, str], url: str, code: str
) -> None:
    assert verify(post, {**connector.js_config(URL), **change}, url)["errorCode"] == code


def test_a_ticket_dies_after_a_day(
    raw: Raw, emulator: DingTalkEmulator, connector: DingTalkConnector, post: Post
) -> None:
    signed = connector.js_config(URL)
    first = raw.app.ticket
    for _ in range(12):
        emulator.clock.offset += 7000
        assert raw.api("POST", TICKETS, {}).json()["jsapiTicket"] == first
        assert "ok" in verify(post, signed, URL)
    emulator.clock.offset += 3000
    assert verify(post, signed, URL)["errorCode"] == "52011"
    assert raw.get("/get_jsapi_ticket", access_token=raw.old_token())["ticket"] != first


# --- switches -------------------------------------------------------------------------------------------------


def test_calls_are_logged_without_tokens(raw: Raw, connector: DingTalkConnector) -> None:
    connector.person("wulei")
    token = raw.old_token()
    calls = requests.get(f"{raw.base}/_emulator/calls", timeout=10)
    assert token not in calls.text
    assert raw.app.client_secret not in calls.text
    assert calls.json()["counts"][USER_GET] == 1


def test_unknown_knobs_are_named(post: Post, emulator: DingTalkEmulator) -> None:
    answer = post("/_emulator/knobs", {"qps": 5, "colour": "blue"})
    assert (answer.status_code, answer.json()) == (422, {"unknown": ["colour"]})
    assert post("/_emulator/knobs", {"qps": 5}).json()["qps"] == 5


def test_organisations_can_be_loaded_over_http(post: Post, running: RunningEmulator, org: dict[str, Any]) -> None:
    second = {**org["corps"][0], "corp_id": "ding0123456789abcdef", "apps": [], "name": "第二家"}
    assert post("/_emulator/org", {"corps": [second]}).json()["corps"][-1] == "ding0123456789abcdef"
    rows = requests.get(f"{running.url}/phone/people", timeout=10).json()["items"]
    assert [row["corp_name"] for row in rows] == ["蓝海科技"] * 5 + ["第二家"] * 5
    outside = [row["name"] for row in rows[:5] if not row["visible"]]
    assert outside == ["司马相如"]


def test_chats_as_data(raw: Raw, connector: DingTalkConnector, post: Post) -> None:
    send(raw)
    send(raw)
    items = requests.get(f"{raw.base}/_emulator/chats", params={"user": "wulei"}, timeout=10).json()["items"]
    keys = {"id", "user", "at", "kind", "title", "text", "lines", "buttons", "url", "state", "card", "dropped"}
    assert keys <= set(items[0])
    assert len(items) == 1
    drops = requests.get(f"{raw.base}/_emulator/drops", timeout=10).json()["items"]
    assert [drop["code"] for drop in drops] == ["143106"]
    post("/_emulator/reset", {})
    assert requests.get(f"{raw.base}/_emulator/chats", timeout=10).json()["items"] == []


def test_many_threads_at_once(raw: Raw, emulator: DingTalkEmulator) -> None:
    token = raw.old_token()
    body = {"agent_id": raw.app.agent_id, "userid_list": "wulei"}

    def work(thread: int) -> None:
        session = requests.Session()
        for number in range(50):
            msg = {"msgtype": "text", "text": {"content": f"{thread}/{number}"}}
            path = f"{raw.base}/topapi/message/corpconversation/asyncsend_v2"
            assert session.post(path, params={"access_token": token}, json={**body, "msg": msg}, timeout=20).json()[
                "task_id"
            ]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    shown = emulator.chats("wulei")
    assert len(shown) == 300
    assert len({one["task"] for one in shown}) == 300


def test_growth_does_not_slow_sending(emulator: DingTalkEmulator, app: App) -> None:
    """The store is indexed: the ten-thousandth message costs what the first did."""
    emulator.knobs.update(per_day=10**6, per_minute=10**6)
    body = {"agent_id": app.agent_id, "userid_list": "wulei"}

    def spend(count: int, label: str) -> float:
        gc.collect()  # what earlier tests left behind is not counted
        gc.disable()
        try:
            started = time.process_time()
            for number in range(count):
                msg = {"msgtype": "text", "text": {"content": f"{label}{number}"}}
                emulator.chat.send_notice(app, {**body, "msg": msg})
            return time.process_time() - started
        finally:
            gc.enable()

    first = min(spend(300, f"a{turn}-") for turn in range(3))
    spend(10_000, "b")
    assert min(spend(300, f"c{turn}-") for turn in range(3)) < 10 * first  # to look through all would be hundredfold
