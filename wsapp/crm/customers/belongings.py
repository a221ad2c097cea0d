"""What belongs to a customer and follows it when two are merged: records, photos, co-workers, who owned it.

Every table that names a customer stands in MOVED or in LEFT (a test looks). Each `move` returns what undoing needs.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from wsapp.crm.customers.models import Contact, Coworker, Customer
from wsapp.crm.org.models import ACTIVE, Member
from wsapp.db import Base, db, first, new_id, rows
from wsapp.files import StoredFile

AT_ONCE = 500  # ids in one statement
MOVED = ("task", "follow_up", "visit", "visit_plan", "contact", "event", "ownership", "deletion", "watch", "appeal")
LEFT = (
    *("customer_phone", "customer_key", "coworker", "stage_change", "share_request"),
    *("pool_view", "owner_request", "draw", "draft_ask"),
)
MERGED = "merged"  # how the time of the owner ended whose customer is another's now


# --- records ------------------------------------------------------------------------------------------------------


def move_all(loser_id: str, winner_id: str) -> dict[str, Any]:
    """Move what belongs to the loser.

    Returns {"primary": [ids], "moved": {table: [ids]}, "files": [ids], "children": [ids]}.
    """
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


def move_back(loser_id: str, winner_id: str, kept: Mapping[str, Any]) -> None:
    """Move everything back that `move_all` moved, except what went elsewhere since."""
    models = _models()
    for name, ids in kept["moved"].items():
        model = models[name]
        _update(model, ids, model.customer_id == winner_id, customer_id=loser_id)
    _update(StoredFile, kept["files"], StoredFile.record_id == winner_id, record_id=loser_id)
    _update(Customer, kept["children"], Customer.parent_id == winner_id, parent_id=loser_id)
    _update(Contact, kept["primary"], Contact.customer_id == loser_id, is_primary=True)


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


# --- who owned it -------------------------------------------------------------------------------------------------


def end_former_ownership(winner: Customer, *, now: datetime) -> list[str]:
    """End the time of owners who are not the winner's; returns which entries were ended."""
    ownership = _models()["ownership"]
    open_ones = sa.select(ownership.id).where(ownership.customer_id == winner.id, ownership.until.is_(None))
    ended = list(rows(open_ones.where(ownership.owner_id.is_distinct_from(winner.owner_id))))
    _update(ownership, ended, until=now, ending=MERGED)
    return ended


def resume_ownership(entry_ids: Sequence[str]) -> None:
    """Let the time of owners go on that a merge ended."""
    ownership = _models()["ownership"]
    _update(ownership, entry_ids, ownership.ending == MERGED, until=None, ending="")


# --- co-workers ---------------------------------------------------------------------------------------------------


def join_coworkers(loser_id: str, winner: Customer, former: set[str | None]) -> dict[str, Any]:
    """Let the co-workers of both, and whoever was the owner of either, work on the winner.

    Returns {"moved", "added", "widened": [ids], "dropped": [rows]}.
    """
    mine = {one.member_id: one for one in rows(sa.select(Coworker).where(Coworker.customer_id == winner.id))}
    kept: dict[str, list[Any]] = {"moved": [], "added": [], "widened": [], "dropped": []}
    for one in rows(sa.select(Coworker).where(Coworker.customer_id == loser_id)):
        there = mine.get(one.member_id)
        if there is None and one.member_id != winner.owner_id:
            one.customer_id = winner.id
            mine[one.member_id] = one
            kept["moved"].append(one.id)
            continue
        kept["dropped"].append(
            {
                "member_id": one.member_id,
                "may_edit": one.may_edit,
                "since": one.since.isoformat(),
                "until": one.until.isoformat() if one.until else None,
            }
        )
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


def part_coworkers(loser_id: str, kept: Mapping[str, Any]) -> None:
    """Undo `join_coworkers`."""
    _update(Coworker, kept["moved"], customer_id=loser_id)
    _update(Coworker, kept["widened"], may_edit=False)
    if kept["added"]:
        gone = sa.delete(Coworker).where(Coworker.id.in_(kept["added"]))
        db.session.execute(gone.execution_options(synchronize_session=False))
    for one in kept["dropped"]:
        since = datetime.fromisoformat(one["since"])
        until = date.fromisoformat(one["until"]) if one.get("until") else None
        db.session.add(Coworker(id=new_id(), customer_id=loser_id, **{**one, "since": since, "until": until}))
    db.session.flush()
