"""Trouble at one host, with real worker processes: the other host's reminders are late by five seconds at most.

The same within one process stands in tests/jobs/test_isolation.py.
"""

import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.soak.world import PER_PERSON, TOKEN_APIS, World, people_for, world
from wsapp import clock, hosts
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Corp
from wsapp.crm.org.queries import corps, member_by_userid
from wsapp.crm.tasks.actions import create_task
from wsapp.db import corp_scope, db

BIG = bool(os.environ.get("WSAPP_SOAK"))
SECONDS = 300 if BIG else 25
STUCK = 400 if BIG else 80  # reminders that wait at the host in trouble
PEOPLE = max(people_for(STUCK), SECONDS // PER_PERSON + 1)
LATE = 5.0
TOKENS_AN_HOUR = 6
DEAD_HOURS = {"fault": "delay", "seconds": 30, "times": 100_000}

pytestmark = [pytest.mark.soak, pytest.mark.long, pytest.mark.server, pytest.mark.timeout(1800 if BIG else 180)]


def test_a_host_that_hangs_for_thirty_seconds_a_call(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path, database_url, people=PEOPLE) as soak:
        troubled = soak.hosts["wecom"]
        troubled.post("faults", {"api": "*", **DEAD_HOURS})
        soak.plan(STUCK)
        soak.titles.pop("dingtalk")
        _drop_all_but(soak, "wecom")
        _start(soak)
        _remind_for(soak, "dingtalk", SECONDS)
        _assert_in_time(soak, "dingtalk")
        troubled.post("reset", {})
        soak.wait(lambda: _waiting(soak, "wecom") == 0, 300 if BIG else 120, "the last message of the host in trouble")
        assert soak.verdict()["lost"] == 0


def test_a_secret_that_the_host_refuses(tmp_path: Path, database_url: str) -> None:
    with world(tmp_path, database_url, people=PEOPLE) as soak:
        soak.plan(STUCK)
        _drop_all_but(soak, "wecom")
        _break_secret(soak, "wecom")
        before = soak.hosts["wecom"].calls()[TOKEN_APIS["wecom"]]
        _start(soak)
        _remind_for(soak, "dingtalk", SECONDS)
        _assert_in_time(soak, "dingtalk")
        asked = soak.hosts["wecom"].calls()[TOKEN_APIS["wecom"]] - before
        assert 1 <= asked <= TOKENS_AN_HOUR
        assert _waiting(soak, "wecom") == len(soak.titles["wecom"])


def _start(soak: World) -> None:
    for _worker in range(1 if str(soak.app.config["SQLALCHEMY_DATABASE_URI"]).startswith("sqlite") else 2):
        soak.start("worker", lease=30, beat=5, poll=0.5)
    soak.start("scheduler")
    soak.wait(lambda: soak.hosts["wecom"].calls().total() > 0, 60, "the first call to the host in trouble")


def _drop_all_but(soak: World, host: str) -> None:
    """Let what was planned at the other host not count: its reminders come one by one."""
    soak.titles = {host: soak.titles[host]}


def _break_secret(soak: World, host: str) -> None:
    with soak.app.app_context():
        corp = next(one for one in corps() if one.host == host)
        values = {**hosts.open_credentials(corp), "app_secret": "no-longer-this-one"}
        org.connect_corp(host, corp.host_corp_id, corp.name, hosts.seal_credentials(host, corp.host_corp_id, values))
        db.session.commit()


def _remind_for(soak: World, host: str, seconds: int) -> None:
    """Have a reminder due every second for a while."""
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        with soak.app.app_context(), corp_scope(_corp_id(host)):
            person = member_by_userid(f"p{number % PEOPLE:04d}", fold=False)
            assert person is not None
            create_task({"title": f"趁乱回访 {number:04d}", "due_at": clock.now()}, actor=person)
            db.session.commit()
        number += 1
        time.sleep(1)


def _corp_id(host: str) -> int:
    return db.session.scalars(sa.select(Corp.id).where(Corp.host == host)).one()


def _waiting(soak: World, host: str) -> int:
    with soak.app.app_context(), corp_scope(_corp_id(host)):
        open_states = Notification.state.in_(("planned", "sending"))
        return db.session.scalar(sa.select(sa.func.count()).select_from(Notification).where(open_states)) or 0


def _delays(soak: World, host: str) -> list[float | None]:
    with soak.app.app_context(), corp_scope(_corp_id(host)):
        found = db.session.execute(
            sa.select(Notification.due_at, Notification.sent_at).where(
                Notification.message["title"].as_string().startswith("趁乱")
            )
        ).all()
        return [(one.sent_at - one.due_at).total_seconds() if one.sent_at else None for one in found]


def _assert_in_time(soak: World, host: str) -> None:
    soak.wait(lambda: None not in _delays(soak, host), LATE * 2, "the last reminder at the other host")
    delays = [one for one in _delays(soak, host) if one is not None]
    assert len(delays) >= SECONDS * 0.7
    assert max(delays) <= LATE, sorted(delays)[-5:]
