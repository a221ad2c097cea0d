"""What operators ask: is the process alive, is it ready, what are its numbers."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, jsonify, request

from wsapp import (
    clock,
    gauges,  # noqa: F401 - they register themselves
    metrics,
    worklist,
)
from wsapp.db import database_now, db, reading
from wsapp.doctor import own
from wsapp.house import house
from wsapp.schema import migrations_folder

bp = Blueprint("health", __name__)

MIN_FREE_DISK = 0.05
MAX_CLOCK_SKEW = timedelta(seconds=60)
MAX_LATE = timedelta(minutes=10)
LOOPBACK = ("127.0.0.1", "::1")


@bp.get("/healthz")
def alive() -> Response:
    """The process answers. Nothing else is looked at."""
    return Response("ok\n", mimetype="text/plain")


@bp.get("/healthz/mark")
def marked() -> Any:
    """What tells this installation from others, and how the request arrived: the doctor asks its own public address."""
    forwarded = [one for one in request.headers.get("X-Forwarded-For", "").split(",") if one.strip()]
    at_home = request.host.lower() == urlsplit(house().settings.server.public_url).netloc.lower()
    return jsonify({"mark": own.mark(), "scheme": request.scheme, "at_home": at_home, "hops": len(forwarded)})


@bp.get("/readyz")
def ready() -> Any:
    """Database, schema, queue, clock and disk are good; else 503 with the reasons. A host's outage changes nothing."""
    reasons = dict(_reasons())
    return (jsonify({"ready": not reasons, "reasons": reasons}), 503 if reasons else 200)


def _reasons() -> Iterator[tuple[str, str]]:
    checks: dict[str, Callable[[], str]] = {
        "database": _database,
        "schema": _schema,
        "queue": _queue,
        "clock": _clock,
        "disk": _disk,
    }
    for name, check in checks.items():
        try:
            reason = check()
        except Exception as error:  # noqa: BLE001 - whatever breaks is the answer, not a crash of the check
            db.session.rollback()
            reason = type(error).__name__
        if reason:
            yield name, reason


def _database() -> str:
    db.session.execute(sa.select(1))
    return ""


def _schema() -> str:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    head = current_app.extensions.setdefault("wsapp-head", ScriptDirectory(str(migrations_folder())).get_current_head())
    with reading():
        current = MigrationContext.configure(db.session.connection()).get_current_revision()
    return "" if current == head else f"the schema is at {current}, the program needs {head}"


def _queue() -> str:
    late = worklist.lateness()
    return f"the oldest due work is {round(late.total_seconds())} s late" if late > MAX_LATE else ""


def _clock() -> str:
    skew = abs(database_now() - clock.wall())
    return f"this clock and the database's differ by {round(skew.total_seconds())} s" if skew > MAX_CLOCK_SKEW else ""


def _disk() -> str:
    usage = shutil.disk_usage(house().settings.server.data_dir)
    return "" if usage.free / usage.total > MIN_FREE_DISK else "less than 5 % of the disk is free"


@bp.get("/metrics")
def numbers() -> Response:
    """Prometheus metrics, for this machine's own scraper only (or one behind a trusted proxy that says so)."""
    if request.remote_addr not in LOOPBACK:
        abort(404)
    body, content_type = metrics.render(current_app)
    return Response(body, content_type=content_type)
