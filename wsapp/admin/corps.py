"""Connected corps: how each of one's own stands, beginning to connect another, switching one off and on."""

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, g, redirect, request, session, url_for

from wsapp import connecting, hosts
from wsapp.admin import firstrun, streams
from wsapp.admin.gate import go, require_admin, show
from wsapp.connecting import Draft
from wsapp.connectors import connector_classes
from wsapp.crm.org import setups
from wsapp.crm.org.models import Corp, CorpSetUp
from wsapp.db import corp_scope, db
from wsapp.doctor.heard import at_doors
from wsapp.house import local
from wsapp.problems import Invalid
from wsapp.texts import _
from wsapp.web import current_corp_row, demand_fresh_sign_in, load_member

bp = Blueprint("admin_corps", __name__, url_prefix="/admin/corps")

CONNECTED_HERE = "connected"  # in the session: set-ups in which this browser connected a corp
MOST_REMEMBERED = 5
FILE_CONTENT = re.compile(r"[0-9A-Za-z._=+/-]{1,190}")


@bp.before_request
def let_in() -> Any:
    """Let administrators in, whoever holds the one-time code of the first run, and who connected a corp just now."""
    member = load_member(off_too=True)
    g.holds_code = firstrun.is_opened()
    if (member is not None and member.is_admin) or g.holds_code:
        return None
    if member is not None and session.get(CONNECTED_HERE) and request.view_args:
        return None  # the set-up itself says whether they may go on with it
    return require_admin()


def set_up_or_404(set_up_id: str) -> Draft:
    """Return a set-up that whoever is asking may go on with."""
    row = setups.set_up_for(
        set_up_id, actor=g.member, holds_code=g.holds_code, connected_here=set_up_id in session.get(CONNECTED_HERE, [])
    )
    if row is None or row.host not in connector_classes():
        abort(404)
    return Draft.open(row)


def remember_connected(row: CorpSetUp) -> None:
    """Remember in this browser that it connected the corp of a set-up: who signs in there with it may take it over."""
    session[CONNECTED_HERE] = [*session.get(CONNECTED_HERE, []), row.id][-MOST_REMEMBERED:]


@bp.get("")
def index() -> str:
    """One's own corp, and the set-ups under way."""
    found = setups.open_set_ups(g.member, holds_code=g.holds_code)
    own = current_corp_row() if g.member is not None and g.member.is_admin else None
    return show(
        "corps.html",
        "corps",
        corp=_corp(own) if own else None,
        drafts=[_draft(Draft.open(one)) for one in found if one.host in connector_classes()],
        hosts=[(name, _(kind.label)) for name, kind in connector_classes().items()],
    )


def last_called(corp: Corp, door: str | None = None) -> datetime | None:
    """Return when the host last reached us, on the clock on the wall here: at one door, or at any."""
    with corp_scope(corp.id):
        heard = at_doors()
    moments = [one.verified_at for key, one in heard.items() if one.verified_at and door in (None, key)]
    return local(max(moments)) if moments else None


def _corp(corp: Corp) -> dict[str, Any]:
    kind, dates = hosts.connector_class(corp.host), hosts.former_dates(corp)
    return {
        "row": corp,
        "host": _(kind.label),
        "configured": hosts.is_configured(corp),
        "state": _("已停用") if not corp.enabled else _("凭证有误") if corp.fault else _("正常"),
        "mark": "" if not corp.enabled else "overdue" if corp.fault else "done",
        "members": setups.active_members(corp),
        "called": last_called(corp),
        "stream": streams.facts(corp),
        "former": [
            (_(one.label), local(dates[one.key][0]), local(dates[one.key][1]))
            for one in kind.credential_fields
            if one.key in dates
        ],
        "files": [one.name for one in setups.ownership_files(corp)],
        "takes_file": kind.ownership_file is not None,
    }


def _draft(draft: Draft) -> dict[str, Any]:
    return {
        "url": url_for("admin_set_ups.resume", set_up_id=draft.row.id),
        "name": draft.name or _("尚未填写企业"),
        "host": _(draft.kind.label),
        "state": _("已接入，还有步骤未完成") if draft.row.connected_id else _("未接入"),
        "touched": local(draft.row.touched_at),
    }


@bp.post("")
def begin() -> Any:
    """Begin to connect a corp of a host, or, with `own`, to change the values of one's own."""
    host, corp = request.form.get("host", ""), None
    if request.form.get("own"):
        if g.member is None or not g.member.is_admin:
            abort(403)
        demand_fresh_sign_in("/admin/corps")
        corp = current_corp_row()
        if hosts.is_configured(corp):
            return go("/admin/corps", _("这家企业写在 config.toml 中，请在那里修改"))
        host = corp.host
    if host not in connector_classes():
        abort(404)
    try:
        row = setups.begin_set_up(host, actor=g.member if g.member and g.member.is_admin else None, corp=corp)
    except Invalid as problem:
        db.session.rollback()
        return go("/admin/corps", problem.detail)
    Draft(row).keep()
    db.session.commit()
    return redirect(url_for("admin_set_ups.resume", set_up_id=row.id), 303)


@bp.post("/switch")
def switch() -> Any:
    """Switch one's own corp off, or on again."""
    if g.member is None or not g.member.is_admin:
        abort(403)
    corp, state = current_corp_row(), request.form.get("state", "")
    if state not in ("on", "off"):
        abort(404)
    setups.switch_corp(corp, state == "on")
    connecting.note("corp.switched", corp, g.member, state=state)
    db.session.commit()
    return go("/admin/corps", _("已启用") if state == "on" else _("已停用：无法登录，消息暂停发送，回调不再接收"))


@bp.post("/file")
def take_file() -> Any:
    """Store a file that proves our domain to the host of one's own corp."""
    if g.member is None or not g.member.is_admin:
        abort(403)
    try:
        name = keep_file(current_corp_row())
    except Invalid as problem:
        db.session.rollback()
        return go("/admin/corps", problem.detail)
    db.session.commit()
    return go("/admin/corps", _("已保存，可通过 /%(name)s 访问", name=name))


def keep_file(corp: Corp) -> str:
    """Store the posted ownership file, uploaded or pasted, exactly; returns its name. Raises Invalid."""
    sent = request.files.get("file")
    if sent is not None and sent.filename:
        name, content = sent.filename.rpartition("/")[2], sent.stream.read(setups.MAX_FILE + 1).decode("latin-1")
    else:
        name, content = request.form.get("file_name", "").strip(), request.form.get("file_content", "").strip()
    pattern = hosts.connector_class(corp.host).ownership_file
    if pattern is None or not pattern.fullmatch(name):
        raise Invalid({"file": _("文件名应形如 WW_verify_xxxxxxxxxxxxxxxx.txt，请从后台重新下载，不要改名")})
    if not FILE_CONTENT.fullmatch(content.rstrip("\r\n")) or len(content) > setups.MAX_FILE:
        raise Invalid({"file": _("文件内容不对：应只有一行字母数字，请从后台重新下载")})
    setups.keep_ownership_file(corp, name, content)
    return name
