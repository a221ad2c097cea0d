"""Leads (线索): their own list by state, a short form, and what becomes of them."""

from functools import cache
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, request, url_for

from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.dedupe import find_duplicates
from wsapp.crm.customers.lead_order import LEAD_SORTS, column_of, values_for
from wsapp.crm.customers.leads import (
    INVALID_REASONS,
    SCORE_COLUMNS,
    confirm_lead,
    convert_lead,
    reject_lead,
    reopen_lead,
    score_of,
    sees_score,
    start_lead,
)
from wsapp.crm.customers.models import LEADS, Customer
from wsapp.crm.customers.queries import find_customer, visible_customers
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import Viewer, is_actor, sees_others, viewer_of, viewer_values
from wsapp.db import db
from wsapp.h5 import ownfields, panels, words
from wsapp.h5.forms import Form, save
from wsapp.h5.known import ask_about, known
from wsapp.h5.pages import PAGE_SIZE, choice, cursor, go, here_with, next_page, show
from wsapp.paging import page
from wsapp.problems import Invalid, Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("leads", __name__, url_prefix="/h5/leads")
bp.before_request(require_member)

TEXTS = ("name", "source", "note", "contact_name")
COLUMNS = (
    Customer.id,
    Customer.name,
    Customer.lead,
    Customer.respond_by,
    Customer.responded_at,
    Customer.updated_at,
    Member.name.label("owner_name"),
    *SCORE_COLUMNS,
)


@bp.get("")
def index() -> str:
    """The leads in one state, mine or the team's: new ones by when their response is due, others last changed first."""
    is_leader = sees_others(g.member)
    scope = choice("scope", ("mine", "team"), "mine") if is_leader else "mine"
    state = choice("state", LEADS, "new")
    orders = _orders()
    sort = choice("sort", orders, "respond_by" if state == "new" else "-updated_at")
    found, after = page(
        _leads(viewer_of(g.member), scope == "mine", sort),
        sorts=LEAD_SORTS,
        sort=sort,
        id_column=Customer.id,
        limit=PAGE_SIZE,
        cursor=cursor(),
        values={**viewer_values(g.member), "state": state, **values_for(sort, clock.now())},
    )
    scopes = (("mine", _("我负责的")), ("team", _("团队")))
    return show(
        "leads/index.html",
        leads=[_row(one, scope == "team") for one in found],
        next_url=next_page(after),
        states=[(here_with(state=key), str(words.LEADS[key]), key == state, None) for key in LEADS],
        scopes=[(here_with(scope=key), text, key == scope, None) for key, text in scopes] if is_leader else [],
        order=str(orders[sort]),
        orders=[{"text": str(text), "url": here_with(sort=key)} for key, text in orders.items()],
    )


def _orders() -> dict[str, Any]:
    """The orders that tell nothing of what the reader's role hides."""
    hidden = set() if sees_score(g.member) else {"-score"}
    hidden |= set() if reads(g.member, "source") else {"source"}
    return {key: text for key, text in words.LEAD_ORDERS.items() if key not in hidden}


@cache
def _leads(viewer: Viewer, mine: bool, sort: str) -> Any:
    owner = sa.and_(Member.corp_id == Customer.corp_id, Member.id == Customer.owner_id)
    statement = sa.select(*COLUMNS, *column_of(sort)).select_from(Customer).outerjoin(Member, owner)
    statement = statement.where(Customer.lead == sa.bindparam("state", type_=sa.String), visible_customers(viewer))
    return statement.where(is_actor(Customer.owner_id, viewer)) if mine else statement


def _row(one: Any, with_owner: bool) -> dict[str, Any]:
    score = score_of(one._asdict(), clock.now()) if sees_score(g.member) else None
    return {
        "url": url_for("customers.page", customer_id=one.id),
        "text": one.name,
        "sub": " · ".join(
            filter(
                None,
                (
                    one.owner_name if with_owner and reads(g.member, "owner") else "",
                    one.source if reads(g.member, "source") else "",
                    panels.response_words(one),
                ),
            )
        ),
        "value": _("%(n)s 分", n=score.total) if score else "",
    }


# --- new ----------------------------------------------------------------------------------------------------------


@bp.get("/new")
def new() -> str:
    return _show_new(Form({}))


@bp.post("")
def create() -> Any:
    """Save a new lead; a known phone number is refused, and the customer that has it can be opened instead."""
    form = Form.read((*TEXTS, "similar_ok"), ("phones",))
    form.typed["phones"] = [number for number in form.typed["phones"] if number.strip()]
    ownfields.take(form, "customer")

    def act() -> str:
        values = {name: form.typed[name] for name in ("name", "source", "note", "phones")}
        if not form.typed["similar_ok"]:
            ask_about(find_duplicates(values, actor=g.member), _("已有名称相同或相近的客户，请先核对"))
        form.demand_clean()
        customer = create_customer({**values, "custom": form.custom}, actor=g.member, as_lead=True)
        start_lead(customer, actor=g.member)
        if form.typed["contact_name"]:
            try:
                add_contact(customer, {"name": form.typed["contact_name"]}, actor=g.member)
            except Invalid as problem:
                raise Invalid({"contact_name": problem.fields.get("name", problem.detail)}) from None
        return url_for("customers.page", customer_id=customer.id)

    return save(form, act, again=lambda problem: _show_new(form, problem), words=_("线索已保存"))


def _show_new(form: Form, problem: Problem | None = None) -> str:
    own = ownfields.drawn("customer", form)
    return show("leads/new.html", counted=False, form=form, custom=own, **known(problem))


# --- what becomes of one ------------------------------------------------------------------------------------------


@bp.post("/<key:customer_id>/state")
def decide(customer_id: str) -> Any:
    """Say what becomes of a lead: valid, invalid with a reason, converted, or taken up again."""
    customer = find_customer(customer_id, actor=g.member)
    state, reason = request.form.get("state", ""), request.form.get("reason", "")
    here = url_for("customers.page", customer_id=customer_id)
    try:
        said = _decide(customer, state, reason if reason in INVALID_REASONS else "")
    except Invalid as problem:
        db.session.rollback()
        return go(here, problem.detail)
    db.session.commit()
    return go(here, said)


def _decide(customer: Customer, state: str, reason: str) -> str:
    match state:
        case "valid":
            confirm_lead(customer, actor=g.member)
            return _("已标为有效线索")
        case "invalid":
            reject_lead(customer, reason, actor=g.member)
            return _("已标为无效线索")
        case "converted":
            convert_lead(customer, actor=g.member)
            return _("已转为客户，全部资料已保留")
        case "working":
            reopen_lead(customer, actor=g.member)
            return _("已重新跟进")
        case _:
            raise Invalid({"": _("请从列表中选择")})
