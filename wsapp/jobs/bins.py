"""The recycle bin's own work: deleting many records, and emptying what was kept long enough."""

import sqlalchemy as sa

from wsapp.crm.deletions.actions import purge_old
from wsapp.crm.deletions.runs import go_on
from wsapp.crm.org.models import Corp
from wsapp.db import corp_scope, db, rows
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def delete_many(claim: Claim, desk: Desk) -> None:
    """Delete, or bring back, the next lot of a run; each is work of its own, so that a killed worker loses nothing."""
    go_on(claim.payload["run"])


def empty(claim: Claim, desk: Desk) -> None:
    """Every night: what has been in a corp's bin for long enough is gone for good."""
    for corp_id in rows(sa.select(Corp.id).order_by(Corp.id)):
        with corp_scope(corp_id):
            while purge_old():
                db.session.commit()
