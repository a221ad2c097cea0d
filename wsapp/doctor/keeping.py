"""Keeping the last finding of each check, and when it was last good."""

from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.db import dialect_insert, separate
from wsapp.doctor.findings import Finding
from wsapp.doctor.models import DoctorResult


def keep(corp_id: int, found: Finding) -> None:
    """Remember a finding as the last of its check; a check that was put off keeps what it was. Commits.

    For callers without an open transaction: on SQLite it would wait for that one.
    """
    if found.sends and found.state == "skip" and found.seconds == 0:
        return
    with separate() as connection:
        connection.execute(keeping(corp_id, found))


def keeping(corp_id: int, found: Finding) -> Any:
    """Return the statement that remembers a finding."""
    now = clock.now()
    values = {"state": found.state, "data": found.as_data(), "checked_at": now}
    if found.state == "ok":
        values["last_ok_at"] = now
    table = sa.inspect(DoctorResult).local_table
    statement = dialect_insert(table).values(corp_id=corp_id, id=found.check, **values)
    return statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_=values)
