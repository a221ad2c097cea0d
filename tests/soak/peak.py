"""A town of firms at both hosts, each with reminders due at one minute, and what the hosts saw of that minute.

In each firm one person and one task come into being as they do in life; the others are copies of their rows, for a
hundred thousand would take ten minutes otherwise.
"""

import json
import os
import subprocess
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
import sqlalchemy as sa
from flask import Flask

from tests.cast import settings_for
from tests.soak.world import NO_BRIEFS, PUBLIC_URL, Host, World, _spawn
from wsapp import clock
from wsapp import hosts as lines
from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
from wsapp.connectors.dingtalk.emulator import demo_values as dingtalk_values
from wsapp.connectors.wecom.emulator import demo_org as wecom_org
from wsapp.connectors.wecom.emulator_demo import demo_corp as wecom_corp
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Member, Membership
from wsapp.crm.org.rules import set_rules
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Reminder
from wsapp.db import Base, corp_scope, db, every_corp, new_id
from wsapp.jobs.periodic import PERIODIC, enqueue_ticks
from wsapp.lots import insert_lot
from wsapp.outbox import DONE, Outbox

TICKS = os.sysconf("SC_CLK_TCK")
ENDED = ("accepted", "delivered", "read")
LOT = 5_000


@dataclass(frozen=True)
class Firm:
    """One corp at one host, by the number that its people and titles carry."""

    number: int
    host: str
    people: int
    reminders: int
    monthly_calls: int = 0

    @property
    def corp_id(self) -> str:
        return f"{'ww' if self.host == 'wecom' else 'ding'}peak{self.number:04d}"

    def userid(self, person: int) -> str:
        return f"p{self.number:04d}x{person:06d}"

    def title(self, reminder: int) -> str:
        return f"回访 {self.number:04d}-{reminder:06d} 谈报价"

    def at_host(self) -> dict[str, Any]:
        """The firm as its host's emulator loads it."""
        corp: dict[str, Any] = {"wecom": wecom_org, "dingtalk": dingtalk_org}[self.host](PUBLIC_URL)["corps"][0]
        template = {
            key: value
            for key, value in corp["users"][0].items()
            if key not in ("unionid", "mobile", "leads", "manager", "direct_leader")
        }
        corp |= {"corp_id": self.corp_id, "name": f"第{self.number:04d}公司", "groups": []}
        corp["users"] = [
            {**template, "userid": self.userid(one), "name": f"员工{one:06d}"} for one in range(self.people)
        ]
        app = corp["apps"][0]
        if self.host == "dingtalk":
            app |= {"client_id": f"dingpeak{self.number:04d}", "client_secret": f"peak-secret-of-{self.number:04d}"}
        else:
            app["secret"] = f"peak-secret-of-{self.number:04d}"
        return corp

    def values(self) -> dict[str, Any]:
        """The credential values by which the product reaches the firm's host. Plain notices: results are asked for."""
        corp = self.at_host()
        if self.host == "dingtalk":
            calls = {"monthly_calls": str(self.monthly_calls)} if self.monthly_calls else {}
            return {**dingtalk_values({"corps": [corp]}), "card_template_id": "", **calls}
        known = {key: value for key, value in wecom_corp().items() if key not in ("name", "host", "corp_id")}
        return {**known, "app_secret": corp["apps"][0]["secret"]}


@dataclass
class Town(World):
    """The world of a peak."""

    firms: list[Firm] = field(default_factory=list)

    def cpu(self) -> dict[str, float]:
        """Processor seconds that each kind of process has used."""
        pids = {host.name: [host.process.pid] for host in self.hosts.values()}
        pids["product"] = [process.pid for process in self.processes]
        return {name: round(sum(map(_cpu, those)), 1) for name, those in pids.items()}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def town(tmp_path: Path, database_url: str, firms: list[Firm]) -> Iterator[Town]:
    """Start both hosts with the firms; nothing is planted and no process of the product runs yet."""
    from wsapp.app import create_app

    running = {name: _start_host(name, tmp_path, firms) for name in ("wecom", "dingtalk")}
    settings = settings_for(
        tmp_path / "data",
        url=database_url,
        public_url=PUBLIC_URL,
        wecom_base=running["wecom"].url,
        dingtalk_base=running["dingtalk"].url,
    )
    config = tmp_path / "data" / "config.toml"
    app = create_app(settings)
    with (tmp_path / "processes.log").open("w") as log:
        made = Town(app, config, running, log=log, firms=firms)
        try:
            yield made
        finally:
            for process in [*made.processes, *(host.process for host in running.values())]:
                process.kill()
                process.wait(10)
            with app.app_context():
                db.engine.dispose()


