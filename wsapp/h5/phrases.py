"""Quick phrases (常用语): one's own list, and putting one into a text without script."""

from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.phrases.actions import LONGEST, MOST, add_phrase, move_phrase, own_phrases, phrases_for, remove_phrase
from wsapp.crm.phrases.rules import corps_phrases
from wsapp.db import db
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import go, show
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("phrases", __name__, url_prefix="/h5/me/phrases")
bp.before_request(require_member)


@bp.get("")
def page() -> str:
    return _show(Form({"text": ""}))


def _show(form: Form) -> str:
    mine = own_phrases(g.member)
    return show(
        "me/phrases.html",
        counted=False,
        form=form,
        phrases=[{"id": one.id, "text": one.text, "used": one.used} for one in mine],
        corps=corps_phrases(),
        may_add=len(mine) < MOST,
        most=MOST,
        longest=LONGEST,
    )


@bp.post("")
def create() -> Any:
    """Add one of one's own."""
    form = Form.read(("text",))

    def act() -> str:
        add_phrase(form.typed["text"], actor=g.member)
        return url_for("phrases.page")

    def again(problem: Problem | None) -> str:
        return _show(form)

    return save(form, act, again=again, words=_("常用语已添加"))


@bp.post("/<key:phrase_id>/removal")
def remove(phrase_id: str) -> Any:
    remove_phrase(phrase_id, actor=g.member)
    db.session.commit()
    return go(url_for("phrases.page"), _("常用语已删除"))


@bp.post("/<key:phrase_id>/move")
def move(phrase_id: str) -> Any:
    """One place up (`up` is "1") or down."""
    move_phrase(phrase_id, up=request.form.get("up") == "1", actor=g.member)
    db.session.commit()
    return go(url_for("phrases.page"))


def offered() -> list[str]:
    """Return what the forms offer."""
    return phrases_for(g.member)


def put(form: Form, field: str) -> bool:
    """Put the phrase that was pressed without script behind what was typed; says whether one was."""
    phrase = request.form.get("phrase", "").replace("\0", "")[:LONGEST]
    if not phrase:
        return False
    before = (form.typed.get(field) or "").rstrip()
    form.typed[field] = f"{before}\n{phrase}" if before else phrase
    return True
