"""Recycling a whole book by a process that is killed: exactly what a reference names, each owner warned before."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import CORP, Cast
from tests.crm.test_clocks import BLANK, reference, there
from wsapp import clock
from wsapp.crm.customers.models import LEVELS, Customer
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.crm.org.roles import Delegation
from wsapp.crm.org.standing import changed
from wsapp.crm.pools.models import OwnerClock, Ownership, Pool, RecycleRun
from wsapp.crm.pools.queries import make_first_pool
from wsapp.crm.pools.recycling import begin_run, go_on
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db, insert_rows, new_id, rows

BIG = bool(os.environ.get("WSAPP_SOAK"))
CUSTOMERS = int(os.environ.get("WSAPP_SOAK_SIZE", 100_000 if BIG else 1_200))
SELLERS = 100 if BIG else 8
KILLS = 5 if BIG else 1
MOST_SECONDS = 600
CHUNK = 5_000
SLOW = "3"  # a department whose pool has rules of its own
OWN = {"no_follow": 40, "no_follow_A": 20, "no_deal": 0, "no_visit": 60, "new_days": 30}
SLOW_RULES = {f"recycle.{name}": value for name, value in OWN.items()}

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(3600 if BIG else 120)]


@pytest.fixture
def clock_file(tmp_path: Path) -> Iterator[Path]:
    clock.enable_control(tmp_path / "clock")
    yield tmp_path / "clock"
    clock.disable_control()


def test_a_killed_recycling_moves_exactly_what_is_due(app: Flask, cast: Cast, tmp_path: Path, clock_file: Path) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        book, due = write_book()
    took = [quiet_night(app, cast)]
    clock.advance(2 * 86_400)
    took.append(quiet_night(app, cast))
    with app.app_context(), corp_scope(cast.corp_id):
        assert pooled() == set()
        told = {one.id for one in rows(sa.select(OwnerClock).where(OwnerClock.told, OwnerClock.warned_days == 1))}
        assert told == due
    clock.advance(86_400)
    took.append(night(app, cast, tmp_path, clock_file, kills=KILLS))
    with app.app_context(), corp_scope(cast.corp_id):
        assert pooled() == due
        check_traces(book, due)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{CUSTOMERS} customers, {len(due)} moved; nights took {', '.join(f'{one:.1f}' for one in took)} s; "
        f"the last one used {used.ru_utime + used.ru_stime:.1f} s of processor time with {KILLS} kills"
    )
    assert took[-1] < MOST_SECONDS


def write_book() -> tuple[dict[str, str], set[str]]:
    """Write customers of all kinds; returns customer → owner, and those that are to go in three days' time."""
    chance = random.Random(20_261_122)
    sellers = [seller(number) for number in range(SELLERS)]
    slow = {one.id for one in sellers if one.main_department_id == SLOW}
    own = Pool(name="慢公海", departments=[SLOW], is_default=True, rules={"recycle": OWN})
    own.created_at = own.updated_at = clock.now()
    make_first_pool()
    db.session.add(own)
    db.session.flush()
    changed()
    now, today = clock.now(), there(clock.now())
    starts = now - timedelta(days=1)
    away = {"absent_id": sellers[0].id, "deputy_id": sellers[1].id, "starts_at": starts, "created_at": now}
    insert_rows(Delegation, [{**away, "ends_at": now + timedelta(days=30)}])
    book: dict[str, str] = {}
    due: set[str] = set()
    for start in range(0, CUSTOMERS, CHUNK):
        made = [customer(chance, sellers, now) for _ in range(min(CHUNK, CUSTOMERS - start))]
        insert_rows(Customer, made)
        locked = [one for one in made if chance.random() < 0.02]
        insert_rows(OwnerClock, [lock(one, now) for one in locked])
        insert_rows(Task, [task(one, now) for one in made[::10]])
        book |= {one["id"]: one["owner_id"] for one in made}
        kept = {one["id"] for one in locked} | {one["id"] for one in made if one["owner_id"] == sellers[0].id}
        for one in made:
            leaves_on = reference(one, SLOW_RULES if one["owner_id"] in slow else {}, [])
            if one["id"] not in kept and leaves_on is not None and leaves_on <= today + timedelta(days=3):
                due.add(one["id"])
        db.session.commit()
    assert 0.5 < len(due) / CUSTOMERS < 0.95
    return book, due


def seller(number: int) -> Member:
    home = SLOW if number % 4 == 3 else "2"
    facts = SimpleNamespace(userid=f"s{number:03d}", unionid="", name=f"销售{number:03d}", departments=(home,))
    facts.main_department, facts.leads, facts.manager, facts.position = home, (), "", ""
    facts.avatar, facts.phone, facts.is_admin, facts.status = "", "", False, "active"
    org.keep_member(facts, fold=True, leads_root=False)
    found = member_by_userid(facts.userid, fold=True)
    assert found is not None
    return found


