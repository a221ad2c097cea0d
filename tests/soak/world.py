"""A world to soak in: both hosts and the product as separate processes, people, due reminders, and an honest count."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
import sqlalchemy as sa
from flask import Flask

from tests.cast import settings_for
from wsapp import clock, outbox
from wsapp.connectors.dingtalk.emulator import demo_org as dingtalk_org
from wsapp.connectors.wecom.emulator import demo_org as wecom_org
from wsapp.crm.dashboards.rounds import ROUNDS
from wsapp.crm.dashboards.rules import NEVER
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import actions as org
from wsapp.crm.org.queries import corps, member_by_userid
from wsapp.crm.org.rules import set_rules
from wsapp.crm.tasks.actions import create_task
from wsapp.db import corp_scope, db
from wsapp.hosts import connect_configured_corps

ROOT = Path(__file__).parent.parent.parent
PUBLIC_URL = "http://127.0.0.1:8000"
SEND_APIS = {
    "wecom": ("/cgi-bin/message/send",),
    "dingtalk": ("/topapi/message/corpconversation/asyncsend_v2", "/v1.0/card/instances/createAndDeliver"),
}
TOKEN_APIS = {"wecom": "/cgi-bin/gettoken", "dingtalk": "/v1.0/oauth2/accessToken"}
NO_BRIEFS = {f"brief.{one}": NEVER for one in ROUNDS}  # whatever the day and the time of the run, reminders alone
PER_PERSON = 12  # messages for one person: below what the hosts drop in a minute


@dataclass
class Host:
    """One emulated host in a process of its own."""

    name: str
    process: subprocess.Popen[str]
    url: str

    def post(self, switch: str, body: Any) -> Any:
        return requests.post(f"{self.url}/_emulator/{switch}", json=body, timeout=10).json()

    def end_faults(self) -> None:
        requests.delete(f"{self.url}/_emulator/faults", timeout=10)

    def calls(self) -> Counter[str]:
        return Counter(requests.get(f"{self.url}/_emulator/calls?api=-", timeout=10).json()["counts"])

    def posts(self) -> int:
        """How many times a message was handed in, repeats included."""
        counted = self.calls()
        return sum(counted[api] for api in SEND_APIS[self.name])

    def shown(self) -> Counter[str]:
        """How often each title stands in a chat, by the host's own rules."""
        items = requests.get(f"{self.url}/_emulator/chats", timeout=30).json()["items"]
        return Counter(item["title"] for item in items if not item.get("dropped"))


