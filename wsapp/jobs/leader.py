"""Who ticks: one process of an installation, by a lock that ends with its holder.

PostgreSQL: an advisory lock on a connection kept for it alone; when the connection breaks, the lock is gone and the
next process has it. SQLite: a locked file in the data folder.
"""

import fcntl
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa

from wsapp.db import db, is_postgresql
from wsapp.house import house

LOCK = 0x77730002  # of PostgreSQL's advisory locks: "I tick"
FILE = "scheduler.lock"


class Leadership(Protocol):
    """A lock that one process holds at a time."""

    def held(self) -> bool:
        """Say whether this process leads, taking the lead when it is free; asked again and again."""
        ...

    def resign(self) -> None:
        """Let go."""
        ...


def leadership() -> Leadership:
    """Return the lock of this installation. Needs an app context."""
    if is_postgresql():
        return AdvisoryLock(db.engine.url)
    return FileLock(house().settings.server.data_dir / FILE)


class AdvisoryLock:
    """Leads while its own connection lives and holds the lock."""

    def __init__(self, url: sa.URL) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        self.connection: sa.Connection | None = None

    def held(self) -> bool:
        try:
            if self.connection is not None:
                # The lock lives in the server's session; this asks whether we are still that session.
                mine = sa.text(
                    "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
                    " and objid = :lock and granted"
                )
                return bool(self.connection.execute(mine, {"lock": LOCK}).scalar())
            connection = self.engine.connect()
            if connection.execute(sa.text("select pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar():
                self.connection = connection
                return True
            connection.close()
        except sa.exc.DBAPIError:
            self.resign()
        return False

    def resign(self) -> None:
        if self.connection is not None:
            connection, self.connection = self.connection, None
            with suppress(sa.exc.SQLAlchemyError):  # of a dead connection as well
                # Given back by word: the server notices a closed connection only a moment later.
                connection.execute(sa.text("select pg_advisory_unlock(:lock)"), {"lock": LOCK})
            with suppress(sa.exc.DBAPIError):
                connection.close()


class FileLock:
    """Leads while it holds a locked file open."""

    def __init__(self, path: Any) -> None:
        self.path = path
        self.file: Any = None

    def held(self) -> bool:
        if self.file is not None:
            return True
        file = open(self.path, "w")  # noqa: SIM115 - the lock lasts as long as the file is open
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self.file = file
        return True

    def resign(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None
