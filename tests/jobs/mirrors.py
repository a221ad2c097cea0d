"""A product that listens, and a person who looks at their lists at the host."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask
from werkzeug.serving import make_server

from tests.jobs.conftest import SELLERS, Firm, run_due
from wsapp.crm.mirrors.actions import choose
from wsapp.crm.mirrors.models import TaskMirror
from wsapp.crm.tasks.models import Task
from wsapp.db import db
from wsapp.outbox import Outbox

COLLEAGUES = {"wecom": "ChenZiHao", "dingtalk": "wulei"}
LISTS = {"wecom": ("entry",), "dingtalk": ("todo", "entry")}
ITEM_CALLS = ("/v1.0/todo/", "/v1.0/calendar/", "/cgi-bin/oa/")


@contextmanager
def listening(app: Flask, firm_emulator: Any) -> Iterator[str]:
    """Serve the product on a port of its own, and have the host's callbacks sent there."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    point_callbacks(firm_emulator, url)
    try:
        yield url
    finally:
        firm_emulator.wait_for_callbacks()
        server.shutdown()
        server.server_close()
        thread.join(10)


def point_callbacks(emulator: Any, url: str) -> None:
    """Have every app's events sent to the product at `url`."""
    with emulator.lock:
        if emulator.host == "wecom":
            for corp in emulator.corps.values():
                for app in corp.apps.values():
                    app.door.url = f"{url}/callbacks/wecom/{corp.corp_id}/app"
        else:
            for app in emulator.world.apps.values():
                app.subscription.url = f"{url}/callbacks/dingtalk/{app.corp.corp_id}"
            emulator.knobs["push_scale"] = 0.01


class Desk:
    """What the seller of a firm has at the host, and what they do with it."""

    def __init__(self, firm: Firm) -> None:
        self.firm = firm
        self.user = SELLERS[firm.host]

    def switch(self, *lists: str) -> None:
        choose(self.firm.seller(), todos="todo" in lists, entries="entry" in lists)
        db.session.commit()
        self.settle()

    def settle(self) -> None:
        """Let everything that is due run, and what the host tells meanwhile, until nothing is left to do."""
        for _round in range(20):
            ran = run_due(self.firm.app)
            db.session.rollback()  # on SQLite an open transaction would keep the callbacks out
            self.firm.emulator.wait_for_callbacks()
            if not ran and not self.waiting():
                return
        raise AssertionError("work without end")

    def waiting(self) -> int:
        from wsapp import clock

        db.session.rollback()
        due = sa.and_(Outbox.state == "ready", Outbox.due_at <= clock.now())
        return db.session.execute(sa.select(sa.func.count()).select_from(Outbox).where(due)).scalar_one()

    def items(self, kind: str = "", user: str = "") -> list[dict[str, Any]]:
        found = self.firm.emulator.agenda(user or self.user)
        return [one for one in found if kind in ("", one["list"])]

    def item(self, kind: str) -> dict[str, Any]:
        (found,) = self.items(kind)
        return found

    def tap(self, kind: str, act: str, at: datetime | None = None) -> None:
        """Do something with the only item of a kind, and let the product hear of it."""
        item = self.item(kind)
        self.act(item, act, at)
        self.settle()

    def act(self, item: dict[str, Any], act: str, at: datetime | None = None) -> None:
        seconds = at.timestamp() if at else 0
        db.session.rollback()
        assert self.firm.emulator.act_on_item(self.user, item["list"], item["id"], act, seconds)
        self.firm.emulator.wait_for_callbacks()

    def task(self, task_id: str) -> Task:
        db.session.rollback()
        found = sa.select(Task).where(Task.id == task_id).execution_options(populate_existing=True)
        return db.session.execute(found).scalar_one()

    def mirrors(self) -> list[TaskMirror]:
        db.session.rollback()
        found = sa.select(TaskMirror).order_by(TaskMirror.id).execution_options(populate_existing=True)
        return list(db.session.scalars(found))

    def calls(self) -> int:
        """Return how many calls about to-dos and calendars the host had so far."""
        counts = self.firm.emulator.call_counts
        return sum(count for api, count in counts.items() if api.startswith(ITEM_CALLS))


def tomorrow_at(hour: int, *, days: int = 1) -> datetime:
    from wsapp.house import local_now

    return (local_now() + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)
