"""Ten thousand real-looking rows: the exact report, and not a byte left after the roll-back."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tests.crm.transfer.conftest import csv_bytes, xlsx_bytes
from tests.crm.transfer.test_imports import counts, snapshot, undo
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.org.models import Member
from wsapp.crm.transfer import imports
from wsapp.crm.transfer.models import ImportJob
from wsapp.db import db
from wsapp.seeding_words import AREAS, CORES, INDUSTRIES, SOURCES, STREETS, SUFFIXES

HEADING = ["客户名称", "手机", "级别", "来源", "行业", "省份", "城市", "地址", "下次跟进时间", "负责人", "备注", "标签"]
ACCOUNT = "6217001234567890123"  # 19 digits, of which a spreadsheet's number keeps 15
BLOCK = 3  # rows whose source is one merged cell, of each fifty from the 25th on


@dataclass
class Sheet:
    """A made-up firm's book, and what importing it is to say of it."""

    rows: list[list[Any]]
    wrong: dict[int, str] = field(default_factory=dict)  # row → the field that is wrong
    repeats: dict[int, int] = field(default_factory=dict)  # row → the row that it repeats
    merged: list[tuple[int, int, int, int, Any]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)  # name → source, where a merged cell says it
    due: dict[str, datetime] = field(default_factory=dict)  # name → next follow-up


def book(size: int, kind: str) -> Sheet:
    """Return rows as firms have them: in a workbook numbers are numbers and cells are merged, in text all is text."""
    pick, is_workbook = random.Random(2026), kind == "xlsx"
    sheet = Sheet([HEADING])
    for number in range(size):
        row = number + 2
        line = sheet_line(pick, number)
        match number % 50:
            case 7:
                line[0], sheet.wrong[row] = "", "name"
            case 13:
                line[1], sheet.wrong[row] = "1.38E+10", "phones"
            case 21:
                line[9], sheet.wrong[row] = "查无此人", "owner"
            case 33:
                line[1], sheet.repeats[row] = sheet.rows[-1][1], row - 1
            case 36:
                line[0], line[1], sheet.repeats[row] = f"{sheet.rows[1][0]}（集团）", "", 2
            case 40:
                line[1] = float(line[1]) if is_workbook else f"{line[1]}.0"
                line[8] = 47604.5 if is_workbook else "47604.5"
                sheet.due[line[0]] = datetime(2030, 5, 1, 4, tzinfo=UTC)
            case 42:
                line[8] = date(2030, 1, 2) if is_workbook else "2030年1月2日"
                sheet.due[line[0]] = datetime(2030, 1, 1, 16, tzinfo=UTC)
            case 44 if is_workbook:
                line[10], sheet.wrong[row] = int(ACCOUNT), "note"
            case at if is_workbook and 25 <= at < 25 + BLOCK:
                if at == 25 and number + BLOCK <= size:
                    sheet.merged.append((number + 1, 3, number + BLOCK, 3, "行业协会推荐"))
                line[3] = "行业协会推荐" if at == 25 else ""
                sheet.sources[line[0]] = "行业协会推荐"
        sheet.rows.append(line)
    return sheet


def sheet_line(pick: random.Random, number: int) -> list[Any]:
    province, city, _district, *_place = pick.choice(AREAS)
    words = "".join(pick.choice(words) for words in (CORES, CORES, INDUSTRIES))
    name = f"{city.removesuffix('市')}{words}{number:05}{pick.choice(SUFFIXES)}"
    address = f"{province}{city}{pick.choice(STREETS)}{number}号"
    fields = [name, f"138{number:08}", pick.choice("ABCD"), pick.choice(SOURCES), pick.choice(INDUSTRIES)]
    return [
        *fields,
        province,
        city,
        address,
        "2030/3/5 09:30",
        "ali",
        ACCOUNT,
        pick.choice(["老客户；展会", "", "展会"]),
    ]


def check(job: ImportJob, size: int, sheet: Sheet) -> None:
    """Every row is told of exactly once and rightly, and what was taken stands as it was written."""
    wrong, repeats = sheet.wrong, sheet.repeats
    assert (job.state, job.total, job.done) == ("done", size, size)
    assert counts(job) == (size - len(wrong) - len(repeats), 0, len(repeats), len(wrong))
    assert {one["row"]: one["field"] for one in imports.told(job)} == wrong
    told = {one["row"]: one["message"] for one in imports.told(job, ("skipped",))}
    assert told == {row: f"与第 {other} 行重复" for row, other in repeats.items()}
    columns = (Customer.name, Customer.source, Customer.note, Customer.next_follow_at, CustomerPhone.number)
    mine = sa.and_(CustomerPhone.customer_id == Customer.id, CustomerPhone.corp_id == Customer.corp_id)
    stands = {row.name: row for row in db.session.execute(sa.select(*columns).join(CustomerPhone, mine))}
    usual = datetime(2030, 3, 5, 1, 30, tzinfo=UTC)
    expected = {}
    for row, line in enumerate(sheet.rows[1:], 2):
        if row not in wrong and row not in repeats:
            name = line[0]
            phone = f"138{row - 2:08}"
            expected[name] = (name, sheet.sources.get(name, line[3]), ACCOUNT, sheet.due.get(name, usual), phone)
    stands.pop("早就有的公司")
    assert {name: tuple(row) for name, row in stands.items()} == expected


def round_trip(bring: Callable[..., ImportJob], ali: Member, size: int, kind: str) -> None:
    create_customer({"name": "早就有的公司", "phones": ["13700137000"]}, actor=db.session.merge(ali))
    before = snapshot()
    sheet = book(size, kind)
    body = csv_bytes(sheet.rows, "gbk") if kind == "csv" else xlsx_bytes(sheet.rows, sheet.merged)
    job = bring(ali, body, name=f"客户.{kind}")
    check(job, size, sheet)
    undone = undo(job, ali)
    assert (undone.undone, undone.kept) == (job.created, 0)
    assert snapshot() == before


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_thousand_rows(bring: Callable[..., ImportJob], ali: Member, kind: str) -> None:
    round_trip(bring, ali, 1_000, kind)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_ten_thousand_rows(bring: Callable[..., ImportJob], ali: Member, kind: str) -> None:
    round_trip(bring, ali, 10_000, kind)
