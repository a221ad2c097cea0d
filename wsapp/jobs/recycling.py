"""The recycling at work: lot by lot, each in its own transaction, so that nobody waits long for the database."""

from wsapp import outbox
from wsapp.crm.org.queries import corps
from wsapp.crm.pools.clocks import today
from wsapp.crm.pools.recycling import begin_run, go_on
from wsapp.db import corp_scope, db
from wsapp.jobs.runner import Desk, Later
from wsapp.leases import Claim


def nightly(claim: Claim, desk: Desk) -> None:
    """Put the recycling of every corp in line, once a day."""
    for corp in corps():
        with corp_scope(corp.id):
            outbox.enqueue("recycle", {}, key=f"recycle:{corp.id}:{today()}")


def recycle(claim: Claim, desk: Desk) -> None:
    """Do a corp's recycling of today. After a killed worker it goes on behind the last lot that was committed."""
    run = begin_run()
    if run is None:
        return
    run_id = run.id
    db.session.commit()
    while go_on(run_id):
        db.session.commit()
        db.session.expunge_all()
        if desk.is_stopping():
            raise Later("stopping", after=0, counted=False)
