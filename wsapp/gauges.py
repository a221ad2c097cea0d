"""Gauges that are asked of the database at each scrape: what waits, how late it is, which circuits are open."""

from collections.abc import Mapping

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import STREAM_OPEN, Corp, HostStream, HostToken
from wsapp.db import db, reading
from wsapp.metrics import at_scrape
from wsapp.outbox import DEAD, DONE, READY, RUNNING, Outbox

Values = Mapping[tuple[str, ...], float]


@at_scrape("wsapp_outbox_depth", "Work in the outbox that is not done, by state", ("state",))
def outbox_depth() -> Values:
    """How many rows wait, run or died."""
    wanted = sa.select(Outbox.state, sa.func.count()).where(Outbox.state != DONE).group_by(Outbox.state)
    with reading():
        found = {state: float(count) for state, count in db.session.execute(wanted)}
    return {(state,): found.get(state, 0.0) for state in (READY, RUNNING, DEAD)}


@at_scrape("wsapp_outbox_oldest_due_age_seconds", "How late the oldest due work is; 0 when nothing is late")
def oldest_due_age() -> Values:
    """The figure that says whether reminders arrive."""
    with reading():
        oldest = db.session.execute(sa.select(sa.func.min(Outbox.due_at)).where(Outbox.state == READY)).scalar_one()
    return {(): max(0.0, (clock.now() - oldest).total_seconds()) if oldest else 0.0}


@at_scrape("wsapp_host_breaker_state", "1 while nothing is asked of a host after wrong secrets", ("host", "corp"))
def breaker_state() -> Values:
    """The circuit of each corp's tokens."""
    is_open = sa.exists().where(HostToken.corp_id == Corp.id, HostToken.blocked_until > clock.now())
    wanted = sa.select(Corp.host, Corp.id, is_open).where(Corp.enabled)
    with reading():
        return {(host, str(corp_id)): float(is_open) for host, corp_id, is_open in db.session.execute(wanted)}


@at_scrape("wsapp_host_stream_open", "1 while the stream over which a host pushes is open", ("host", "corp"))
def stream_open() -> Values:
    """The stream of each corp that has one, as its holder last wrote it down."""
    is_open = sa.and_(HostStream.state == STREAM_OPEN, HostStream.held_until >= clock.wall())
    wanted = sa.select(Corp.host, Corp.id, is_open).join(HostStream, HostStream.corp_id == Corp.id)
    with reading():
        found = db.session.execute(wanted.where(Corp.enabled, HostStream.holder.is_not(None)))
        return {(host, str(corp_id)): float(is_open) for host, corp_id, is_open in found}
