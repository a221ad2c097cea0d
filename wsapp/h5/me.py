"""Me (我的): who I am here, language, signed-in devices, and why a message did not arrive."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from wsapp import hosts, sessions
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.access import end_session, sessions_of
from wsapp.crm.org.actions import preferences
from wsapp.crm.org.models import LoginSession
from wsapp.crm.org.queries import department_names, leads_others
from wsapp.crm.org.rights import reads_audit
from wsapp.db import db
from wsapp.h5 import lists, rows, stories, words
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import PAGE_SIZE, cursor, go, next_page, show
from wsapp.house import local
from wsapp.paging import page as page_of
from wsapp.problems import NotFound, Problem
from wsapp.texts import _
from wsapp.web import current_corp_row, identity_page, require_member, safe_path

bp = Blueprint("me", __name__, url_prefix="/h5/me")
bp.before_request(require_member)


@bp.get("")
def page() -> str:
    return _show(Form({"language": g.member.language}))


def _show(form: Form) -> str:
    return show(
        "me/page.html",
        form=form,
        departments=_("、").join(department_names(g.member)),
        corp=current_corp_row().name,
        languages=list(words.LANGUAGES.items()),
        devices=[_device(one) for one in sessions_of(g.member)],
        leads=leads_others(g.member),
        audits=reads_audit(g.member),
        others=[(one.corp.host_corp_id, one.corp_name, one.name) for one in sessions.others()],
        may_add=len(hosts.enabled_corps()) > 1,
    )


@bp.get("/identity")
def identity() -> str:
    """Who sends a form of rights or lists says first, through the host, who they are."""
    return identity_page(request.args.get("next", ""))


def _device(login: LoginSession) -> rows.Row:
    host, _dot, kind = login.device.partition(" · ")
    hosts = {"wecom": _("企业微信"), "dingtalk": _("钉钉"), "browser": _("浏览器")}
    return {
        "text": " · ".join(filter(None, (hosts.get(host, host), kind))),
        "seen": local(login.seen_at),
        "here": login.id == g.login.id,
        "end_url": url_for("me.end_device", session_id=login.id),
    }


@bp.post("/corp")
def switch_corp() -> BaseResponse:
    """Go on in another corp in which this browser is signed in, too."""
    wanted = request.form.get("corp", "")
    if not sessions.switch_to(wanted):
        return redirect(url_for("signin.choose", corp=wanted[:64] or None, next="/h5/"), 303)
    return redirect("/h5/", 303)


@bp.post("/language")
def language() -> Any:
    """Choose the language of the pages and of the messages to me."""
    form = Form.read(("language",))

    def act() -> str:
        preferences(g.member, form.typed)
        return url_for("me.page")

    def again(problem: Problem | None) -> str:
        return _show(form)

    return save(form, act, again=again, words="")


@bp.post("/devices/<key:session_id>/signout")
def end_device(session_id: str) -> BaseResponse:
    """Sign one of my devices out; for the present one that is signing out."""
    end_session(session_id, actor=g.member)
    db.session.commit()
    if session_id == g.login.id:
        return redirect(url_for("signin.choose", bye=1), 303)
    return go(url_for("me.page"), _("该设备已退出登录"))


@bp.get("/messages")
def messages() -> str:
    """What was said to me lately, and what became of each message."""
    found, after = page_of(
        lists.message_list(g.member),
        sorts=lists.MESSAGE_SORTS,
        sort="-due_at",
        id_column=Notification.id,
        limit=PAGE_SIZE,
        cursor=cursor(),
    )
    return show("me/messages.html", messages=[_message(row) for row in found], next_url=next_page(after))


@bp.get("/messages/<key:notification_id>")
def message(notification_id: str) -> str:
    """What became of one message to me, step by step; the page looks again by itself while it is on its way."""
    row = lists.message_of(g.member, notification_id)
    if row is None:
        raise NotFound(_("没有这条消息"))
    return show(
        "me/message.html",
        story=stories.story(row, current_corp_row()),
        here=url_for("me.message", notification_id=row.id),
        subject_url=_own_path(row.message.get("url", "")),
        **_message(row),
    )


def _own_path(url: str) -> str:
    """Return where a message leads, within the address that is open here; empty when it leads nowhere."""
    return safe_path(urlsplit(url).path, default="") if url else ""


def _message(row: Any) -> rows.Row:
    return {
        "url": url_for("me.message", notification_id=row.id),
        "title": row.message.get("title", ""),
        "kind": words.MESSAGE_KINDS.get(row.kind, row.kind),
        "state": words.MESSAGE_STATES.get(row.state, row.state),
        "mark": words.MESSAGE_MARKS.get(row.state, ""),
        "at": local(row.sent_at or row.due_at),
        "why": stories.headline(row),
    }
