"""Asking for help on a customer (请求协助): who accepts works along on it, until the day that was said."""

from collections.abc import Sequence
from datetime import date, timedelta

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.appeals.asking import ask, clean_note, open_about
from wsapp.crm.appeals.models import HELP, Appeal
from wsapp.crm.appeals.parties import customer_of
from wsapp.crm.customers.coworkers import MOST, add_coworker, coworkers_of
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import demand_right, find_customer, may_by_right
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import member
from wsapp.db import db, first, rows
from wsapp.house import local_now, zone
from wsapp.problems import Conflict, Forbidden, Invalid
from wsapp.texts import _

AT_ONCE = 10  # colleagues
FARTHEST = timedelta(days=366)


def ask_for_help(
    customer_id: str, people: Sequence[str], *, actor: Member, note: str, may_edit: bool = False, until: date | None
) -> list[Appeal]:
    """Ask colleagues (ids) to work along on a customer, to look or to edit, until a day (None: for good).

    Who was asked already and has not answered is not asked twice. Raises NotFound; Forbidden, see `demand_may_ask`;
    Invalid for whoever cannot be asked, and where there would be too many co-workers; Conflict when all
    of them were asked before.
    """
    customer = find_customer(customer_id, actor=actor)
    demand_may_ask(customer, actor)
    note = clean_note(note, required=True)
    if until is not None and not local_now().date() <= until <= local_now().date() + FARTHEST:
        raise Invalid({"until": _("请选择今天起一年之内的日期")})
    wanted = list(dict.fromkeys(people))
    there = {one.member_id for one in coworkers_of(customer.id)}
    waiting = {one.reader_id for one in open_about(customer.id, HELP)}
    readers = rows(sa.select(Member).where(Member.id.in_(wanted), Member.status == ACTIVE).order_by(Member.id))
    if not wanted or len(readers) != len(wanted) or {customer.owner_id, actor.id} & {*wanted}:
        raise Invalid({"people": _("请选择自己和负责人以外的在职同事")})
    if known := [one.name for one in readers if one.id in there]:
        raise Invalid({"people": _("%(names)s 已经是协作人", names=_("、").join(known))})
    if len(wanted) > AT_ONCE or len(there | waiting | {*wanted}) > MOST:
        raise Invalid({"people": _("最多 %(most)d 位协作人，一次最多请求 %(n)d 位同事", most=MOST, n=AT_ONCE)})
    fresh = [one for one in readers if one.id not in waiting]
    if not fresh:
        raise Conflict({"people": _("已经请求过，请等待答复")})
    facts = {"may_edit": may_edit, "until": until.isoformat() if until else None}
    return [ask(HELP, customer, one, actor=actor, note=note, facts=facts, each=True) for one in fresh]


def demand_may_ask(customer: Customer, actor: Member) -> None:
    """Raise Forbidden unless the actor may edit the customer and knows its owner, who cannot be asked."""
    demand_right(customer, "edit", actor=actor)
    if not reads(actor, "owner"):
        raise Forbidden(_("您没有权限这样做，请联系管理员"))


def begin_help(appeal: Appeal) -> None:
    """Make who accepted a co-worker. Raises Conflict where the customer has as many as it may have."""
    customer, reader, asker = customer_of(appeal), member(appeal.reader_id), member(appeal.asker_id)
    assert customer is not None
    assert reader is not None
    assert asker is not None
    # A co-worker asks in the owner's name, who hears of it.
    giver = asker if may_by_right(customer, "edit", actor=asker) else member(customer.owner_id)
    if giver is None:
        raise Conflict({"answer": _("请求者已经不能编辑这位客户")})
    until = date.fromisoformat(appeal.facts["until"]) if appeal.facts["until"] else None
    try:
        add_coworker(customer, reader, may_edit=appeal.facts["may_edit"], actor=giver, quietly=True, until=until)
    except (Invalid, Forbidden) as problem:
        raise Conflict({"answer": problem.detail}) from None
    if until is not None:
        outbox.enqueue("coworkers.end", {}, due_at=clock.start_of_day(until + timedelta(days=1), zone()))


def end_coworkers() -> int:
    """End co-work whose day is over; returns of how many. The system does it, the customer's timeline tells."""
    over = rows(sa.select(Coworker).where(Coworker.until < local_now().date()).order_by(Coworker.id))
    for one in over:
        db.session.delete(one)
        db.session.flush()
        _record_end(one)
    return len(over)


def _record_end(ended: Coworker) -> None:
    customer: Customer | None = first(sa.select(Customer).where(Customer.id == ended.customer_id))
    if customer is not None:
        record("customer.unshared", customer, actor=None, customer_id=customer.id, member=ended.member_id)
