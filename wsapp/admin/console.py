"""The console's first page: how this corp is connected, and what needs a look."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g

from wsapp import clock, hosts, outbox
from wsapp.admin import directory, firstrun, streams
from wsapp.admin.firstrun import announce_first_run
from wsapp.admin.gate import require_admin, show
from wsapp.admin.work import of_corp
from wsapp.crm.notifications.models import DROPPED, FAILED, Notification
from wsapp.crm.org.models import ACTIVE, ADMIN, Corp, Member
from wsapp.db import db, first
from wsapp.doctor.findings import said_by_host
from wsapp.house import local
from wsapp.outbox import Outbox
from wsapp.texts import _
from wsapp.usage import percent, used
from wsapp.web import current_corp_row, load_member

bp = Blueprint("admin_console", __name__, url_prefix="/admin")

__all__ = ["announce_first_run", "bp"]


@bp.get("/")
def index() -> Any:
    """The overview; before there is any administrator, the page that asks for the one-time code."""
    if load_member() is None and firstrun.is_first_run():
        return firstrun.page()
    return require_admin() or _overview()


def _overview() -> str:
    corp = current_corp_row()
    oldest = first(sa.select(sa.func.min(Outbox.due_at)).where(of_corp(), Outbox.state == outbox.READY))
    late = clock.now() - oldest if oldest else timedelta()
    return show(
        "overview.html",
        "console",
        corp=corp,
        advice=said_by_host(hosts.connector_class(corp.host), corp.fault.partition(" ")[0]) if corp.fault else None,
        stream_trouble=streams.trouble(corp),
        directory_run=directory.needs_a_look(),
        host_label=_(hosts.connector_class(corp.host).label),  # `host` is the client's, see base.html
        since=local(corp.created_at),
        members=_count_members(Member.status == ACTIVE),
        admins=_count_members(Member.status == ACTIVE, Member.role == ADMIN),
        dead=_count_work(outbox.DEAD),
        waiting=_count_work(outbox.READY),
        late_minutes=max(0, round(late.total_seconds() / 60)),
        undelivered=_count_undelivered(),
        me=g.member,
        allowances=_allowances(corp),
    )


def _allowances(corp: Corp) -> list[tuple[str, str]]:
    """How much of each monthly allowance of the host is used: (what, "1234 / 5000 (24 %)")."""
    connector = hosts.lines().of(corp)
    counts = used(corp.id) if connector.meters else {}
    return [
        (_(name), f"{count} / {most} ({percent(count, most)} %)")
        for meter, name in connector.meters.items()
        for count, most in ((counts.get(meter, 0), connector.allowance(meter)),)
    ]


def _count_members(*conditions: sa.ColumnElement[bool]) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Member).where(*conditions)) or 0


def _count_work(state: str) -> int:
    statement = sa.select(sa.func.count()).select_from(Outbox).where(of_corp(), Outbox.state == state)
    return db.session.scalar(statement) or 0


def _count_undelivered() -> int:
    since = clock.now() - timedelta(days=1)
    statement = (
        sa.select(sa.func.count())
        .select_from(Notification)
        .where(Notification.state.in_((FAILED, DROPPED)), Notification.due_at >= since)
    )
    return db.session.scalar(statement) or 0
