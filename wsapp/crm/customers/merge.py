"""Merging two customers into one (合并), and undoing it within 30 days.

The winner keeps its id. Of each field one value is chosen; what belongs to the loser moves to the winner; the loser is
gone from everywhere, and its id leads to the winner (`queries.current_id`). What undoing needs stands in
`CustomerMerge.kept`:

winner    {column: [before, after]}            files       [ids] of photos that moved
loser     {column: before}                     children    [ids] of customers whose parent was the loser
phones    {"winner": […], "loser": […]}        primary     [ids] of contacts that were the loser's main one
moved     {table: [ids]}                       coworkers   {"moved", "added", "widened": [ids], "dropped": [rows]}
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.actions import MAX_PHONES
from wsapp.crm.customers.dedupe import file_anew, forget_keys
from wsapp.crm.customers.models import Contact, Coworker, Customer, CustomerMerge, CustomerPhone
from wsapp.crm.customers.queries import demand_right
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.db import Base, db, first, is_postgresql, new_id, rows
from wsapp.files import StoredFile
from wsapp.problems import Conflict, Invalid, NotFound, Stale
from wsapp.texts import _

UNDO_FOR = timedelta(days=30)
AT_ONCE = 500  # ids in one statement
MAX_TAGS = 20
WINNER, LOSER = "winner", "loser"

# What is chosen as one: field → the columns that go with it
CHOICES: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "name_key"),
    "short_name": ("short_name",),
    "kind": ("kind",),
    "level": ("level",),
    "stage": ("stage", "stage_since"),
    "owner": ("owner_id", "department_id", "owned_since"),
    "source": ("source",),
    "industry": ("industry",),
    "size": ("size",),
    "region": ("province", "city", "district"),
    "address": ("address",),
    "location": ("lat", "lng", "place_accuracy", "place_source"),
    "website": ("website",),
    "credit_code": ("credit_code",),
    "note": ("note",),
    "parent": ("parent_id",),
}
LATEST = ("last_followed_at", "last_visited_at", "last_deal_at")
# Every table that names a customer stands in one of these (a test looks): what moves, and what stays with the loser.
MOVED = ("task", "follow_up", "visit", "contact", "event", "ownership", "deletion")
LEFT = ("customer_phone", "customer_key", "coworker", "stage_change", "share_request", "pool_view")


# --- merging ------------------------------------------------------------------------------------------------------


def merge_customers(
    loser: Customer,
    winner: Customer,
    *,
    actor: Member,
    choices: Mapping[str, str] | None = None,
    versions: tuple[int | None, int | None] = (None, None),
) -> CustomerMerge:
    """Merge `loser` into `winner` (合并客户).

    `choices` says for each field of `CHOICES` whose value stays ("winner", "loser"); unsaid, the winner's, or the
    loser's where the winner has none. Phones, tags and custom fields are joined. `versions` are those that the actor
    has seen, of loser and winner. Raises Forbidden unless the actor may edit both and delete the loser; Invalid; Stale.
    """
    if loser.id == winner.id:
        raise Invalid({"into": _("请选择另一位客户")})
    _hold(loser, winner)
    for one, version in zip((loser, winner), versions, strict=True):
        if one.deleted_at is not None:
            raise NotFound(_("客户不存在或无权查看"))
        if version is not None and version != one.version:
            raise Stale(_("该客户刚被他人修改，请核对后再合并"), record=one, changes={})
        demand_right(one, "edit", actor=actor)
    demand_right(loser, "delete", actor=actor)
    now = clock.now()
    kept: dict[str, Any] = {"phones": {WINNER: winner.phones, LOSER: loser.phones}}
    values = _chosen(loser, winner, choices or {})
    former = {loser.owner_id, winner.owner_id}
    kept["loser"] = _let_go(loser, into=winner, now=now)
    kept["winner"] = _take_over(winner, values, now=now)
    _set_phones(winner, list(dict.fromkeys([*kept["phones"][WINNER], *kept["phones"][LOSER]]))[:MAX_PHONES])
    kept |= _move_all(loser.id, winner.id)
    kept["coworkers"] = _join_coworkers(loser.id, winner, former)
    file_anew(winner)
    merged = CustomerMerge(
        id=new_id(),
        winner_id=winner.id,
        loser_id=loser.id,
        actor_id=actor.id,
        at=now,
        until=now + UNDO_FOR,
        kept=kept,
    )
    db.session.add(merged)
    db.session.flush()
    record(
        "customer.merged",
        winner,
        actor=actor,
        customer_id=winner.id,
        changes=_as_changes(kept["winner"]),
        loser=loser.id,
        name=loser.name,
        merge=merged.id,
    )
    return merged


def _hold(*customers: Customer) -> None:
    """Read both anew and hold them, always in one order, so that two merges at once cannot wait for each other."""
    for one in sorted(customers, key=lambda customer: customer.id):
        held = sa.select(Customer).where(Customer.id == one.id).execution_options(populate_existing=True)
        first(held.with_for_update() if is_postgresql() else held)


def _chosen(loser: Customer, winner: Customer, choices: Mapping[str, str]) -> dict[str, Any]:
    """Return the winner's columns as they will be."""
    values: dict[str, Any] = {}
    for field, columns in CHOICES.items():
        empty = not any(getattr(winner, column) for column in columns)
        side = choices.get(field) or (LOSER if empty else WINNER)
        if side not in (WINNER, LOSER):
            raise Invalid({field: _("请从列表中选择")})
        source = loser if side == LOSER else winner
        values |= {column: getattr(source, column) for column in columns}
    if values["parent_id"] in (loser.id, winner.id):
        values["parent_id"] = loser.parent_id if loser.parent_id != winner.id else None
    for column in LATEST:
        values[column] = max(filter(None, (getattr(winner, column), getattr(loser, column))), default=None)
    values["next_follow_at"] = min(filter(None, (winner.next_follow_at, loser.next_follow_at)), default=None)
    values["tags"] = list(dict.fromkeys([*(winner.tags or ()), *(loser.tags or ())]))[:MAX_TAGS]
    values["custom"] = {**(loser.custom or {}), **{key: one for key, one in (winner.custom or {}).items() if one}}
    return values


