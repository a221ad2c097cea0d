"""Without network (离线记录): the page that a phone keeps, and what it recorded, sent when the network is back.

A phone asks three things here: the page whose forms it can open without network (`page`), who is signed in (`session`),
and to take what it recorded (`take`). What it keeps and when it sends: `frontend/src/app/offline`, docs/offline.md.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, jsonify, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf

from wsapp import clock, idempotency
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import current_id, own_customers, visible_customers
from wsapp.crm.visits.consent import consents
from wsapp.db import db
from wsapp.h5 import followups, ownfields, photos, visit_lists, visits, words
from wsapp.h5.forms import OFFLINE_LIFE, Form, once
from wsapp.h5.pages import per_member, show
from wsapp.problems import Conflict, Duplicate, Invalid, NotFound, Problem
from wsapp.refusals import admitted, note_refusal, status_of
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("offline", __name__, url_prefix="/h5/offline")
bp.before_request(require_member)

MOST_CUSTOMERS = 40  # of whom the phone keeps the names
RATE = "120 per minute"
LONGEST_KEY = 64
KEY = re.compile("[0-9a-z]{20,40}")
LONGEST_MILLISECONDS = 10**15

Log = Callable[..., str]
# kind, which is also whose own fields it has → (what writes it, its fields, those that are lists)
DOORS: dict[str, tuple[Log, tuple[str, ...], tuple[str, ...]]] = {
    "visit": (visits.log, visits.TEXTS, visits.LISTS),
    "follow_up": (followups.log, followups.TEXTS, followups.LISTS),
}


def who() -> str:
    """Return what tells the signed-in member from anybody else who uses this browser: corp and member."""
    return f"{g.member.corp_id}.{g.member.id}"


# --- what the phone keeps ----------------------------------------------------------------------------------------


@bp.get("")
def page() -> str:
    """The page that a phone keeps: what waits to be sent, and both forms."""
    return show(
        "offline/page.html",
        counted=False,
        customers=_customers(),
        consents=consents(g.member),
        kinds=list(words.FOLLOW_UP_KINDS.items()),
        reasons=list(words.NO_FIX_REASONS.items()),
        own={kind: ownfields.drawn(kind, Form()) for kind in DOORS},
    )


def _customers() -> list[tuple[str, str]]:
    """Return (id, name) of the customers to choose from: those planned for today, then one's own, the latest first."""
    planned = sorted({one.customer_id for one in visit_lists.todays_plans(g.member) if one.customer_id})
    wanted = own_customers(g.member)
    order: list[sa.ColumnElement[Any]] = [Customer.updated_at.desc(), Customer.id.desc()]
    if planned:
        is_planned = Customer.id.in_(planned)
        wanted = sa.or_(wanted, sa.and_(is_planned, visible_customers(g.member)))
        order.insert(0, is_planned.desc())
    found = sa.select(Customer.id, Customer.name).where(wanted).order_by(*order).limit(MOST_CUSTOMERS)
    return [(row.id, row.name) for row in db.session.execute(found)]


@bp.get("/session")
def session() -> ResponseReturnValue:
    """JSON of who is signed in, with a token for what they send; asked by script, 401 when nobody is."""
    return jsonify(who=who(), token=generate_csrf())


# --- what it recorded --------------------------------------------------------------------------------------------


@bp.post("/entries")
@limiter.limit(RATE, key_func=per_member)
def take() -> ResponseReturnValue:
    """Take a visit or follow-up that was recorded without network; sent again, it is written once.

    The fields are those of its form, with `record` (a key of `DOORS`), `customer` and `idempotency_key`; `recorded_at`
    and `sent_at` are milliseconds of the phone's own clock, `fix_age` how old the position was when it was recorded.
    Answers 201 with {"url"}, or {"refused": true, "detail", "errors"} where it cannot be taken as it is.
    """
    kind, key = request.form.get("record", ""), request.form.get("idempotency_key", "")
    if request.form.get("who") != who():
        abort(401)  # somebody else's record: it waits for them
    try:
        if kind not in DOORS or not 8 <= len(key) <= LONGEST_KEY:
            raise Invalid({"": _("记录不完整")})
        return jsonify(url=_written_before(key) or _write(kind, key)), 201
    except Problem as refused:
        return _refusal(refused)


def _written_before(key: str) -> str:
    """Return what the key was spent on, "" for nothing yet.

    It may have been the form's own post, whose answer got lost: a key is one press of 保存, whatever else came with it.
    """
    spent = idempotency.spent_on(g.member, key)
    return str(spent.answer.get("url", "")) if spent is not None else ""


def _write(kind: str, key: str) -> str:
    """Write what came; returns its address."""
    log, fields, many = DOORS[kind]
    recorded = _recorded()
    form = Form.read(fields, many)
    if form.typed.get("lat"):
        form.typed["fixed_at"] = (recorded - timedelta(milliseconds=_number("fix_age"))).isoformat()
    if not ownfields.take(form, kind) or not photos.take(form):
        raise Invalid(dict(form.errors))
    customer_id = request.form.get("customer", "")
    if not KEY.fullmatch(customer_id):
        raise Invalid({"customer": _("请选择客户")})
    try:
        return once(key, lambda: log(current_id(customer_id), form, recorded_at=recorded), life=OFFLINE_LIFE)
    except idempotency.KeyReused:  # by the same press, at the same moment
        db.session.rollback()
        return _written_before(key)


def _recorded() -> datetime:
    """Return when the phone took it down, by our clock: as long ago as by its own, however wrong that is."""
    ago = _number("sent_at") - _number("recorded_at")
    return clock.now() - timedelta(milliseconds=max(0, ago))


def _number(name: str) -> int:
    text = request.form.get(name, "")
    if not text.isascii() or not text.isdigit() or int(text[:20]) > LONGEST_MILLISECONDS:
        raise Invalid({"": _("记录不完整")})
    return int(text)


def _refusal(refused: Problem) -> ResponseReturnValue:
    """Answer why a record cannot be taken as it is: it stays on the phone, where it can be mended."""
    db.session.rollback()
    status = status_of(refused)
    if status == 403:
        note_refusal(refused)
    problem = admitted(refused)
    errors = problem.fields if isinstance(problem, Invalid | Duplicate | Conflict) else {}
    detail = str(problem.detail)
    if isinstance(problem, NotFound):
        errors = {"customer": detail}
    return jsonify(refused=True, detail=detail, errors={name: str(text) for name, text in errors.items()}), status
