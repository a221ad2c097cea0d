"""Co-workers (协作人) of a customer: who they are, one more, one less."""

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, request, url_for

from wsapp.crm.appeals.cards import day_words
from wsapp.crm.customers.coworkers import MOST, add_coworker, coworkers_of, remove_coworker
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, may_by_right
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import member
from wsapp.db import db, rows
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import go, show
from wsapp.problems import Invalid, Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("coworkers", __name__, url_prefix="/h5/customers/<key:customer_id>/coworkers")
bp.before_request(require_member)

MOST_COLLEAGUES = 500


@bp.get("")
def page(customer_id: str) -> str:
    """Who co-works on a customer."""
    return _show(find_customer(customer_id, actor=g.member), Form({"access": "read"}))


def _show(customer: Customer, form: Form) -> str:
    there = coworkers_of(customer.id)
    may_share = may_by_right(customer, "edit", actor=g.member) and reads(g.member, "owner")
    taken = {customer.owner_id, *(one.member_id for one in there)}
    colleagues = [one for one in colleagues_of_all() if one.id not in taken] if may_share and len(there) < MOST else []
    return show(
        "customers/coworkers.html",
        counted=False,
        customer=customer,
        form=form,
        coworkers=[
            {
                "id": one.member_id,
                "name": one.name,
                "may_edit": one.may_edit,
                "until": day_words(one.until) if one.until else "",
                "removable": may_share or one.member_id == g.member.id,
                "is_me": one.member_id == g.member.id,
            }
            for one in there
        ],
        most=MOST,
        may_share=may_share,
        people=[(one.id, one.name) for one in colleagues],
        userids=[one.userid for one in colleagues],
    )


def colleagues_of_all() -> Any:
    """Return the active people of the corp, by name: whom the host's own list shows to everybody as well."""
    found = sa.select(Member).where(Member.status == ACTIVE).order_by(Member.name, Member.id)
    return rows(found.limit(MOST_COLLEAGUES))


@bp.post("")
def create(customer_id: str) -> Any:
    """Add a co-worker; they are told."""
    form = Form.read(("member", "access"))

    def act() -> str:
        customer = find_customer(customer_id, actor=g.member)
        person = member(form.typed["member"])
        if person is None:
            raise Invalid({"member": _("请选择负责人以外的在职同事")})
        add_coworker(customer, person, may_edit=form.typed["access"] == "edit", actor=g.member)
        return url_for("coworkers.page", customer_id=customer_id)

    def again(problem: Problem | None) -> str:
        return _show(find_customer(customer_id, actor=g.member), form)

    return save(form, act, again=again, words=_("协作人已添加"))


@bp.post("/removal")
def remove(customer_id: str) -> Any:
    """Remove a co-worker, or leave."""
    customer = find_customer(customer_id, actor=g.member)
    member_id = request.form.get("member", "").replace("\0", "")
    remove_coworker(customer, member_id, actor=g.member)
    db.session.commit()
    left = member_id == g.member.id
    url = url_for("customers.index") if left else url_for("coworkers.page", customer_id=customer_id)
    return go(url, _("已退出协作") if left else _("协作人已移除"))
