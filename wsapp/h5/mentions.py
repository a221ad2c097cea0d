"""Naming colleagues in a text (@): the list that typing an @ opens, and what a form shows of those who are named."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, jsonify

from wsapp.crm.mentions.actions import Several, Unseen
from wsapp.crm.org.models import ACTIVE, Department, Member
from wsapp.crm.org.queries import names
from wsapp.db import db
from wsapp.h5.forms import Form
from wsapp.h5.pages import arg, per_member
from wsapp.problems import Problem
from wsapp.web import limiter, require_member

bp = Blueprint("mentions", __name__, url_prefix="/h5/colleagues")
bp.before_request(require_member)

RATE = "120 per minute"
MOST_FOUND = 8
FIELDS = ("unseen",)
LISTS = ("mentions",)


@bp.get("")
@limiter.limit(RATE, key_func=per_member)
def find() -> Any:
    """JSON {"people": [{"id", "name", "department"}]}: whose name begins with, or holds, `q`; or who has `userid`."""
    text, userid = arg("q"), arg("userid")
    wanted = sa.select(Member.id, Member.name, Department.name.label("department")).outerjoin(
        Department, sa.and_(Department.corp_id == Member.corp_id, Department.id == Member.main_department_id)
    )
    wanted = wanted.where(Member.status == ACTIVE, Member.id != g.member.id)
    if userid:
        wanted = wanted.where(sa.func.lower(Member.userid) == userid.lower())
    elif text:
        wanted = wanted.where(Member.name.contains(text, autoescape=True))
    begins = sa.case((Member.name.startswith(text, autoescape=True), 0), else_=1)
    found = db.session.execute(wanted.order_by(begins, Member.name, Member.id).limit(MOST_FOUND))
    return jsonify(people=[{"id": one.id, "name": one.name, "department": one.department or ""} for one in found])


def values(form: Form) -> dict[str, Any]:
    """Return what the form says of mentions, as `mentions.named` takes it."""
    return {"mentions": [one for one in form.typed["mentions"] if one], "unseen": form.typed["unseen"]}


def drawn(form: Form, problem: Problem | None = None) -> Mapping[str, Any]:
    """Return what the template's `field` macro shows: who is chosen, and what is to be decided."""
    chosen: Sequence[str] = form.typed.get("mentions") or []
    called = names(chosen)
    return {
        "chosen": [(one, called[one]) for one in chosen if one in called],
        "error": form.errors.get("mentions", ""),
        "unseen": isinstance(problem, Unseen),
        "may_invite": isinstance(problem, Unseen) and problem.may_invite,
        "several": problem.people if isinstance(problem, Several) else [],
    }
