"""Follow-ups (跟进): writing down what was said, and what comes next."""

from typing import Any

from flask import Blueprint, g, url_for

from wsapp import clock
from wsapp.crm.customers.contacts import contacts_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.drafts.drafting import draft
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.phrases.actions import note_uses
from wsapp.h5 import mentions, ownfields, photos, phrases, words
from wsapp.h5.forms import OFFLINE_LIFE, Form, input_value, save, soon
from wsapp.h5.pages import arg, per_member, show
from wsapp.h5.saying import RATE, fill, said_here
from wsapp.house import local_now
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("followups", __name__, url_prefix="/h5/customers/<key:customer_id>/follow-ups")
bp.before_request(require_member)

TEXTS = ("kind", "contact", "text", "outcome", "happened_at", "next_at", "next_action", *mentions.FIELDS)
LISTS = ("photos", *mentions.LISTS)


@bp.get("/new")
def new(customer_id: str) -> str:
    return draw(find_customer(customer_id, actor=g.member), begun())


@bp.post("/draft")
@limiter.limit(RATE, key_func=per_member)
def draft_in(customer_id: str) -> Any:
    """Put what was said into the form, beside what was typed; nothing is saved."""
    customer = find_customer(customer_id, actor=g.member)
    form = Form.read(TEXTS, LISTS)
    ownfields.take(form, "follow_up")
    photos.take(form)
    if phrases.put(form, "text"):
        return draw(customer, form)
    sentence = said_here()
    if not sentence:
        form.errors["said"] = _("请先说一句或写一句")
        return draw(customer, form), 422
    return draw(customer, form, fill(form, draft(sentence, actor=g.member, now=local_now(), customer=customer)))


@bp.post("")
def create(customer_id: str) -> Any:
    """Save a follow-up; a next date becomes a task."""
    form = Form.read(TEXTS, LISTS)

    def act() -> str:
        return log(customer_id, form)

    def again(problem: Problem | None) -> str:
        return draw(find_customer(customer_id, actor=g.member), form, problem=problem)

    find_customer(customer_id, actor=g.member)
    ownfields.take(form, "follow_up")
    if not photos.take(form):
        return again(None), 422
    return save(form, act, again=again, words=_("跟进已保存"), life=OFFLINE_LIFE)


def log(customer_id: str, form: Form, **more: Any) -> str:
    """Save what the form holds, and `more` that the form does not say; returns the customer's address."""
    customer = find_customer(customer_id, actor=g.member)
    log_follow_up(customer, _values(form) | more, actor=g.member, photos=form.typed["photos"])
    note_uses(form.typed["text"], actor=g.member)
    return url_for("customers.page", customer_id=customer_id)


def _values(form: Form) -> dict[str, Any]:
    values = {name: form.typed[name] for name in ("kind", "contact", "text", "outcome", "next_action")}
    values |= {"happened_at": form.moment("happened_at"), "next_at": form.moment("next_at"), "custom": form.custom}
    values |= mentions.values(form)
    form.demand_clean()
    return values


def begun() -> Form:
    """Return the form as it begins."""
    typed: dict[str, Any] = dict.fromkeys(TEXTS, "")
    typed |= {"kind": "phone", "contact": arg("contact"), "happened_at": input_value(clock.now())}
    return Form(typed | {"photos": [], "mentions": []})


def draw(customer: Customer, form: Form, heard: dict[str, Any] | None = None, *, problem: Problem | None = None) -> str:
    """Show the form; `heard` is what `saying.fill` returned, where a sentence filled it."""
    return show(
        "followups/new.html",
        counted=False,
        customer=customer,
        form=form,
        kinds=list(words.FOLLOW_UP_KINDS.items()),
        contacts=[(one.id, one.name) for one in contacts_of(customer.id)],
        heard=heard or {},
        mentions=mentions.drawn(form, problem),
        phrases=phrases.offered(),
        soon=soon(),
        latest=input_value(clock.now()),
        kept=photos.kept(form.typed["photos"]),
        custom=ownfields.drawn("follow_up", form, parent=customer.custom),
    )