def _start_host(name: str, tmp_path: Path, firms: list[Firm]) -> Host:
    org_file = tmp_path / f"{name}.json"
    org_file.write_text(json.dumps({"corps": [one.at_host() for one in firms if one.host == name]}))
    process = _spawn(["emulator", name, str(org_file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url, f"the emulator of {name} did not start"
    return Host(name, process, url)


# --- planting -----------------------------------------------------------------------------------------------------


def plant(app: Flask, firms: list[Firm], at: datetime) -> None:
    """Write firms with their people, and have all their reminders due at one moment."""
    with app.app_context():
        for firm in firms:
            sealed = lines.seal_credentials(firm.host, firm.corp_id, firm.values())
            corp = org.connect_corp(firm.host, firm.corp_id, f"第{firm.number:04d}公司", sealed)
            db.session.flush()
            with corp_scope(corp.id):
                set_rules(NO_BRIEFS)
                _plant_tasks(firm, _plant_people(firm), at)
            db.session.commit()
        db.session.remove()


def sleep_off(app: Flask) -> None:
    """Have the night's work be done: an installation that starts for the first time would do it in the morning."""
    with app.app_context():
        enqueue_ticks()
        ticks = sa.update(Outbox).where(Outbox.kind.in_([one.kind for one in PERIODIC]))
        db.session.execute(ticks.values(state=DONE, done_at=clock.now()))
        db.session.commit()


def _plant_people(firm: Firm) -> list[str]:
    """Write the firm's people; returns their ids."""
    org.keep_department(SimpleNamespace(id="3", name="销售组", parent="", order=0), parent=None)
    facts = SimpleNamespace(
        userid=firm.userid(0),
        unionid="",
        name="员工000000",
        departments=("3",),
        main_department="3",
        leads=(),
        manager="",
        position="",
        avatar="",
        phone="",
        is_admin=False,
        status="active",
    )
    first, _is_new = org.keep_member(facts, fold=firm.host == "wecom", leads_root=False)
    belongs = db.session.scalars(sa.select(Membership)).one()
    userids = {new_id(): firm.userid(one) for one in range(1, firm.people)}
    _copy(first, [{"id": key, "userid": one, "userid_key": one, "name": one} for key, one in userids.items()])
    _copy(belongs, [{"id": new_id(), "member_id": key} for key in userids])
    return [first.id, *userids]


def _plant_tasks(firm: Firm, people: list[str], at: datetime) -> None:
    """Create one task as a person would, due and ringing at a moment, and copy it for everybody's others."""
    actor = db.session.scalars(sa.select(Member).where(Member.id == people[0])).one()
    task = create_task({"title": firm.title(0), "due_at": at, "reminders": [0]}, actor=actor)
    db.session.flush()
    planned = db.session.scalars(sa.select(Reminder).where(Reminder.task_id == task.id)).all()
    assert "due" in {one.kind for one in planned}
    fresh = [
        {"id": new_id(), "title": firm.title(one), "assignee_id": people[one % len(people)]}
        for one in range(1, firm.reminders)
    ]
    _copy(task, [{**one, "creator_id": one["assignee_id"]} for one in fresh])
    for reminder in planned:
        _copy(reminder, [{"id": new_id(), "task_id": one["id"]} for one in fresh])


def _copy(row: Base, changes: list[dict[str, Any]]) -> None:
    """Insert copies of a row, each with some other values."""
    values = {column.key: getattr(row, column.key) for column in sa.inspect(type(row)).column_attrs}
    for start in range(0, len(changes), LOT):
        insert_lot(type(row), [{**values, **one} for one in changes[start : start + LOT]])  # type: ignore[arg-type]


# --- reading ------------------------------------------------------------------------------------------------------


def sent(app: Flask) -> int:
    """How many reminders the hosts accepted, by the ledger."""
    with app.app_context(), every_corp():
        ended = sa.select(sa.func.count()).select_from(Notification)
        mine = Notification.kind == "task.due", Notification.state.in_(ENDED)
        return db.session.scalar(ended.where(*mine)) or 0


def tried_again(app: Flask) -> int:
    """How many reminders needed more than one try: a host refused them, or did not answer."""
    with app.app_context(), every_corp():
        again = sa.select(sa.func.count()).select_from(Notification)
        return db.session.scalar(again.where(Notification.attempts > 1)) or 0


def reminders_at(urls: dict[str, str]) -> list[dict[str, Any]]:
    """Every reminder that stands in a chat, by the hosts."""
    found = []
    for name, url in urls.items():
        answer = requests.get(f"{url}/_emulator/chats", timeout=300).json()
        found += [{**one, "host": name} for one in answer["items"] if one["title"].startswith("回访 ")]
    return found


def shown_twice_or_lost(firms: list[Firm], items: list[dict[str, Any]]) -> dict[str, int]:
    """Count the reminders that nobody saw, and those that somebody saw more than once."""
    counted = Counter(one["title"] for one in items if not one.get("dropped"))
    wanted = [firm.title(one) for firm in firms for one in range(firm.reminders)]
    return {"lost": sum(not counted[one] for one in wanted), "twice": sum(counted[one] > 1 for one in wanted)}


def most_within(items: list[dict[str, Any]], seconds: float, *, by: str) -> int:
    """Return how many messages any one app ("corp") or person ("user") got within any so many seconds."""
    times: dict[Any, list[float]] = defaultdict(list)
    for one in items:
        times[one["corp"], one["user"] if by == "user" else ""].append(one["at"])
    most = 0
    for moments in times.values():
        moments.sort()
        for last, moment in enumerate(moments):
            most = max(most, last + 1 - bisect_left(moments, moment - seconds + 1e-9, 0, last + 1))
    return most


def after(items: list[dict[str, Any]], begin: datetime, share: float) -> float:
    """Return after how many seconds this share of the messages was accepted, by the hosts' clocks."""
    times = sorted(one["at"] for one in items)
    return times[min(len(times) - 1, int(len(times) * share))] - begin.timestamp()


def wait_for(moment: datetime) -> None:
    """Wait for a moment; raises when it is over already."""
    rest = moment.timestamp() - time.time()
    assert rest > 0, f"the preparations took {-rest:.1f} s too long"
    time.sleep(rest)
