"""The end of the wizard: the first administrator signs in, a message to oneself, and the doctor's look at it all."""

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from wsapp.admin import corps, firstrun
from wsapp.admin.gate import go
from wsapp.connecting import Draft
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.actions import send_test as send_test_message
from wsapp.crm.notifications.models import DROPPED, FAILED, PLANNED, SENDING, SUPPRESSED, Notification
from wsapp.crm.org import setups
from wsapp.crm.org.models import Corp
from wsapp.db import db, first
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import limiter

bp = Blueprint("admin_set_up_finish", __name__, url_prefix="/admin/corps/set-ups/<key:set_up_id>")
bp.before_request(corps.let_in)

TEST_RATE = "10 per hour"


def _connected(set_up_id: str) -> tuple[Draft, Corp]:
    draft = corps.set_up_or_404(set_up_id)
    corp = draft.corp
    if corp is None:
        abort(404)
    return draft, corp


def _address(draft: Draft, view: str = "page") -> str:
    return url_for(f"admin_set_up_finish.{view}", set_up_id=draft.row.id)


@bp.get("/finish")
def page(set_up_id: str) -> Any:
    """What is left to do once the corp is connected."""
    draft, corp = _connected(set_up_id)
    is_here = g.member is not None and g.member.corp_id == corp.id
    is_admin = is_here and g.member.is_admin
    steps = draft.kind.set_up_steps
    return render_template(
        "admin/set_up_finish.html",
        draft=draft,
        corp=corp,
        host_label=_(draft.kind.label),
        called=corps.last_called(corp),
        is_here=is_here,
        is_admin=is_admin,
        sign_in_url=url_for("signin.web", host=corp.host, corp_id=corp.host_corp_id, next=_address(draft)),
        take_over_url=_address(draft, "take_over"),
        test_url=_address(draft, "send_test"),
        end_url=_address(draft, "end"),
        back=url_for("admin_set_ups.show", set_up_id=draft.row.id, step=steps[-1].key),
        test=_test(draft) if is_admin else None,
    )


@bp.post("/administrator")
def take_over(set_up_id: str) -> Any:
    """Make whoever connected the corp in this browser, and signed in to it now, its first administrator."""
    draft, corp = _connected(set_up_id)
    if g.member is None or g.member.corp_id != corp.id:
        abort(404)
    try:
        if g.holds_code:
            firstrun.spend(g.member)
        else:
            setups.take_over(corp, g.member)
            record(
                "member.role_changed",
                g.member,
                actor=g.member,
                changes={"role": ["", g.member.role]},
                name=g.member.name,
            )
    except Problem as problem:
        db.session.rollback()
        return go(_address(draft), problem.detail)
    db.session.commit()
    return go(_address(draft), _("您已成为管理员"))


@bp.post("/test-message")
@limiter.limit(TEST_RATE)
def send_test(set_up_id: str) -> BaseResponse:
    """Send the administrator a message through the new corp."""
    draft, corp = _connected(set_up_id)
    if g.member is None or not g.member.is_admin or g.member.corp_id != corp.id:
        abort(404)
    draft.sent = send_test_message(g.member)
    draft.keep()
    db.session.commit()
    return redirect(_address(draft), 303)


@bp.get("/test-message")
def test_message(set_up_id: str) -> str:
    """What became of the test message: a part of the page, asked for again until it is known."""
    draft, corp = _connected(set_up_id)
    if g.member is None or not g.member.is_admin or g.member.corp_id != corp.id:
        abort(404)
    return render_template("admin/set_up_test.html", test=_test(draft))


def _test(draft: Draft) -> dict[str, Any] | None:
    """Return what became of the last test message to this administrator, None when none was sent."""
    mine = sa.select(Notification).where(Notification.id == draft.sent, Notification.recipient_id == g.member.id)
    sent: Notification | None = first(mine) if draft.sent else None
    if sent is None:
        return None
    waiting = sent.state in (PLANNED, SENDING)
    bad = sent.state in (FAILED, DROPPED, SUPPRESSED) or (waiting and bool(sent.host_code))
    instruction = draft.kind.instruction(sent.host_code) if sent.host_code else None
    return {
        "waiting": waiting,
        "bad": bad,
        "reason": _(sent.reason) if sent.reason else "",
        "code": sent.host_code,
        "fix": instruction.fix if instruction else "",
        "title": sent.message.get("title", ""),
        "url": _address(draft, "test_message"),
    }


@bp.post("/end")
def end(set_up_id: str) -> BaseResponse:
    """Finish, or give up; a connected corp stays connected. What we made is not shown any more."""
    draft = corps.set_up_or_404(set_up_id)
    connected = draft.row.connected_id is not None
    setups.end_set_up(draft.row)
    db.session.commit()
    return go("/admin/corps", _("设置已完成") if connected else _("已放弃"))