def _let_go(loser: Customer, *, into: Customer, now: datetime) -> dict[str, Any]:
    """Make the loser an alias: gone from every list, its phone numbers and keys free for the winner."""
    before = {"updated_at": loser.updated_at.isoformat()}
    loser.phone_rows = []
    loser.deleted_at = loser.updated_at = now
    loser.merged_into_id = into.id
    loser.version += 1
    forget_keys(loser.id)
    db.session.flush()
    return before


def _take_over(winner: Customer, values: Mapping[str, Any], *, now: datetime) -> dict[str, list[Any]]:
    changed = {
        column: [_plain(getattr(winner, column)), _plain(value)]
        for column, value in values.items()
        if getattr(winner, column) != value
    }
    for column in changed:
        setattr(winner, column, values[column])
    winner.updated_at = now
    winner.version += 1
    return changed


def _set_phones(customer: Customer, numbers: Sequence[str]) -> None:
    if customer.phones == list(numbers):
        return
    customer.phone_rows = []
    db.session.flush()
    customer.phone_rows = [CustomerPhone(id=new_id(), number=one, position=at) for at, one in enumerate(numbers)]
    db.session.flush()


def _move_all(loser_id: str, winner_id: str) -> dict[str, Any]:
    """Move what belongs to the loser, and return what moved, for `undo_merge`."""
    main = sa.select(Contact.id).where(Contact.customer_id == loser_id, Contact.is_primary)
    primary = list(rows(main)) if _has_main_contact(winner_id) else []
    _update(Contact, primary, is_primary=False)
    moved = {name: _move(model.customer_id, loser_id, winner_id) for name, model in _models().items()}
    return {
        "primary": primary,
        "moved": {name: ids for name, ids in moved.items() if ids},
        "files": _move(StoredFile.record_id, loser_id, winner_id),
        "children": _move(Customer.parent_id, loser_id, winner_id),
    }


