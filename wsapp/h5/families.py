"""A company group (集团): its customers as a tree, and figures over all of them that the reader sees."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, url_for

from wsapp import clock
from wsapp.crm.customers.actions import change_customer
from wsapp.crm.customers.families import MOST, family_of
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, may_do, visible_customers
from wsapp.crm.fields.access import reads, writes
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.queries import names
from wsapp.crm.visits.models import Visit
from wsapp.db import db
from wsapp.h5 import words
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import show
from wsapp.problems import Forbidden, Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("families", __name__, url_prefix="/h5/customers/<key:customer_id>/group")
bp.before_request(require_member)

LATELY = timedelta(days=30)
CHOICES = 100
INDENT = 6  # deeper levels are not moved further in


@bp.get("")
def page(customer_id: str) -> str:
    """The group that a customer belongs to."""
    customer = find_customer(customer_id, actor=g.member)
    return _show(customer, Form({"parent": customer.parent_id or ""}, version=customer.version))


@bp.post("")
def change(customer_id: str) -> Any:
    """Put a customer under another one, or on its own."""
    form = Form.read(("parent",))

    def act() -> str:
        customer = find_customer(customer_id, actor=g.member)
        change_customer(customer, {"parent": form.typed["parent"]}, actor=g.member, version=form.version)
        return url_for("families.page", customer_id=customer_id)

    def again(problem: Problem | None) -> str:
        customer = find_customer(customer_id, actor=g.member)
        form.version = customer.version
        return _show(customer, form)

    return save(form, act, again=again, words=_("修改已保存"))


def _show(customer: Customer, form: Form) -> str:
    if not reads(g.member, "parent"):
        raise Forbidden(_("您的角色不能查看上级客户"))
    family = family_of(customer, actor=g.member)
    owners = names([one.owner_id for _depth, one in family]) if reads(g.member, "owner") else {}
    rows = [
        {
            "url": url_for("customers.page", customer_id=one.id),
            "name": one.name,
            "indent": "\u2003" * min(depth, INDENT),
            "stage": str(words.STAGES[one.stage]) if reads(g.member, "stage") else "",
            "owner": owners.get(one.owner_id or "", ""),
            "is_here": one.id == customer.id,
        }
        for depth, one in family
    ]
    return show(
        "customers/group.html",
        customer=customer,
        form=form,
        parents=_parents(customer) if may_change(customer) else None,
        rows=rows,
        figures=_figures([one for _depth, one in family]),
        is_cut=len(family) >= MOST,
    )


def may_change(customer: Customer) -> bool:
    """Say whether the reader may put a customer under another one."""
    return writes(g.member, "parent") and may_do(customer, "edit", actor=g.member)


def _parents(customer: Customer) -> list[tuple[str, str]]:
    """Return customers to choose the parent from: the present one, and the newest that the reader sees."""
    choices = sa.select(Customer.id, Customer.name).where(visible_customers(g.member), Customer.id != customer.id)
    newest = (Customer.id == (customer.parent_id or "")).desc(), Customer.updated_at.desc()
    return [(row.id, row.name) for row in db.session.execute(choices.order_by(*newest).limit(CHOICES))]


def _figures(family: Sequence[Any]) -> list[tuple[str, str]]:
    ids, since = [one.id for one in family], clock.now() - LATELY
    found = [(_("客户"), str(len(family)))]
    if reads(g.member, "stage"):
        found.append((_("已成交"), str(sum(one.stage == "dealt" for one in family))))
    for label, model, moment in (
        (_("近 30 天跟进"), FollowUp, FollowUp.happened_at),
        (_("近 30 天拜访"), Visit, Visit.checked_in_at),
    ):
        count = sa.select(sa.func.count()).select_from(model).where(model.customer_id.in_(ids), moment >= since)
        found.append((label, str(db.session.execute(count).scalar_one())))
    return found
