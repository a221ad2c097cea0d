"""My deputy (休假代理): who does for me what I may do, while I am away."""

from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.events.actions import record
from wsapp.crm.org.queries import names
from wsapp.crm.org.role_actions import delegation_of, stood_in_by, take_deputy
from wsapp.h5.coworkers import colleagues_of_all
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import show
from wsapp.h5.rows import moment
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("deputies", __name__, url_prefix="/h5/me/deputy")
bp.before_request(require_member)

FIELDS = ("deputy", "starts_at", "ends_at", "end")


@bp.get("")
def page() -> str:
    return _show(Form({}))


@bp.post("")
def change() -> Any:
    """Name a deputy, or end it."""
    form = Form.read(FIELDS)

    def act() -> str:
        changes = take_deputy(g.member, form.typed, actor=g.member)
        record("member.deputy_changed", g.member, actor=g.member, changes=changes, name=g.member.name)
        return url_for("deputies.page")

    def again(problem: Problem | None) -> str:
        return _show(form)

    return save(form, act, again=again, words=_("休假代理已保存"))


def _show(form: Form) -> str:
    found = delegation_of(g.member)
    away = ""
    if found:
        who = names([found.deputy_id]).get(found.deputy_id, "")
        away = _("%(name)s，%(since)s 至 %(until)s", name=who, **_span(found))
    others = stood_in_by(g.member)
    absent = names([one.absent_id for one in others])
    standing_in = [
        {
            "icon": "team",
            "text": _("%(name)s，%(since)s 至 %(until)s", name=absent.get(one.absent_id, ""), **_span(one)),
        }
        for one in others
    ]
    people = [one for one in colleagues_of_all() if one.id != g.member.id]
    return show(
        "me/deputy.html",
        counted=False,
        form=form,
        away=away,
        standing_in=standing_in,
        people=[(one.userid, one.name) for one in people],
        userids=[one.userid for one in people],
    )


def _span(found: Any) -> dict[str, str]:
    return {"since": moment(found.starts_at), "until": moment(found.ends_at)}
