"""Imports and exports over REST."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from tests.crm.transfer.conftest import csv_bytes
from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.transfer import imports
from wsapp.crm.transfer.models import ExportJob
from wsapp.db import corp_scope, db, new_id
from wsapp.jobs.runner import Desk, Runner
from wsapp.leases import claim

Rest = Callable[..., Any]
ROWS = [["客户名称", "手机", "备注"], ["华星木业", "13800138000", "=1+1"], ["", "1"], ["恒昌家具", "13800138001", ""]]


def work(app: Flask) -> None:
    """Do all work that is due."""
    runner = Runner(app, Desk())
    while True:
        with app.app_context():
            claims = claim(50)
        if not claims:
            return
        runner.run((claims[0].attempt_id, tuple(one.id for one in claims)))


def send(me: Any, rows: Any = ROWS, **fields: str) -> Any:
    data = {"file": (io.BytesIO(csv_bytes(rows, "gb18030")), "客户.csv"), **fields}
    return me("POST", "/imports", data=data)


def test_an_import_from_upload_to_roll_back(app: Flask, cast: Cast, rest: Rest, ali: Member) -> None:
    me = rest(ali)
    answer = send(me, object="customer", on_duplicate="skip", dry_run="false")
    assert answer.status_code == 201
    job = answer.get_json()
    assert (job["state"], job["total"], job["errors"], job["result_url"]) == ("queued", 3, [], None)
    work(app)
    job = me.get(f"/imports/{job['id']}").get_json()
    assert (job["state"], job["done"], job["created"], job["failed"]) == ("done", 3, 2, 1)
    assert {(one["row"], one["field"]) for one in job["errors"]} == {(3, "name"), (3, "phones")}
    result = me.client.get(job["result_url"], headers={"Authorization": f"Bearer {me.token}"})
    assert result.status_code == 200
    assert result.data.startswith(b"PK")
    assert len(me.items("/customers")) == 2
    assert me("POST", f"/imports/{job['id']}/rollback").status_code == 200
    work(app)
    job = me.get(f"/imports/{job['id']}").get_json()
    assert (job["rolled_back"], job["rolled_back_rows"], me.items("/customers")) == (True, 2, [])


def test_a_dry_run_writes_nothing(app: Flask, cast: Cast, rest: Rest, ali: Member) -> None:
    me = rest(ali)
    job = send(me, dry_run="true").get_json()
    work(app)
    job = me.get(f"/imports/{job['id']}").get_json()
    assert (job["state"], job["dry_run"], job["created"], me.items("/customers")) == ("done", True, 2, [])


def test_what_cannot_be_taken_is_refused_at_once(rest: Rest, cast: Cast, ali: Member, cha: Member) -> None:
    me = rest(ali)
    for data, field in (
        ({"file": (io.BytesIO(b"%PDF-1.7"), "a.xlsx")}, "file"),
        ({"file": (io.BytesIO(b""), "a.csv")}, "file"),
        ({}, "file"),
        ({"file": (io.BytesIO(csv_bytes(ROWS)), "a.csv"), "object": "member"}, "object"),
        ({"file": (io.BytesIO(csv_bytes(ROWS)), "a.csv"), "on_duplicate": "merge"}, "on_duplicate"),
        ({"file": (io.BytesIO(csv_bytes(ROWS)), "a.csv"), "dry_run": "maybe"}, "dry_run"),
        ({"file": (io.BytesIO(csv_bytes([["甲", "乙"], ["1", "2"]])), "a.csv")}, "mapping"),
    ):
        answer = me("POST", "/imports", data=data, content_type="multipart/form-data")
        assert answer.status_code == 422, answer.text
        assert [one["field"] for one in answer.get_json()["errors"]] == [field]
    mine = send(me).get_json()
    assert rest(cha).get(f"/imports/{mine['id']}").status_code == 404
    assert rest(cha)("POST", f"/imports/{mine['id']}/rollback").status_code == 404


def test_an_export_comes_back_in_as_the_same(app: Flask, cast: Cast, rest: Rest, ali: Member, cha: Member) -> None:
    me = rest(ali)
    nasty = ['=HYPERLINK("http://x")', "+86 x", "-1+1", "@SUM(A1)", "＝1", "'=1", "'引号", "普通，有,逗号"]
    for number, note in enumerate(nasty):
        me.made("/customers", {"name": f"{note[:8]}公司{number}", "note": note, "phones": [f"1380013800{number}"]})
    rest(cha).made("/customers", {"name": "小查的公司"})
    before = {one["name"]: (one["note"], one["phones"]) for one in me.items("/customers")}
    job = me.post("/exports", {"object": "customer", "format": "csv"}).get_json()
    work(app)
    job = me.get(f"/exports/{job['id']}").get_json()
    assert (job["state"], job["done"], job["total"]) == ("done", 8, 8)
    headers = {"Authorization": f"Bearer {me.token}"}
    body = me.client.get(job["result_url"], headers=headers).data
    assert body.startswith(b"\xef\xbb\xbf")
    table = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    assert len(table) == 1 + 8 + 1
    assert "阿丽（ali）" in table[-1][0]
    assert not [cell for row in table for cell in row if cell[:1] in "=+-@＝" and cell]
    assert "小查的公司" not in body.decode("utf-8-sig")
    assert rest(cha).get(f"/exports/{job['id']}/result").status_code == 404
    with app.app_context(), corp_scope(cast.corp_id):
        made = db.session.scalars(sa.select(Event).where(Event.kind == "export.made")).one()
        fetched = db.session.scalars(sa.select(Event).where(Event.kind == "export.fetched")).one()
        assert (made.actor_id, made.data["rows"], made.data["filter"]) == (ali.id, 8, {})
        assert fetched.actor_id == ali.id
        own = db.session.merge(ali)
        again = imports.upload(io.BytesIO(body), "a.csv", actor=own)
        assert again.total == 8
        for one in db.session.scalars(sa.select(Customer).where(Customer.owner_id == ali.id)):
            db.session.delete(one)
        imports.prepare(again, actor=own)
        imports.start(again)
        db.session.commit()
    work(app)
    assert {one["name"]: (one["note"], one["phones"]) for one in me.items("/customers")} == before


def test_filters_and_follow_ups(app: Flask, rest: Rest, cast: Cast, ali: Member) -> None:
    me = rest(ali)
    first = me.made("/customers", {"name": "华星木业", "level": "A"})
    me.made("/customers", {"name": "恒昌家具", "level": "B"})
    me.made(f"/customers/{first['id']}/follow-ups", {"text": "谈了价格"})
    some = me.post("/exports", {"object": "customer", "filter": {"level": "A", "owner": "ali"}}).get_json()
    logs = me.post("/exports", {"object": "follow_up", "format": "csv"}).get_json()
    assert (some["total"], logs["total"]) == (1, 1)
    assert me.post("/exports", {"object": "customer", "filter": {"nonsense": "1"}}).status_code == 422
    work(app)
    url = me.get(f"/exports/{logs['id']}").get_json()["result_url"]
    text = me.client.get(url, headers={"Authorization": f"Bearer {me.token}"}).data.decode("utf-8-sig")
    assert "谈了价格" in text
    assert "华星木业" in text


def test_the_daily_quota_stops_a_scripted_export(app: Flask, rest: Rest, cast: Cast, ali: Member, guan: Member) -> None:
    from wsapp.crm.org.rules import set_rules

    me = rest(ali)
    for number in range(4):
        me.made("/customers", {"name": f"第{number}家公司"})
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({"export.daily_rows": 10})
        db.session.commit()
    found = [me.post("/exports", {"object": "customer"}).get_json() for _time in range(4)]
    assert [one["approval"] for one in found] == ["", "", "waiting", "waiting"]
    work(app)
    states = [me.get(f"/exports/{one['id']}").get_json()["state"] for one in found]
    assert states == ["done", "done", "queued", "queued"]
    assert me.get(f"/exports/{found[2]['id']}/result").status_code == 404


def test_far_more_rows_than_usual_are_told_to_the_administrators_once_a_day(
    app: Flask, cast: Cast, rest: Rest, ali: Member, guan: Member
) -> None:
    me = rest(ali)
    for name in ("华星木业", "恒昌家具"):
        me.made("/customers", {"name": name})

    def ago(days: int, rows: int) -> ExportJob:
        at = clock.now() - timedelta(days=days)
        values = {"object": "customer", "format": "csv", "state": "done", "total": rows, "created_at": at}
        return ExportJob(id=new_id(), member_id=ali.id, **values)

    with app.app_context(), corp_scope(cast.corp_id):
        db.session.add_all([ago(1, 250), ago(1, 50), ago(4, 300), ago(12, 300), ago(40, 9_000), ago(0, 897)])
        db.session.commit()
    for _n in range(3):  # 899, 901, 903; three times the mean of 300 is 900
        assert me.post("/exports", {"object": "customer", "format": "csv"}).status_code == 201
    with app.app_context(), corp_scope(cast.corp_id):
        (alarm,) = db.session.scalars(sa.select(Event).where(Event.kind == "member.exports_unusual"))
        assert (alarm.subject_id, alarm.data["count"]) == (ali.id, 901)
    work(app)
    with app.app_context(), corp_scope(cast.corp_id):
        (told,) = db.session.scalars(sa.select(Notification).where(Notification.kind == "member.exports_unusual"))
        assert (told.recipient_id, told.message["title"]) == (guan.id, "阿丽 今天已申请导出 901 行")
