"""Leavers (离职): whoever is gone loses access at once; so many at once that it may be a mistake are only signed out.

A member who left is marked, never deleted, and everything they own stays theirs until somebody hands it over. When
more than `burst_limit()` leave within ten minutes by events or look-ups (a forged or mistaken burst, a visible range
emptied by accident), the corp's leaving is *held*: sessions and tokens still end, and nobody gets back in whom the
host does not show, but nobody is marked any more until a run over the whole directory has told what is true.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.actions import shut_out
from wsapp.crm.org.models import LEFT, Corp, DirectoryRun, Member
from wsapp.crm.org.queries import hold_corp
from wsapp.db import current_corp, db, first, rows

BURST = timedelta(minutes=10)
BURST_MOST, BURST_LEAST, BURST_SHARE = 20, 3, 0.2
RUN_SHARE = 0.2  # of the known members: a directory run that would mark more stops and asks

Parting = Literal["left", "held", "burst", "known"]


def let_go(member: Member) -> Parting:
    """End the access of somebody whom an event or a look-up tells gone.

    Returns "left" (marked), "burst" (signed out, and from now on leaving is held), "held" (signed out only) or "known"
    (had left before).
    """
    # One after the other in a corp: so each is counted, and two events about one person part them once.
    corp = hold_corp()
    db.session.refresh(member)
    if member.status == LEFT:
        return "known"
    if corp.leaving_held_at is None and _left_lately() < burst_limit():
        shut_out(member, LEFT)
        return "left"
    member.epoch += 1
    if corp.leaving_held_at is not None:
        return "held"
    corp.leaving_held_at = clock.now()
    return "burst"


def burst_limit() -> int:
    """Return how many may leave within ten minutes: a fifth of the members, at least 3, at most 20."""
    share = int(_count(Member.status != LEFT) * BURST_SHARE)
    return min(BURST_MOST, max(BURST_LEAST, share))


def _left_lately() -> int:
    return _count(Member.left_at > clock.now() - BURST)


def _count(*which: sa.ColumnElement[bool]) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Member).where(*which)) or 0


def stop_holding() -> None:
    """A run over the whole directory has told who is there: leaving is as usual again."""
    corp: Corp = first(sa.select(Corp).where(Corp.id == current_corp()))
    corp.leaving_held_at = None


# --- after a directory run ----------------------------------------------------------------------------------------


def _missing(run: DirectoryRun) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Member.status != LEFT,
        Member.checked_at < run.started_at,  # nor asked for alone meanwhile
        sa.or_(Member.run_id.is_(None), Member.run_id != run.id),
    )


def count_missing(run: DirectoryRun) -> int:
    """Return how many members the run did not find."""
    return _count(*_missing(run))


def missing(run: DirectoryRun, limit: int) -> Sequence[Member]:
    """Return some of the members whom the run did not find."""
    return rows(sa.select(Member).where(*_missing(run)).order_by(Member.id).limit(limit))


def is_too_many(run: DirectoryRun, leavers: int) -> bool:
    """Say whether so many would leave that somebody has to agree first."""
    return leavers > run.known * RUN_SHARE
