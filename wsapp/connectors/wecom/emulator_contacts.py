"""The emulator's contacts (通讯录): what an app may read, and people who come, move and go (wecom.md §12, 9–11)."""

import secrets
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from wsapp.connectors.wecom import emulator_directory
from wsapp.connectors.wecom.emulator_access import Grant, Refusal, answer
from wsapp.connectors.wecom.emulator_callbacks import cdata
from wsapp.connectors.wecom.emulator_org import App, Corp, Department, User, user_from

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

MASKED_DEFAULTS = {"gender": "0", "avatar": "https://rescdn.qqmail.com/node/wwmng/default_avatar.png"}


def leaders_by_department(corp: Corp, app: App | None) -> dict[int, list[str]]:
    """Who leads what, as far as the app sees them."""
    found: dict[int, list[str]] = {}
    for user in corp.users.values():
        for led in user.leads if user.leads and (app is None or app.sees(user)) else ():
            found.setdefault(led, []).append(user.userid)
    return found


def department_row(department: Department, leaders: list[str]) -> dict[str, Any]:
    return {
        "id": department.id,
        "name": department.name,
        "name_en": department.name_en,
        "department_leader": leaders,
        "parentid": department.parent,
        "order": department.order,
    }


def user_row(user: User, app: App | None, masked: str) -> dict[str, Any]:
    """A member as user/get and user/list show it: only departments in range, nothing private for newer apps."""
    departments = [one for one in user.departments if app is None or app.sees_department(one)]
    row: dict[str, Any] = {
        "userid": user.userid,
        "name": user.name,
        "department": departments,
        "order": [0] * len(departments),
        "position": user.position,
        "is_leader_in_dept": [1 if one in user.leads else 0 for one in departments],
        "direct_leader": user.direct_leader,
        "telephone": "",
        "alias": "",
        "status": user.status,
        "extattr": {"attrs": []},
        "main_department": user.main_department,
    }
    if app is None or app.shows_private:
        return {**row, **user.private}
    return {**row, **MASKED_DEFAULTS} if masked == "default" else row


