"""Both sample firms with people in them, and a way to run what is due."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from wsapp import arrivals, clock
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.org.queries import corps
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db
from wsapp.jobs.runner import Desk, Runner
from wsapp.jobs.worker import _groups
from wsapp.leases import claim
from wsapp.outbox import Outbox

SELLERS = {"wecom": "LinXiaoYan", "dingtalk": "zhouxiaoyu"}
SEND_API = {"wecom": "/cgi-bin/message/send", "dingtalk": "/v1.0/card/instances/createAndDeliver"}


@dataclass
class Firm:
    """A sample firm at one host, with its emulator and one seller."""

    app: Flask
    corp_id: int
    host: str
    running: RunningEmulator
    seller_id: str

    @property
    def emulator(self) -> Any:
        return self.running.emulator

    @property
    def send_api(self) -> str:
        return SEND_API[self.host]

    def seller(self) -> Member:
        return db.session.execute(sa.select(Member).where(Member.id == self.seller_id)).scalar_one()

    def task(self, title: str = "回访森林木业", *, due_in: timedelta = timedelta(), **more: Any) -> Task:
        """Create a task of the seller's, due now if not said otherwise; commits."""
        task = create_task({"title": title, "due_at": clock.now() + due_in, **more}, actor=self.seller())
        db.session.commit()
        return task

    def message(self) -> Notification:
        """Return the one message that there is, as the database has it."""
        db.session.rollback()
        found = sa.select(Notification).execution_options(populate_existing=True)
        return db.session.execute(found).scalar_one()

    def chat(self) -> list[dict[str, Any]]:
        """Return what the seller sees at the host."""
        return [one for one in self.emulator.chats(SELLERS[self.host]) if not one.get("dropped")]

    def fault(self, fault: str, *, api: str = "", times: int = 1, **options: Any) -> None:
        from wsapp.connectors.emulator import Fault

        self.emulator.faults.append(Fault(api or self.send_api, fault, times=times, options=options))

    def posts(self) -> int:
        return int(self.emulator.call_counts.get(self.send_api, 0))


def make_firm(app: Flask, host: str, running: RunningEmulator) -> Firm:
    """Bring the seller of a sample firm into the product, as their first opening does."""
    with app.app_context():
        corp: Corp = next(one for one in corps() if one.host == host and one.credentials and "测试" not in one.name)
        seller = arrivals.arrive(corp, SELLERS[host])
        return Firm(app, corp.id, host, running, seller.id)


@pytest.fixture(params=["wecom", "dingtalk"])
def firm(
    request: pytest.FixtureRequest, app: Flask, wecom: RunningEmulator, dingtalk: RunningEmulator
) -> Iterator[Firm]:
    """A firm at each host in turn, inside an app context of its corp; everything that is due so far has run."""
    made = make_firm(app, request.param, {"wecom": wecom, "dingtalk": dingtalk}[request.param])
    with app.app_context(), corp_scope(made.corp_id):
        run_due(app)
        made.emulator.call_counts.clear()
        yield made


Run = Callable[..., int]


def run_due(app: Flask, desk: Desk | None = None, *, kinds: tuple[str, ...] = (), rounds: int = 50) -> int:
    """Run what is due now, and what follows, in this thread; with `kinds` only those. Returns how many rows ran."""
    db.session.rollback()
    runner = Runner(app, desk or Desk())
    count = 0
    for _round in range(rounds):
        if kinds:
            _put_off_all_but(kinds)
        claims = claim(100)
        if not claims:
            return count
        for *_key, lot in _groups(claims):
            runner.run((lot[0].attempt_id, tuple(one.id for one in lot)))
            count += len(lot)
    raise AssertionError("work without end")


def _put_off_all_but(kinds: tuple[str, ...]) -> None:
    later = clock.now() + timedelta(days=30)
    due = sa.and_(Outbox.state == "ready", Outbox.due_at <= clock.now(), Outbox.kind.not_in(kinds))
    db.session.execute(sa.update(Outbox).where(due).values(due_at=later).execution_options(synchronize_session=False))
    db.session.commit()


def row(kind: str, *, latest: bool = True) -> Outbox:
    """Return the newest outbox row of a kind, as the database has it."""
    db.session.rollback()
    order = Outbox.id.desc() if latest else Outbox.id
    statement = sa.select(Outbox).where(Outbox.kind == kind).order_by(order).limit(1)
    return db.session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def make_due(kind: str) -> None:
    """Let the rows of a kind be due now, as if their wait were over."""
    db.session.execute(
        sa.update(Outbox)
        .where(Outbox.kind == kind, Outbox.state == "ready")
        .values(due_at=clock.now() - timedelta(seconds=1))
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
