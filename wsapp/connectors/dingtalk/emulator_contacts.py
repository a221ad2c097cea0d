"""The emulated legacy host's contacts (通讯录): users, departments, the authorised range. One handler per path."""

from typing import TYPE_CHECKING, Any

from wsapp.connectors.dingtalk.emulator_gate import LegacyRoutes, registrar
from wsapp.connectors.dingtalk.emulator_world import ROOT, App, Corp, Department, HostError, Member

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

MAX_PAGE = 100

CONTACTS: LegacyRoutes = {}
oapi = registrar(CONTACTS)


# --- users ----------------------------------------------------------------------------------------------------


@oapi("/topapi/v2/user/get", "qyapi_get_member")
def user_get(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    member = _member(emulator, app, body.get("userid"), missing=33012)
    record = _common(app, member) | {
        "dept_order_list": [{"dept_id": one, "order": _order(member, one)} for one in member.departments],
        "leader_in_dept": [{"dept_id": one, "leader": one in member.leads} for one in member.departments],
    }
    if member.admin:
        record["role_list"] = [{"id": 1507113578, "name": "主管理员", "group_name": "默认"}]
    return {"result": record}


@oapi("/user/get", "qyapi_get_member")
def old_user_get(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    member = _member(emulator, app, body.get("userid"), missing=33012)
    record = _common(app, member)
    department = record.pop("dept_id_list")
    return record | {"department": department, "isAdmin": member.admin, "isBoss": member.boss, "position": member.title}


def _member(emulator: "DingTalkEmulator", app: App, userid: Any, missing: int) -> Member:
    if not isinstance(userid, str) or not userid:
        raise HostError(400002, "无效的参数,不合法的userid")
    member = app.corp.members.get(userid)
    if member is None:
        left = userid in app.corp.left
        raise HostError(60121 if left else missing, "找不到该用户" if left else "无效的USERID")
    if not emulator.world.sees_member(app, member):
        raise HostError(50002, "请求的员工userid不在授权范围内")
    return member


def _common(app: App, member: Member) -> dict[str, Any]:
    """Fields of both user/get and user/list. What is empty or not permitted is left out."""
    record: dict[str, Any] = {
        "userid": member.userid,
        "unionid": member.unionid,
        "name": member.name,
        "hide_mobile": False,
        "dept_id_list": list(member.departments),
        "active": member.active,
        "real_authed": True,
        "senior": False,
        "admin": member.admin,
        "boss": member.boss,
        "exclusive_account": False,
    }
    optional = {
        "avatar": member.avatar,
        "title": member.title,
        "job_number": member.job_number,
        "manager_userid": member.manager,
    }
    if "fieldMobile" not in app.missing_permissions and member.mobile:
        optional |= {"mobile": member.mobile, "state_code": "86"}
    if "fieldEmail" not in app.missing_permissions:
        optional |= {"email": member.email}
    return record | {name: value for name, value in optional.items() if value}


def _order(member: Member, department_id: int) -> int:
    """Larger than 2^53, as the host's are."""
    return 176343123456789512 + department_id + sum(member.userid.encode())


@oapi("/topapi/v2/user/list", "qyapi_get_department_member")
def user_list(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    members, department, page = _page_of_members(emulator, app, body)
    rows = [
        _common(app, one) | {"dept_order": _order(one, department), "leader": department in one.leads}
        for one in members
    ]
    return {"result": page | {"list": rows}}


@oapi("/topapi/user/listsimple", "qyapi_get_department_member")
def user_list_simple(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    members, _, page = _page_of_members(emulator, app, body)
    return {"result": page | {"list": [{"userid": one.userid, "name": one.name} for one in members]}}


def _page_of_members(
    emulator: "DingTalkEmulator", app: App, body: dict[str, Any]
) -> tuple[list[Member], int, dict[str, Any]]:
    department = _department(emulator, app, body.get("dept_id")).id
    start, size = _number(body.get("cursor")), _number(body.get("size"))
    if start < 0 or not 0 < size <= MAX_PAGE:
        raise HostError(40035, "不合法的参数")
    end = start + size
    everybody = [one for one in app.corp.direct_members(department) if emulator.world.sees_member(app, one)]
    more = end < len(everybody)
    return everybody[start:end], department, {"has_more": more, **({"next_cursor": end} if more else {})}


@oapi("/topapi/user/listid", "qyapi_get_member")
def user_list_ids(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    department = _known_department(app.corp, body.get("dept_id"))
    return {"result": {"userid_list": [one.userid for one in app.corp.direct_members(department.id)]}}


@oapi("/topapi/user/count", "qyapi_get_member")
def user_count(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    only_active = body.get("only_active") in (True, "true")
    return {"result": {"count": sum(1 for one in app.corp.members.values() if one.active or not only_active)}}


@oapi("/topapi/v2/user/getbymobile", "qyapi_get_member_by_mobile")
def user_by_mobile(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    mobile = str(body.get("mobile", ""))
    if not mobile.isdigit():
        raise HostError(40104, "无效的手机号码")
    for member in app.corp.members.values():
        if member.mobile == mobile:
            return {"result": {"userid": member.userid}}
    raise HostError(60121, "找不到该用户")


@oapi("/topapi/user/getbyunionid", "qyapi_get_member")
def user_by_unionid(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    member = emulator.world.by_unionid(app.corp, body.get("unionid"))
    if member is not None:
        return {"result": {"contact_type": 0, "userid": member.userid}}
    stranger = emulator.world.strangers.get(str(body.get("unionid")))
    if stranger is not None and stranger.get("external_of") == app.corp.corp_id:
        return {"result": {"contact_type": 1, "userid": stranger.get("userid", "ext001")}}
    raise HostError(60121, "找不到该用户")


@oapi("/topapi/user/listadmin", "qyapi_get_member")
def user_admins(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    rows = [one for one in app.corp.members.values() if one.admin or one.boss]
    return {"result": [{"userid": one.userid, "sys_level": 1 if one.admin else 100} for one in rows]}


@oapi("/user/simplelist", "qyapi_get_department_member")
def old_user_list(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    department = _department(emulator, app, body.get("department_id"))
    members = [one for one in app.corp.direct_members(department.id) if emulator.world.sees_member(app, one)]
    return {"userlist": [{"userid": one.userid, "name": one.name} for one in members], "hasMore": False}


@oapi("/auth/scopes")
def scopes(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    visible = {"departments": [ROOT], "users": []} if app.visible is None else app.visible
    return {
        "auth_org_scopes": {
            "authed_dept": list(visible.get("departments") or []),
            "authed_user": list(visible.get("users") or []),
        },
        "auth_user_field": ["name", "mobile", "avatar"],
        "condition_field": [],
    }


# --- departments ----------------------------------------------------------------------------------------------


def _number(value: Any) -> int:
    """A number given as such or as its digits; -1 for anything else."""
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else -1


def _known_department(corp: Corp, department_id: Any) -> Department:
    found = corp.departments.get(_number(department_id))
    if found is None:
        raise HostError(60003, "部门不存在")
    return found


def _department(emulator: "DingTalkEmulator", app: App, department_id: Any) -> Department:
    found = _known_department(app.corp, department_id)
    if not emulator.world.sees_department(app, found.id):
        raise HostError(50004, "请求的部门id不在授权范围内")
    return found


def _department_row(one: Department) -> dict[str, Any]:
    parent = {} if one.id == ROOT else {"parent_id": one.parent}
    return {"dept_id": one.id, "name": one.name, **parent, "create_dept_group": True, "auto_add_user": True}


@oapi("/topapi/v2/department/get", "qyapi_get_department_list")
def department_get(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    one = _department(emulator, app, body.get("dept_id"))
    members = len(app.corp.direct_members(one.id))
    return {
        "result": _department_row(one)
        | {
            "order": one.order or 176343123456789512 + one.id,
            "dept_manager_userid_list": list(one.leaders),
            "org_dept_owner": one.leaders[0] if one.leaders else "",
            "hide_dept": False,
            "outer_dept": False,
            "member_count": members,
            "owning_member_count": members,
            "dept_permits": [],
            "user_permits": [],
            "outer_permit_depts": [],
            "outer_permit_users": [],
            "group_contain_sub_dept": False,
        }
    }


@oapi("/topapi/v2/department/listsub", "qyapi_get_department_list")
def department_list_sub(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    one = _department(emulator, app, body.get("dept_id", ROOT))
    return {"result": [_department_row(child) for child in app.corp.children(one.id)]}


@oapi("/topapi/v2/department/listsubid", "qyapi_get_department_list")
def department_list_sub_ids(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    one = _known_department(app.corp, body.get("dept_id"))
    return {"result": {"dept_id_list": [child.id for child in app.corp.children(one.id)]}}


@oapi("/topapi/v2/department/listparentbydept", "qyapi_get_department_list")
def department_parents(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    one = _known_department(app.corp, body.get("dept_id"))
    return {"result": {"parent_id_list": list(app.corp.ancestors(one.id))}}


@oapi("/topapi/v2/department/listparentbyuser", "qyapi_get_department_list")
def department_parents_of_user(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    member = app.corp.members.get(str(body.get("userid")))
    if member is None:
        raise HostError(33012, "无效的USERID")
    chains = [{"parent_dept_id_list": list(app.corp.ancestors(one))} for one in member.departments]
    return {"result": {"parent_list": chains}}


@oapi("/department/list", "qyapi_get_department_list")
def old_department_list(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    start = int(body.get("id") or ROOT)
    below = [one for one in app.corp.departments.values() if one.id != start and start in app.corp.ancestors(one.id)]
    rows = [one for one in below if emulator.world.sees_department(app, one.id)]
    return {
        "department": [
            {"id": one.id, "name": one.name, "parentid": one.parent, "createDeptGroup": True, "autoAddUser": True}
            for one in rows
        ]
    }


@oapi("/department/get", "qyapi_get_department_list")
def old_department_get(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
    one = _department(emulator, app, body.get("id"))
    return {"id": one.id, "name": one.name, "parentid": one.parent, "deptManagerUseridList": "|".join(one.leaders)}
