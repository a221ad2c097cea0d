"""Group robots: added here with the address that the group's owner hands out, tested, switched off, removed."""

from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp import hosts
from wsapp.admin.gate import go, pages, show, storable
from wsapp.connectors.base import Connector, Refused
from wsapp.crm.groups.actions import MAX_NAME, add_robot, remove_robot, switch_robot, try_out
from wsapp.crm.groups.models import GroupPost, GroupRobot
from wsapp.crm.groups.queries import EVENTS, find_robot, robots
from wsapp.crm.org.models import Department
from wsapp.db import db, new_id, rows
from wsapp.house import local
from wsapp.problems import Invalid
from wsapp.texts import _
from wsapp.web import current_corp_row

bp = pages("robots")

RECENT = 3  # posts shown of each robot
MOST_DEPARTMENTS = 500
MAX_ADDRESS = 500
MARKS = {"sent": "done", "failed": "overdue"}


@bp.get("/robots")
def index() -> str:
    """The corp's robots with their last posts, and the form for a new one."""
    return _show()


def _show(*, errors: dict[str, str] | None = None, typed: dict[str, Any] | None = None) -> str:
    connector = _connector()
    departments = _departments()
    names = dict(departments)
    found = robots()
    posts = _posts([one.id for one in found])
    return show(
        "robots.html",
        "robots",
        rows=[_row(one, names, posts.get(one.id, []), connector) for one in found],
        fields=[(f"field_{one.key}", _(one.label), one.required, _(one.hint)) for one in connector.robot_fields],
        departments=departments,
        events=[(kind, event_text(kind)) for kind in EVENTS],
        languages=[("zh", _("中文")), ("en", _("英文"))],
        errors=errors or {},
        typed=typed or {"events": list(EVENTS), "language": "zh", "hours": "08:00-21:00"},
        max_name=MAX_NAME,
    )


def _connector() -> Connector:
    return hosts.lines().of(current_corp_row())


def _departments() -> list[tuple[str, str]]:
    statement = sa.select(Department).order_by(Department.path).limit(MOST_DEPARTMENTS)
    return [(one.id, "\u2003" * max(0, one.path.count("/") - 2) + one.name) for one in rows(statement)]


def _posts(robot_ids: list[str]) -> dict[str, list[GroupPost]]:
    """The last posts of each robot, in one query."""
    rank = sa.func.row_number().over(partition_by=GroupPost.robot_id, order_by=GroupPost.created_at.desc())
    ranked = sa.select(GroupPost.id.label("post_id"), rank.label("rank")).where(GroupPost.robot_id.in_(robot_ids))
    last = ranked.subquery()
    statement = (
        sa.select(GroupPost)
        .join(last, last.c.post_id == GroupPost.id)
        .where(last.c.rank <= RECENT)
        .order_by(GroupPost.created_at.desc())
    )
    found: dict[str, list[GroupPost]] = {}
    for one in rows(statement) if robot_ids else ():
        found.setdefault(one.robot_id, []).append(one)
    return found


def _row(
    robot: GroupRobot, departments: dict[str, str], posts: list[GroupPost], connector: Connector
) -> dict[str, Any]:
    scope = departments.get(robot.department_id, robot.department_id).strip() if robot.department_id else _("全公司")
    return {
        "id": robot.id,
        "name": robot.name,
        "scope": scope,
        "events": _("、").join(event_text(kind) for kind in robot.events),
        "hours": robot.hours or _("全天"),
        "enabled": robot.enabled,
        "fault": what_to_do(connector, *robot.fault.partition(" ")[::2]) if robot.fault else "",
        "posts": [_post_row(one, connector) for one in posts],
    }


def what_to_do(connector: Connector, code: str, reason: str) -> str:
    """Return what a host's code asks of the administrator, else the reason as it was told."""
    told = connector.instruction(code) if code else None
    return f"{told.fix}（{code}）" if told else " ".join(one for one in (code, _(reason) if reason else "") if one)


def _post_row(post: GroupPost, connector: Connector) -> dict[str, Any]:
    return {
        "at": local(post.sent_at or post.created_at),
        "text": {"sent": _("已发出"), "failed": _("发送失败"), "sending": _("发送中")}[post.state],
        "mark": MARKS.get(post.state, ""),
        "notes": post.notes,
        "why": what_to_do(connector, post.host_code, post.reason),
    }


def event_text(kind: str) -> str:
    """Return what a robot tells of, in words."""
    return {
        "visit.checked_in": _("拜访签到"),
        "customer.created": _("新建客户"),
        "task.overdue": _("待办逾期"),
        "digest.daily": _("每日汇总"),
    }.get(kind, kind)


@bp.post("/robots")
def create() -> Any:
    """Add a robot. Its address is sealed at once and never shown again."""
    form = request.form
    typed = {
        "name": storable(form.get("name", "")),
        "department": storable(form.get("department", "")),
        "events": [storable(one) for one in form.getlist("events")],
        "hours": storable(form.get("hours", "")),
        "language": storable(form.get("language", "")),
    }
    connector, robot_id = _connector(), new_id()
    pasted = {one.key: form.get(f"field_{one.key}", "").strip()[:MAX_ADDRESS] for one in connector.robot_fields}
    try:
        address = connector.robot_address(pasted)
        robot = add_robot(typed, robot_id=robot_id, address=hosts.seal_robot_address(robot_id, address), actor=g.member)
    except Refused as refusal:
        db.session.rollback()
        return _show(errors={f"field_{refusal.code}": _wrong_address(refusal.code)}, typed=typed), 422
    except Invalid as problem:
        db.session.rollback()
        return _show(errors=problem.fields, typed=typed), 422
    try_out(robot, actor=g.member)
    db.session.commit()
    return go("/admin/robots", _("群机器人已添加，测试消息正在发往群里"))


def _wrong_address(key: str) -> str:
    if key == "secret":
        return _("加签密钥以 SEC 开头，请在机器人的安全设置中复制")
    return _("这不是本平台群机器人的 Webhook 地址，请从群设置中复制完整地址")


@bp.post("/robots/<key:robot_id>/test")
def test(robot_id: str) -> Any:
    """Have a robot say something."""
    robot = find_robot(robot_id)
    if not robot.enabled:
        return go("/admin/robots", _("请先启用这个机器人"))
    try_out(robot, actor=g.member)
    db.session.commit()
    return go("/admin/robots", _("测试消息正在发往群里，稍后刷新可看到结果"))


@bp.post("/robots/<key:robot_id>/switch")
def switch(robot_id: str) -> Any:
    """Switch a robot on or off."""
    robot = find_robot(robot_id)
    on = request.form.get("on") == "1"
    switch_robot(robot, on=on, actor=g.member)
    db.session.commit()
    return go("/admin/robots", _("群机器人已启用") if on else _("群机器人已停用"))


@bp.post("/robots/<key:robot_id>/removal")
def remove(robot_id: str) -> Any:
    """Remove a robot and its address."""
    remove_robot(find_robot(robot_id), actor=g.member)
    db.session.commit()
    return go("/admin/robots", _("群机器人已移除"))
