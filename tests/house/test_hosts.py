"""The shared token store: one fetch across threads and processes, one refresh, and a breaker on wrong secrets."""

import multiprocessing
import threading
from datetime import timedelta

import pytest
import requests
import sqlalchemy as sa
import time_machine
from flask import Flask

from tests.cast import settings_for
from wsapp import arrivals, clock, hosts, rechecks
from wsapp.connectors.base import BadCredentials, OutOfRange, TryLater
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.org.models import Corp, Department, HostToken, Member, Membership
from wsapp.crm.org.queries import manager_of, team_ids
from wsapp.db import corp_scope, db, every_corp
from wsapp.tokens import Tokens


def corp_of(host: str) -> Corp:
    """Return the sample firm of a host, with no transaction left open."""
    corp = db.session.scalars(sa.select(Corp).where(Corp.host == host).order_by(Corp.id)).first()
    assert corp is not None
    db.session.rollback()
    db.session.refresh(corp)
    db.session.expunge(corp)
    db.session.rollback()
    return corp


def tokens_of(app: Flask, host: str = "wecom") -> Tokens:
    with app.app_context():
        return Tokens(app, corp_of(host).id, host)


def test_twenty_cold_threads_fetch_one_token(app: Flask) -> None:
    fetched: list[int] = []
    gate = threading.Barrier(20)
    got: list[str] = []

    def fetch() -> tuple[str, float]:
        fetched.append(1)
        return "token-1", 7200

    def ask() -> None:
        own = tokens_of(app)  # as in another process: nothing remembered
        gate.wait(20)
        with app.app_context():
            got.append(own.get("app", fetch))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert got == ["token-1"] * 20
    assert len(fetched) == 1


def test_a_stale_token_is_fetched_once_however_many_noticed(app: Flask) -> None:
    values = iter(["old", "new", "newer"])
    store = tokens_of(app)
    with app.app_context():
        assert store.get("app", lambda: (next(values), 7200)) == "old"
        assert store.get("app", lambda: (next(values), 7200), stale="old") == "new"
        assert tokens_of(app).get("app", lambda: (next(values), 7200), stale="old") == "new"


def test_a_token_is_renewed_at_four_fifths_of_its_life(app: Flask) -> None:
    values = iter(["old", "new"])
    store = tokens_of(app)
    with app.app_context():
        store.get("app", lambda: (next(values), 1000))
        with time_machine.travel(clock.wall() + timedelta(seconds=700)):
            assert tokens_of(app).get("app", lambda: (next(values), 1000)) == "old"
        with time_machine.travel(clock.wall() + timedelta(seconds=810)):
            assert tokens_of(app).get("app", lambda: (next(values), 1000)) == "new"


def test_while_the_old_one_lives_a_failed_renewal_is_no_failure(app: Flask) -> None:
    def busy() -> tuple[str, float]:
        raise TryLater("busy")

    with app.app_context():
        tokens_of(app).get("app", lambda: ("old", 1000))
        with time_machine.travel(clock.wall() + timedelta(seconds=900)):
            assert tokens_of(app).get("app", busy) == "old"
        with time_machine.travel(clock.wall() + timedelta(seconds=1100)), pytest.raises(TryLater):
            tokens_of(app).get("app", busy)


def test_wrong_secrets_open_the_circuit_at_six_fetches_an_hour(app: Flask) -> None:
    fetched: list[int] = []

    def refuse() -> tuple[str, float]:
        fetched.append(1)
        raise BadCredentials("wrong secret", code="40001")

    start = clock.wall()
    with app.app_context():
        for minute in range(60):
            with time_machine.travel(start + timedelta(minutes=minute), tick=False), pytest.raises(BadCredentials):
                tokens_of(app).get("app", refuse)
        assert len(fetched) <= 6
        assert corp_of("wecom").fault == "40001 wrong secret"
        with time_machine.travel(start + timedelta(hours=2)):
            assert tokens_of(app).get("app", lambda: ("good", 7200)) == "good"
        assert corp_of("wecom").fault is None


