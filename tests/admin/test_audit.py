"""The audit log in the console, its anchors, and the command that checks it."""

import csv
import io
import json
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.test_console import csrf_of
from tests.cast import CORP, Cast
from tests.jobs.conftest import run_due
from wsapp import outbox
from wsapp.admin import audit
from wsapp.cli import run
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import give_roles
from wsapp.crm.pools.queries import make_first_pool
from wsapp.db import corp_scope, db
from wsapp.house import house


@pytest.fixture
def desk(sign_in: Callable[..., FlaskClient], guan: Member) -> FlaskClient:
    return sign_in(guan)


@pytest.fixture
def customer_id(app: Flask, cast: Cast, ali: Member) -> str:
    with app.app_context(), corp_scope(cast.corp_id):
        actor = db.session.merge(ali)
        customer = create_customer({"name": "=华星家具有限公司", "level": "A"}, actor=actor)
        change_customer(customer, {"level": "B", "note": "=1+1"}, actor=actor)
        db.session.commit()
        return customer.id


def test_the_log_is_searched_by_person_record_kind_and_day(desk: FlaskClient, customer_id: str) -> None:
    def found(query: str) -> str:
        answer = desk.get(f"/admin/audit?{query}")
        assert answer.status_code == 200
        return answer.get_data(as_text=True).split('id="audit"', 1)[1]

    assert "修改客户" in found("")
    assert "修改客户" in found("who=阿丽")
    assert "修改客户" in found("who=ali&kind=customer.changed&via=cli")
    assert "没有符合条件的记录" in found("who=小查")
    assert "没有符合条件的记录" in found("to=2001-01-01")
    assert "修改客户" in found(f"q=customer/{customer_id}&from=2001-01-01")
    assert "没有符合条件的记录" in found("kind=task.done")


def test_one_entry_shows_before_and_after(app: Flask, cast: Cast, desk: FlaskClient, customer_id: str) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        event_id = db.session.scalars(sa.select(Event.id).where(Event.kind == "customer.changed")).one()
    page = desk.get(f"/admin/audit/{event_id}").get_data(as_text=True)
    assert "<del>A</del> → <ins>B</ins>" in page
    assert "命令行" in page
    assert desk.get(f"/admin/audit/{'0' * 20}").status_code == 404


