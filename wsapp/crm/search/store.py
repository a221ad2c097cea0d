"""Writing entries and finding them by grams: a full-text table on SQLite, an array with a GIN index on PostgreSQL.

Every gram is led by the corp and the kind of record, so that one corp's lists grow with that corp alone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp.crm.search.grams import grams_of
from wsapp.crm.search.models import CONTACT, CUSTOMER, FULL_TEXT, SearchEntry
from wsapp.db import current_corp, db, dialect_insert, every_corp, is_postgresql
from wsapp.lots import insert_lot

Grams = Sequence[str]
Terms = Sequence[Sequence[Grams]]  # all of the terms, of each any of the alternatives, of that all grams

_KEPT = (SearchEntry.id, SearchEntry.words, SearchEntry.phones, SearchEntry.sounds, SearchEntry.number)


@dataclass(frozen=True)
class Text:
    """What of a record is to be found. `sounds` None: not known yet, or as before where the words are as before."""

    id: str
    words: str
    phones: str = ""
    sounds: str | None = None


# --- writing ------------------------------------------------------------------------------------------------------


def put(kind: str, texts: Iterable[Text], *, are_new: bool = False) -> list[str]:
    """Write the entries of records of a kind, in the caller's transaction; returns the ids whose sounds are wanted.

    `are_new`: none of them has an entry yet.
    """
    wanted = {one.id: one for one in texts}
    before = {} if are_new else _entries_of(list(wanted))
    fresh = [one for one in (_with_sounds(one, before.get(one.id)) for one in wanted.values()) if one is not None]
    rows = _rows(kind, fresh, {} if is_postgresql() else _keep_grams(kind, fresh, before))
    if are_new:
        insert_lot(SearchEntry, rows)
    else:
        _write(rows)
    return [one.id for one in fresh if one.sounds is None]


def _entries_of(ids: Sequence[str]) -> dict[str, Any]:
    return {row.id: row for row in db.session.execute(sa.select(*_KEPT).where(SearchEntry.id.in_(ids)))}


def remove(kind: str, ids: Collection[str]) -> None:
    """Take records out of the index."""
    if not is_postgresql():
        _forget_grams(kind, db.session.execute(sa.select(*_KEPT).where(SearchEntry.id.in_(ids))).all())
    statement = sa.delete(SearchEntry).where(SearchEntry.id.in_(ids))
    db.session.execute(statement.execution_options(synchronize_session=False))


def _with_sounds(one: Text, old: Any) -> Text | None:
    """Return what to write, with the sounds that are known from before; None when nothing is different."""
    if old is None:
        return one
    sounds = old.sounds if one.sounds is None and one.words == old.words else one.sounds
    if (one.words, one.phones, sounds) == (old.words, old.phones, old.sounds):
        return None
    return Text(one.id, one.words, one.phones, sounds)


def _rows(kind: str, texts: Sequence[Text], numbers: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "corp_id": current_corp(),
            "id": one.id,
            "kind": kind,
            "words": one.words,
            "phones": one.phones,
            "sounds": one.sounds,
            "number": numbers.get(one.id),
            "grams": None if numbers else _grams(kind, one),
        }
        for one in texts
    ]


def _write(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    insert = dialect_insert(sa.inspect(SearchEntry).local_table)
    changed = {name: insert.excluded[name] for name in ("words", "phones", "sounds", "number", "grams")}
    db.session.execute(insert.on_conflict_do_update(index_elements=["corp_id", "id"], set_=changed), rows)


def _keep_grams(kind: str, texts: Sequence[Text], before: dict[str, Any]) -> dict[str, int]:
    """Write the grams on SQLite; returns the number of each entry."""
    _forget_grams(kind, [before[one.id] for one in texts if one.id in before])
    following = _last_number() + 1
    numbers: dict[str, int] = {}
    for one in texts:
        number = before[one.id].number if one.id in before else following
        following += number == following
        numbers[one.id] = number
    if texts:
        grams = [{"rowid": numbers[one.id], "grams": " ".join(_grams(kind, one))} for one in texts]
        db.session.execute(sa.insert(FULL_TEXT).values(rowid=sa.bindparam("rowid"), grams=sa.bindparam("grams")), grams)
    return numbers


def _last_number() -> int:
    with every_corp():  # the full-text table is one for all
        return db.session.scalar(sa.select(sa.func.max(SearchEntry.number))) or 0


def _forget_grams(kind: str, entries: Sequence[Any]) -> None:
    """Take old grams out: a contentless table must be told what it held."""
    if entries:
        held = [
            {
                "command": "delete",
                "rowid": row.number,
                "grams": " ".join(_grams(kind, Text(row.id, row.words, row.phones, row.sounds))),
            }
            for row in entries
        ]
        values: dict[str, Any] = {
            "fts_search": sa.bindparam("command"),
            "rowid": sa.bindparam("rowid"),
            "grams": sa.bindparam("grams"),
        }
        db.session.execute(sa.insert(FULL_TEXT).values(values), held)


def _grams(kind: str, one: Text) -> list[str]:
    lead = _lead(kind)
    return [
        lead + gram
        for gram in sorted(grams_of(one.words, one.phones, one.sounds or "", singles=kind in (CUSTOMER, CONTACT)))
    ]


def _lead(kind: str) -> str:
    return f"{current_corp()}{kind}"


# --- finding ------------------------------------------------------------------------------------------------------


def find(kind: str, terms: Terms, fits: sa.ColumnElement[bool], most: int) -> list[Any]:
    """Return (id, fits) of entries that have the grams, newest first, at most `most`; `fits` looks at each again."""
    columns = (SearchEntry.id, fits.label("fits"))
    if is_postgresql():
        statement = sa.select(*columns).where(SearchEntry.kind == kind, _has_grams(kind, terms)).limit(most)
    else:
        newest = _numbers(kind, terms, most)
        statement = sa.select(*columns).select_from(newest).join(SearchEntry, SearchEntry.number == newest.c.rowid)
    return list(db.session.execute(statement).all())


def count(kind: str, terms: Terms, most: int) -> int:
    """Return how many entries have the grams, but not more than `most`."""
    if is_postgresql():
        found: Any = sa.select(SearchEntry.id).where(SearchEntry.kind == kind, _has_grams(kind, terms)).limit(most)
        found = found.subquery()
    else:
        found = _numbers(kind, terms, most)
    return db.session.scalar(sa.select(sa.func.count()).select_from(found)) or 0


def _numbers(kind: str, terms: Terms, most: int) -> Any:
    """Return entries' numbers on SQLite. Newest first costs nothing here: the table is read backwards."""
    newest = sa.select(FULL_TEXT.c.rowid).where(FULL_TEXT.c.fts_search.op("MATCH")(_expression(kind, terms)))
    return newest.order_by(FULL_TEXT.c.rowid.desc()).limit(most).subquery()


def _has_grams(kind: str, terms: Terms) -> sa.ColumnElement[bool]:
    lead = _lead(kind)
    wanted = [[[lead + gram for gram in grams] for grams in term] for term in terms]
    return sa.and_(*(sa.or_(*(SearchEntry.grams.contains(grams) for grams in term)) for term in wanted))


def _expression(kind: str, terms: Terms) -> str:
    """Return the terms in the language of SQLite's full-text search. Grams hold letters and digits alone."""
    lead = _lead(kind)
    told = (
        " OR ".join("(" + " AND ".join(f'"{lead}{gram}"' for gram in grams) + ")" for grams in term) for term in terms
    )
    return " AND ".join(f"({term})" for term in told)
