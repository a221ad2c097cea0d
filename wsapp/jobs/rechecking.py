"""Asking the hosts again: of one department that changed, and round and round of everybody who is signed in.

An event may be lost. So whoever has a live session or a token in use is asked for at the host every ten minutes, a few
calls a second; together with the minute of the sweep, nobody who left is in for a quarter of an hour.
"""

import time

import sqlalchemy as sa

from wsapp import outbox, rechecks
from wsapp.crm.org.models import Corp
from wsapp.db import corp_scope, current_corp, db, rows
from wsapp.jobs.delivery import line_of_corp
from wsapp.jobs.directory import Throttle
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim
from wsapp.outbox import Outbox

SLICE = 5.0  # seconds at a time
LOT = 50


def check_department(claim: Claim, desk: Desk) -> None:
    """Ask the host again about a department."""
    corp, _connector = line_of_corp()
    with desk.calling(current_corp()):
        rechecks.check_department(corp, claim.payload["department"])


def sweep_members(claim: Claim, desk: Desk) -> None:
    """Have those asked for who are signed in, in each corp where some are due and nobody is at it."""
    for corp_id in rows(sa.select(Corp.id).where(Corp.enabled.is_(True))):
        with corp_scope(corp_id):
            if rechecks.anybody_due() and not _is_at_it():
                outbox.enqueue("members.check", {})


def _is_at_it() -> bool:
    under_way = sa.exists().where(
        Outbox.corp_id == current_corp(),
        Outbox.kind == "members.check",
        Outbox.state.in_((outbox.READY, outbox.RUNNING)),
    )
    return bool(db.session.scalar(sa.select(under_way)))


def check_members(claim: Claim, desk: Desk) -> None:
    """Ask for those who are due, for a few seconds, at half of the pace that the host takes; the rest goes in line."""
    corp, connector = line_of_corp()
    userids = rechecks.due(LOT)
    db.session.commit()
    throttle = Throttle(connector.directory_rate / 2, desk.pace)
    until = time.monotonic() + SLICE
    for userid in userids:
        throttle.wait()
        with desk.calling(current_corp()):
            rechecks.check_member(corp, userid)
        if time.monotonic() > until:
            break
    if rechecks.anybody_due():
        outbox.enqueue("members.check", {})
