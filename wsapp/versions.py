"""Of two who change a record at once, one is told: comparing and setting its version."""

from typing import Any

import sqlalchemy as sa

from wsapp.db import db


def take_version(record: Any) -> bool:
    """Raise the version of a row by one; False when somebody else did since it was read, and the row is read anew."""
    table = type(record)
    taken = db.session.execute(
        sa.update(table)
        .where(table.id == record.id, table.version == record.version)
        .values(version=table.version + 1)
        .execution_options(synchronize_session=False)
    )
    is_mine: bool = taken.rowcount == 1  # type: ignore[attr-defined]
    db.session.refresh(record, ["version"] if is_mine else None)
    return is_mine
