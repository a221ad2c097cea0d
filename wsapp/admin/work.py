"""Background work: what waits, what runs, what died and why."""

from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp import clock, leases
from wsapp.admin.gate import PAGE_SIZE, go, next_url, pages, show
from wsapp.db import db
from wsapp.house import local
from wsapp.outbox import DEAD, DONE, READY, RUNNING, Outbox
from wsapp.paging import page
from wsapp.problems import NotFound
from wsapp.texts import _

bp = pages("work")

STATES = (READY, RUNNING, DEAD, DONE)
SORTS = {"due_at": (Outbox.due_at, False), "-due_at": (Outbox.due_at, True)}


def of_corp() -> sa.ColumnElement[bool]:
    """Return the condition for the work of the administrator's corp. (The outbox is no corp's table: no wall there.)"""
    return Outbox.corp_id == g.member.corp_id


@bp.get("/work")
def index() -> str:
    """The rows of one state, soonest due first; done ones latest first."""
    counts = _counts()
    state = request.args.get("state", DEAD if counts.get(DEAD) else READY)
    state = state if state in STATES else READY
    statement = sa.select(
        Outbox.id,
        Outbox.kind,
        Outbox.due_at,
        Outbox.attempts,
        Outbox.error,
        Outbox.done_at,
        sa.cast(Outbox.id, sa.String).label("text_id"),
    ).where(of_corp(), Outbox.state == state)
    found, cursor = page(
        statement,
        sorts=SORTS,
        sort="-due_at" if state == DONE else "due_at",
        id_column=sa.cast(Outbox.id, sa.String).label("text_id"),
        limit=PAGE_SIZE,
        cursor=request.args.get("cursor", ""),
    )
    return show(
        "work.html",
        "work",
        state=state,
        states=[(f"/admin/work?state={one}", state_text(one), one == state, counts.get(one, 0)) for one in STATES],
        rows=[_row(one) for one in found],
        next_url=next_url(cursor, state=state),
        late_minutes=_late_minutes(),
    )


def _counts() -> dict[str, int]:
    statement = sa.select(Outbox.state, sa.func.count()).where(of_corp()).group_by(Outbox.state)
    return {row[0]: row[1] for row in db.session.execute(statement)}


def _late_minutes() -> int:
    oldest = db.session.scalar(sa.select(sa.func.min(Outbox.due_at)).where(of_corp(), Outbox.state == READY))
    return max(0, round((clock.now() - oldest).total_seconds() / 60)) if oldest else 0


def _row(one: Any) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": kind_text(one.kind),
        "due": local(one.due_at),
        "done": local(one.done_at) if one.done_at else None,
        "attempts": one.attempts,
        "error": one.error or "",
    }


def state_text(state: str) -> str:
    """Return a state of work in words."""
    return {READY: _("等待中"), RUNNING: _("执行中"), DEAD: _("已失败"), DONE: _("已完成")}[state]


def kind_text(kind: str) -> str:
    """Return what a piece of work does, in words."""
    words = {
        "event": _("分发事件"),
        "remind": _("检查到期提醒"),
        "send": _("发送消息"),
        "send.result": _("查询送达结果"),
        "card.update": _("更新消息卡片"),
        "doctor.card": _("更新体检卡片"),
        "member.check": _("核对成员信息"),
        "members.check": _("核对登录中的成员"),
        "department.check": _("核对部门信息"),
        "directory.start": _("准备同步通讯录"),
        "directory.walk": _("同步通讯录"),
        "media.fetch": _("取回照片"),
    }
    return words.get(kind, kind)


@bp.post("/work/<int:work_id>/revival")
def revive(work_id: int) -> Any:
    """Put dead work back in line."""
    own = sa.select(Outbox.id).where(Outbox.id == min(work_id, 2**62), of_corp(), Outbox.state == DEAD)
    if db.session.scalar(own) is None or not leases.revive(work_id):
        raise NotFound(_("没有这项失败的任务，可能已经重试"))
    db.session.commit()
    return go(f"/admin/work?state={DEAD}", _("已重新排队"))
