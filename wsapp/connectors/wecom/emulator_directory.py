"""The emulator's console for departments and an app's range: each change, with the callbacks that it causes.

POST /_emulator/departments  {"action": "create" | "rename" | "move" | "remove", "id", "name", "parent", "order"}
POST /_emulator/range        {"agent_id", "departments": [ids], "users": [userids]}
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from wsapp.connectors.wecom.emulator_callbacks import cdata
from wsapp.connectors.wecom.emulator_org import Corp, Department, fold

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

CHANGES = {"create": "create_party", "rename": "update_party", "move": "update_party", "remove": "delete_party"}


def change_department(emulator: "WeComEmulator", body: dict[str, Any]) -> dict[str, Any]:
    """Apply one change to a department and tell contact sync. KeyError or ValueError for nonsense."""
    corp = _corp(emulator, body)
    action, number = body["action"], int(body["id"])
    if action == "create":
        corp.departments[number] = Department(number, body["name"], int(body["parent"]), int(body.get("order", 0)))
    elif action == "remove":
        if any(one.parent == number for one in corp.departments.values()) or _people_of(corp, number):
            raise ValueError("the department is not empty")
        del corp.departments[number]
    elif action in CHANGES:
        found = corp.departments[number]
        found.name = body.get("name", found.name)
        found.parent = int(body.get("parent", found.parent))
    else:
        raise ValueError(f"unknown action {action!r}")
    inner = f"<Id>{number}</Id>"
    if (kept := corp.departments.get(number)) is not None:
        inner += f"{cdata('Name', kept.name)}<ParentId>{kept.parent}</ParentId><Order>{kept.order}</Order>"
    emulator.callbacks.contact_event(corp, CHANGES[action], inner)
    return {"id": number, "departments": len(corp.departments)}


def change_range(emulator: "WeComEmulator", body: dict[str, Any]) -> dict[str, Any]:
    """Set an app's visible range: the app hears of each member who comes into sight or goes out of it."""
    corp = _corp(emulator, body)
    app = corp.apps[int(body.get("agent_id") or next(iter(corp.apps)))]
    saw = {user.fold for user in app.visible_users()}
    app.departments = {int(one) for one in body.get("departments", app.departments)}
    app.users = fold(body["users"]) if "users" in body else app.users
    sees = {user.fold for user in app.visible_users()}
    for userid in sorted(saw ^ sees):
        emulator.callbacks.app_event(app, corp.users[userid].userid, "subscribe" if userid in sees else "unsubscribe")
    return {"visible": len(sees)}


def _corp(emulator: "WeComEmulator", body: dict[str, Any]) -> Corp:
    return emulator.corps[body.get("corp") or next(iter(emulator.corps))]


def _people_of(corp: Corp, department: int) -> bool:
    return any(department in user.departments for user in corp.users.values())


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    changes: dict[str, Callable[[WeComEmulator, dict[str, Any]], dict[str, Any]]] = {
        "departments": change_department,
        "range": change_range,
    }
    for name, change in changes.items():

        def view(change: Callable[..., dict[str, Any]] = change) -> tuple[Response, int]:
            with emulator.lock:
                try:
                    return jsonify(change(emulator, request.get_json())), 200
                except (KeyError, ValueError) as error:
                    return jsonify({"error": repr(error)}), 422

        app.add_url_rule(f"/_emulator/{name}", f"_emulator_{name}", view, methods=["POST"])
