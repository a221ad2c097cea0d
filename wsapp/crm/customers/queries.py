"""Which customers a person may see, in one condition for lists and single records alike."""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from wsapp.crm.customers.clean import name_key, normal_phone
from wsapp.crm.customers.models import Coworker, Customer, CustomerMerge, CustomerPhone
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import VIEWER_SHARED, Viewer, is_actor, viewer_of, viewer_values, within_team
from wsapp.crm.org.rights import may, sight
from wsapp.crm.org.roles import VALUE_FIELDS
from wsapp.db import as_loaded, db, first, is_postgresql, rows
from wsapp.kept import Kept, columns_of, one_of, one_of_rows
from wsapp.problems import Forbidden, NotFound
from wsapp.texts import _

# What a list shows of a customer. Columns, not objects: a list of 20 is the hottest page there is.
LIST_COLUMNS = (
    Customer.id,
    Customer.name,
    Customer.short_name,
    Customer.kind,
    Customer.level,
    Customer.stage,
    Customer.owner_id,
    Customer.last_followed_at,
    Customer.next_follow_at,
    Customer.created_at,
    Customer.updated_at,
)
SORTS = {
    "-updated_at": (Customer.updated_at, True),
    "updated_at": (Customer.updated_at, False),
    "-created_at": (Customer.created_at, True),
    "created_at": (Customer.created_at, False),
    "name": (Customer.name, False),
    "-name": (Customer.name, True),
}

CHANGING = ("edit", "transfer", "delete")  # what a co-worker does only with the right to edit


def visible_customers(actor: Member | Viewer) -> sa.ColumnElement[bool]:
    """Return the condition for the customers that the actor may see: their people's, and those shared with them."""
    return covered_customers(actor, "see")


def covered_customers(actor: Member | Viewer, action: str) -> sa.ColumnElement[bool]:
    """Return the condition for the customers with which the actor may do `action` (edit, transfer, delete, export …).

    A kept statement (`Viewer`) is for "see" alone. Whoever edits as a co-worker must be one who may.
    """
    there = Customer.deleted_at.is_(None)
    if isinstance(actor, Viewer):
        if actor is Viewer.WHOLE:
            return there
        theirs = within_team(Customer.owner_id, actor)
        return sa.and_(there, sa.or_(theirs, is_shared_with(actor), *_having_any(actor)))
    covered = sight(actor, "customer", action)
    if covered.people is None:
        return there
    covers = [within_team(Customer.owner_id, actor, "customer", action)]
    if covered.shared:
        covers.append(is_shared_with(actor, may_edit=action in CHANGING))
    covers += [getattr(Customer, field).in_(values) for field, values in covered.values().items()]
    return sa.and_(there, sa.or_(*covers))


def _having_any(viewer: Viewer) -> list[Any]:
    if viewer is not Viewer.PICKED:
        return []
    return [one_of(getattr(Customer, field), f"having_{field}") for field in VALUE_FIELDS]


def own_customers(actor: Member | Viewer) -> sa.ColumnElement[bool]:
    """Return the condition for the visible customers that are the actor's own.

    Of who sees only their own, without "or shared": PostgreSQL would no longer see that the index of owners has them in
    order, and sort them all.
    """
    mine = is_actor(Customer.owner_id, actor)
    if (actor if isinstance(actor, Viewer) else viewer_of(actor)) is Viewer.SELF:
        return sa.and_(Customer.deleted_at.is_(None), mine)
    return sa.and_(visible_customers(actor), mine)


def visible_in_lists(actor: Member) -> sa.ColumnElement[bool]:
    """Return `visible_customers`, said so that a list finds them by their owner where it can.

    Who sees only their own and co-works on nothing, which is most people, has an index in the order of the list. With
    "or shared" the databases read the whole book in that order instead: 200 ms at 100,000 customers, measured.
    """
    covered = sight(actor, "customer", "see")
    if covered.people == frozenset({actor.id}) and not covered.having and not _co_works_at_all(actor):
        return sa.and_(Customer.deleted_at.is_(None), Customer.owner_id == actor.id)
    return visible_customers(actor)


def _co_works_at_all(actor: Member) -> bool:
    return first(sa.select(Coworker.id).where(Coworker.member_id == actor.id).limit(1)) is not None


def is_shared_with(actor: Member | Viewer, *, may_edit: bool = False) -> sa.ColumnElement[bool]:
    """Return the condition that the actor co-works on a customer; with `may_edit`, that they may change it."""
    shared = sa.select(Coworker.customer_id)
    if isinstance(actor, Viewer):
        shared = shared.where(Coworker.member_id == VIEWER_SHARED)
    else:
        shared = shared.where(is_actor(Coworker.member_id, actor))
    if may_edit:
        shared = shared.where(Coworker.may_edit)
    return one_of_rows(Customer.id, shared)


def may_do(customer: Customer, action: str, *, actor: Member) -> bool:
    """Say whether the actor may do something with a customer that they see."""
    if may_by_right(customer, action, actor=actor):
        return True
    return may(actor, action, customer.owner_id, shared=_co_works(customer, actor, may_edit=action in CHANGING))


def may_by_right(customer: Customer, action: str, *, actor: Member) -> bool:
    """Say whether the actor may do something with a customer in their own right, and not for co-working on it."""
    covered = sight(actor, "customer", action)
    return covered.covers(customer.owner_id) or covered.covers_by_value(customer)


def demand_own_right(customer: Customer, action: str, *, actor: Member) -> None:
    """Raise Forbidden unless the actor may do something with a customer in their own right."""
    if not may_by_right(customer, action, actor=actor):
        raise Forbidden(_("您没有权限这样做，请联系管理员"))