class Contacts:
    """Read calls and changes. Callers hold the emulator's lock."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator
        self.cursors: dict[str, tuple[str, int, float]] = {}

    # --- reading ---------------------------------------------------------------------------------------------

    def user_get(self, grant: Grant) -> dict[str, Any]:
        user = grant.corp.user(request.args.get("userid", ""))
        hidden = user is None or (grant.app is not None and not grant.app.knows(user))
        if user is None or hidden:
            raise Refusal(int(self.emulator.knobs["invisible_user_code"]))
        return user_row(user, grant.app, str(self.emulator.knobs["masked_fields"]))

    def user_list(self, grant: Grant) -> dict[str, Any]:
        masked = str(self.emulator.knobs["masked_fields"])
        return {"userlist": [user_row(user, grant.app, masked) for user in self._members(grant)]}

    def user_simplelist(self, grant: Grant) -> dict[str, Any]:
        rows = ({**user_row(user, grant.app, "absent"), "open_userid": ""} for user in self._members(grant))
        keys = ("userid", "name", "department", "open_userid")
        return {"userlist": [{key: row[key] for key in keys} for row in rows]}

    def _members(self, grant: Grant) -> list[User]:
        """Direct members of one department: `fetch_child` is no longer known to the host."""
        department = self._department(grant, request.args.get("department_id", ""))
        return [
            user
            for user in grant.corp.users.values()
            if department.id in user.departments and user.status != 5 and (grant.app is None or grant.app.knows(user))
        ]

    def user_list_id(self, grant: Grant, body: dict[str, Any]) -> dict[str, Any]:
        """Contact sync only: (member, department) pairs behind a cursor that expires."""
        now, limit = self.emulator.clock.time(), int(body.get("limit", 10_000))
        start = 0
        if cursor := str(body.get("cursor") or ""):
            corp_id, start, until = self.cursors.pop(cursor, ("", 0, 0.0))
            if corp_id != grant.corp.corp_id or until <= now:
                raise Refusal(50100, "invalid cursor")
        pairs = [
            {"userid": user.userid, "department": department}
            for user in grant.corp.users.values()
            for department in user.departments
        ]
        following = ""
        if start + limit < len(pairs):
            following = secrets.token_urlsafe(24)
            self.cursors[following] = (grant.corp.corp_id, start + limit, now + 3600)
        return {"next_cursor": following, "dept_user": pairs[start : start + limit]}

    def department_get(self, grant: Grant) -> dict[str, Any]:
        found = self._department(grant, request.args.get("id", ""))
        leaders = leaders_by_department(grant.corp, grant.app)
        return {"department": department_row(found, leaders.get(found.id, []))}

    def department_list(self, grant: Grant) -> dict[str, Any]:
        leaders = leaders_by_department(grant.corp, grant.app)
        return {"department": [department_row(one, leaders.get(one.id, [])) for one in self._subtree(grant)]}

    def department_simplelist(self, grant: Grant) -> dict[str, Any]:
        return {
            "department_id": [
                {"id": one.id, "parentid": one.parent, "order": one.order} for one in self._subtree(grant)
            ]
        }

    def _subtree(self, grant: Grant) -> list[Department]:
        wanted = request.args.get("id", "")
        if wanted:
            found = list(grant.corp.below(self._department(grant, wanted).id))
        else:
            found = list(grant.corp.departments.values())
        return [one for one in found if grant.app is None or grant.app.sees_department(one.id)]

    def _department(self, grant: Grant, wanted: str) -> Department:
        found = grant.corp.departments.get(int(wanted)) if wanted.isdigit() else None
        if found is None:
            raise Refusal(60003)
        if grant.app is not None and not grant.app.sees_department(found.id):
            raise Refusal(60011)
        return found

    def agent_get(self, grant: Grant) -> dict[str, Any]:
        app = grant.own_app
        if request.args.get("agentid") != str(app.agent_id):
            raise Refusal(301002)
        users = [user.userid for user in app.corp.users.values() if user.fold in app.users]
        return {
            "agentid": app.agent_id,
            "name": app.name,
            "square_logo_url": "",
            "description": "",
            "allow_userinfos": {"user": [{"userid": userid} for userid in users]},
            "allow_partys": {"partyid": sorted(app.departments)},
            "allow_tags": {"tagid": []},
            "close": 1 if app.disabled else 0,
            "redirect_domain": (app.trusted_domains or [""])[0],
            "report_location_flag": 0,
            "isreportenter": 0,
            "home_url": app.home_url,
            "customized_publish_status": 1,
        }

    # --- changing, as an administrator does in the console -----------------------------------------------------

    def change(self, body: dict[str, Any]) -> dict[str, Any]:
        """Apply one action to a member and tell the callbacks. KeyError or ValueError for nonsense."""
        corp = self.emulator.corps[body.get("corp") or next(iter(self.emulator.corps))]
        action = body["action"]
        if action == "join":
            return self._join(corp, body)
        user = corp.users[body["userid"].lower()]
        saw = {app.agent_id for app in corp.apps.values() if app.sees(user)}
        act = getattr(self, f"_{action}", None)
        if action not in ACTIONS or act is None:
            raise ValueError(f"unknown action {action!r}")
        change, inner = act(corp, user, body)
        self._tell_apps(corp, user, saw)
        if change:
            self.emulator.callbacks.contact_event(corp, change, cdata("UserID", body["userid"]) + inner)
        return {"userid": user.userid, "status": user.status, "departments": user.departments}

    def _join(self, corp: Corp, body: dict[str, Any]) -> dict[str, Any]:
        user = user_from(body)
        corp.users[user.fold] = user
        self._tell_apps(corp, user, set())
        self.emulator.callbacks.contact_event(corp, "create_user", cdata("UserID", user.userid) + _departments(user))
        return {"userid": user.userid, "status": user.status, "departments": user.departments}

    def _leave(self, corp: Corp, user: User, body: dict[str, Any]) -> tuple[str, str]:
        user.status = 5
        del corp.users[user.fold]
        return "delete_user", ""

    def _disable(self, corp: Corp, user: User, body: dict[str, Any]) -> tuple[str, str]:
        user.status = 2
        return "update_user", _departments(user)

    def _enable(self, corp: Corp, user: User, body: dict[str, Any]) -> tuple[str, str]:
        user.status = 1
        return "update_user", _departments(user)

    def _move(self, corp: Corp, user: User, body: dict[str, Any]) -> tuple[str, str]:
        user.departments = [int(one) for one in body["departments"]]
        user.main_department = user.departments[0]
        user.leads = {int(one) for one in body.get("leads", user.leads)} & set(user.departments)
        return "update_user", _departments(user)

    def _rename(self, corp: Corp, user: User, body: dict[str, Any]) -> tuple[str, str]:
        """A new userid, which the host allows once."""
        del corp.users[user.fold]
        user.userid = body["new_userid"]
        corp.users[user.fold] = user
        return "update_user", cdata("NewUserID", user.userid) + _departments(user)

    def _hide(self, corp: Corp, user: User, body: dict[str, Any]) -> tuple[str, str]:
        """Take the member out of an app's visible range."""
        app = corp.apps[int(body["agent_id"])]
        app.users.discard(user.fold)
        gone = set(app.departments) & {above for one in user.departments for above in corp.upward(one)}
        app.departments -= gone
        app.users |= {other.fold for other in corp.users.values() if other is not user and _within(corp, other, gone)}
        return "", ""

    def _show(self, corp: Corp, user: User, body: dict[str, Any]) -> tuple[str, str]:
        """Put the member into an app's visible range."""
        corp.apps[int(body["agent_id"])].users.add(user.fold)
        return "", ""

    def _tell_apps(self, corp: Corp, user: User, saw: set[int]) -> None:
        for app in corp.apps.values():
            sees = app.sees(user)
            if sees != (app.agent_id in saw):
                self.emulator.callbacks.app_event(app, user.userid, "subscribe" if sees else "unsubscribe")


