"""Who owns a customer (负责人): giving it to somebody, and back into a pool."""

from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, may_by_right
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import assignable_members, may_see_member, names
from wsapp.crm.pools.actions import REASONS, demand_owner_rights, find_assignable, needs_approval
from wsapp.crm.pools.belongings import Belongings, belongings_of
from wsapp.crm.pools.handovers import hand_over_one
from wsapp.crm.pools.models import LEADS
from wsapp.crm.pools.queries import kind_of, pools_of
from wsapp.crm.pools.releases import release_or_ask
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import show
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("owners", __name__, url_prefix="/h5/customers")
bp.before_request(require_member)


def may_part(customer: Customer, actor: Member) -> bool:
    """Say whether the actor may give the customer away or back into a pool."""
    return customer.owner_id is not None and may_by_right(customer, "transfer", actor=actor)


def _after(customer: Customer) -> str:
    if may_see_member(g.member, customer.owner_id):
        return url_for("customers.page", customer_id=customer.id)
    return url_for("customers.index")


# --- give it to somebody ------------------------------------------------------------------------------------------


@bp.get("/<key:customer_id>/assignment")
def choose(customer_id: str) -> str:
    customer = find_assignable(customer_id, actor=g.member)
    demand_owner_rights(g.member)
    return _show_choice(customer, Form({"tasks": "1"}))


def _show_choice(customer: Customer, form: Form) -> str:
    people = [(one.id, one.name) for one in assignable_members(g.member) if one.id != customer.owner_id]
    back = "pool.page" if customer.owner_id is None and customer.pool_id else "customers.page"
    along = belongings_of([customer.id], actor=g.member) if customer.owner_id else None
    return show(
        "owners/assign.html",
        counted=False,
        customer=customer,
        owner=names([customer.owner_id]).get(customer.owner_id or "", ""),
        people=people,
        form=form,
        figures=_figures(along) if along else [],
        back=url_for(back, customer_id=customer.id),
    )


def _figures(along: Belongings) -> list[tuple[int, str, str, bool]]:
    return [
        (along.contacts, _("联系人"), "", False),
        (along.tasks, _("未完成的待办"), "", False),
        (along.records, _("跟进和拜访"), "", False),
    ]


@bp.post("/<key:customer_id>/assignment")
def assign(customer_id: str) -> Any:
    """Make somebody the owner; `tasks`: open ones go along, `stays`: the former owner may still read."""
    form = Form.read(("owner", "tasks", "stays"))

    def act() -> str:
        customer = find_assignable(customer_id, actor=g.member)
        chosen = {"with_tasks": form.typed["tasks"] == "1", "stays": form.typed["stays"] == "1"}
        hand_over_one(customer, form.typed["owner"], actor=g.member, **chosen)
        return _after(customer)

    def again(problem: Problem | None) -> str:
        return _show_choice(find_assignable(customer_id, actor=g.member), form)

    return save(form, act, again=again, words=_("负责人已变更"))


# --- give it back -------------------------------------------------------------------------------------------------


@bp.get("/<key:customer_id>/release")
def leave(customer_id: str) -> str:
    return _show_release(find_customer(customer_id, actor=g.member), Form())


def _show_release(customer: Customer, form: Form) -> str:
    pools = [one for one in pools_of(g.member) if one.kind != LEADS or kind_of(customer.lead) == LEADS]
    return show(
        "owners/release.html",
        counted=False,
        customer=customer,
        reasons=list(REASONS.items()),
        asks=needs_approval(customer, g.member),
        pools=[(one.id, one.name) for one in pools] if len(pools) > 1 else [],
        form=form,
        back=url_for("customers.page", customer_id=customer.id),
    )


@bp.post("/<key:customer_id>/release")
def release(customer_id: str) -> Any:
    """Put the customer back into a pool, with the reason; or ask the manager, where the corp wants that."""
    asks = needs_approval(find_customer(customer_id, actor=g.member), g.member)
    form = Form.read(("reason", "words", "pool"))

    def act() -> str:
        customer = find_customer(customer_id, actor=g.member)
        why = form.typed["words"] or form.typed["reason"]
        asked = release_or_ask(customer, actor=g.member, reason=why, pool_id=form.typed["pool"] or None)
        return url_for("leaving.one", request_id=asked.id) if asked else url_for("customers.index")

    def again(problem: Problem | None) -> str:
        return _show_release(find_customer(customer_id, actor=g.member), form)

    return save(form, act, again=again, words=_("已申请退回，等待主管答复") if asks else _("已退回公海"))
