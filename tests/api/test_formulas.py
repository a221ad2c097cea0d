"""Sixty texts that spreadsheets take for formulas, from the book into both kinds of files and back (T32)."""

import csv
import io
import re
from typing import Any

import openpyxl
import sqlalchemy as sa
from flask import Flask

from tests.api.test_transfers import work
from tests.cast import Cast
from tests.crm.transfer.test_writing import PAYLOADS
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db

assert len(PAYLOADS) >= 60
RUNS = re.compile(r"[=+\-@＝＋－＠\t\r\0]")


def texts(app: Flask, corp_id: int, owner: Member) -> set[tuple[str, str, str]]:
    """Return name, note and address of the owner's customers."""
    wanted = sa.select(Customer.name, Customer.note, Customer.address).where(Customer.owner_id == owner.id)
    with app.app_context(), corp_scope(corp_id):
        return {tuple(row) for row in db.session.execute(wanted)}


def cells_of(body: bytes, format: str) -> list[list[str]]:
    """Return the rows of a file as another program reads it; none of its cells would be calculated."""
    if format == "csv":
        table = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
        assert not [cell for row in table for cell in row if RUNS.match(cell)]
        return table
    sheet = openpyxl.load_workbook(io.BytesIO(body)).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells if cell.value is not None} == {"s"}
    assert not [cell for cell in cells if cell.hyperlink is not None]
    return [["" if cell.value is None else str(cell.value) for cell in row] for row in sheet.iter_rows()]


def test_what_looks_like_a_formula_goes_out_and_comes_back_as_text(
    app: Flask, cast: Cast, rest: Any, ali: Member, ivy: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        for number, payload in enumerate(PAYLOADS):
            values = {"name": f"{payload[:30]}第{number}家公司", "note": payload, "address": f"{payload} {number} 号"}
            create_customer(values, actor=owner)
        db.session.commit()
    before = texts(app, cast.corp_id, ali)
    assert len(before) == len(PAYLOADS)
    me, wanted = rest(ali), {"object": "customer", "columns": ["name", "note", "address"]}
    jobs = {one: me.post("/exports", {**wanted, "format": one}).get_json()["id"] for one in ("xlsx", "csv")}
    work(app)
    sent = {"Authorization": f"Bearer {me.token}"}
    files = {one: me.client.get(f"/api/v1/exports/{job}/result", headers=sent).data for one, job in jobs.items()}
    takers = {"xlsx": ivy, "csv": cast.member("an")}
    for format, body in files.items():
        assert len(cells_of(body, format)) == 1 + len(PAYLOADS) + 1  # the heading, the watermark
        data = {"file": (io.BytesIO(body), f"a.{format}"), "object": "customer", "on_duplicate": "add"}
        answer = rest(takers[format])("POST", "/imports", data=data)
        assert answer.status_code == 201, answer.text
    work(app)
    for format, taker in takers.items():
        assert texts(app, cast.other_corp_id, taker) == before, format
