"""Roles: what their holders may do with whose records, and how they see each field."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp.admin.gate import go, pages, show, storable
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.reasons import deeds, reasons, sees_customer
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import MASKABLE, RULED
from wsapp.crm.fields.text import clean_line
from wsapp.crm.org.models import ADMIN, Department, Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.crm.org.rights import definitions
from wsapp.crm.org.role_actions import copy_role, remove_role, save_role
from wsapp.crm.org.roles import ACTIONS, BUILT_IN, NOT_BY_VALUE, OBJECTS, SCOPES, VALUE_FIELDS, Grants, Role
from wsapp.db import db, first
from wsapp.problems import NotFound, Problem
from wsapp.refusals import status_of
from wsapp.texts import _, lazy
from wsapp.web import demand_fresh_sign_in

bp = pages("roles")

MOST_DEPARTMENTS = 300
OBJECT_WORDS = {"customer": lazy("客户"), "follow_up": lazy("跟进"), "visit": lazy("拜访"), "task": lazy("待办")}
ACTION_WORDS = {
    "see": lazy("查看"),
    "create": lazy("新建"),
    "edit": lazy("修改"),
    "transfer": lazy("转移"),
    "delete": lazy("删除"),
    "export": lazy("导出"),
    "import": lazy("导入"),
}
ALWAYS_OWN = ("task", "see")  # whoever is given something to do sees it
SCOPE_WORDS = {
    "none": lazy("无"),
    "self": lazy("本人"),
    "shared": lazy("本人和协作"),
    "department": lazy("本部门"),
    "below": lazy("本部门及下级"),
    "chosen": lazy("指定部门及下级"),
    "value": lazy("指定字段值的客户"),
    "all": lazy("全部"),
}
ACCESS_WORDS = {
    "edit": lazy("可修改"),
    "read": lazy("只读"),
    "masked": lazy("部分隐藏"),
    "hidden": lazy("隐藏"),
    "denied": lazy("禁止（优先于其他角色）"),
}
FIELD_WORDS = {
    "phones": lazy("电话"),
    "short_name": lazy("简称"),
    "kind": lazy("类型"),
    "level": lazy("级别"),
    "stage": lazy("阶段"),
    "source": lazy("来源"),
    "industry": lazy("行业"),
    "size": lazy("规模"),
    "province": lazy("省份"),
    "city": lazy("城市"),
    "district": lazy("区县"),
    "address": lazy("地址"),
    "location": lazy("位置"),
    "website": lazy("网址"),
    "note": lazy("备注"),
    "tags": lazy("标签"),
    "owner": lazy("负责人"),
    "pool": lazy("公海"),
    "parent": lazy("上级客户"),
    "last_followed_at": lazy("上次跟进"),
    "last_visited_at": lazy("上次拜访"),
    "next_follow_at": lazy("下次跟进"),
    "text": lazy("内容"),
    "outcome": lazy("结果"),
    "next_action": lazy("下一步"),
    "photos": lazy("照片"),
    "result": lazy("结果"),
    "place_name": lazy("地点"),
    "done_note": lazy("完成说明"),
}


@bp.get("/roles")
def index() -> str:
    """All roles: what each sees, and how many members hold it."""
    return _show_all()


def _show_all(error: str = "") -> str:
    held = [key for keys in db.session.scalars(sa.select(Member.roles).where(Member.roles != [])) for key in keys]
    found = [
        {
            "url": f"/admin/roles/{one.key}" if one.key != ADMIN else "",
            "text": str(one.name),
            "sub": _("查看客户：%(scope)s", scope=SCOPE_WORDS[_scope_of(one.grants["customer"].get("see", "none"))]),
            "value": _("%(n)s 人", n=held.count(one.key)) if one.key in held else "",
            "badge": None if one.key in BUILT_IN else ("", _("自定义")),
        }
        for one in definitions().values()
    ]
    choices = [(one.key, str(one.name)) for one in definitions().values() if one.key != ADMIN]
    return show("roles.html", "roles", rows=found, choices=choices, error=error)


@bp.post("/roles")
def copy() -> Any:
    """Make a role that begins as a copy of another one."""
    demand_fresh_sign_in("/admin/roles")
    try:
        key = copy_role(request.form.get("source", ""), name=storable(request.form.get("name", "")), actor=g.member)
    except Problem as problem:
        db.session.rollback()
        return _show_all(problem.detail), status_of(problem)
    _note(key, {})
    db.session.commit()
    return go(f"/admin/roles/{key}", _("已复制，请调整权限"))


@bp.get("/roles/<key>")
def one(key: str) -> str:
    """One role: scopes of each object and action, and field rules."""
    return _show_one(storable(key))


def _show_one(key: str, error: str = "") -> str:
    found = definitions().get(key)
    if found is None or key == ADMIN:
        raise NotFound(_("没有这个角色"))
    chosen = {
        one
        for actions in found.grants.values()
        for grant in actions.values()
        if isinstance(grant, dict)
        for one in grant.get("departments", ())
    }
    by_value = next(_grants_by_value(found.grants), {"field": "source", "values": []})
    grants = [
        (
            str(OBJECT_WORDS[obj]),
            [
                (
                    f"grant.{obj}.{action}",
                    str(words),
                    _scope_of(found.grants.get(obj, {}).get(action, "none"), (obj, action)),
                    _scopes(obj, action),
                )
                for action, words in ACTION_WORDS.items()
            ],
        )
        for obj in OBJECTS
    ]
    fields = [
        (
            str(OBJECT_WORDS[obj]),
            [
                (
                    f"field.{obj}.{name}",
                    str(FIELD_WORDS[name]),
                    found.fields.get(obj, {}).get(name, "edit"),
                    _ways(name),
                )
                for name in RULED[obj]
            ],
        )
        for obj in OBJECTS
    ]
    return show(
        "role.html",
        "roles",
        key=key,
        name=str(found.name),
        own=key not in BUILT_IN,
        grants=grants,
        fields=fields,
        value_fields=[(field, str(words)) for field, words in VALUE_FIELDS.items()],
        value_field=by_value["field"],
        values="\n".join(by_value["values"]),
        departments=[(one.id, one.name, one.id in chosen) for one in _departments()],
        error=error,
    )


def _grants_by_value(grants: Grants) -> Iterator[Any]:
    for grant in grants.get("customer", {}).values():
        if _scope_of(grant) == "value":
            yield grant


def _scopes(obj: str, action: str) -> list[tuple[str, str]]:
    left_out = set() if obj == "customer" and action not in NOT_BY_VALUE else {"value"}
    if (obj, action) == ALWAYS_OWN:
        left_out.add("none")
    return [(scope, str(SCOPE_WORDS[scope])) for scope in SCOPES if scope not in left_out]


def _ways(name: str) -> list[tuple[str, str]]:
    return [(key, str(words)) for key, words in ACCESS_WORDS.items() if key != "masked" or name in MASKABLE]


def _scope_of(grant: Any, of: tuple[str, str] = ("", "")) -> str:
    scope = str(grant["scope"] if isinstance(grant, dict) else grant)
    return "self" if scope == "none" and of == ALWAYS_OWN else scope


def _departments() -> list[Any]:
    here = sa.select(Department.id, Department.name).where(Department.gone_at.is_(None)).order_by(Department.path)
    return list(db.session.execute(here.limit(MOST_DEPARTMENTS)))


@bp.post("/roles/<key>")
def change(key: str) -> Any:
    """Keep a role's scopes and field rules."""
    key = storable(key)
    demand_fresh_sign_in(f"/admin/roles/{key}")
    named = {
        "departments": [storable(one) for one in request.form.getlist("departments")],
        "field": storable(request.form.get("value_field", "")),
        "values": [clean_line(one) for one in request.form.get("values", "").splitlines()],
    }
    grants = {obj: {action: _posted(obj, action, named) for action in ACTIONS} for obj in OBJECTS}
    fields = {
        obj: {name: request.form.get(f"field.{obj}.{name}", "edit") for name in names} for obj, names in RULED.items()
    }
    name = storable(request.form.get("name", ""))
    before = _rights_of(key)
    try:
        save_role(key, name=name, grants=grants, fields=fields, actor=g.member)
    except NotFound:
        raise
    except Problem as problem:
        db.session.rollback()
        return _show_one(key, problem.detail), status_of(problem)
    _note(key, before)
    db.session.commit()
    return go("/admin/roles", _("角色权限已保存，立即生效"))


