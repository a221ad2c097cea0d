"""Ten thousand real-looking rows: the exact report, and not a byte left after the roll-back."""

import random
from collections.abc import Callable
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

HEADING = ["客户名称", "手机", "级别", "来源", "行业", "省份", "城市", "地址", "下次跟进时间", "负责人", "备注"]


def book(size: int) -> tuple[list[list[Any]], dict[int, str], set[int]]:
    """Return rows, the field that is wrong by row, and the rows that repeat an earlier one."""
    pick = random.Random(2026)
    rows: list[list[Any]] = [HEADING]
    wrong: dict[int, str] = {}
    repeats: set[int] = set()
    for number in range(size):
        row = number + 2
        province, city, _district, *_place = pick.choice(AREAS)
        words = "".join(pick.choice(words) for words in (CORES, CORES, INDUSTRIES))
        name = f"{city.removesuffix('市')}{words}{number:05}{pick.choice(SUFFIXES)}"
        address = f"{province}{city}{pick.choice(STREETS)}{number}号"
        fields = [name, f"138{number:08}", pick.choice("ABCD"), pick.choice(SOURCES), pick.choice(INDUSTRIES)]
        line = [*fields, province, city, address, "2030/3/5 09:30", "ali", "6217001234567890123"]
        match number % 50:
            case 7:
                line[0], wrong[row] = "", "name"
            case 13:
                line[1], wrong[row] = "1.38E+10", "phones"
            case 21:
                line[9], wrong[row] = "查无此人", "owner"
            case 33:
                line[1] = rows[-1][1]
                repeats.add(row)
            case 40:
                line[1], line[8] = f"86-138{number:08}.0".removeprefix("86-"), "47604.5"
        rows.append(line)
    return rows, wrong, repeats


def check(job: ImportJob, size: int, wrong: dict[int, str], repeats: set[int]) -> None:
    assert (job.state, job.total, job.done) == ("done", size, size)
    assert counts(job) == (size - len(wrong) - len(repeats), 0, len(repeats), len(wrong))
    assert {one["row"]: one["field"] for one in imports.told(job)} == wrong
    told = {one["row"]: one["message"] for one in imports.told(job, ("skipped",))}
    assert told == {row: f"与第 {row - 1} 行重复" for row in repeats}
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 1 + job.created
    assert db.session.scalar(sa.select(sa.func.count()).select_from(CustomerPhone)) == 1 + job.created


def round_trip(bring: Callable[..., ImportJob], ali: Member, size: int, kind: str) -> None:
    create_customer({"name": "早就有的公司", "phones": ["13700137000"]}, actor=db.session.merge(ali))
    before = snapshot()
    rows, wrong, repeats = book(size)
    body = csv_bytes(rows, "gb18030") if kind == "csv" else xlsx_bytes(rows)
    job = bring(ali, body, name=f"客户.{kind}")
    check(job, size, wrong, repeats)
    undone = undo(job, ali)
    assert (undone.undone, undone.kept) == (job.created, 0)
    assert snapshot() == before


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_thousand_rows(bring: Callable[..., ImportJob], ali: Member, kind: str) -> None:
    round_trip(bring, ali, 1_000, kind)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_ten_thousand_rows(bring: Callable[..., ImportJob], ali: Member, kind: str) -> None:
    round_trip(bring, ali, 10_000, kind)
