"""Runs migrations on the app's own engine; SQLite copies tables where it cannot alter them."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from wsapp.db import Base

engine = current_app.extensions["migrate"].db.engine


@contextmanager
def _tables_can_be_copied(connection: Connection) -> Iterator[None]:
    """Let SQLite drop a table whose copy takes its place: with foreign keys on, its rows' children would go with it.

    The switch works between transactions only. What does not fit together afterwards is an error.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.driver_connection
    raw.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
    try:
        yield
        broken = raw.execute("PRAGMA foreign_key_check").fetchone()  # type: ignore[union-attr]
        if broken is not None:
            raise RuntimeError(f"a row of {broken[0]} refers to a row of {broken[2]} that is not there")
    finally:
        raw.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]


with engine.connect() as connection, _tables_can_be_copied(connection):
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
