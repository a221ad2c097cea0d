"""The emulator's console for departments and an app's range: each change, with the events that the host sends for it.

POST /_emulator/departments  {"action": "create" | "rename" | "move" | "lead" | "remove", "id", "name", "parent",
                             "leaders": [userids]}
POST /_emulator/range        {"client_id", "departments": [ids], "users": [userids]}
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from wsapp.connectors.dingtalk.emulator_world import Corp, Department

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

EVENTS = {
    "create": "org_dept_create",
    "rename": "org_dept_modify",
    "move": "org_dept_modify",
    "lead": "org_dept_modify",
    "remove": "org_dept_remove",
}


def change_department(emulator: "DingTalkEmulator", body: Mapping[str, Any]) -> dict[str, Any]:
    """Apply one change to a department and push the event. KeyError or ValueError for nonsense."""
    with emulator.lock:
        corp = _corp(emulator, body)
        action, number = body["action"], int(body["id"])
        if action == "create":
            corp.departments[number] = Department(number, body["name"], int(body["parent"]))
        elif action == "remove":
            if corp.children(number) or corp.direct_members(number):
                raise ValueError("the department is not empty")
            del corp.departments[number]
        elif action in EVENTS:
            _alter(corp, corp.departments[number], body)
        else:
            raise ValueError(f"unknown action {action!r}")
        emulator.world.sync_leaders(corp)
    pushed = emulator.events.emit(corp, EVENTS[action], DeptId=[number])
    return {"id": number, "departments": len(corp.departments), "pushed": pushed}


def _alter(corp: Corp, found: Department, body: Mapping[str, Any]) -> None:
    found.name = body.get("name", found.name)
    found.parent = int(body.get("parent", found.parent))
    if "leaders" not in body:
        return
    found.leaders = list(body["leaders"])
    for member in corp.members.values():
        member.leads = [one for one in member.leads if one != found.id]


def change_range(emulator: "DingTalkEmulator", body: Mapping[str, Any]) -> dict[str, Any]:
    """Set an app's contact range and push inner_app_scopes_change."""
    with emulator.lock:
        corp = _corp(emulator, body)
        app = corp.apps[body.get("client_id") or next(iter(corp.apps))]
        app.visible = {"departments": list(body.get("departments", ())), "users": list(body.get("users", ()))}
        corp.version += 1
    fields = {"deptIds": app.visible["departments"], "userIds": app.visible["users"], "roleIds": []}
    return {"pushed": emulator.events.emit(corp, "inner_app_scopes_change", **fields)}


def _corp(emulator: "DingTalkEmulator", body: Mapping[str, Any]) -> Corp:
    corps = emulator.world.corps
    return corps[body.get("corp_id") or next(iter(corps))]


def add_routes(emulator: "DingTalkEmulator", app: Flask) -> None:
    changes: dict[str, Callable[[DingTalkEmulator, Mapping[str, Any]], dict[str, Any]]] = {
        "departments": change_department,
        "range": change_range,
    }
    for name, change in changes.items():

        def view(change: Callable[..., dict[str, Any]] = change) -> tuple[Response, int]:
            try:
                return jsonify(change(emulator, request.get_json())), 200
            except (KeyError, ValueError) as error:
                return jsonify({"error": repr(error)}), 422

        app.add_url_rule(f"/_emulator/{name}", f"_emulator_{name}", view, methods=["POST"])