def _posted(obj: str, action: str, named: dict[str, Any]) -> Any:
    scope = request.form.get(f"grant.{obj}.{action}", "none")
    return {"scope": scope, **named} if scope in ("chosen", "value") else scope


@bp.post("/roles/<key>/removal")
def remove(key: str) -> Any:
    """Remove a role of the corp's own, or set a built-in one back to what it was."""
    key = storable(key)
    demand_fresh_sign_in(f"/admin/roles/{key}")
    row = first(sa.select(Role).where(Role.key == key))
    before = _rights_of(key)
    try:
        remove_role(key, actor=g.member)
    except NotFound:
        raise
    except Problem as problem:
        db.session.rollback()
        return _show_one(key, problem.detail), status_of(problem)
    record("role.changed", row, actor=g.member, changes=_changes(before, _rights_of(key)), name=key, removed=True)
    db.session.commit()
    return go("/admin/roles", _("已恢复默认") if key in BUILT_IN else _("角色已删除"))


@bp.get("/roles/why")
def why() -> str:
    """Say why a member sees, or does not see, a customer."""
    userid, wanted = (
        storable(request.args.get("member", "")).strip(),
        storable(request.args.get("customer", "")).strip(),
    )
    person = (member_by_userid(userid, fold=False) or member_by_userid(userid, fold=True)) if userid else None
    named = sa.or_(Customer.id == wanted, Customer.name == wanted)
    customer = first(sa.select(Customer).where(named).order_by(Customer.id).limit(1)) if wanted else None
    values: dict[str, Any] = {"userid": userid, "wanted": wanted, "error": "", "answer": ""}
    if person and customer:
        yes = sees_customer(customer, person)
        said = _("%(name)s 能看到 %(customer)s", name=person.name, customer=customer.name)
        unsaid = _("%(name)s 看不到 %(customer)s", name=person.name, customer=customer.name)
        done = [
            (str(ACTION_WORDS[name]), _("可以") if can else _("不可以"))
            for name, can in deeds(customer, person).items()
        ]
        found = [{"text": text, "icon": "info"} for text in reasons(customer, person, reader=g.member)]
        values |= {"answer": said if yes else unsaid, "reasons": found, "deeds": done}
    elif userid or wanted:
        values["error"] = _("找不到这位成员") if not person else _("找不到这位客户")
    return show("why.html", "roles", **values)


def _note(key: str, before: dict[str, Any]) -> None:
    db.session.flush()
    row = first(sa.select(Role).where(Role.key == key))
    name = str(definitions()[key].name)
    record("role.changed", row, actor=g.member, changes=_changes(before, _rights_of(key)), name=name)


def _rights_of(key: str) -> dict[str, Any]:
    """Return all that a role says, flat: `customer.see` → scope, `customer.phones` → access."""
    found = definitions().get(key)
    if found is None:
        return {}
    rights: dict[str, Any] = {"name": str(found.name)}
    for told in (found.grants, found.fields):
        rights |= {f"{obj}.{name}": how for obj, ruled in told.items() for name, how in ruled.items()}
    return rights


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    names = sorted({*before, *after})
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}
