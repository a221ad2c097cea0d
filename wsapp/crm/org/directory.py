"""Directory runs (通讯录同步): one at a time for a corp, made of steps, held by whoever works on it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import LEFT, DirectoryRun, DirectoryStep, Member
from wsapp.db import database_now, db, first, insert_rows, rows

RUNNING, DONE, ASKING, FAILED = "running", "done", "asking", "failed"
DEPARTMENTS, PEOPLE, LEAVERS = "departments", "people", "leavers"
RANKS = {"range": 0, "root": 1, "below": 2, "people": 3, "person": 4, "confirm": 5}
HOLD = timedelta(seconds=60)
KEEP_RUNS = 60


class HoldLost(Exception):
    """Somebody else works on the run now: nothing of ours may be written."""


# --- beginning ----------------------------------------------------------------------------------------------------


def begin(cause: str, *, accept_leavers: bool = False) -> tuple[DirectoryRun, bool]:
    """Begin a run, or join the one under way; returns (run, whether new).

    `accept_leavers`: however many would leave, they do. Whoever joins with it says so for the run under way.
    """
    line = {
        "cause": cause,
        "state": RUNNING,
        "stage": DEPARTMENTS,
        "running": True,
        "accept_leavers": accept_leavers,
        "known": _count_known(),
        "started_at": clock.now(),
    }
    is_new = insert_rows(DirectoryRun, [line], ignore=True) == 1
    run = running()
    assert run is not None  # inserted just now, or in the way of it
    if is_new:
        add_steps(run, [("range", "")])
        _forget_old()
    elif accept_leavers:
        run.accept_leavers = True
    db.session.flush()
    return run, is_new


def _count_known() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Member).where(Member.status != LEFT)) or 0


def _forget_old() -> None:
    """Keep the newest runs for the console."""
    old = sa.select(DirectoryRun.id).where(DirectoryRun.running.is_(None)).order_by(DirectoryRun.started_at.desc())
    for run_id in rows(old.offset(KEEP_RUNS)):
        db.session.execute(sa.delete(DirectoryRun).where(DirectoryRun.id == run_id))


# --- looking ------------------------------------------------------------------------------------------------------

_FRESH = {"populate_existing": True}


def running() -> DirectoryRun | None:
    """Return the run under way, as the database has it."""
    statement = sa.select(DirectoryRun).where(DirectoryRun.running.is_(True))
    return first(statement.execution_options(**_FRESH))


def find(run_id: str) -> DirectoryRun | None:
    """Return a run, as the database has it."""
    return first(sa.select(DirectoryRun).where(DirectoryRun.id == run_id).execution_options(**_FRESH))


def latest(limit: int = 1) -> Sequence[DirectoryRun]:
    """Return the newest runs, the newest first."""
    return rows(sa.select(DirectoryRun).order_by(DirectoryRun.started_at.desc(), DirectoryRun.id.desc()).limit(limit))


# --- holding ------------------------------------------------------------------------------------------------------


def hold(run_id: str, holder: str) -> bool:
    """Take a run, or keep it, for a minute; says whether it is ours. Who dies holding it loses it by that time."""
    now = database_now()
    free = sa.or_(DirectoryRun.holder.is_(None), DirectoryRun.holder == holder, DirectoryRun.held_until < now)
    return _change(sa.and_(DirectoryRun.id == run_id, free), holder=holder, held_until=now + HOLD) == 1


def keep_hold(run_id: str, holder: str) -> None:
    """Be sure, for the rest of the transaction, that the run is still ours. Raises HoldLost."""
    ours = sa.and_(DirectoryRun.id == run_id, DirectoryRun.holder == holder)
    if _change(ours, held_until=database_now() + HOLD) != 1:
        raise HoldLost(run_id)


def let_loose(run_id: str, holder: str) -> None:
    """Give a run back, so that the next one need not wait."""
    _change(sa.and_(DirectoryRun.id == run_id, DirectoryRun.holder == holder), holder=None, held_until=None)


def _change(which: sa.ColumnElement[bool], **values: Any) -> int:
    statement = sa.update(DirectoryRun).where(which, DirectoryRun.running.is_(True)).values(**values)
    done = db.session.execute(statement.execution_options(synchronize_session=False))
    return done.rowcount or 0  # type: ignore[attr-defined]


# --- steps --------------------------------------------------------------------------------------------------------


def add_steps(run: DirectoryRun, wanted: Iterable[tuple[str, str]]) -> None:
    """Put steps (kind, target) in line; those that are there already are left alone."""
    lines = [{"run_id": run.id, "rank": RANKS[kind], "kind": kind, "target": target} for kind, target in wanted]
    insert_rows(DirectoryStep, lines, ignore=True)


def next_step(run_id: str) -> DirectoryStep | None:
    """Return the step that comes next, None when all are made."""
    statement = sa.select(DirectoryStep).where(DirectoryStep.run_id == run_id)
    return first(statement.order_by(DirectoryStep.rank, DirectoryStep.id).limit(1).execution_options(**_FRESH))


def end_step(step: DirectoryStep, *, following: str = "") -> None:
    """Take a step out of the line, or set it to the page that follows."""
    own = DirectoryStep.id == step.id
    change: Any = sa.update(DirectoryStep).values(cursor=following) if following else sa.delete(DirectoryStep)
    db.session.execute(change.where(own).execution_options(synchronize_session=False))


def end_steps(run: DirectoryRun) -> None:
    """Take all steps of a run out of the line."""
    gone = sa.delete(DirectoryStep).where(DirectoryStep.run_id == run.id)
    db.session.execute(gone.execution_options(synchronize_session=False))


# --- ending -------------------------------------------------------------------------------------------------------


def end(run: DirectoryRun, state: str, *, code: str = "", reason: str = "") -> None:
    """End a run: "done", "asking" or "failed". The next one may begin."""
    run.state, run.running, run.ended_at = state, None, clock.now()
    run.holder = run.held_until = None
    run.code, run.reason = code[:60], reason[:300]
    end_steps(run)
    db.session.flush()
