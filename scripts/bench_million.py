"""A firm ten times as large, out of one that is there: every row copied in the database, under ids of its own.

`wsapp seed` would take three quarters of an hour for a million customers; the shape stays the same either way.
"""

import sqlalchemy as sa

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
LETTERS = "abcdefghj"  # ids of today begin with a digit


def multiply(engine: sa.Engine) -> None:
    """Add nine copies of everything that people have made to what is there."""
    tables = sa.MetaData()
    tables.reflect(engine, only=list(TABLES))
    for letter in LETTERS:
        with engine.begin() as connection:
            for name, (ids, others) in TABLES.items():
                connection.exec_driver_sql(_copy(tables.tables[name], letter, ids, others))


def _copy(table: sa.Table, letter: str, ids: tuple[str, ...], others: tuple[str, ...]) -> str:
    """Return the statement that copies the original rows: ids get another first letter, numbers another country."""
    values = {column.name: f'"{column.name}"' for column in table.columns}
    values |= {column: f"'{letter}' || substr({column}, 2)" for column in ids}
    values |= {column: f"'{letter}' || {column}" for column in others if column != "number"}
    if "number" in others:
        values["number"] = f"'+{LETTERS.index(letter) + 1}' || substr(number, 2)"
    names = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values.values())} FROM {table.name} WHERE id < 'a'"
