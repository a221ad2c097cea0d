"""The corp's whole recycle bin: what lies there, restoring it, deleting it for good with a reason."""

from typing import Any

from flask import g, request

from wsapp.admin.gate import PAGE_SIZE, go, next_url, pages, show, storable
from wsapp.crm.deletions.actions import Conflicting, purge, restore
from wsapp.crm.deletions.kinds import KINDS
from wsapp.crm.deletions.models import Deletion
from wsapp.crm.deletions.queries import SORTS, ends_at, find_deletion, listed
from wsapp.crm.org.queries import names
from wsapp.crm.org.rules import rule
from wsapp.db import db
from wsapp.house import local
from wsapp.paging import page
from wsapp.problems import NotFound, Problem
from wsapp.refusals import status_of
from wsapp.texts import _

bp = pages("bin")


@bp.get("/bin")
def index() -> str:
    """Everything deleted in the corp, the latest first, with a search."""
    text = storable(request.args.get("q", "")).strip()
    found, cursor = page(
        listed(g.member, text=text),
        sorts=SORTS,
        sort="-deleted_at",
        id_column=Deletion.id,
        limit=PAGE_SIZE,
        cursor=request.args.get("cursor", ""),
    )
    people = names([one for row in found for one in (row.actor_id, row.owner_id)])
    rows = [
        {
            "url": f"/admin/bin/{row.id}",
            "text": row.title,
            "badge": ("", str(KINDS[row.object].label)),
            "sub": _(
                "%(who)s 于 %(when)s 删除；负责人 %(owner)s",
                who=people.get(row.actor_id or "", "") or _("系统"),
                when=f"{local(row.deleted_at):%Y-%m-%d %H:%M}",
                owner=people.get(row.owner_id or "", "—"),
            ),
        }
        for row in found
    ]
    return show("bin.html", "bin", rows=rows, q=text, days=rule("bin.days"), next_url=next_url(cursor, q=text))


@bp.get("/bin/<key:deletion_id>")
def one(deletion_id: str) -> str:
    """One deleted record."""
    return _show_one(find_deletion(deletion_id, actor=g.member))


def _show_one(deletion: Deletion, problem: Problem | None = None, reason: str = "") -> str:
    people = names([deletion.actor_id, deletion.owner_id])
    facts = [
        (_("类型"), str(KINDS[deletion.object].label)),
        (_("负责人"), people.get(deletion.owner_id or "", "")),
        (_("删除人"), people.get(deletion.actor_id or "", "") or _("系统")),
        (_("删除时间"), f"{local(deletion.deleted_at):%Y-%m-%d %H:%M}"),
        (_("原因"), deletion.reason),
        (_("一起删除"), _("、").join(f"{KINDS[name].label} {count}" for name, count in deletion.counts.items())),
        (_("彻底删除时间"), f"{local(ends_at(deletion.deleted_at)):%Y-%m-%d %H:%M}"),
    ]
    return show(
        "bin_one.html",
        "bin",
        deletion=deletion,
        facts=facts,
        problem=problem.detail if problem else "",
        anyway=isinstance(problem, Conflicting),
        reason=reason,
    )


@bp.post("/bin/<key:deletion_id>/restoration")
def bring_back(deletion_id: str) -> Any:
    """Restore it; with `anyway`, without what somebody else has by now."""
    try:
        anyway = request.form.get("anyway") == "1"
        restore(find_deletion(deletion_id, actor=g.member), actor=g.member, anyway=anyway)
    except NotFound:
        raise
    except Problem as problem:
        db.session.rollback()
        return _show_one(find_deletion(deletion_id, actor=g.member), problem), status_of(problem)
    db.session.commit()
    return go("/admin/bin", _("已恢复"))


@bp.post("/bin/<key:deletion_id>/purge")
def destroy(deletion_id: str) -> Any:
    """Delete it for good; the reason stays in the audit log."""
    reason = storable(request.form.get("reason", ""))
    try:
        purge(find_deletion(deletion_id, actor=g.member), actor=g.member, reason=reason)
    except NotFound:
        raise
    except Problem as problem:
        db.session.rollback()
        return _show_one(find_deletion(deletion_id, actor=g.member), problem, reason), status_of(problem)
    db.session.commit()
    return go("/admin/bin", _("已彻底删除"))
