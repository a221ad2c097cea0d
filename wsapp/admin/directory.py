"""The directory (通讯录): the last synchronisations, the one under way, "sync now", the yes to very many leavers."""

from typing import Any

from flask import g, render_template

from wsapp import hosts
from wsapp.admin.gate import go, pages, show
from wsapp.connectors.base import Connector
from wsapp.crm.events.actions import record
from wsapp.crm.org import directory
from wsapp.crm.org.models import DirectoryRun
from wsapp.db import db
from wsapp.house import local
from wsapp.outbox import enqueue
from wsapp.problems import NotFound
from wsapp.texts import _
from wsapp.web import current_corp_row

bp = pages("directory")

SHOWN = 10


@bp.get("/directory")
def index() -> str:
    """The latest run and those before it."""
    corp = current_corp_row()
    found = [row_of(one, hosts.connector_class(corp.host)) for one in directory.latest(SHOWN)]
    held = local(corp.leaving_held_at) if corp.leaving_held_at else None
    return show("directory.html", "directory", run=found[0] if found else None, runs=found[1:], held=held)


@bp.get("/directory/progress")
def progress() -> str:
    """The latest run alone: the page asks for it again and again while it is under way."""
    found = directory.latest()
    run = row_of(found[0], hosts.connector_class(current_corp_row().host)) if found else None
    return render_template("admin/directory_run.html", run=run)


@bp.post("/directory/runs")
def start() -> Any:
    """Read the whole directory now; a run under way is simply shown."""
    _begin(accept_leavers=False)
    return go("/admin/directory", _("已开始同步"))


@bp.post("/directory/acceptance")
def accept() -> Any:
    """Read it once more, and mark as left whoever is not found, however many."""
    latest = directory.latest()
    if not latest or latest[0].state != directory.ASKING:
        raise NotFound(_("没有等待确认的同步"))
    run = _begin(accept_leavers=True)
    record("directory.accepted", run, actor=g.member, leavers=latest[0].leavers)
    db.session.commit()
    return go("/admin/directory", _("已确认，正在重新同步"))


def needs_a_look() -> DirectoryRun | None:
    """Return the latest run when it failed or waits for a yes."""
    found = directory.latest()
    return found[0] if found and found[0].state in (directory.FAILED, directory.ASKING) else None


def _begin(*, accept_leavers: bool) -> DirectoryRun:
    run, _is_new = directory.begin("console", accept_leavers=accept_leavers)
    enqueue("directory.walk", {"run": run.id}, key=f"directory.walk:{run.id}:{run.calls}")
    db.session.commit()
    return run


def row_of(run: DirectoryRun, kind: type[Connector]) -> dict[str, Any]:
    """Return a run in words."""
    return {
        "cause": cause_text(run.cause),
        "state": state_text(run),
        "mark": {"done": "done", "failed": "overdue", "asking": "today"}.get(run.state, "doing"),
        "is_running": run.state == directory.RUNNING,
        "is_asking": run.state == directory.ASKING,
        "is_failed": run.state == directory.FAILED,
        "people": run.people,
        "roots": run.roots,
        "departments": run.departments,
        "read": run.departments_read,
        "leavers": run.leavers,
        "known": run.known,
        "changes": changes_text(run),
        "summary": _("%(people)s 人，%(changes)s", people=run.people, changes=changes_text(run)),
        "why": why_text(run, kind),
        "started": local(run.started_at),
        "ended": local(run.ended_at) if run.ended_at else None,
    }


def cause_text(cause: str) -> str:
    """Return why a run began, in words."""
    words = {
        "nightly": _("每日同步"),
        "console": _("手动同步"),
        "command": _("命令行同步"),
        "range": _("可见范围变更"),
        "burst": _("大量离职后的核对"),
        "stream": _("事件连接中断后的核对"),
    }
    return words.get(cause, cause)


def state_text(run: DirectoryRun) -> str:
    """Return how far a run is, in words."""
    if run.state == directory.RUNNING:
        return {
            directory.DEPARTMENTS: _("正在读取部门"),
            directory.PEOPLE: _("正在读取成员"),
            directory.LEAVERS: _("正在核对离职成员"),
        }[run.stage]
    return {directory.DONE: _("已完成"), directory.ASKING: _("等待确认"), directory.FAILED: _("失败")}[run.state]


def changes_text(run: DirectoryRun) -> str:
    """Return what a run changed, in words."""
    leavers = 0 if run.state == directory.ASKING else run.leavers
    return _(
        "新增 %(joined)s，恢复 %(returned)s，离职 %(left)s", joined=run.joined, returned=run.returned, left=leavers
    )


def why_text(run: DirectoryRun, kind: type[Connector]) -> str:
    """Return what went wrong in a run and what to do about it, empty when nothing did."""
    own = {
        "empty": _("宿主平台没有返回任何成员：请检查应用的可见范围是否为空。"),
        "stale": _("超过 20 小时没有完成，已放弃。"),
        "gave_up": _("多次重试后放弃。"),
    }
    if run.code in own:
        return " ".join(filter(None, (own[run.code], run.reason)))
    if not run.code:
        return ""
    instruction = kind.instruction(run.code)
    told = f"{run.code} {run.reason}".strip()
    advice = f"{instruction.fix} {instruction.place}".strip() if instruction else ""
    if run.state == directory.DONE:
        told = _("有 %(n)s 个部门读取时被拒绝，其成员未作变动。", n=run.refused) + " " + told
    return f"{told} {advice}".strip()