def _models() -> dict[str, Any]:
    """The models of MOVED, whichever slice they are of: they stand above this one."""
    known = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
    return {name: known[name] for name in MOVED if name in known}


def _has_main_contact(customer_id: str) -> bool:
    main = sa.select(Contact.id).where(Contact.customer_id == customer_id, Contact.is_primary)
    return first(main.limit(1)) is not None


def _move(column: Any, loser_id: str, winner_id: str) -> list[str]:
    ids = list(rows(sa.select(column.class_.id).where(column == loser_id, column.class_.id != winner_id)))
    _update(column.class_, ids, **{column.key: winner_id})
    return ids


def _update(model: Any, ids: Sequence[str], *where: Any, **values: Any) -> None:
    if model is Contact:  # one by one: the search index follows what the session writes
        for contact in rows(sa.select(Contact).where(Contact.id.in_(ids), *where)):
            for name, value in values.items():
                setattr(contact, name, value)
        db.session.flush()
        return
    for start in range(0, len(ids), AT_ONCE):
        some = sa.update(model).where(model.id.in_(ids[start : start + AT_ONCE]), *where).values(**values)
        db.session.execute(some.execution_options(synchronize_session=False))


def _join_coworkers(loser_id: str, winner: Customer, former: set[str | None]) -> dict[str, Any]:
    """Let the co-workers of both, and whoever was the owner of either, work on the winner."""
    mine = {one.member_id: one for one in rows(sa.select(Coworker).where(Coworker.customer_id == winner.id))}
    kept: dict[str, list[Any]] = {"moved": [], "added": [], "widened": [], "dropped": []}
    for one in rows(sa.select(Coworker).where(Coworker.customer_id == loser_id)):
        there = mine.get(one.member_id)
        if there is None and one.member_id != winner.owner_id:
            one.customer_id = winner.id
            mine[one.member_id] = one
            kept["moved"].append(one.id)
            continue
        kept["dropped"].append({"member_id": one.member_id, "may_edit": one.may_edit, "since": one.since.isoformat()})
        db.session.delete(one)
        if there is not None and one.may_edit and not there.may_edit:
            there.may_edit = True
            kept["widened"].append(there.id)
    for owner in rows(sa.select(Member).where(Member.id.in_(sorted(filter(None, former))), Member.status == ACTIVE)):
        if owner.id != winner.owner_id and owner.id not in mine:
            added = Coworker(
                id=new_id(), customer_id=winner.id, member_id=owner.id, may_edit=True, since=winner.updated_at
            )
            db.session.add(added)
            kept["added"].append(added.id)
    db.session.flush()
    return kept


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _as_changes(changed: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    named = {"owner_id": "owner"}
    hidden = ("name_key", "department_id", "owned_since", "stage_since")
    return {named.get(column, column): pair for column, pair in changed.items() if column not in hidden}


# --- undoing ------------------------------------------------------------------------------------------------------


def merges_of(customer_id: str) -> Sequence[Any]:
    """Return (id, loser_id, name, at, until, actor_id) of what was merged into a customer and can still be undone."""
    found = (
        sa.select(
            CustomerMerge.id,
            CustomerMerge.loser_id,
            Customer.name,
            CustomerMerge.at,
            CustomerMerge.until,
            CustomerMerge.actor_id,
        )
        .join(Customer, sa.and_(Customer.corp_id == CustomerMerge.corp_id, Customer.id == CustomerMerge.loser_id))
        .where(
            CustomerMerge.winner_id == customer_id,
            CustomerMerge.undone_at.is_(None),
            CustomerMerge.until > clock.now(),
        )
        .order_by(CustomerMerge.at.desc())
    )
    return db.session.execute(found).all()


def find_merge(winner: Customer, loser_id: str) -> CustomerMerge:
    """Return the merge of a customer into another that can still be undone; raises NotFound."""
    found: CustomerMerge | None = first(
        sa.select(CustomerMerge)
        .where(
            CustomerMerge.winner_id == winner.id,
            CustomerMerge.loser_id == loser_id,
            CustomerMerge.undone_at.is_(None),
            CustomerMerge.until > clock.now(),
        )
        .order_by(CustomerMerge.at.desc())
        .limit(1)
    )
    if found is None:
        raise NotFound(_("没有可以撤销的合并，或已超过 30 天"))
    return found


def undo_merge(merged: CustomerMerge, winner: Customer, *, actor: Member) -> Customer:
    """Take a merge back (撤销合并) and return the loser, which is a customer of its own again.

    Everything returns to where it was. What was changed since stays as it is now: a field of the winner, a child that
    went elsewhere, a phone number that somebody else has got. Raises Forbidden; Conflict when it was undone already.
    """
    loser: Customer | None = first(sa.select(Customer).where(Customer.id == merged.loser_id))
    if loser is None:
        raise NotFound(_("客户不存在或无权查看"))
    _hold(loser, winner)
    demand_right(winner, "edit", actor=actor)
    now = clock.now()
    taken = db.session.execute(
        sa.update(CustomerMerge)
        .where(CustomerMerge.id == merged.id, CustomerMerge.undone_at.is_(None))
        .values(undone_at=now)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict({"merge": _("这次合并已经撤销")})
    db.session.refresh(merged, ["undone_at"])
    kept = merged.kept
    changed = _give_back_fields(winner, kept["winner"], now=now)
    _bring_back(loser, kept["loser"])
    _give_back_phones(loser, winner, kept["phones"])
    _move_back(loser.id, winner.id, kept)
    _part_coworkers(loser.id, kept["coworkers"])
    for one in (winner, loser):
        file_anew(one)
    record(
        "customer.unmerged",
        winner,
        actor=actor,
        customer_id=winner.id,
        changes=_as_changes(changed),
        loser=loser.id,
        name=loser.name,
    )
    db.session.flush()
    return loser


def _give_back_fields(winner: Customer, changed: Mapping[str, list[Any]], *, now: datetime) -> dict[str, list[Any]]:
    undone = {}
    for column, (before, after) in changed.items():
        if _plain(getattr(winner, column)) == after:
            is_moment = column.endswith(("_at", "_since"))
            setattr(winner, column, datetime.fromisoformat(before) if before and is_moment else before)
            undone[column] = [after, before]
    winner.updated_at = now
    winner.version += 1
    return undone


def _bring_back(loser: Customer, before: Mapping[str, str]) -> None:
    loser.deleted_at = loser.merged_into_id = None
    loser.updated_at = datetime.fromisoformat(before["updated_at"])
    loser.version += 1
    db.session.flush()


def _give_back_phones(loser: Customer, winner: Customer, phones: Mapping[str, list[str]]) -> None:
    came = set(phones[LOSER]) - set(phones[WINNER])
    _set_phones(winner, [one for one in winner.phones if one not in came])
    elsewhere = set(rows(sa.select(CustomerPhone.number).where(CustomerPhone.number.in_(phones[LOSER]))))
    _set_phones(loser, [one for one in phones[LOSER] if one not in elsewhere])


def _move_back(loser_id: str, winner_id: str, kept: Mapping[str, Any]) -> None:
    models = _models()
    for name, ids in kept["moved"].items():
        model = models[name]
        _update(model, ids, model.customer_id == winner_id, customer_id=loser_id)
    _update(StoredFile, kept["files"], StoredFile.record_id == winner_id, record_id=loser_id)
    _update(Customer, kept["children"], Customer.parent_id == winner_id, parent_id=loser_id)
    _update(Contact, kept["primary"], Contact.customer_id == loser_id, is_primary=True)


def _part_coworkers(loser_id: str, kept: Mapping[str, Any]) -> None:
    _update(Coworker, kept["moved"], customer_id=loser_id)
    _update(Coworker, kept["widened"], may_edit=False)
    if kept["added"]:
        gone = sa.delete(Coworker).where(Coworker.id.in_(kept["added"]))
        db.session.execute(gone.execution_options(synchronize_session=False))
    for one in kept["dropped"]:
        since = datetime.fromisoformat(one["since"])
        db.session.add(Coworker(id=new_id(), customer_id=loser_id, **{**one, "since": since}))
    db.session.flush()