def customer(chance: random.Random, sellers: list[Member], now: datetime) -> dict[str, Any]:
    def ago(most: int, there_at_all: float) -> datetime | None:
        return now - timedelta(days=most * chance.random()) if chance.random() < there_at_all else None

    created = now - timedelta(days=400 * chance.random())
    name = f"某某第{chance.randrange(10**9)}家具有限公司"
    return {
        **dict.fromkeys(BLANK, ""),
        "id": new_id(),
        "name": name,
        "name_key": name,
        "level": chance.choice([None, *LEVELS]),
        "owner_id": chance.choice(sellers).id,
        "created_at": created,
        "updated_at": created,
        "owned_since": ago(200, 0.3),
        "last_followed_at": ago(90, 0.7),
        "clock_at": None,
        "last_visited_at": ago(120, 0.4),
        "last_deal_at": ago(400, 0.1),
        "tags": [],
        "custom": {},
        "version": 1,
    }


def lock(one: dict[str, Any], now: datetime) -> dict[str, Any]:
    since = one["owned_since"] or one["created_at"]
    return {"id": one["id"], "owner_id": one["owner_id"], "since": since, "locked_at": now, "told": False}


def task(one: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "title": "回访",
        "customer_id": one["id"],
        "kind": "follow_up",
        "due_at": now + timedelta(days=10),
        "assignee_id": one["owner_id"],
        "creator_id": one["owner_id"],
        "created_at": now,
        "updated_at": now,
    }


def night(app: Flask, cast: Cast, folder: Path, clock_file: Path, *, kills: int = 0) -> float:
    """Run `wsapp recycle` until it ends by itself, killed so often on the way; returns how many seconds it took."""
    command = [sys.executable, "-m", "tests.soak.processes", "recycle"]
    command += [str(folder / "data" / "config.toml"), CORP, str(clock_file)]
    began = time.monotonic()
    for kill in range(kills):
        errors = (folder / "errors").open("w+")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        wanted = CUSTOMERS * 0.5 * (kill + 1) / (kills + 1)
        while moved(app, cast) < wanted and process.poll() is None:
            time.sleep(0.02 if not BIG else 0.5)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, f"over before it could be killed: {(folder / 'errors').read_text()}"
        errors.close()
        assert CUSTOMERS * 0.9 > moved(app, cast) >= wanted
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def quiet_night(app: Flask, cast: Cast) -> float:
    """Run a night in this process; returns how many seconds it took."""
    began = time.monotonic()
    with app.app_context(), corp_scope(cast.corp_id):
        run = begin_run()
        assert run is not None
        run_id = run.id
        while go_on(run_id):
            db.session.commit()
            db.session.expunge_all()
        db.session.commit()
    return time.monotonic() - began


def moved(app: Flask, cast: Cast) -> int:
    with app.app_context(), corp_scope(cast.corp_id):
        newest = sa.select(RecycleRun.moved).order_by(RecycleRun.day.desc()).limit(1)
        found = db.session.scalar(newest) or 0
        db.session.rollback()
        return found


def pooled() -> set[str]:
    return set(rows(sa.select(Customer.id).where(Customer.pool_id.is_not(None), Customer.owner_id.is_(None))))


def check_traces(book: dict[str, str], due: set[str]) -> None:
    """Each is written down once, its tasks are over, and its owner was warned twice and told once."""
    events = list(rows(sa.select(Event.subject_id).where(Event.kind == "customer.recycled")))
    assert sorted(events) == sorted(due)
    ended = db.session.execute(sa.select(Ownership.customer_id, Ownership.owner_id).where(Ownership.ending != ""))
    assert sorted((one.customer_id, one.owner_id) for one in ended) == sorted((one, book[one]) for one in due)
    open_tasks = rows(sa.select(Task.customer_id).where(Task.state == "open"))
    assert not due & set(open_tasks)
    columns = (Notification.recipient_id, Notification.kind, Notification.key, Notification.message)
    messages = db.session.execute(sa.select(*columns)).all()
    today = there(clock.now())
    for owner_id in {book[one] for one in due}:
        theirs = [one for one in messages if one.recipient_id == owner_id]
        warned = {one.key.split(":")[1] for one in theirs if one.kind == "pool.warning"}
        assert {str(today - timedelta(days=3)), str(today - timedelta(days=1))} <= warned
        assert [one.kind for one in theirs].count("pool.warning") == len(warned)
        (lost,) = [one for one in theirs if one.kind == "customer.lost"]
        assert str(sum(book[one] == owner_id for one in due)) in lost.message["title"]
