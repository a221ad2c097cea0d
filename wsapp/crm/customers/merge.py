"""Merging two customers into one (合并); `unmerge` undoes it within 30 days.

The winner keeps its id. Of each field one value is chosen; what belongs to the loser moves to the winner; the loser is
gone from everywhere, and its id leads to the winner (`queries.current_id`), also when undoing is over. What undoing
needs stands in `CustomerMerge.kept`:

winner    {column: [before, after]}            custom      {key: [before, after]} of the winner's custom fields
loser     {column: before}                     tags        [names] that came from the loser
phones    {"winner": […], "loser": […]}        shared      those of the loser's that others may have, too
stage     [id of the step that the winner took, None for none; `stage_since` before it]
ended     [ids] of ownerships that ended       coworkers   see `belongings.join_coworkers`
primary, moved, files, children                see `belongings.move_all`
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.actions import MAX_PHONES
from wsapp.crm.customers.belongings import end_former_ownership, join_coworkers, move_all
from wsapp.crm.customers.filing import file_anew, forget_keys
from wsapp.crm.customers.models import Customer, CustomerMerge
from wsapp.crm.customers.phones import set_phones, shared_phones
from wsapp.crm.customers.queries import demand_right
from wsapp.crm.customers.stages import move_stage
from wsapp.crm.customers.tags import MOST as MAX_TAGS
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import demand_writable
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.indexing import reindex
from wsapp.crm.fields.values import forget
from wsapp.crm.org.models import Member
from wsapp.db import db, first, is_postgresql, new_id
from wsapp.problems import Invalid, NotFound, Stale
from wsapp.texts import _

UNDO_FOR = timedelta(days=30)
WINNER, LOSER = "winner", "loser"
CUSTOM = "custom."  # of a custom field, its key follows

# What is chosen as one: field → the columns that go with it
CHOICES: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "name_key"),
    "short_name": ("short_name",),
    "kind": ("kind",),
    "level": ("level",),
    "stage": ("stage",),
    "owner": ("owner_id", "department_id", "owned_since", "pool_id", "pooled_at"),
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
# Columns of which a change is not worth telling, and what the others are called
UNTOLD = ("name_key", "department_id", "owned_since", "pooled_at", "clock_at", "place_accuracy", "place_source")
CALLED = {"owner_id": "owner", "parent_id": "parent", "pool_id": "pool"}


def merge_customers(
    loser: Customer,
    winner: Customer,
    *,
    actor: Member,
    choices: Mapping[str, str] | None = None,
    versions: tuple[int | None, int | None] = (None, None),
) -> CustomerMerge:
    """Merge `loser` into `winner` (合并客户).

    `choices` says for each field of `CHOICES`, and for custom fields ("custom.<key>"), whose value stays ("winner",
    "loser"); unsaid, the winner's, or the loser's where the winner has none. Phones and tags are joined. `versions` are
    those that the actor has seen, of loser and winner. Raises Forbidden unless the actor may edit both and delete the
    loser (and transfer the winner, where its owner changes); Invalid; Stale.
    """
    if loser.id == winner.id:
        raise Invalid({"into": _("请选择另一位客户")})
    hold(loser, winner)
    _demand_rights(loser, winner, actor, versions)
    choices = choices or {}
    now = clock.now()
    values = _chosen(loser, winner, choices)
    _demand_choices(choices, values, winner, actor)
    shared = {WINNER: shared_phones(winner), LOSER: shared_phones(loser)}
    kept: dict[str, Any] = {"phones": {WINNER: winner.phones, LOSER: loser.phones}, "shared": shared[LOSER]}
    former = {loser.owner_id, winner.owner_id}
    kept["loser"] = _let_go(loser, into=winner, now=now)
    kept |= _take_over(winner, values, now=now, actor=actor)
    kept |= _join_lists(winner, loser, choices)
    numbers = list(dict.fromkeys([*kept["phones"][WINNER], *kept["phones"][LOSER]]))[:MAX_PHONES]
    set_phones(winner, numbers, shared=shared[LOSER])
    db.session.flush()
    kept |= move_all(loser.id, winner.id)
    kept["ended"] = end_former_ownership(winner, now=now)
    kept["coworkers"] = join_coworkers(loser.id, winner, former)
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
        changes=as_changes(kept["winner"], kept["custom"]),
        loser=loser.id,
        name=loser.name,
        merge=merged.id,
    )
    return merged


def hold(*customers: Customer) -> None:
    """Read both anew and hold them, always in one order, so that two merges at once cannot wait for each other."""
    for one in sorted(customers, key=lambda customer: customer.id):
        held = sa.select(Customer).where(Customer.id == one.id).execution_options(populate_existing=True)
        first(held.with_for_update() if is_postgresql() else held)


def _demand_rights(loser: Customer, winner: Customer, actor: Member, versions: tuple[int | None, int | None]) -> None:
    for one, version in zip((loser, winner), versions, strict=True):
        if one.deleted_at is not None:
            raise NotFound(_("客户不存在或无权查看"))
        if version is not None and version != one.version:
            raise Stale(_("该客户刚被他人修改，请核对后再合并"), record=one, changes={})
        demand_right(one, "edit", actor=actor)
    demand_right(loser, "delete", actor=actor)


# --- whose value stays --------------------------------------------------------------------------------------------


def _chosen(loser: Customer, winner: Customer, choices: Mapping[str, str]) -> dict[str, Any]:
    """Return the winner's columns as they will be."""
    _refuse_unknown(choices)
    values: dict[str, Any] = {}
    for field, columns in CHOICES.items():
        source = loser if _side(field, winner, choices) == LOSER else winner
        values |= {column: getattr(source, column) for column in columns}
    if values["parent_id"] in (loser.id, winner.id):
        values["parent_id"] = loser.parent_id if loser.parent_id != winner.id else None
    for column in LATEST:
        values[column] = max(filter(None, (getattr(winner, column), getattr(loser, column))), default=None)
    values["clock_at"] = _clock(loser, winner, values["last_followed_at"])
    values["next_follow_at"] = min(filter(None, (winner.next_follow_at, loser.next_follow_at)), default=None)
    return values