@dataclass
class World:
    """Everything of one soak. `titles` holds, by host, what must be shown exactly once."""

    app: Flask
    config: Path
    hosts: dict[str, Host]
    titles: dict[str, list[str]] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    log: Any = None

    # --- people and reminders --------------------------------------------------------------------------------

    def plan(self, count: int) -> None:
        """Have `count` reminders due now, half of them at each host."""
        with self.app.app_context():
            for corp in corps():
                with corp_scope(corp.id):
                    self.titles[corp.host] = _plan_at(corp.host, count // 2)
                    db.session.commit()

    # --- processes -------------------------------------------------------------------------------------------

    def start(self, role: str, **pace: Any) -> subprocess.Popen[str]:
        """Start a worker (with a pace) or a scheduler."""
        arguments = [role, str(self.config), *([json.dumps(pace)] if role == "worker" else [])]
        process = _spawn(arguments, stdout=subprocess.DEVNULL, stderr=self.log)
        self.processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
        process.send_signal(number)
        process.wait(40)
        self.processes.remove(process)

    # --- looking ---------------------------------------------------------------------------------------------

    def posts(self) -> int:
        return sum(host.posts() for host in self.hosts.values())

    def unsettled(self) -> int:
        """How many messages have no end yet, or are not even written."""
        planned = sum(len(titles) for titles in self.titles.values())
        with self.app.app_context():
            ended = 0
            for corp in corps():
                with corp_scope(corp.id):
                    states = sa.select(sa.func.count()).select_from(Notification)
                    ended += db.session.scalar(states.where(Notification.state.not_in(("planned", "sending")))) or 0
        return planned - ended

    def ledger(self) -> Counter[str]:
        """How many messages ended in which state."""
        found: Counter[str] = Counter()
        with self.app.app_context():
            for corp in corps():
                with corp_scope(corp.id):
                    states = sa.select(Notification.state, sa.func.count()).group_by(Notification.state)
                    found.update(dict(db.session.execute(states).all()))
        return found

    def wait(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for something that other processes do."""
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not happen in {seconds} s: {self.ledger()}, {self.leftovers()}")
            time.sleep(0.05)

    def leftovers(self) -> list[Any]:
        with self.app.app_context():
            undone = sa.select(outbox.Outbox).where(outbox.Outbox.state != "done")
            return [
                (one.kind, one.state, one.due_at - clock.now(), one.crashes, one.attempts, one.error)
                for one in db.session.scalars(undone.order_by(outbox.Outbox.due_at).limit(20))
            ]

    def verdict(self) -> dict[str, int]:
        """Count what was lost and what was shown twice, by the hosts' own chats."""
        lost = twice = 0
        for name, titles in self.titles.items():
            shown = self.hosts[name].shown()
            lost += sum(1 for title in titles if shown[title] == 0)
            twice += sum(1 for title in titles if shown[title] > 1)
        return {"lost": lost, "twice": twice}


def _spawn(arguments: list[str], **streams: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.soak.processes", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **streams)


@contextmanager
def world(
    tmp_path: Path, database_url: str, *, people: int, cards: bool = True, queue_url: str = ""
) -> Iterator[World]:
    """Start both hosts with `people` employees each, and connect the product to them."""
    from wsapp.app import create_app

    hosts = {name: _start_host(name, tmp_path, people) for name in ("wecom", "dingtalk")}
    data = tmp_path / "data"
    settings = settings_for(
        data,
        url=database_url,
        public_url=PUBLIC_URL,
        wecom_base=hosts["wecom"].url,
        dingtalk_base=hosts["dingtalk"].url,
        extra=f'[queue]\nurl = "{queue_url}"' if queue_url else "",
    )
    config = data / "config.toml"
    if not cards:  # DingTalk without a card template: plain notices, the host's rule of repeats
        lines = config.read_text().splitlines()
        config.write_text("\n".join(line for line in lines if not line.startswith("card_template_id")))
        from wsapp.config import load
        from wsapp.connectors import connector_classes

        settings = load(config, {}, connector_classes())
    app = create_app(settings)
    with app.app_context():
        connect_configured_corps()
        for corp in corps():
            with corp_scope(corp.id):
                set_rules(NO_BRIEFS)
                _write_people(corp.host, people)
                db.session.commit()
    with (tmp_path / "processes.log").open("w") as log:
        made = World(app, config, hosts, log=log)
        try:
            yield made
        finally:
            for process in [*made.processes, *(host.process for host in hosts.values())]:
                process.kill()
                process.wait(10)
            with app.app_context():
                db.engine.dispose()


def _start_host(name: str, tmp_path: Path, people: int) -> Host:
    made = {"wecom": wecom_org, "dingtalk": dingtalk_org}[name](PUBLIC_URL)
    users: list[dict[str, Any]] = made["corps"][0]["users"]
    users += [{**_template(users[0]), "userid": f"p{n:04d}", "name": f"员工{n:04d}"} for n in range(people)]
    org_file = tmp_path / f"{name}.json"
    org_file.write_text(json.dumps(made))
    process = _spawn(["emulator", name, str(org_file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url, f"the emulator of {name} did not start"
    return Host(name, process, url)


def _template(user: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in user.items() if key not in ("unionid", "mobile", "leads", "manager")}


def _write_people(host: str, people: int) -> None:
    org.keep_department(SimpleNamespace(id="3", name="销售组", parent="", order=0), parent=None)
    for number in range(people):
        facts = SimpleNamespace(
            userid=f"p{number:04d}",
            unionid="",
            name=f"员工{number:04d}",
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
        org.keep_member(facts, fold=host == "wecom", leads_root=False)


def _plan_at(host: str, count: int) -> list[str]:
    """Create the tasks by the same action as a person would, due this minute."""
    titles = []
    people = [f"p{number:04d}" for number in range(-(-count // PER_PERSON))]
    members = [member_by_userid(userid, fold=host == "wecom") for userid in people]
    for number in range(count):
        titles.append(f"回访客户 {number:05d} 谈报价")
        actor = members[number % len(members)]
        assert actor is not None
        create_task({"title": titles[-1], "due_at": clock.now()}, actor=actor)
    return titles


def people_for(count: int) -> int:
    """How many people are needed so that nobody gets more than the hosts allow in a minute."""
    return -(-count // 2 // PER_PERSON)
