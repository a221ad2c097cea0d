"""The schema of the database: its migrations, its version, and whether it is as the models say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsapp.db import Base, db, reading


def migrations_folder() -> Path:
    """Return the folder of the migrations: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent / "migrations"
    return package if package.is_dir() else Path(__file__).parent.parent / "migrations"


def upgrade(app: Any, revision: str = "head") -> None:
    """Migrate the database of `app` to the newest version."""
    _alembic(app, lambda command, config: command.upgrade(config, revision))


def downgrade(app: Any, revision: str = "-1") -> None:
    """Step the database of `app` back one version."""
    _alembic(app, lambda command, config: command.downgrade(config, revision))


def _alembic(app: Any, run: Callable[[Any, Any], None]) -> None:
    from alembic import command

    with app.app_context():
        config = app.extensions["migrate"].migrate.get_config(str(migrations_folder()))
        run(command, config)


def schema_versions() -> tuple[str | None, str | None]:
    """Return the version that the current app's database is at, and the one that the program needs."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    head = ScriptDirectory(str(migrations_folder())).get_current_head()
    with reading():
        return MigrationContext.configure(db.session.connection()).get_current_revision(), head


def check(app: Any) -> list[str]:
    """Return what is wrong with the schema: behind the newest migration, or different from the models. Empty: good."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with app.app_context():
        head = ScriptDirectory(str(migrations_folder())).get_current_head()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "include_object": _compared, "target_metadata": Base.metadata}
            )
            current = context.get_current_revision()
            if current != head:
                return [f"the schema is at {current or 'nothing'}, the newest migration is {head}"]
            return [f"the schema differs: {difference}" for difference in compare_metadata(context, Base.metadata)]


def _compared(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Leave out what only one database has and no model can say: its own tables, full-text and GIN indexes."""
    own = {"table": ("sqlite_", "fts_"), "index": ("gin_",)}.get(kind, ())
    return not (name is not None and name.startswith(own))
