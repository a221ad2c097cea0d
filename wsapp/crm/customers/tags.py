"""Tags (标签): the corp's list with colours. Records hold tags by name; a new name reaches them in the background."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from wsapp import clock, outbox
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.customers.models import Contact, Customer, Tag
from wsapp.crm.customers.rules import who_adds_tags
from wsapp.crm.events.actions import record
from wsapp.crm.org.models import ADMIN, Member
from wsapp.crm.org.queries import leads_others
from wsapp.crm.org.standing import changed, standing
from wsapp.db import current_corp, db, first, insert_unless_there, is_postgresql, new_id, rows
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _

MOST = 20  # on one record
MOST_LETTERS = 20
MOST_KNOWN = 500
COLOURS = ("grey", "blue", "green", "orange", "red")
LOT = 200  # records renamed in one transaction


def known_tags() -> Mapping[str, str]:
    """Return the corp's tags as name → colour, oldest first."""
    return standing("tags", _read)


def _read() -> Mapping[str, str]:
    columns = sa.select(Tag.name, Tag.colour).order_by(Tag.created_at, Tag.id)
    return {row.name: row.colour for row in db.session.execute(columns)}


def may_add(actor: Member) -> bool:
    """Say whether somebody may put new tags on the corp's list."""
    who = who_adds_tags()
    return who == "everybody" or actor.role == ADMIN or (who == "leaders" and leads_others(actor))


def tidy_tags(typed: Iterable[Any] | None, errors: dict[str, str]) -> list[str]:
    """Return tags as they were typed, each once; notes an error where there are too many or one is too long."""
    tags = list(dict.fromkeys(filter(None, (clean_line(str(tag)) for tag in typed or []))))
    if len(tags) > MOST or any(len(tag) > MOST_LETTERS for tag in tags):
        errors["tags"] = _("最多 %(most)d 个标签，每个不超过 20 个字", most=MOST)
    return tags


def keep_new_tags(tags: Sequence[str], *, actor: Member, had: Sequence[str] = ()) -> None:
    """Put those that are not on the corp's list there. `had`: tags that the record has already, which may stay.

    Raises Invalid where the actor may not add any.
    """
    fresh = new_among(tags, actor=actor, had=had)
    if fresh and len(known_tags()) + len(fresh) <= MOST_KNOWN:
        _keep(fresh)


def new_among(tags: Sequence[str], *, actor: Member, had: Sequence[str] = ()) -> list[str]:
    """Return those that are not on the corp's list. Raises Invalid where the actor may not add any."""
    known = known_tags() if tags else {}
    fresh = [tag for tag in tags if tag not in known and tag not in had]
    if fresh and not may_add(actor):
        raise Invalid({"tags": _("标签“%(tag)s”不在标签库中，请从列表中选择", tag=fresh[0])})
    return fresh


def forget_unused(names: Sequence[str]) -> None:
    """Take tags off the list that no record has (what brought them was taken back)."""
    used = {
        name
        for name in names
        if any(first(sa.select(model.id).where(_has_tag(model.tags, name)).limit(1)) for model in (Customer, Contact))
    }
    gone = sa.delete(Tag).where(Tag.name.in_([name for name in names if name not in used]))
    db.session.execute(gone.execution_options(synchronize_session=False))
    changed()


def _keep(names: Sequence[str], colour: str = "grey") -> None:
    fresh = [
        insert_unless_there(
            Tag,
            {"corp_id": current_corp(), "id": new_id(), "name": name, "colour": colour, "created_at": clock.now()},
        )
        for name in names
    ]
    if any(fresh):
        changed()


# --- the list -----------------------------------------------------------------------------------------------------


def tags_in_full() -> Sequence[Tag]:
    """Return the corp's tags, oldest first."""
    found: Sequence[Tag] = rows(sa.select(Tag).order_by(Tag.created_at, Tag.id))
    return found


def find_tag(tag_id: str) -> Tag:
    """Return a tag of the corp; raises NotFound."""
    found: Tag | None = first(sa.select(Tag).where(Tag.id == tag_id))
    if found is None:
        raise NotFound(_("标签不存在"))
    return found


def add_tag(name: str, colour: str, *, actor: Member) -> None:
    """Put a tag on the list. The caller has made sure that the actor may. Raises Invalid."""
    clean = _clean_name(name)
    if clean in known_tags():
        raise Invalid({"name": _("已有这个标签")})
    if len(known_tags()) >= MOST_KNOWN:
        raise Invalid({"name": _("最多 %(most)d 个标签", most=MOST_KNOWN)})
    _keep([clean], _clean_colour(colour))
    tag = first(sa.select(Tag).where(Tag.name == clean))
    record("tag.changed", tag, actor=actor, changes={"name": [None, clean]})


def change_tag(tag: Tag, name: str, colour: str, *, actor: Member) -> None:
    """Rename or recolour a tag; a name that another tag has merges the two. Records follow in the background.

    The caller has made sure that the actor may. Raises Invalid.
    """
    clean, before = _clean_name(name), tag.name
    changes = {"name": [before, clean], "colour": [tag.colour, _clean_colour(colour)]}
    changes = {field: both for field, both in changes.items() if both[0] != both[1]}
    if not changes:
        return
    record("tag.changed", tag, actor=actor, changes=changes)
    changed()
    if "name" in changes and clean in known_tags():
        db.session.delete(tag)
    else:
        tag.name, tag.colour = clean, colour
    db.session.flush()
    if "name" in changes:
        outbox.enqueue("tags.replace", {"old": before, "new": clean})


def remove_tag(tag: Tag, *, actor: Member) -> None:
    """Take a tag off the list and, in the background, off all records. The caller has made sure that the actor may."""
    record("tag.changed", tag, actor=actor, changes={"name": [tag.name, None]})
    changed()
    db.session.delete(tag)
    db.session.flush()
    outbox.enqueue("tags.replace", {"old": tag.name, "new": ""})


def _clean_name(name: str) -> str:
    clean = clean_line(name)
    if not 1 <= len(clean) <= MOST_LETTERS:
        raise Invalid({"name": _("标签应为 1–%(most)d 个字", most=MOST_LETTERS)})
    return clean


def _clean_colour(colour: str) -> str:
    if colour not in COLOURS:
        raise Invalid({"colour": _("请从列表中选择")})
    return colour


# --- all records --------------------------------------------------------------------------------------------------


def replace_tag(old: str, new: str) -> int:
    """Put `new` (nothing, where it is empty) in place of a tag on up to `LOT` customers and contacts; returns on how
    many. Their version counts up, so that a form opened before does not bring the old name back unseen."""
    replaced = 0
    for model in (Customer, Contact):
        wanted = sa.select(model).where(_has_tag(model.tags, old)).order_by(model.id).limit(LOT)
        for one in rows(wanted.with_for_update()):
            one.tags = list(dict.fromkeys(new if tag == old else tag for tag in one.tags if new or tag != old))
            one.version += 1
            replaced += 1
    db.session.flush()
    return replaced


def _has_tag(column: Any, tag: str) -> sa.ColumnElement[bool]:
    if is_postgresql():
        return sa.type_coerce(column, JSONB).contains([tag])
    each = sa.func.json_each(column).table_valued("value")
    return sa.exists(sa.select(sa.literal(1)).select_from(each).where(each.c.value == tag))
