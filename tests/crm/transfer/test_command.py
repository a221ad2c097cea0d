"""`wsapp import` and `wsapp export`: progress, report, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from tests.cast import CORP, Cast
from tests.crm.transfer.conftest import csv_bytes

ROWS = [["客户名称", "手机"], ["华星木业", "13800138000"], ["", "13800138001"], ["恒昌家具", "13800138002"]]


def wsapp(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as an operator does."""
    command = [sys.executable, "-P", "-m", "wsapp", *words, "--config", str(folder / "config.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.server
def test_a_book_goes_in_and_out_again(app: Flask, cast: Cast, tmp_path: Path) -> None:
    book, report, out = tmp_path / "客户.csv", tmp_path / "report.json", tmp_path / "out.csv"
    book.write_bytes(csv_bytes(ROWS, "gb18030"))
    who = ("--corp", CORP, "--user", "ali")
    done = wsapp(tmp_path / "data", "import", "customers", str(book), *who, "--report", str(report))
    assert done.returncode == 0, done.stderr
    assert "3 rows: 2 created, 0 updated, 0 skipped, 1 failed." in done.stdout
    found = json.loads(report.read_text(encoding="utf-8"))
    assert [(one["row"], one["field"]) for one in found["errors"]] == [(3, "name")]
    exported = wsapp(tmp_path / "data", "export", "customers", str(out), *who)
    assert "Wrote 2 rows" in exported.stdout, exported.stderr
    again = wsapp(tmp_path / "data", "import", "customers", str(out), *who)
    assert again.returncode == 0, again.stderr
    assert "2 rows: 0 created, 0 updated, 2 skipped, 0 failed." in again.stdout


@pytest.mark.server
def test_a_file_of_which_nothing_can_be_taken_fails(app: Flask, cast: Cast, tmp_path: Path) -> None:
    book = tmp_path / "a.csv"
    who = ("--corp", CORP, "--user", "ali")
    for body in (b"%PDF-1.7", csv_bytes([["客户名称", "手机"], ["", "1"]])):
        book.write_bytes(body)
        done = wsapp(tmp_path / "data", "import", "customers", str(book), *who)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1].startswith("wsapp")
