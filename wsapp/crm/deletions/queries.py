"""What lies in the bin, as far as somebody may see it: their own, what they deleted, what they may delete."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp.crm.deletions.kinds import KINDS
from wsapp.crm.deletions.models import Deletion, DeletionRun
from wsapp.crm.fields.access import HIDDEN, MASKED, access, mask, reads
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import sight
from wsapp.crm.org.rules import rule
from wsapp.db import first
from wsapp.problems import NotFound
from wsapp.texts import _

# Of what has no name of its own the title is the beginning of a text: object → the fields that it may come from.
TITLES = {"follow_up": ("text",), "visit": ("note", "place_name")}
SORTS = {"-deleted_at": (Deletion.deleted_at, True)}
COLUMNS = (
    Deletion.id,
    Deletion.object,
    Deletion.title,
    Deletion.customer_id,
    Deletion.owner_id,
    Deletion.actor_id,
    Deletion.reason,
    Deletion.counts,
    Deletion.deleted_at,
)


def visible_deletions(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for what of the bin the actor may see and restore."""
    covered: list[sa.ColumnElement[bool]] = []
    for name in KINDS:
        people = sight(actor, "customer" if name == "contact" else name, "delete").people
        theirs = sa.true() if people is None else Deletion.owner_id.in_(sorted(people))
        covered.append(sa.and_(Deletion.object == name, theirs))
    if sight(actor, "customer", "delete").people is None:
        return sa.or_(*covered)
    return sa.or_(Deletion.actor_id == actor.id, *covered)


def find_deletion(deletion_id: str, *, actor: Member) -> Deletion:
    """Return what lies in the bin, as far as the actor may see it; raises NotFound for all else."""
    found: Deletion | None = first(sa.select(Deletion).where(Deletion.id == deletion_id, visible_deletions(actor)))
    if found is None:
        raise NotFound(_("回收站里没有这条记录，或无权查看"))
    return found


def find_run(run_id: str, *, actor: Member) -> DeletionRun:
    """Return a deletion of many that the actor began (an administrator: anybody's); raises NotFound."""
    mine = sa.true() if actor.is_admin else DeletionRun.actor_id == actor.id
    found: DeletionRun | None = first(sa.select(DeletionRun).where(DeletionRun.id == run_id, mine))
    if found is None:
        raise NotFound(_("记录不存在或无权查看"))
    return found


def ends_at(deleted_at: datetime) -> datetime:
    """Return when something deleted at that moment is gone for good."""
    return deleted_at + timedelta(days=rule("bin.days"))


def title_shown(actor: Member, obj: str, title: str) -> str:
    """Return a record's title as the actor may read it: where it comes from a field in part or hidden, likewise."""
    levels = {access(actor, field, obj) for field in TITLES.get(obj, ())}
    if HIDDEN in levels:
        return str(KINDS[obj].label)
    return str(mask("text", title)) if MASKED in levels else title


def titled(text: str, *, actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for words of the title; of titles that the actor does not read in full nothing is found."""
    unread = [name for name, fields in TITLES.items() if not all(reads(actor, field, name) for field in fields)]
    return sa.and_(Deletion.title.contains(text, autoescape=True), Deletion.object.not_in(unread))


def listed(actor: Member, *, obj: str = "", text: str = "") -> sa.Select[*tuple[Any, ...]]:
    """Return the statement of the bin's list: `COLUMNS`, of one kind, with words of the title."""
    statement = sa.select(*COLUMNS).where(visible_deletions(actor))
    if obj:
        statement = statement.where(Deletion.object == obj)
    if text:
        statement = statement.where(titled(text, actor=actor))
    return statement