def demand_right(customer: Customer, action: str, *, actor: Member) -> None:
    """Raise Forbidden unless the actor may do something with a customer that they see."""
    if not may_do(customer, action, actor=actor):
        raise Forbidden(_("您可以查看这位客户，但没有权限这样做，请联系负责人或管理员"))


def _co_works(customer: Customer, actor: Member, *, may_edit: bool) -> bool:
    shared = sa.select(Coworker.id).where(Coworker.customer_id == customer.id, Coworker.member_id == actor.id)
    if may_edit:
        shared = shared.where(Coworker.may_edit)
    return first(shared) is not None


def find_customer(customer_id: str, *, actor: Member) -> Customer:
    """Return a customer that the actor may see; raises NotFound for all others."""
    asked, values = _customer_seen_by(viewer_of(actor)), viewer_values(actor)
    row = asked.first(customer=customer_id, **values)
    if row is None and (other_id := current_id(customer_id)) != customer_id:
        row = asked.first(customer=other_id, **values)
    if row is None:
        raise NotFound(_("客户不存在或无权查看"))
    return as_loaded(Customer, row._asdict())


@cache
def _customer_seen_by(viewer: Viewer) -> Kept:
    customer_id = sa.bindparam("customer", type_=sa.String)
    return Kept(sa.select(*columns_of(Customer)).where(Customer.id == customer_id, visible_customers(viewer)))


def current_id(customer_id: str) -> str:
    """Return under which id a customer is found now: of one that was merged into another, however long ago, that one's.

    Every lookup by an id from outside asks here when it finds nothing, so that old links and cards go on leading there.
    """
    for _step in range(8):  # winners may have been merged, too
        merged = sa.select(CustomerMerge.winner_id).where(
            CustomerMerge.loser_id == customer_id, CustomerMerge.undone_at.is_(None)
        )
        winner_id = first(merged.limit(1))
        if winner_id is None:
            return customer_id
        customer_id = winner_id
    return customer_id


def current_ids(customer_ids: Collection[str]) -> dict[str, str]:
    """Return those of the ids that are of before a merge, with those under which the customers are found now."""
    merged = sa.select(CustomerMerge.loser_id).where(
        CustomerMerge.loser_id.in_(sorted(customer_ids)), CustomerMerge.undone_at.is_(None)
    )
    return {one: current_id(one) for one in db.session.scalars(merged)} if customer_ids else {}


def find_customers(customer_ids: Sequence[str | None], *, actor: Member) -> dict[str, Customer]:
    """Return those of the customers that the actor may see, by id."""
    wanted = sorted({one for one in customer_ids if one})
    if not wanted:
        return {}
    found = rows(sa.select(Customer).where(Customer.id.in_(wanted), visible_customers(actor)))
    return {one.id: one for one in found}


def visible_names(customer_ids: Iterable[str | None], *, actor: Member) -> dict[str, str]:
    """Return the names of those of the customers that the actor may see, by id, in one query."""
    wanted = sorted({one for one in customer_ids if one})
    if not wanted:
        return {}
    found = sa.select(Customer.id, Customer.name).where(Customer.id.in_(wanted), visible_customers(actor))
    return dict(db.session.execute(found).all())


def tagged(tag: str) -> sa.ColumnElement[bool]:
    """Return the condition that a customer has a tag."""
    if is_postgresql():
        return sa.type_coerce(Customer.tags, JSONB).contains([tag])
    each = sa.func.json_each(Customer.tags).table_valued("value")
    return sa.exists(sa.select(sa.literal(1)).select_from(each).where(each.c.value == tag))


def visible_namesakes(name: str, *, actor: Member, but: str = "") -> Sequence[Any]:
    """Return (id, name) of customers that the actor may see and whose name compares equal, at most five."""
    return db.session.execute(
        sa.select(Customer.id, Customer.name)
        .where(Customer.name_key == name_key(name), Customer.id != but, visible_customers(actor))
        .order_by(Customer.id)
        .limit(5)
    ).all()


def customer_with_phone(text: str) -> Customer | None:
    """Return the customer that has a phone number, whoever owns it. For the duplicate check only."""
    try:
        number = normal_phone(text)
    except ValueError:
        return None
    return first(
        sa.select(Customer)
        .join(
            CustomerPhone, sa.and_(CustomerPhone.customer_id == Customer.id, CustomerPhone.corp_id == Customer.corp_id)
        )
        .where(CustomerPhone.number == number)
    )


def customers_with_similar_name(name: str, *, but: str = "") -> Sequence[Any]:
    """Return (id, name, owner_id) of customers whose name compares equal, whoever owns them, at most five."""
    key = name_key(name)
    return db.session.execute(
        sa.select(Customer.id, Customer.name, Customer.owner_id)
        .where(Customer.name_key == key, Customer.deleted_at.is_(None), Customer.id != but)
        .limit(5)
    ).all()


_PHONES = Kept(
    sa.select(CustomerPhone.customer_id, CustomerPhone.number)
    .where(one_of(CustomerPhone.customer_id, "ids"))
    .order_by(CustomerPhone.customer_id, CustomerPhone.position)
)


def phones_of(customer_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the phone numbers of customers by id, in one query."""
    found: dict[str, list[str]] = {one: [] for one in customer_ids}
    if customer_ids:
        for customer_id, number in _PHONES.all(ids=list(customer_ids)):
            found[customer_id].append(number)
    return found


def names_of(customer_ids: Sequence[str | None]) -> dict[str, str]:
    """Return the names of customers by id, in one query (for records that the actor may see anyway)."""
    wanted = sorted({one for one in customer_ids if one})
    if not wanted:
        return {}
    return dict(db.session.execute(sa.select(Customer.id, Customer.name).where(Customer.id.in_(wanted))).all())