def test_the_export_calculates_nothing_and_is_in_the_log(
    app: Flask, cast: Cast, desk: FlaskClient, customer_id: str
) -> None:
    answer = desk.post("/admin/audit/export", data={"csrf_token": csrf_of(desk), "who": "阿丽"})
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))))
    assert {row["kind"] for row in rows} == {"customer.created", "customer.changed"}
    assert all(not cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    with app.app_context(), corp_scope(cast.corp_id):
        event = db.session.scalars(sa.select(Event).where(Event.kind == "audit.exported")).one()
        assert (event.data["filter"], event.via, event.ip) == ({"who": "阿丽"}, "web", "127.0.0.1")


def test_an_export_that_ends_early_says_so(
    desk: FlaskClient, customer_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "LOT", 1)
    monkeypatch.setattr(audit, "MOST_ROWS", 1)
    answer = desk.post("/admin/audit/export", data={"csrf_token": csrf_of(desk), "who": "阿丽"})
    head, row, last = list(csv.reader(io.StringIO(answer.get_data(as_text=True))))
    assert (len(row), last) == (len(head), ["只有最新的 1 条；更早的请按日期分次导出"])


def test_what_was_refused_is_written_down_once_a_minute(
    app: Flask, cast: Cast, sign_in: Callable[..., FlaskClient], bob: Member, ali: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        customer = create_customer({"name": "主管的客户"}, actor=db.session.merge(bob))
        from wsapp.crm.customers.models import Coworker

        db.session.add(Coworker(customer_id=customer.id, member_id=ali.id, may_edit=False, since=customer.created_at))
        db.session.commit()
        customer_id = customer.id
    client = sign_in(ali)
    for _again in range(3):
        assert client.get(f"/h5/bin/new/customer/{customer_id}").status_code == 403
    with app.app_context(), corp_scope(cast.corp_id):
        event = db.session.scalars(sa.select(Event).where(Event.kind == "access.refused")).one()
        assert (event.actor_id, event.via) == (ali.id, "web")
        assert event.data["route"].startswith("GET /h5/bin/new/")
        assert len(event.request_id) >= 8


def test_the_command_says_that_the_chain_holds_and_where_it_does_not(
    app: Flask, cast: Cast, customer_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with app.app_context():
        outbox.enqueue("seal.audit", {}, corp=False)
        db.session.commit()
        run_due(app, kinds=("seal.audit",))
        outbox.enqueue("anchor.audit", {}, corp=False)
        db.session.commit()
        run_due(app, kinds=("anchor.audit",))
        folder = house().settings.server.data_dir
    anchors = [json.loads(line) for line in (folder / "audit" / "anchors.jsonl").read_text().splitlines()]
    (mine,) = [one for one in anchors if one["corp"] == CORP]
    assert mine["seq"] >= 2
    command = ["audit", "verify", "--config", str(folder / "config.toml")]
    assert run(command) == 0
    assert f"{CORP}: {mine['seq']} records hold" in capsys.readouterr().out
    with app.app_context(), corp_scope(cast.corp_id):
        last = sa.update(Event).where(Event.seq == mine["seq"]).values(reason="nichts gewesen")
        db.session.execute(last.execution_options(synchronize_session=False))
        db.session.commit()
    assert run([*command, "--corp", CORP]) == 1
    assert f"broken at {mine['seq']}: a record was changed" in capsys.readouterr().err
    forged = folder / "forged.jsonl"
    forged.write_text(json.dumps({**mine, "seq": 1}))
    assert run([*command, "--anchors", str(forged)]) == 1
    assert "not signed here" in capsys.readouterr().err


def test_an_auditor_reads_the_log_and_nothing_else_of_the_console(
    app: Flask, cast: Cast, sign_in: Callable[..., FlaskClient], cha: Member, guan: Member, customer_id: str
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        give_roles(db.session.merge(cha), ["auditor"], actor=db.session.merge(guan))
        db.session.commit()
    client = sign_in(cha)
    assert 'href="/admin/audit"' in client.get("/h5/me").get_data(as_text=True)
    page = client.get("/admin/audit?kind=customer.changed").get_data(as_text=True)
    assert "修改客户" in page
    assert 'href="/admin/' not in re.sub(r'href="/admin/audit[^"]*"', "", page)
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/admin") and not rule.arguments and "GET" in (rule.methods or ()):
            status = client.get(rule.rule).status_code
            if rule.rule not in ("/admin/audit", "/admin/first-run"):
                assert status == 403, rule.rule
    assert client.post("/admin/rules", data={"csrf_token": csrf_of(client, "/h5/me")}).status_code == 403
    with app.app_context(), corp_scope(cast.corp_id):
        assert len(db.session.scalars(sa.select(Event).where(Event.kind == "audit.read")).all()) == 1


def test_rest_says_from_where_and_why_and_an_address_only_to_who_may_know(
    app: Flask, cast: Cast, customer_id: str, ali: Member, bob: Member, guan: Member
) -> None:
    def told(member: Member) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {cast.token(member)}"}
        answer = client.get("/api/v1/events?kind=customer.released", headers=headers)
        (event,) = answer.get_json()["items"]
        assert (event["via"], event["reason"]) == ("api", "没有需求")
        return dict(event)

    client = app.test_client()
    with app.app_context(), corp_scope(cast.corp_id):
        make_first_pool()
        db.session.commit()
    release = {"json": {"reason": "没有需求"}, "headers": {"Authorization": f"Bearer {cast.token(ali)}"}}
    assert client.post(f"/api/v1/customers/{customer_id}/release", **release).status_code == 200
    assert [told(one)["ip"] for one in (ali, bob, guan)] == ["127.0.0.1", "", "127.0.0.1"]
