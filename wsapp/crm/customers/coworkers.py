"""Co-workers (协作人): people besides the owner who see a customer, and edit it where they may."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.customers.queries import demand_own_right
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.db import db, first, new_id
from wsapp.kept import Kept
from wsapp.problems import Forbidden, Invalid, NotFound
from wsapp.texts import _

MOST = 20

_OF_CUSTOMER = Kept(
    sa.select(Coworker.member_id, Coworker.may_edit, Coworker.since, Coworker.until, Member.name, Member.userid)
    .join(Member, sa.and_(Member.corp_id == Coworker.corp_id, Member.id == Coworker.member_id))
    .where(Coworker.customer_id == sa.bindparam("customer", type_=sa.String))
    .order_by(Coworker.since, Coworker.id)
)


def coworkers_of(customer_id: str) -> Sequence[Any]:
    """Return (member_id, may_edit, since, until, name, userid) of a customer's co-workers, the first one first."""
    return _OF_CUSTOMER.all(customer=customer_id)


def add_coworker(
    customer: Customer,
    person: Member,
    *,
    may_edit: bool,
    actor: Member,
    quietly: bool = False,
    until: date | None = None,
) -> Coworker:
    """Let somebody of the corp work on a customer (添加协作人), or change what a co-worker may.

    `quietly`: they hear of it otherwise, as whoever asked for it does. `until` is the last day, None: for good; of
    a co-worker who is there already the later one counts.
    Raises Forbidden unless the actor may edit the customer in their own right and knows its owner, who cannot be added;
    Invalid for the owner, for whoever is not active, and beyond `MOST`.
    """
    demand_own_right(customer, "edit", actor=actor)
    if not quietly and not reads(actor, "owner"):
        raise Forbidden(_("您没有权限这样做，请联系管理员"))
    if person.status != ACTIVE or person.id == customer.owner_id:
        raise Invalid({"member": _("请选择负责人以外的在职同事")})
    # One at a time: two at once would get past the limit together.
    db.session.execute(sa.select(Customer.id).where(Customer.id == customer.id).with_for_update())
    there: Coworker | None = first(
        sa.select(Coworker).where(Coworker.customer_id == customer.id, Coworker.member_id == person.id)
    )
    if there is not None:
        there.until = max(there.until, until) if there.until and until else None
    if there is not None and there.may_edit == may_edit:
        return there
    if there is None:
        if len(coworkers_of(customer.id)) >= MOST:
            raise Invalid({"member": _("最多 %(most)d 位协作人", most=MOST)})
        there = Coworker(
            id=new_id(),
            customer_id=customer.id,
            member_id=person.id,
            may_edit=may_edit,
            since=clock.now(),
            until=until,
        )
        db.session.add(there)
        before = None
    else:
        before = there.may_edit
        there.may_edit = may_edit
    db.session.flush()
    record(
        "customer.shared",
        customer,
        actor=actor,
        customer_id=customer.id,
        member=person.id,
        name=person.name,
        may_edit=may_edit,
        before=before,
        together=quietly,
    )
    return there


def remove_coworker(customer: Customer, member_id: str, *, actor: Member) -> None:
    """End somebody's co-work on a customer (移除协作人). People may leave by themselves. Raises NotFound, Forbidden."""
    if member_id != actor.id:
        demand_own_right(customer, "edit", actor=actor)
    there: Coworker | None = first(
        sa.select(Coworker).where(Coworker.customer_id == customer.id, Coworker.member_id == member_id)
    )
    if there is None:
        raise NotFound(_("这位同事不是协作人"))
    db.session.delete(there)
    db.session.flush()
    record("customer.unshared", customer, actor=actor, customer_id=customer.id, member=member_id)
