"""What somebody dictated to the robot, to be confirmed on a page: where a card has no buttons, or they are over."""

from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.bots import drafts
from wsapp.db import db
from wsapp.h5.pages import go, show
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("drafts", __name__, url_prefix="/h5/drafts")
bp.before_request(require_member)


@bp.get("/<key:draft_id>")
def page(draft_id: str) -> str:
    """The draft as its card shows it; settled, how it ended."""
    kept = drafts.find_draft(draft_id, actor=g.member)
    card = drafts.confirm_card(kept, actor=g.member)
    return show(
        "drafts/page.html",
        title=card["title"],
        text=card["text"],
        facts=card["lines"],
        answers=[] if kept.state != drafts.OPEN else card["buttons"],
        state=drafts.state_text(kept),
        record=kept.record,
        draft_id=kept.id,
    )


@bp.post("/<key:draft_id>/answer")
def answer(draft_id: str) -> Any:
    """`answer` is the key of one of the card's buttons."""
    kept = drafts.find_draft(draft_id, actor=g.member)
    if drafts.settle(kept, request.form.get("answer", "")[:20], actor=g.member):
        drafts.show_settled(kept)
    state, record = drafts.state_text(kept), kept.record
    db.session.commit()
    return go(record or url_for("drafts.page", draft_id=draft_id), state or _("请重新选择"))