def _clock(loser: Customer, winner: Customer, last: datetime | None) -> datetime | None:
    """Return since when the pool's clock runs for both together, None where that is their last follow-up."""
    latest = max(filter(None, (one.clock_at or one.last_followed_at for one in (winner, loser))), default=None)
    return None if latest == last else latest


def _refuse_unknown(choices: Mapping[str, str]) -> None:
    known = {*CHOICES, *(f"{CUSTOM}{key}" for key in fields_of("customer"))}
    wrong = [field for field, side in choices.items() if field not in known or side not in (WINNER, LOSER)]
    if wrong:
        raise Invalid({field[:80]: _("请从列表中选择") for field in wrong})


def _side(field: str, winner: Customer, choices: Mapping[str, str]) -> str:
    # Whoever lies in a pool has no owner, whatever else the columns say.
    telling = ("owner_id",) if field == "owner" else CHOICES[field]
    empty = not any(getattr(winner, column) for column in telling)
    return choices.get(field) or (LOSER if empty else WINNER)


def _demand_choices(choices: Mapping[str, str], values: Mapping[str, Any], winner: Customer, actor: Member) -> None:
    """Refuse a choice by which the actor would change what their role keeps from them."""
    if winner.owner_id is not None and values["owner_id"] != winner.owner_id:
        demand_right(winner, "transfer", actor=actor)
    demand_writable(actor, [field for field, side in choices.items() if side == LOSER and field != "owner"])


def _let_go(loser: Customer, *, into: Customer, now: datetime) -> dict[str, Any]:
    """Make the loser an alias: gone from every list, its phone numbers, keys and unique values free for the winner."""
    before = {"updated_at": loser.updated_at.isoformat()}
    loser.phone_rows = []
    loser.deleted_at = loser.updated_at = now
    loser.merged_into_id = into.id
    loser.version += 1
    forget_keys(loser.id)
    forget([loser.id])
    db.session.flush()
    return before


def _take_over(winner: Customer, values: Mapping[str, Any], *, now: datetime, actor: Member) -> dict[str, Any]:
    changed = {
        column: [plain(getattr(winner, column)), plain(value)]
        for column, value in values.items()
        if getattr(winner, column) != value
    }
    since = plain(winner.stage_since)
    step = move_stage(winner, values["stage"], actor=actor)
    for column, value in values.items():  # all of them: a step to "dealt" says that there was a deal just now
        setattr(winner, column, value)
    winner.updated_at = now
    winner.version += 1
    return {"winner": changed, "stage": [step, since]}


def _join_lists(winner: Customer, loser: Customer, choices: Mapping[str, str]) -> dict[str, Any]:
    """Give the winner the loser's tags and custom values, as far as there is room and nothing else is chosen."""
    mine, theirs = dict(winner.custom or {}), dict(loser.custom or {})
    after = {**theirs, **{key: one for key, one in mine.items() if one not in (None, "", [])}}
    for field, side in choices.items():
        key = field.removeprefix(CUSTOM)
        if field.startswith(CUSTOM) and side == LOSER and key in theirs:
            after[key] = theirs[key]
    custom = {key: [mine.get(key), after.get(key)] for key in after if mine.get(key) != after.get(key)}
    tags = list(dict.fromkeys([*(winner.tags or ()), *(loser.tags or ())]))[:MAX_TAGS]
    came = [tag for tag in tags if tag not in (winner.tags or ())]
    winner.custom, winner.tags = after, tags
    db.session.flush()
    reindex("customer", [winner.id])
    return {"custom": custom, "tags": came}


# --- telling ------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return a column's value as JSON holds it."""
    return value.isoformat() if isinstance(value, datetime) else value


def as_changes(columns: Mapping[str, list[Any]], custom: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return what changed by the names that fields have everywhere, so that each is shown to whom it may be."""
    told = {CALLED.get(column, column): pair for column, pair in columns.items() if column not in UNTOLD}
    return told | {f"{CUSTOM}{key}": pair for key, pair in custom.items()}