ACTIONS = {"join", "leave", "disable", "enable", "move", "rename", "hide", "show"}


def _within(corp: Corp, user: User, departments: set[int]) -> bool:
    return any(above in departments for one in user.departments for above in corp.upward(one))


def _departments(user: User) -> str:
    return f"<Department>{','.join(str(one) for one in user.departments)}</Department>"


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    contacts = emulator.contacts
    emulator_directory.add_routes(emulator, app)
    reads = {
        "user/get": contacts.user_get,
        "user/list": contacts.user_list,
        "user/simplelist": contacts.user_simplelist,
        "department/get": contacts.department_get,
        "department/list": contacts.department_list,
        "department/simplelist": contacts.department_simplelist,
        "agent/get": contacts.agent_get,
    }
    for api, handler in reads.items():

        def view(api: str = api, handler: Any = handler) -> Response:
            with emulator.entered(api) as grant:
                return answer(emulator, handler(grant))

        app.add_url_rule(f"/cgi-bin/{api}", api, view, methods=["GET"])

    @app.post("/cgi-bin/user/list_id")
    def list_id() -> Response:
        with emulator.entered("user/list_id") as grant:
            return answer(emulator, contacts.user_list_id(grant, request.get_json(silent=True) or {}))

    @app.post("/_emulator/people")
    def people() -> tuple[Response, int]:
        with emulator.lock:
            try:
                return jsonify(contacts.change(request.get_json())), 200
            except (KeyError, ValueError) as error:
                return jsonify({"error": repr(error)}), 422
