"""Undoing a merge of two customers (撤销合并) within 30 days: everything returns to where it was, except what was
changed since. What it needs was kept by `merge`, and goes when the time is over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.belongings import move_back, part_coworkers, resume_ownership
from wsapp.crm.customers.dedupe_rules import BLOCK, level
from wsapp.crm.customers.filing import file_anew
from wsapp.crm.customers.merge import LOSER, WINNER, as_changes, hold, plain
from wsapp.crm.customers.models import Customer, CustomerMerge, CustomerPhone
from wsapp.crm.customers.phones import set_phones
from wsapp.crm.customers.queries import demand_right
from wsapp.crm.customers.stages import take_step_back
from wsapp.crm.events.actions import record
from wsapp.crm.fields.indexing import reindex
from wsapp.crm.org.models import Member
from wsapp.db import db, first, rows
from wsapp.problems import Conflict, NotFound
from wsapp.texts import _


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
    hold(loser, winner)
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
    changed = _give_back_fields(winner, kept, now=now)
    _bring_back(loser, kept["loser"])
    custom = _give_back_custom(winner, kept["custom"])
    _give_back_phones(loser, winner, kept)
    move_back(loser.id, winner.id, kept)
    resume_ownership(kept["ended"])
    part_coworkers(loser.id, kept["coworkers"])
    for one in (winner, loser):
        file_anew(one)
    reindex("customer", [winner.id, loser.id])
    record(
        "customer.unmerged",
        winner,
        actor=actor,
        customer_id=winner.id,
        changes=as_changes(changed, custom),
        loser=loser.id,
        name=loser.name,
    )
    db.session.flush()
    return loser


def _give_back_fields(winner: Customer, kept: Mapping[str, Any], *, now: datetime) -> dict[str, list[Any]]:
    undone = {}
    for column, (before, after) in kept["winner"].items():
        if plain(getattr(winner, column)) != after or (column == "stage" and not _step_back(winner, *kept["stage"])):
            continue
        is_moment = column.endswith(("_at", "_since"))
        setattr(winner, column, _moment(before) if is_moment else before)
        undone[column] = [after, before]
    winner.tags = [tag for tag in winner.tags if tag not in kept["tags"]]
    winner.updated_at = now
    winner.version += 1
    return undone


def _step_back(winner: Customer, step_id: str | None, since: str | None) -> bool:
    return take_step_back(winner, step_id, since=_moment(since))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _give_back_custom(winner: Customer, changed: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    had = dict(winner.custom or {})
    undone = {key: [after, before] for key, (before, after) in changed.items() if had.get(key) == after}
    values = had | {key: before for key, (_after, before) in undone.items()}
    winner.custom = {key: value for key, value in values.items() if value is not None or key not in undone}
    return undone


def _bring_back(loser: Customer, before: Mapping[str, str]) -> None:
    loser.deleted_at = loser.merged_into_id = None
    loser.updated_at = datetime.fromisoformat(before["updated_at"])
    loser.version += 1
    db.session.flush()


def _give_back_phones(loser: Customer, winner: Customer, kept: Mapping[str, Any]) -> None:
    phones, shared = kept["phones"], set(kept["shared"])
    came = set(phones[LOSER]) - set(phones[WINNER])
    set_phones(winner, [one for one in winner.phones if one not in came])
    db.session.flush()
    known = sa.select(CustomerPhone.number).where(CustomerPhone.number.in_(phones[LOSER]), CustomerPhone.twin == "")
    taken = set(rows(known)) - shared if level("phone") == BLOCK else set()
    set_phones(loser, [one for one in phones[LOSER] if one not in taken], shared=shared)
    db.session.flush()


# --- when it cannot be undone any more ------------------------------------------------------------------------------


def forget_losers(now: datetime, *, limit: int = 500) -> int:
    """Delete customers that were merged too long ago to be given back; returns how many, at most `limit`.

    Of each only its id stays, which leads to whoever the winner is (`queries.current_id`).
    """
    undone = sa.delete(CustomerMerge).where(CustomerMerge.until <= now, CustomerMerge.undone_at.is_not(None))
    db.session.execute(undone.execution_options(synchronize_session=False))
    there = sa.and_(Customer.corp_id == CustomerMerge.corp_id, Customer.id == CustomerMerge.loser_id)
    over = (
        sa.select(CustomerMerge.id, CustomerMerge.loser_id, CustomerMerge.winner_id)
        .join(Customer, there)
        .where(CustomerMerge.until <= now, CustomerMerge.undone_at.is_(None), Customer.merged_into_id.is_not(None))
        .order_by(CustomerMerge.at, CustomerMerge.id)
    )
    found = db.session.execute(over.limit(limit)).all()
    for one in found:
        _set_merge(CustomerMerge.winner_id == one.loser_id, winner_id=one.winner_id)
        _set_merge(CustomerMerge.id == one.id, kept={})
        _delete_loser(one.loser_id)
    return len(found)


def forget_losers_of(winner_id: str) -> None:
    """Delete, with their aliases, the customers that were merged into one that is gone for good."""
    theirs = sa.select(CustomerMerge.loser_id).where(
        CustomerMerge.winner_id == winner_id, CustomerMerge.undone_at.is_(None)
    )
    for loser_id in rows(theirs):
        forget_losers_of(loser_id)
        _delete_loser(loser_id)
    gone = sa.delete(CustomerMerge).where(CustomerMerge.winner_id == winner_id)
    db.session.execute(gone.execution_options(synchronize_session=False))


def _delete_loser(loser_id: str) -> None:
    gone = sa.delete(Customer).where(Customer.id == loser_id, Customer.merged_into_id.is_not(None))
    db.session.execute(gone.execution_options(synchronize_session="fetch"))


def _set_merge(which: sa.ColumnElement[bool], **values: Any) -> None:
    statement = sa.update(CustomerMerge).where(which, CustomerMerge.undone_at.is_(None)).values(**values)
    db.session.execute(statement.execution_options(synchronize_session=False))
