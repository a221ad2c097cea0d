"""Members: who they are here, their role, and where they are signed in."""

from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp import metrics
from wsapp.admin.gate import PAGE_SIZE, go, next_url, pages, show, storable
from wsapp.crm.events.actions import record
from wsapp.crm.org.access import end_all_sessions, sessions_of
from wsapp.crm.org.actions import set_role
from wsapp.crm.org.models import ADMIN, Member
from wsapp.crm.org.queries import department_names, member, names
from wsapp.crm.org.rights import definitions, roles_of
from wsapp.crm.org.role_actions import delegation_of, give_roles, take_deputy
from wsapp.crm.org.roles import Delegation
from wsapp.db import db
from wsapp.house import local
from wsapp.paging import page
from wsapp.problems import NotFound, Problem
from wsapp.refusals import status_of
from wsapp.texts import _
from wsapp.web import demand_fresh_sign_in

bp = pages("members")

SORTS = {"name": (Member.name, False)}


@bp.get("/members")
def index() -> str:
    """All members by name, with a search."""
    text = storable(request.args.get("q", "")).strip()
    columns = (Member.id, Member.userid, Member.name, Member.position, Member.role, Member.status)
    statement = sa.select(*columns)
    if text:
        named = Member.name.contains(text, autoescape=True)
        statement = statement.where(sa.or_(named, Member.userid_key.contains(text.casefold(), autoescape=True)))
    found, cursor = page(
        statement,
        sorts=SORTS,
        sort="name",
        id_column=Member.id,
        limit=PAGE_SIZE,
        cursor=request.args.get("cursor", ""),
    )
    rows = [_row(one) for one in found]
    return show("members.html", "members", rows=rows, q=text, next_url=next_url(cursor, q=text))


def _row(one: Any) -> dict[str, Any]:
    badge = ("brand", _("管理员")) if one.role == ADMIN else None
    if one.status != "active":
        badge = ("", status_text(one.status))
    return {
        "url": f"/admin/members/{one.id}",
        "text": one.name,
        "sub": " · ".join(filter(None, (one.userid, one.position))),
        "badge": badge,
    }


def status_text(status: str) -> str:
    """Return a member's status in words."""
    return {"active": _("在职"), "disabled": _("已停用"), "left": _("已离职")}[status]


def _find(member_id: str) -> Member:
    found = member(member_id)
    if found is None:
        raise NotFound(_("成员不存在"))
    return found


@bp.get("/members/<member_id>")
def one(member_id: str) -> str:
    """One member: departments, role, devices."""
    return _show_one(_find(storable(member_id)))


def _show_one(found: Member, error: str = "") -> str:
    devices = [(one.device, local(one.seen_at)) for one in sessions_of(found)]
    known = [one for one in definitions().values() if one.key != ADMIN]
    away = delegation_of(found)
    return show(
        "member.html",
        "members",
        roles=[(one.key, str(one.name), one.key in (found.roles or ())) for one in known],
        held=_("、").join(str(one.name) for one in roles_of(found)),
        away=_away(away) if away else "",
        one=found,
        departments=department_names(found),
        status=status_text(found.status),
        devices=devices,
        error=error,
        is_me=found.id == g.member.id,
    )


@bp.post("/members/<member_id>/role")
def change_role(member_id: str) -> Any:
    """Make a member administrator or seller; their sessions end."""
    found = _find(storable(member_id))
    demand_fresh_sign_in(f"/admin/members/{found.id}")
    before, wanted = found.role, request.form.get("role", "")
    try:
        set_role(found, wanted, actor=g.member)
    except Problem as problem:
        db.session.rollback()
        return _show_one(_find(found.id), problem.detail), 422
    record("member.role_changed", found, actor=g.member, changes={"role": [before, found.role]}, name=found.name)
    db.session.commit()
    return go(f"/admin/members/{found.id}", _("角色已变更，对方需要重新登录"))


@bp.post("/members/<member_id>/roles")
def give(member_id: str) -> Any:
    """Let a member hold exactly the ticked roles; their sessions end."""
    found = _find(storable(member_id))
    demand_fresh_sign_in(f"/admin/members/{found.id}")
    try:
        before, after = give_roles(found, request.form.getlist("roles"), actor=g.member)
    except Problem as problem:
        db.session.rollback()
        return _show_one(_find(found.id), problem.detail), status_of(problem)
    if before != after:
        record("member.role_changed", found, actor=g.member, changes={"roles": [before, after]}, name=found.name)
    db.session.commit()
    return go(f"/admin/members/{found.id}", _("角色已保存"))


@bp.post("/members/<member_id>/deputy")
def deputise(member_id: str) -> Any:
    """Name who stands in for a member while they are away, or end it."""
    found = _find(storable(member_id))
    demand_fresh_sign_in(f"/admin/members/{found.id}")
    try:
        changes = take_deputy(found, request.form, actor=g.member)
    except Problem as problem:
        db.session.rollback()
        return _show_one(_find(found.id), problem.detail), status_of(problem)
    record("member.deputy_changed", found, actor=g.member, changes=changes, name=found.name)
    db.session.commit()
    return go(f"/admin/members/{found.id}", _("休假代理已保存"))


def _away(found: Delegation) -> str:
    who = names([found.deputy_id]).get(found.deputy_id, "")
    return _("%(name)s，到 %(until)s", name=who, until=f"{local(found.ends_at):%Y-%m-%d %H:%M}")


@bp.post("/members/<member_id>/sign-out")
def sign_out(member_id: str) -> Any:
    """Sign a member out on all devices and end their API tokens."""
    found = _find(storable(member_id))
    end_all_sessions(found, actor=g.member)
    db.session.commit()
    metrics.SESSIONS_REVOKED.labels("admin").inc()
    return go(f"/admin/members/{found.id}", _("已在所有设备上退出登录"))
