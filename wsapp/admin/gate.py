"""Who may open the console, and what its pages share."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, flash, g, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from wsapp.crm.org.access import first_run_waits
from wsapp.crm.org.queries import admin_names
from wsapp.db import db
from wsapp.texts import _
from wsapp.web import require_member

PAGE_SIZE = 30


def pages(name: str) -> Blueprint:
    """Return the blueprint of a part of the console: for administrators only."""
    bp = Blueprint(f"admin_{name}", __name__, url_prefix="/admin")
    bp.before_request(require_admin)
    return bp


def require_admin() -> Any:
    """Let administrators through; send strangers to sign in, tell all others whom to ask."""
    answer = require_member()
    if answer is not None or g.member.is_admin:
        return answer
    db.session.rollback()
    return not_for_you(), 403


def not_for_you() -> str:
    """Return the page that says whom to ask."""
    return render_template("admin/refused.html", admins=admin_names(), first_run=first_run_waits())


def show(template: str, here: str, **values: Any) -> str:
    """Render a page of the console; `here` names its tab."""
    return render_template(f"admin/{template}", tabs=_tabs(here), **values)


def _tabs(here: str) -> list[tuple[str, str, bool, None]]:
    found = (
        ("/admin/", _("概览"), "console"),
        ("/admin/corps", _("企业"), "corps"),
        ("/admin/members", _("成员"), "members"),
        ("/admin/roles", _("角色"), "roles"),
        ("/admin/directory", _("通讯录"), "directory"),
        ("/admin/work", _("后台任务"), "work"),
        ("/admin/deliveries", _("消息"), "deliveries"),
        ("/admin/notifications", _("通知"), "notifications"),
        ("/admin/rules", _("业务规则"), "rules"),
        ("/admin/pools", _("公海"), "pools"),
        ("/admin/bin", _("回收站"), "bin"),
        ("/admin/tags", _("标签"), "tags"),
        ("/admin/fields", _("字段"), "fields"),
        ("/admin/audit", _("操作日志"), "audit"),
        ("/admin/robots", _("群机器人"), "robots"),
        ("/admin/doctor", _("体检"), "doctor"),
        ("/h5/imports", _("导入导出"), "imports"),
        ("/admin/tokens", _("API 令牌"), "tokens"),
    )
    return [(url, text, name == here, None) for url, text, name in found]


def go(url: str, words: str = "") -> BaseResponse:
    """Go on to a page after a deed, where `words` are shown once."""
    if words:
        flash(words, "")
    return redirect(url, 303)


def next_url(cursor: str | None, **kept: str) -> str:
    """Return the address of the next page of this list, empty at the end."""
    query = {name: value for name, value in {**kept, "cursor": cursor or ""}.items() if value}
    return f"{request.path}?{urlencode(query)}" if cursor else ""


def storable(text: str) -> str:
    """Return a query value without what a database refuses."""
    return text.replace("\x00", "")[:100]
