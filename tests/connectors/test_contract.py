"""The same scenarios over every host: sign in, be told, finish on the card; and through everything that goes wrong.

The third host, `tests/connectors/tiny/`, passes them with its folder and one line in the registry.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from flask import Flask
from werkzeug.serving import make_server

from tests.cast import DINGTALK_AGENT, WECOM_AGENT, settings_for
from tests.connectors.hosts_under_test import HostUnderTest, load_sample
from tests.connectors.tiny.emulator import CORP_ID as TINY_CORP
from tests.connectors.tiny.emulator import SECRET as TINY_SECRET
from tests.connectors.tiny.emulator import TinyEmulator
from wsapp import arrivals, clock, connectors, hosts
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org import directory
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db
from wsapp.jobs.directory import Walker, begin
from wsapp.jobs.pace import PACE
from wsapp.jobs.worker import Engine


@pytest.fixture(params=["wecom", "dingtalk", "tiny"])
def host(
    request: pytest.FixtureRequest, wecom: RunningEmulator, dingtalk: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HostUnderTest]:
    if request.param == "wecom":
        from wsapp.connectors.wecom.emulator import demo_org

        corp = demo_org("http://x")["corps"][0]["corp_id"]
        apis = ("/message/send",)
        yield HostUnderTest("wecom", wecom, WECOM_AGENT, corp, "LinXiaoYan", "林晓燕", "WangJianGuo", {}, "", apis)
    elif request.param == "dingtalk":
        from wsapp.connectors.dingtalk.emulator import demo_org

        corp = demo_org("http://x")["corps"][0]["corp_id"]
        apis = ("/createAndDeliver", "/asyncsend_v2")
        yield HostUnderTest(
            "dingtalk", dingtalk, DINGTALK_AGENT, corp, "zhouxiaoyu", "周小雨", "sunlihua", {}, "", apis
        )
    else:
        monkeypatch.setitem(connectors.CONNECTORS, "tiny", "tests.connectors.tiny.connector:TinyConnector")
        with TinyEmulator().start() as running:
            settings = f'[[corps]]\nname = "小公司"\nhost = "tiny"\ncorp_id = "{TINY_CORP}"\nsecret = "{TINY_SECRET}"\n'
            bases = {"api_base": running.url}
            yield HostUnderTest(
                "tiny", running, "Mobile TinyHost/1.0", TINY_CORP, "yi", "易小小", "da", bases, settings, ("/send",)
            )


@pytest.fixture
def product(
    host: HostUnderTest, database_url: str, tmp_path: Path, wecom: RunningEmulator, dingtalk: RunningEmulator
) -> Iterator[Flask]:
    """The product as a server, connected to the host under test."""
    from wsapp.app import create_app

    server = make_server("127.0.0.1", 0, lambda environ, start: app(environ, start), threaded=True)
    host.address = f"http://127.0.0.1:{server.server_port}"
    load_sample(host.emulator, host.address)
    extra = "".join(f'[hosts.{host.name}]\n{key} = "{value}"\n' for key, value in host.bases.items()) + host.settings
    app = create_app(
        settings_for(
            tmp_path / "data",
            url=database_url,
            public_url=host.address,
            wecom_base=wecom.url,
            dingtalk_base=dingtalk.url,
            extra=extra,
        )
    )
    with app.app_context():
        hosts.connect_configured_corps()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield app
    server.shutdown()
    thread.join(10)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def working(product: Flask) -> Iterator[Flask]:
    """The product with its background work running."""
    engine = Engine(product)
    engine.start()
    yield product
    assert engine.stop()


def corp_of(host: HostUnderTest) -> Corp:
    corp = db.session.scalars(sa.select(Corp).where(Corp.host == host.name, Corp.host_corp_id == host.corp_id)).one()
    db.session.rollback()
    return corp


def settled(check: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until `check` gives something true, looking again whenever work may have ended."""
    end = clock.wall() + timedelta(seconds=seconds)
    pause = threading.Event()
    while clock.wall() < end:
        found = check()
        if found:
            return found
        pause.wait(0.05)
    raise AssertionError(f"not within {seconds} s: {check}")


def due_task(app: Flask, host: HostUnderTest, title: str) -> str:
    """Have the seller arrive and a task of theirs fall due at once; returns its id."""
    with app.app_context():
        corp = corp_of(host)
        member = arrivals.arrive(corp, host.seller)
        arrivals.arrive(corp, host.manager)
        with corp_scope(corp.id):
            actor = db.session.merge(member)
            task = create_task({"title": title, "due_at": clock.now()}, actor=actor)
            db.session.commit()
            return task.id


def cards_of(host: HostUnderTest, title: str) -> list[dict[str, Any]]:
    return [item for item in host.chats(host.seller) if title in str(item)]


def task_state(app: Flask, host: HostUnderTest, task_id: str) -> str:
    with app.app_context(), corp_scope(corp_of(host).id):
        return db.session.scalar(sa.select(Task.state).where(Task.id == task_id)) or ""


def test_a_member_signs_in_and_is_created_from_the_host(product: Flask, host: HostUnderTest) -> None:
    with requests.Session() as browser:
        answer = host.sign_in(browser, host.seller)
        assert answer.status_code in (200, 302), answer.text
        assert "/h5/me" in (answer.headers.get("Location") or answer.text)
    with product.app_context(), corp_scope(corp_of(host).id):
        member = db.session.scalars(sa.select(Member)).one()
        assert (member.userid, member.name, member.manager_userid) == (host.seller, host.seller_name, host.manager)


