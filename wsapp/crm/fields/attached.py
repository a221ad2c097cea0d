"""Photos and documents in custom fields (图片、文件): a value is a list of files' ids. Each was uploaded by
whoever saves the record, and belongs to that record and field from then on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.fields.models import Field
from wsapp.crm.fields.types import kind_of
from wsapp.crm.org.models import Member
from wsapp.db import db, rows
from wsapp.files import PHOTO, StoredFile, address, may_become_part
from wsapp.texts import _


@dataclass(frozen=True)
class Shown:
    """A file as a page shows it: `url` opens it for its reader alone, for ten minutes; `thumb` is "" for documents."""

    id: str
    name: str
    url: str
    thumb: str

    @property
    def pair(self) -> tuple[str, str]:
        """The photo and its thumbnail."""
        return self.url, self.thumb


def of_files(fields: Iterable[Field]) -> list[Field]:
    """Return those of the fields that hold files."""
    return [one for one in fields if kind_of(one).holds_files]


def check_files(field: Field, ids: Sequence[str], had: Any, actor: Member) -> None:
    """Raise ValueError unless each file is one that the record has, or the actor's own upload of the right sort."""
    fresh = sorted(set(ids) - set(had if isinstance(had, list) else ()))
    if not fresh:
        return
    found = {one.id: one for one in rows(sa.select(StoredFile).where(StoredFile.id.in_(fresh)))}
    for one in fresh:
        stored = found.get(one)
        if stored is None or not may_become_part(stored, None, owner_id=actor.id):
            raise ValueError(_("有文件已失效，请重新上传"))
        if field.type == "image" and stored.content_type != PHOTO:
            raise ValueError(_("只支持 JPEG、PNG、WebP 图片"))


def hold_files(fields: Iterable[Field], record_id: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Make the files of a saved record part of it; those that it let go are swept away with the uploads of nobody."""
    for field in of_files(fields):
        now, then = set(values.get(field.key) or ()), set(before.get(field.key) or ())
        _belong(now - then, record_id, field.name, None)
        _belong(then - now, None, "", record_id)


def _belong(ids: set[str], record_id: str | None, part: str, former: str | None) -> None:
    if not ids:
        return
    there = StoredFile.id.in_(sorted(ids)), StoredFile.record_id.is_not_distinct_from(former)
    statement = sa.update(StoredFile).where(*there).values(record_id=record_id, part=part)
    db.session.execute(statement.execution_options(synchronize_session=False))


def files_shown(ids: Sequence[str], *, actor: Member, held: Iterable[str]) -> dict[str, Shown]:
    """Return files by id, in one query: those among `held` (of a record that the actor reads), and the actor's own
    uploads that belong to no record yet. Others do not exist."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    known = frozenset(held)
    return {
        one.id: _shown(one, actor)
        for one in rows(sa.select(StoredFile).where(StoredFile.id.in_(wanted), StoredFile.state == "ready"))
        if one.id in known or may_become_part(one, None, owner_id=actor.id)
    }


def _shown(stored: StoredFile, actor: Member) -> Shown:
    url = address(stored, actor)
    is_photo = stored.content_type == PHOTO
    return Shown(stored.id, stored.name or _("图片"), url, f"{url}&thumb=1" if is_photo else "")
