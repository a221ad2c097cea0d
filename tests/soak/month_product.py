"""The product in a simulated month: both halves of the firm connected to their emulators over HTTP, people's deeds done
by the same actions as the pages call, and everything that is due executed as a worker does."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
import time_machine
from flask import Flask

from tests.cast import settings_for
from tests.soak.month_doing import DEEDS, SHANGHAI, Book
from tests.soak.month_firm import ROOT, Half
from tests.soak.month_records import Deed
from wsapp import outbox
from wsapp.cli_directory import sync_now
from wsapp.config import load
from wsapp.connectors import connector_classes
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
from wsapp.connectors.emulator import RunningEmulator
from wsapp.connectors.wecom.emulator import WeComEmulator
from wsapp.connectors.wecom.emulator import demo_org as wecom_org
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import standing
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import corps
from wsapp.crm.org.rules import set_rules
from wsapp.db import corp_scope, db
from wsapp.jobs.periodic import enqueue_ticks
from wsapp.jobs.worker import run_all

PUBLIC_URL = "http://127.0.0.1:8000"
MANY_CALLS = 10_000_000  # that DingTalk's edition of the firm grants a month


class Product(Book):
    """The running product with both halves of the firm in it."""

    def __init__(self, app: Flask, emulators: dict[str, RunningEmulator], clock: time_machine.Traveller) -> None:
        super().__init__()
        self.app = app
        self.emulators = emulators
        self.clock = clock

    # --- time ------------------------------------------------------------------------------------------------

    def at(self, moment: datetime, *, tick: bool) -> None:
        """Let it be a moment (no earlier than it is), and do what is due; `tick`: the scheduler ticks first."""
        self.go_to(moment)
        if tick:
            with self.app.app_context():
                enqueue_ticks()
        self.work()

    def go_to(self, moment: datetime) -> None:
        if datetime.now(SHANGHAI) < moment:
            self.clock.move_to(moment)

    def work(self) -> None:
        run_all(self.app)

    def next_due(self) -> datetime | None:
        """When a worker would wake."""
        with self.app.app_context():
            return outbox.next_due()

    # --- deeds -----------------------------------------------------------------------------------------------

    def do(self, half: Half, deed: Deed) -> None:
        """Have somebody do something, in a transaction as a page has it."""
        with self.app.app_context(), corp_scope(self.corps[half.host]):
            actor = db.session.get_one(Member, (self.corps[half.host], self.members[deed.actor]))
            DEEDS[deed.kind](self, half, deed, actor)
            db.session.commit()

    # --- looking ---------------------------------------------------------------------------------------------

    def shown(self) -> list[dict[str, Any]]:
        """Every message in every chat, by the hosts' own word."""
        found = []
        for host, running in self.emulators.items():
            items = requests.get(f"{running.url}/_emulator/chats", timeout=120).json()["items"]
            found += [{**one, "host": host} for one in items]
        return found

    def calls(self) -> dict[str, dict[str, int]]:
        """How often each of the hosts' interfaces was called."""
        return {
            host: requests.get(f"{running.url}/_emulator/calls?api=-", timeout=30).json()["counts"]
            for host, running in self.emulators.items()
        }

    def in_each_corp(self, ask: Callable[[], Any]) -> dict[str, Any]:
        """Ask something in each corp."""
        found = {}
        with self.app.app_context():
            for host, corp_id in self.corps.items():
                with corp_scope(corp_id):
                    found[host] = ask()
        return found

    def ledger(self) -> dict[str, dict[tuple[str, str], int]]:
        """How many messages of each kind and state there are, by host."""

        def count() -> dict[tuple[str, str], int]:
            columns = (Notification.kind, Notification.state)
            rows = db.session.execute(sa.select(*columns, sa.func.count()).group_by(*columns)).all()
            return {(kind, state): number for kind, state, number in rows}

        return self.in_each_corp(count)

    def events(self) -> int:
        return sum(self.in_each_corp(lambda: db.session.scalar(sa.select(sa.func.count()).select_from(Event))).values())

    def unfinished(self) -> list[Any]:
        with self.app.app_context():
            wanted = sa.select(outbox.Outbox.kind, outbox.Outbox.state, outbox.Outbox.error)
            wanted = wanted.where(outbox.Outbox.state == outbox.DEAD)
            return [tuple(row) for row in db.session.execute(wanted)]


# --- setting up -------------------------------------------------------------------------------------------------------


def _org(half: Half) -> dict[str, Any]:
    """A host's description of its half, with the sample firm's app."""
    made = {"wecom": wecom_org, "dingtalk": dingtalk_org}[half.host](PUBLIC_URL)
    corp = made["corps"][0]
    is_wecom = half.host == "wecom"
    above = "parentid" if is_wecom else "parent"
    corp["departments"] = [
        {"id": number, "name": name, above: parent} for number, (name, parent) in half.departments.items()
    ]
    corp["users"] = [
        {
            "userid": one.userid,
            "name": one.name,
            "departments": [one.home],
            "leads": [one.leads] if one.leads else [],
            **({"position": ""} if is_wecom else {"unionid": f"UN{one.userid}", "admin": one.leads == ROOT}),
        }
        for one in half.people.values()
    ]
    corp["groups"] = []
    corp["apps"][0]["visible"] = {"users": [], "departments": [ROOT]}
    return made


@contextmanager
def running(data: Path, database_url: str, halves: list[Half], begins: datetime) -> Iterator[Product]:
    """Start the emulators and the product at a moment, and have the product read both directories."""
    from wsapp.app import create_app
    from wsapp.hosts import connect_configured_corps

    with ExitStack() as stack:
        clock = stack.enter_context(time_machine.travel(begins, tick=True))
        emulators = {}
        for half, make in zip(halves, (WeComEmulator, DingTalkEmulator), strict=True):
            emulator = make()
            emulator.load(_org(half))
            emulators[half.host] = stack.enter_context(emulator.start())
        standing._kept.clear()
        bases = {f"{host}_base": one.url for host, one in emulators.items()}
        settings_for(data, url=database_url, public_url=PUBLIC_URL, **bases)
        path = data / "config.toml"
        text = path.read_text().replace('quiet_hours = ""', 'quiet_hours = "21:00-08:00"')
        path.write_text(f'{text}monthly_calls = "{MANY_CALLS}"\n')
        app = create_app(load(path, {}, connector_classes()))
        product = Product(app, emulators, clock)
        with app.app_context():
            connect_configured_corps()
            found = list(corps())
        for corp in found:
            _read_directory(product, corp.id, next(one for one in halves if one.host == corp.host))
        yield product
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def _read_directory(product: Product, corp_id: int, half: Half) -> None:
    product.corps[half.host] = corp_id
    with product.app.app_context(), corp_scope(corp_id):
        corp = next(one for one in corps() if one.id == corp_id)
        run = sync_now(corp, accept_leavers=False, tell=lambda run: None)
        assert (run.state, run.people) == ("done", len(half.people)), (run.state, run.code, run.people)
        set_rules({"recycle.mode": "off"})
        db.session.commit()
        for userid, member_id in db.session.execute(sa.select(Member.userid, Member.id)):
            product.members[userid] = member_id
        db.session.commit()
    for person in half.people.values():
        wished = {"off": person.off, "quiet": person.quiet, "full": person.full}
        product.do(half, Deed("wish", person.userid, 0, wished))
