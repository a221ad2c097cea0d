"""The pages of imports and exports."""

import io
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from flask import Flask

from tests.api.test_transfers import work
from tests.cast import Cast
from tests.crm.transfer.conftest import csv_bytes
from wsapp import clock
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.transfer.models import ExportJob
from wsapp.db import corp_scope, db

ROWS = [["公司", "手机", "神秘列"], ["华星木业", "13800138000", "展会"], ["", "1", ""], ["恒昌家具", "13800138001", ""]]


def test_from_upload_to_roll_back(
    app: Flask, cast: Cast, sign_in: Callable[..., Any], post: Callable[..., Any], see: Callable[..., str], ali: Member
) -> None:
    client = sign_in(ali)
    refused = post(ali, "/h5/imports", {"file": (io.BytesIO(b"%PDF"), "a.xlsx")}, client=client)
    assert refused.status_code == 422
    assert "只支持 .xlsx 和 .csv" in refused.text
    sent = {"file": (io.BytesIO(csv_bytes(ROWS, "gbk")), "客户.csv"), "object": "customer"}
    page = post(ali, "/h5/imports", sent, client=client).location
    draft = client.get(page).text
    assert "神秘列" in draft
    assert "华星木业" in draft
    wrong = post(ali, page, {"mapping": ["", "phones", ""], "on_duplicate": "skip"}, client=client)
    assert wrong.status_code == 422
    assert "请指定哪一列是“客户名称”" in wrong.text
    choice = {"mapping": ["name", "phones", "source"], "on_duplicate": "skip", "dry_run": "1"}
    assert post(ali, page, choice, client=client).status_code == 303
    assert "hx-trigger" in client.get(page).text
    work(app)
    rehearsed = client.get(page).text
    assert "正式导入" in rehearsed
    assert "第 3 行" in rehearsed
    post(ali, f"{page}/confirmation", {}, client=client)
    work(app)
    done = client.get(page).text
    assert "撤销这次导入" in done
    assert client.get(f"{page}/result").data.startswith(b"PK")
    assert "恒昌家具" in see(ali, "/h5/customers")
    post(ali, f"{page}/rollback", {}, client=client)
    work(app)
    assert "已撤销 2 行" in client.get(page).text
    assert "恒昌家具" not in see(ali, "/h5/customers")
    assert client.get("/h5/imports/templates/customer").data.startswith(b"PK")


def test_an_export_with_consent(
    app: Flask, cast: Cast, book: Any, sign_in: Callable[..., Any], post: Callable[..., Any], ali: Member, bob: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        set_rules({"export.approval": True})
        db.session.commit()
    client, boss = sign_in(ali), sign_in(bob)
    asked = {"object": "customer", "format": "csv", "whose": "mine"}
    page = post(ali, "/h5/exports", asked, client=client).location
    assert "等待审批" in client.get(page).text
    assert client.get(f"{page}/decision").status_code == 404
    assert "阿丽" in boss.get("/h5/exports").text
    assert "含完整电话号码" in boss.get(f"{page}/decision").text
    post(bob, f"{page}/decision", {"answer": "yes"}, client=boss)
    work(app)
    link = re.search(r'href="(/h5/exports/\w+/result)"', client.get(page).text)
    assert link
    assert "华星木业有限公司" in client.get(link.group(1)).data.decode("utf-8-sig")
    assert boss.get(link.group(1)).status_code == 404


def test_the_link_of_a_file_waits_for_a_sign_in_and_ends(
    app: Flask, cast: Cast, book: Any, sign_in: Callable[..., Any], post: Callable[..., Any], ali: Member, bob: Member
) -> None:
    client = sign_in(ali)
    asked = {"object": "customer", "format": "csv", "whose": "mine", "order": ["name", "phones"], "columns": ["name"]}
    page = post(ali, "/h5/exports", asked, client=client).location
    work(app)
    link = f"{page}/result"
    stranger = app.test_client()
    answer = stranger.get(link)
    assert b"\xef\xbb\xbf" not in answer.data
    assert link in (answer.text + unquote(answer.headers.get("Location", "")))  # where it goes on after the sign-in
    assert sign_in(bob).get(link).status_code == 404
    assert client.get(link).data.decode("utf-8-sig").splitlines()[0] == "客户名称"
    with app.app_context(), corp_scope(cast.corp_id):
        db.session.execute(sa.update(ExportJob).values(expires_at=clock.now()))
        db.session.commit()
    gone = client.get(link)
    assert (gone.status_code, "文件不存在或链接已过期" in gone.text) == (404, True)


def test_columns_move_without_script(
    app: Flask, cast: Cast, sign_in: Callable[..., Any], post: Callable[..., Any], ali: Member
) -> None:
    client = sign_in(ali)
    form = {"object": "customer", "format": "xlsx", "order": ["name", "phones", "level"], "columns": ["phones"]}
    moved = post(ali, "/h5/exports", {**form, "move": "up:level"}, client=client)
    order = re.findall(r'name="order" value="([\w.]+)"', moved.text)
    assert (moved.status_code, order[:3]) == (200, ["name", "level", "phones"])
    assert re.findall(r'name="columns" value="([\w.]+)" checked', moved.text) == ["phones"]
    none = post(ali, "/h5/exports", {**form, "columns": []}, client=client)
    assert (none.status_code, "请至少选择一列" in none.text) == (422, True)
