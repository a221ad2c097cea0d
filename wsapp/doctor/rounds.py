"""Rounds: an examination in the background of a web process, its findings kept as they come, for whoever looks.

The console reads what is kept, whichever process made it; a round that nobody finished (its process ended) is over
after a minute. Findings of the last round stay until the next, and each check remembers when it was last good.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, hosts, logs
from wsapp.crm.org.models import Corp
from wsapp.db import corp_scope, db, dialect_insert, rows, separate
from wsapp.doctor.examination import DEADLINE, examine, plan
from wsapp.doctor.findings import Finding
from wsapp.doctor.keeping import keep
from wsapp.doctor.models import RUNNING, DoctorResult

ROUND = "round"
OVER_AFTER = timedelta(seconds=DEADLINE + 20)
WAITING = "waiting"

_under_way: list[threading.Thread] = []
log = logs.get_logger()


def start(corp: Corp, *, me: str, only: Sequence[str] = (), sends: bool = False) -> bool:
    """Begin a round for a corp in a thread of its own; False when one is under way. Ends the session's transaction."""
    corp_id = corp.id
    db.session.rollback()
    if not _claim(corp_id, only):
        return False
    app = hosts.app_object()
    thread = threading.Thread(target=_run, args=(app, corp_id, me, tuple(only), sends), daemon=True, name="doctor")
    _under_way[:] = [one for one in _under_way if one.is_alive()] + [thread]
    thread.start()
    return True


def wait(timeout: float = 30) -> None:
    """Wait until the rounds of this process have ended."""
    for thread in list(_under_way):
        thread.join(timeout)


def _claim(corp_id: int, only: Sequence[str] = ()) -> bool:
    """Take the corp's round, unless one is under way. Two at once: one gets True."""
    now = clock.now()
    table = sa.inspect(DoctorResult).local_table
    row = {"corp_id": corp_id, "id": ROUND, "state": RUNNING, "data": {"only": list(only)}, "checked_at": now}
    statement = (
        dialect_insert(table)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["corp_id", "id"],
            set_={"state": RUNNING, "data": row["data"], "checked_at": now},
            where=sa.or_(table.c.state != RUNNING, table.c.checked_at < now - OVER_AFTER),
        )
    )
    with separate() as connection:
        return bool(connection.execute(statement).rowcount == 1)


def _run(app: Any, corp_id: int, me: str, only: Sequence[str], sends: bool) -> None:
    with app.app_context(), corp_scope(corp_id):
        try:
            corp = db.session.get(Corp, corp_id)
            examine(corp, me=me, only=only, sends=sends, told=lambda found: _keep_from_thread(app, corp_id, found))
        except Exception:
            log.exception("doctor.round_failed", corp=corp_id)
        finally:
            _end(corp_id)


def _keep_from_thread(app: Any, corp_id: int, found: Finding) -> None:
    with app.app_context():
        keep(corp_id, found)


def _end(corp_id: int) -> None:
    mine = sa.and_(DoctorResult.corp_id == corp_id, DoctorResult.id == ROUND)
    with separate() as connection:
        connection.execute(sa.update(DoctorResult).where(mine).values(state="done", checked_at=clock.now()))


def kept(corp: Corp) -> tuple[list[dict[str, Any]], bool, datetime | None]:
    """Return what is known of the current corp: every check in order with its last finding (see `Finding.as_data`, with
    `checked_at` and `last_ok_at`), whether a round is under way, and when the last one began or ended."""
    found = {one.id: one for one in rows(sa.select(DoctorResult))}
    last = found.get(ROUND)
    running = last is not None and last.state == RUNNING and last.checked_at > clock.now() - OVER_AFTER
    checks = []
    for check in plan(hosts.lines().of(corp)):
        row = found.get(check.key)
        data = dict(row.data) if row else _not_yet(check.key)
        data |= {"title": check.title, "sends": check.sends, "checked_at": None, "last_ok_at": None}
        if row:
            data |= {"checked_at": row.checked_at, "last_ok_at": row.last_ok_at}
        data["waits"] = running and _is_awaited(check.key, row, last)
        checks.append(data)
    return checks, running, last.checked_at if last else None


def _is_awaited(key: str, row: DoctorResult | None, last: DoctorResult | None) -> bool:
    """Whether the round under way still has to ask something."""
    only = last.data.get("only") if last else None
    if only and key not in only:
        return False
    return row is None or last is None or row.checked_at < last.checked_at


def keys(corp: Corp) -> set[str]:
    """Return the keys of every check of a corp."""
    return {one.key for one in plan(hosts.lines().of(corp))}


def _not_yet(key: str) -> dict[str, Any]:
    nothing = {f"{name}_{language}": "" for name in ("evidence", "fix", "place") for language in ("zh", "en")}
    return {"check": key, "state": WAITING, "code": "", "lookup": "", "seconds": 0.0, **nothing}


def with_last_good(corp_id: int, found: list[Finding]) -> list[Finding]:
    """Return the findings with the time when each was last good, and remember them. Commits."""
    with corp_scope(corp_id):
        known = {one.id: one.last_ok_at for one in rows(sa.select(DoctorResult))}
    db.session.rollback()
    now = clock.now()
    for one in found:
        keep(corp_id, one)
    return [replace(one, last_ok=now if one.state == "ok" else known.get(one.check)) for one in found]
