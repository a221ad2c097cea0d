"""Follow-ups (跟进): writing down what was said, and what comes next."""

from typing import Any

from flask import Blueprint, g, url_for

from wsapp import clock
from wsapp.crm.customers.contacts import contacts_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.h5 import ownfields, photos, words
from wsapp.h5.forms import Form, input_value, save, soon
from wsapp.h5.pages import arg, show
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("followups", __name__, url_prefix="/h5/customers/<key:customer_id>/follow-ups")
bp.before_request(require_member)

TEXTS = ("kind", "contact", "text", "outcome", "happened_at", "next_at", "next_action")


@bp.get("/new")
def new(customer_id: str) -> str:
    customer = find_customer(customer_id, actor=g.member)
    typed = {"kind": "phone", "contact": arg("contact"), "happened_at": input_value(clock.now()), "photos": []}
    return _show(customer, Form(typed))


@bp.post("")
def create(customer_id: str) -> Any:
    """Save a follow-up; a next date becomes a task."""
    form = Form.read(TEXTS, ("photos",))

    def act() -> str:
        customer = find_customer(customer_id, actor=g.member)
        log_follow_up(customer, _values(form), actor=g.member, photos=form.typed["photos"])
        return url_for("customers.page", customer_id=customer_id)

    def again(problem: Problem | None) -> str:
        return _show(find_customer(customer_id, actor=g.member), form)

    find_customer(customer_id, actor=g.member)
    ownfields.take(form, "follow_up")
    if not photos.take(form):
        return again(None), 422
    return save(form, act, again=again, words=_("跟进已保存"))


def _values(form: Form) -> dict[str, Any]:
    values = {name: form.typed[name] for name in ("kind", "contact", "text", "outcome", "next_action")}
    values |= {"happened_at": form.moment("happened_at"), "next_at": form.moment("next_at"), "custom": form.custom}
    form.demand_clean()
    return values


def _show(customer: Customer, form: Form) -> str:
    return show(
        "followups/new.html",
        counted=False,
        customer=customer,
        form=form,
        kinds=list(words.FOLLOW_UP_KINDS.items()),
        contacts=[(one.id, one.name) for one in contacts_of(customer.id)],
        soon=soon(),
        latest=input_value(clock.now()),
        kept=photos.kept(form.typed["photos"]),
        custom=ownfields.drawn("follow_up", form, parent=customer.custom),
    )