def test_a_reminder_arrives_is_finished_on_the_card_and_the_card_says_by_whom(
    working: Flask, host: HostUnderTest
) -> None:
    task_id = due_task(working, host, "寄样品给华星")
    (card,) = settled(lambda: cards_of(host, "寄样品给华星"))
    assert {button["key"] for button in card["buttons"]} >= {"done", "snooze_60"}
    host.press(host.manager, card["card"], "done")
    assert task_state(working, host, task_id) == "open"
    host.press(host.seller, card["card"], "done")
    settled(lambda: task_state(working, host, task_id) == "done")
    done = settled(lambda: [one for one in cards_of(host, "寄样品给华星") if "已完成" in str(one["state"])])
    assert host.seller_name in str(done[0]["state"])
    host.press(host.seller, card["card"], "done")
    assert len(cards_of(host, "寄样品给华星")) == 1


def test_tokens_that_died_are_fetched_once_and_nothing_is_lost(working: Flask, host: HostUnderTest) -> None:
    due_task(working, host, "第一条提醒")
    settled(lambda: cards_of(host, "第一条提醒"))
    host.kill_tokens()
    due_task(working, host, "第二条提醒")
    settled(lambda: cards_of(host, "第二条提醒"))
    secrets_used = 2 if host.name == "wecom" else 1  # the app's and the directory's
    assert host.calls("/gettoken", "/accessToken", "/token") <= 2 * secrets_used


def test_a_reply_that_got_lost_shows_nothing_twice(working: Flask, host: HostUnderTest) -> None:
    for api in ("/cgi-bin/message/send", "/v1.0/card/instances/createAndDeliver", "/send"):
        host.fault(api=api, fault="reset_after", times=1)
    due_task(working, host, "只响一次")
    settled(lambda: cards_of(host, "只响一次"))
    settled(lambda: _ledger(working, host) in ({"accepted"}, {"delivered"}, {"read"}), seconds=60)
    assert len(cards_of(host, "只响一次")) == 1
    assert host.calls(*host.send_apis) >= 2


def _ledger(app: Flask, host: HostUnderTest) -> set[str]:
    with app.app_context(), corp_scope(corp_of(host).id):
        return set(db.session.scalars(sa.select(Notification.state)))


@pytest.mark.parametrize("fault", ["status", "truncate", "reset_before"])  # a page of HTML is a ban of minutes
def test_broken_answers_are_no_success(working: Flask, host: HostUnderTest, fault: str) -> None:
    for api in host.send_apis:
        path = {"/message/send": "/cgi-bin", "/createAndDeliver": "/v1.0/card/instances"}.get(api, "")
        host.fault(api=f"{path}{api}", fault=fault, times=1)
    due_task(working, host, "坚持送达")
    settled(lambda: _ledger(working, host) in ({"accepted"}, {"delivered"}, {"read"}), seconds=60)
    assert len(cards_of(host, "坚持送达")) == 1


def test_a_used_code_opens_no_session(product: Flask, host: HostUnderTest) -> None:
    with product.app_context():
        connector = hosts.lines().of(corp_of(host))
        db.session.rollback()
        for code in ("never-issued", ""):
            with pytest.raises(connectors.base.BadCode):
                connector.sign_in(code or "0")
        with pytest.raises(connectors.base.OutOfRange):
            connector.person("nobody-here")


def test_a_wrong_secret_stops_asking(product: Flask, host: HostUnderTest) -> None:
    with product.app_context():
        corp = corp_of(host)
        secret = next(field.key for field in hosts.connector_class(host.name).credential_fields if field.secret)
        values = {**hosts.open_credentials(corp), secret: "wrong-secret-000000000"}
        db.session.get_one(Corp, corp.id).credentials = hosts.seal_credentials(host.name, host.corp_id, values)
        db.session.commit()
        connector = hosts.lines().of(corp_of(host))
        db.session.rollback()
        for _try in range(10):
            with pytest.raises(connectors.base.BadCredentials):
                connector.person(host.seller)
        assert host.calls("/gettoken", "/accessToken", "/token") == 2
        assert corp_of(host).fault


@pytest.mark.parametrize("body", [b"", b"{}", b"<xml/>", b"\xff\xfe", b"[" * 5000, b"a" * 70_000])
def test_callbacks_of_nobody_get_one_uniform_403(product: Flask, host: HostUnderTest, body: bytes) -> None:
    kinds = hosts.connector_class(host.name).callback_kinds
    answers = set()
    for kind in kinds:
        url = f"{host.address}/callbacks/{host.name}/{host.corp_id}/{kind}".rstrip("/")
        answer = requests.post(
            url, data=body, params={"timestamp": "1", "nonce": "n", "msg_signature": "x"}, timeout=10
        )
        answers.add((answer.status_code, answer.content))
    unknown = requests.post(f"{host.address}/callbacks/{host.name}/nobody/app", data=body, timeout=10)
    assert answers == {(403, b"forbidden")}
    assert (unknown.status_code, unknown.content) == (403, b"forbidden")


def test_the_whole_directory_is_read(product: Flask, host: HostUnderTest) -> None:
    with product.app_context():
        corp = corp_of(host)
        connector = hosts.lines().of(corp)
        with corp_scope(corp.id):
            run = begin("console")
            db.session.commit()
            walker = Walker(corp, connector, run.id, "contract", PACE.compressed(1000))
            assert walker.take()
            while not walker.go_on(5):
                pass
            ended = directory.find(run.id)
            assert ended is not None
            assert (ended.state, ended.reason) == ("done", "")
            people = db.session.scalars(sa.select(Member)).all()
            assert {host.seller, host.manager} <= {one.userid for one in people}
            assert len(people) == ended.people
