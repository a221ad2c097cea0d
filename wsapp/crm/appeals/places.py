"""A customer's place moves by more than 500 m: not without the word of whoever leads the owner (product rule 3.2)."""

from collections.abc import Mapping
from typing import Any

from wsapp.crm.appeals.asking import ask, replace_own_move
from wsapp.crm.appeals.models import MOVE, Appeal
from wsapp.crm.appeals.parties import customer_of, may_move
from wsapp.crm.customers.actions import change_customer, clean_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import demand_right, find_customer, may_do
from wsapp.crm.fields.access import demand_writable
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import manager_of, member
from wsapp.crm.pools.requests import reader_of
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.places import LEAP
from wsapp.geo import metres_between
from wsapp.problems import Conflict, Invalid
from wsapp.texts import _


def change_or_ask(
    customer: Customer, values: Mapping[str, Any], *, actor: Member, version: int | None = None
) -> Appeal | None:
    """Change a customer as `change_customer` does; a place far from the present one is asked for instead.

    Returns what was asked, None when all of it is done. Raises what `change_customer` raises; Invalid when nobody is
    there to ask; Conflict while somebody else's request for another place waits.
    """
    if not _has_to_ask(customer, values, actor):
        change_customer(customer, values, actor=actor, version=version)
        return None
    clean = clean_customer({"location": values["location"]}, whole=False)
    demand_right(customer, "edit", actor=actor)
    demand_writable(actor, ["location"])
    change_customer(customer, {k: one for k, one in values.items() if k != "location"}, actor=actor, version=version)
    after = None if clean["lat"] is None else [clean["lat"], clean["lng"]]
    return _ask_to_move(customer, after, actor)


def _has_to_ask(customer: Customer, values: Mapping[str, Any], actor: Member) -> bool:
    if "location" not in values or customer.place is None or may_move(customer, actor):
        return False
    clean = clean_customer({"location": values["location"]}, whole=False)
    if clean["lat"] is None:
        return True  # or the next place would be a first one
    return metres_between((clean["lat"], clean["lng"]), customer.place) > LEAP


def _ask_to_move(customer: Customer, after: list[float] | None, actor: Member) -> Appeal:
    before = customer.place
    assert before is not None
    metres = round(metres_between((after[0], after[1]), before)) if after else None
    replace_own_move(customer.id, actor=actor)
    facts = {"before": list(before), "after": after, "metres": metres}
    return ask(MOVE, customer, _leader(customer, actor), actor=actor, facts=facts)


def _leader(customer: Customer, actor: Member) -> Member:
    owner = member(customer.owner_id)
    above = manager_of(owner) if owner else None
    return above if above is not None and above.id != actor.id else reader_of(actor)


def move_to_visit(visit: Visit, *, actor: Member) -> Appeal | None:
    """Take the position of a visit as its customer's place; returns what was asked, where a leader has to agree.

    Raises NotFound, Forbidden; Invalid where the visit has no position.
    """
    customer = find_customer(visit.customer_id, actor=actor)
    if visit.lat is None or visit.lng is None:
        raise Invalid({"": _("这次拜访没有位置")})
    return change_or_ask(customer, {"location": {"lat": visit.lat, "lng": visit.lng}}, actor=actor)


def grant_place(appeal: Appeal, *, actor: Member) -> None:
    """Move the customer to the place that was asked for. Raises Conflict where the decider may not after all."""
    customer, asker = customer_of(appeal), member(appeal.asker_id)
    after = appeal.facts["after"]
    location = {"lat": after[0], "lng": after[1]} if after else None
    if customer is None or asker is None:
        raise Conflict({"answer": _("客户不存在或无权查看")})
    change_customer(customer, {"location": location}, actor=actor if may_do(customer, "edit", actor=actor) else asker)