def test_tokens_are_sealed_in_the_database(app: Flask) -> None:
    with app.app_context():
        tokens_of(app).get("app", lambda: ("very-secret-token", 7200))
        row = db.session.scalars(sa.select(HostToken)).one()
        assert row.sealed is not None
        assert "very-secret-token" not in row.sealed


def _ask_host(data_dir: str, url: str, wecom: str, dingtalk: str, queue: "multiprocessing.Queue[str]") -> None:
    from pathlib import Path

    from wsapp.app import create_app

    app = create_app(
        settings_for(
            Path(data_dir), url=url, public_url="http://127.0.0.1:8000", wecom_base=wecom, dingtalk_base=dingtalk
        )
    )
    with app.app_context():
        for host, userid in (("wecom", "LinXiaoYan"), ("dingtalk", "zhouxiaoyu")):
            corp = corp_of(host)
            db.session.rollback()
            queue.put(hosts.lines().of(corp).person(userid).name)


@pytest.mark.server
def test_four_processes_fetch_one_token_a_host(
    app: Flask, database_url: str, wecom: RunningEmulator, dingtalk: RunningEmulator
) -> None:
    data_dir = str(app.extensions["wsapp"].settings.server.data_dir)
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = context.Queue()
    workers = [
        context.Process(target=_ask_host, args=(data_dir, database_url, wecom.url, dingtalk.url, queue))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    names = sorted(queue.get(timeout=60) for _ in range(8))
    for worker in workers:
        worker.join(30)
    assert names == ["周小雨"] * 4 + ["林晓燕"] * 4
    counts = requests.get(f"{wecom.url}/_emulator/calls", timeout=5).json()["counts"]
    assert counts["/cgi-bin/gettoken"] == 1
    counts = requests.get(f"{dingtalk.url}/_emulator/calls", timeout=5).json()["counts"]
    assert sum(count for api, count in counts.items() if "oken" in api) == 1


def test_talking_to_a_host_inside_a_transaction_is_refused(app: Flask) -> None:
    with app.app_context():
        corp = corp_of("wecom")
        connector = hosts.lines().of(corp)
        db.session.execute(sa.select(1))
        with pytest.raises(RuntimeError, match="commit or roll back"):
            connector.person("LinXiaoYan")
        db.session.rollback()


@pytest.mark.parametrize(
    ("host", "userid", "manager", "leader"),
    [("wecom", "LinXiaoYan", "WangJianGuo", "WangJianGuo"), ("dingtalk", "zhouxiaoyu", "sunlihua", "sunlihua")],
)
def test_who_arrives_is_written_down_with_departments_and_manager(
    app: Flask, host: str, userid: str, manager: str, leader: str
) -> None:
    with app.app_context():
        corp = corp_of(host)
        person = arrivals.arrive(corp, userid)
        boss = arrivals.arrive(corp, leader)
        with corp_scope(corp.id):
            above = manager_of(person)
            assert above is not None
            assert above.userid == manager
            assert team_ids(boss) == {boss.id, person.id}
            paths = db.session.scalars(
                sa.select(Department.path)
                .join(
                    Membership,
                    sa.and_(Membership.department_id == Department.id, Membership.corp_id == Department.corp_id),
                )
                .where(Membership.member_id == person.id)
            ).all()
            assert all(path.startswith("/") and path.count("/") >= 3 for path in paths)


def test_a_member_who_is_gone_at_the_host_is_shut_out(app: Flask, wecom: RunningEmulator) -> None:
    with app.app_context():
        corp = corp_of("wecom")
        member = arrivals.arrive(corp, "LinXiaoYan")
        answer = requests.post(
            f"{wecom.url}/_emulator/people",
            json={"corp": corp.host_corp_id, "userid": "LinXiaoYan", "action": "leave"},
            timeout=10,
        )
        assert answer.ok, answer.text
        rechecks.check_member(corp, "LinXiaoYan")
        with every_corp():
            db.session.expire_all()
            gone = db.session.scalars(sa.select(Member).where(Member.id == member.id)).one()
            assert (gone.status, gone.epoch) == ("left", 1)
        with pytest.raises(OutOfRange):
            arrivals.arrive(corp, "OuYangMuRong")
