"""Requests to share (客户共享): asking the owner of a hidden customer, and answering."""

from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.customers.clean import clean_line
from wsapp.crm.org.queries import department_names, member, names
from wsapp.crm.sharing.actions import (
    answer,
    ask_to_share,
    customer_of,
    find_request,
    may_answer,
    requests_of,
    show_settled,
)
from wsapp.crm.sharing.cards import buttons, state_text
from wsapp.crm.sharing.models import OPEN, ShareRequest
from wsapp.db import db
from wsapp.h5.pages import go, per_member, show
from wsapp.h5.rows import moment
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("sharing", __name__, url_prefix="/h5/share-requests")
bp.before_request(require_member)

RATE = "20 per hour"


@bp.get("")
def index() -> str:
    """What I asked for and what I was asked, newest first."""
    found = requests_of(g.member)
    people = names([one.asker_id for one in found])
    mine = [one for one in found if one.asker_id == g.member.id]
    return show(
        "sharing/index.html",
        asked=[_row(one, people.get(one.asker_id, "")) for one in found if one not in mine],
        mine=[_row(one, _("我的申请")) for one in mine],
    )


def _row(one: ShareRequest, title: str) -> dict[str, Any]:
    return {
        "url": url_for("sharing.page", request_id=one.id),
        "title": title,
        "sub": moment(one.created_at),
        "state": state_text(one) or _("等待答复"),
        "open": one.state == OPEN,
    }


@bp.post("")
@limiter.limit(RATE, key_func=per_member)
def ask() -> Any:
    """Ask the owners; `asked` is what the duplicate check was asked for."""
    asked = [clean_line(one)[:220] for one in request.form.getlist("asked")]
    made = ask_to_share(asked, actor=g.member, reason=clean_line(request.form.get("reason", "")))
    db.session.commit()
    return go(url_for("sharing.index"), _("已向负责人申请") if made else _("您已经申请过，请等待答复"))


@bp.get("/<key:request_id>")
def page(request_id: str) -> str:
    """One request: for the asker how it stands, for whoever may answer it the customer and the answers."""
    found = find_request(request_id, actor=g.member)
    answers = may_answer(found, actor=g.member)
    customer, asker = customer_of(found), member(found.asker_id)
    facts = [(_("申请人"), asker.name if asker else "")]
    if answers and customer and asker:
        facts += [(_("部门"), _("、").join(department_names(asker))), (_("客户"), customer.name)]
    facts += [(_("说明"), found.reason), (_("申请时间"), moment(found.created_at))]
    return show(
        "sharing/page.html",
        request_id=found.id,
        facts=facts,
        state=state_text(found),
        answers=buttons() if answers and found.state == OPEN else [],
        record=url_for("customers.page", customer_id=customer.id) if answers and customer else "",
    )


@bp.post("/<key:request_id>/answer")
def settle(request_id: str) -> Any:
    """`answer` is the key of one of the card's buttons."""
    found = find_request(request_id, actor=g.member)
    if answer(found, request.form.get("answer", "")[:20], actor=g.member):
        show_settled(found)
    said = state_text(found)
    db.session.commit()
    return go(url_for("sharing.page", request_id=request_id), said or _("请重新选择"))
