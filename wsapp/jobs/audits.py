"""The audit log's own work: linking events soon after they are committed, anchors every hour, letting go of the old."""

import json
from datetime import timedelta

import sqlalchemy as sa

from wsapp import clock, logs
from wsapp.crm.audit import rules  # noqa: F401 - declares what is asked for here
from wsapp.crm.audit.chain import LOT, Anchor, anchor, let_go, seal
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Corp
from wsapp.crm.org.rules import rule
from wsapp.db import corp_scope, db, rows
from wsapp.house import house
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim

FOLDER = "audit"
FILE = "anchors.jsonl"
YEAR = timedelta(days=365.25)

log = logs.get_logger()


def seal_after(event_id: str) -> None:
    """Link an event that was just told to its listeners, and all others that wait; most are linked by then."""
    if db.session.scalar(sa.select(Event.seq).where(Event.id == event_id)) is None:
        seal()


def seal_all(claim: Claim, desk: Desk) -> None:
    """Every minute: link what is left in every corp."""
    for corp_id in rows(sa.select(Corp.id).order_by(Corp.id)):
        with corp_scope(corp_id):
            while seal() == LOT:
                db.session.commit()
            db.session.commit()


def drop_anchors(claim: Claim, desk: Desk) -> None:
    """Every hour: say where each chain ends, in the log (which is shipped elsewhere) and in a file beside the data."""
    found = []
    for corp in rows(sa.select(Corp).order_by(Corp.id)):
        with corp_scope(corp.id):
            one = anchor(corp.host_corp_id)
        if one is not None:
            found.append(one)
            log.info("audit_anchor", corp=one.corp, seq=one.seq, mac=one.mac, at=one.at, sign=one.signature)
    _write(found)


def _write(found: list[Anchor]) -> None:
    folder = house().settings.server.data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / FILE, "a") as file:
        file.writelines(json.dumps(one.as_data()) + "\n" for one in found)


def forget(claim: Claim, desk: Desk) -> None:
    """Every night: let go of what each corp has kept for long enough."""
    for corp_id in rows(sa.select(Corp.id).order_by(Corp.id)):
        with corp_scope(corp_id):
            before = clock.now() - YEAR * rule("audit.years")
            while let_go(before) == LOT:
                db.session.commit()
            db.session.commit()
