"""The emulated legacy host: sign-in, tickets, work notifications, event subscription. One handler per path.

A handler takes (emulator, app, body) and returns the fields of the answer beside errcode.
"""

from typing import TYPE_CHECKING, Any

from flask import request

from wsapp.connectors.dingtalk.emulator_contacts import CONTACTS
from wsapp.connectors.dingtalk.emulator_gate import LegacyRoutes, registrar
from wsapp.connectors.dingtalk.emulator_world import App, HostError, Member

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

OAPI: LegacyRoutes = dict(CONTACTS)
oapi = registrar(OAPI)


# --- sign-in --------------------------------------------------------------------------------------------------


@oapi("/topapi/v2/user/getuserinfo")
def user_by_code(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    if "code" not in body:
        raise HostError(41026, "缺少code参数")
    member = _code_owner(emulator, app, body["code"])
    return {
        "result": {
            "userid": member.userid,
            "unionid": member.unionid,
            "associated_unionid": f"A{member.unionid}",
            "name": member.name,
            "device_id": f"dev{abs(hash(member.userid)) % 10**8}",
            "sys": member.admin,
            "sys_level": 1 if member.admin else 100 if member.boss else 0,
        }
    }


def _code_owner(emulator: "DingTalkEmulator", app: App, code: Any) -> Member:
    found = emulator.world.take_code(code, "silent", app, emulator.clock.time())
    if found is None or found.person not in app.corp.members:
        raise HostError(40078, "不存在的临时授权码")
    return app.corp.members[found.person]


@oapi("/user/getuserinfo")
def old_user_by_code(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    member = _code_owner(emulator, app, body.get("code"))
    return {"userid": member.userid, "name": member.name, "is_sys": member.admin, "sys_level": 1 if member.admin else 0}


@oapi("/get_jsapi_ticket")
def old_ticket(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    life = emulator.knobs["ticket_life"]
    return {"ticket": emulator.world.issue_ticket(app, emulator.clock.time(), life), "expires_in": life}


# --- work notifications ---------------------------------------------------------------------------------------

CONVERSATION = "/topapi/message/corpconversation"


@oapi(f"{CONVERSATION}/asyncsend_v2")
def send_notice(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": emulator.chat.send_notice(app, body)}


@oapi(f"{CONVERSATION}/getsendprogress")
def send_progress(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    return {"progress": emulator.chat.progress(app, body)}


@oapi(f"{CONVERSATION}/getsendresult")
def send_result(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    return {"send_result": emulator.chat.result(app, body)}


@oapi(f"{CONVERSATION}/recall")
def recall(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    emulator.chat.recall(app, body)
    return {}


@oapi(f"{CONVERSATION}/status_bar/update")
def status_bar(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    emulator.chat.status_bar(app, body)
    return {}


@oapi("/media/upload")
def upload(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    with emulator.lock:
        return emulator.robots.upload(app, str(request.args.get("type") or body.get("type") or ""))


# --- event subscription by API --------------------------------------------------------------------------------


@oapi("/call_back/register_call_back")
def register_callback(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    if app.subscription.url:
        raise HostError(71006, "回调地址已经存在")
    emulator.events.subscribe(app, body, owner=app.corp.corp_id)
    return {}


@oapi("/call_back/update_call_back")
def update_callback(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    emulator.events.subscribe(app, body, owner=app.corp.corp_id)
    return {}


@oapi("/call_back/get_call_back")
def get_callback(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    one = app.subscription
    if not one.url:
        raise HostError(71007, "回调地址不存在")
    return {"call_back_tag": [], "token": one.token, "aes_key": one.aes_key, "url": one.url}


@oapi("/call_back/delete_call_back")
def delete_callback(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    app.subscription.url = ""
    return {}


@oapi("/call_back/get_call_back_failed_result")
def failed_pushes(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    rows, more = emulator.events.take_failed(app)
    return {"failed_list": [one.legacy() for one in rows], "has_more": more}
