"""A firm ten times as large, out of one that is there: every row copied in the database, under ids of its own.

`wsapp seed` would take three quarters of an hour for a million customers; the shape stays the same either way. The
search index is copied for customers, whom the measured searches ask for; copied follow-ups and tasks are not in it.
"""

from typing import Any

import sqlalchemy as sa

from wsapp.crm.search.grams import grams_of
from wsapp.crm.search.models import CUSTOMER

# table → (columns that hold ids of copied rows, columns that must differ as well)
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "member": (("id",), ("userid", "userid_key")),
    "membership": (("id", "member_id"), ()),
    "customer": (("id", "owner_id", "creator_id"), ()),
    "customer_phone": (("id", "customer_id"), ("number",)),
    "follow_up": (("id", "customer_id", "author_id"), ()),
    "visit": (("id", "customer_id", "member_id"), ()),
    "task": (("id", "customer_id", "assignee_id", "creator_id", "done_by"), ()),
    "event": (("id", "subject_id", "customer_id", "actor_id"), ()),
}
ENTRIES = "search_entry"
LOT = 5_000  # entries whose grams are written at once
LETTERS = "abcdefghj"  # ids of today begin with a digit


def multiply(engine: sa.Engine) -> None:
    """Add nine copies of everything that people have made to what is there."""
    tables = sa.MetaData()
    tables.reflect(engine, only=[*TABLES, ENTRIES])
    for letter in LETTERS:
        with engine.begin() as connection:
            for name, (ids, others) in TABLES.items():
                connection.exec_driver_sql(_copy(tables.tables[name], letter, ids, others))
            _copy_entries(connection, tables.tables[ENTRIES], letter)


def _copy(table: sa.Table, letter: str, ids: tuple[str, ...], others: tuple[str, ...]) -> str:
    """Return the statement that copies the original rows: ids get another first letter, numbers another country."""
    values = {column.name: f'"{column.name}"' for column in table.columns}
    values |= {column: f"'{letter}' || substr({column}, 2)" for column in ids}
    values |= {column: f"'{letter}' || {column}" for column in others if column != "number"}
    if "number" in others:
        values["number"] = f"'+{LETTERS.index(letter) + 1}' || substr(number, 2)"
    names = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values.values())} FROM {table.name} WHERE id < 'a'"


def _copy_entries(connection: sa.Connection, table: sa.Table, letter: str) -> None:
    """Copy what the customers are found by. On SQLite the grams stand beside, by the entry's number."""
    values = {column.name: f'"{column.name}"' for column in table.columns} | {"id": f"'{letter}' || substr(id, 2)"}
    beside = connection.dialect.name == "sqlite"
    if beside:
        values["number"] = f"number + {_most(connection, table)}"
    names = ", ".join(f'"{name}"' for name in values)
    originals = f"kind = '{CUSTOMER}' AND id < 'a'"
    connection.exec_driver_sql(
        f"INSERT INTO {ENTRIES} ({names}) SELECT {', '.join(values.values())} FROM {ENTRIES} WHERE {originals}"
    )
    if beside:
        columns = (table.c.corp_id, table.c.number, table.c.words, table.c.phones, table.c.sounds)
        copied = sa.select(*columns).where(table.c.kind == CUSTOMER, table.c.id.startswith(letter))
        entries = connection.execute(copied).all()
        for start in range(0, len(entries), LOT):
            grams = [_grams(one) for one in entries[start : start + LOT]]
            connection.exec_driver_sql("INSERT INTO fts_search (rowid, grams) VALUES (?, ?)", grams)


def _most(connection: sa.Connection, table: sa.Table) -> int:
    found: int = connection.scalar(sa.select(sa.func.max(table.c.number))) or 0
    return found


def _grams(entry: Any) -> tuple[int, str]:
    lead = f"{entry.corp_id}{CUSTOMER}"
    found = grams_of(entry.words, entry.phones, entry.sounds or "")
    return entry.number, " ".join(lead + gram for gram in sorted(found))
