"""Writing spreadsheets that no program takes for formulas: xlsx cells are strings, csv cells that look like one are
quoted with an apostrophe, which our own import takes off again."""

import csv
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from wsapp.crm.transfer import storage

SUSPICIOUS = re.compile(r"'*[=+\-@\t\r\0＝＋－＠]")
CELL_TEXT = 32_767  # characters that a cell of a workbook holds
WIDTH = 18  # characters


def safe(text: str) -> str:
    """Return a csv cell's text: with an apostrophe before what a spreadsheet might run."""
    return f"'{text}" if SUSPICIOUS.match(text) else text


def write(path: Path, rows: Iterable[Sequence[str]], *, format: str) -> None:
    """Write rows (the first is the heading) to `path`, whole or not at all. A hundred thousand rows take 30 MB."""
    draft = storage.draft_of(path)
    try:
        (_write_xlsx if format == "xlsx" else _write_csv)(draft, rows)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        for row in rows:
            writer.writerow([safe(text) for text in row])


def _write_xlsx(path: Path, rows: Iterable[Sequence[str]]) -> None:
    import xlsxwriter  # 6 MB that no web process needs before somebody exports

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), {**options, "tmpdir": str(path.parent)}) as book:
        sheet = book.add_worksheet()
        text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@"})
        sheet.freeze_panes(1, 0)
        for number, row in enumerate(rows):
            if number == 0:
                sheet.set_column(0, max(len(row) - 1, 0), WIDTH, text)
            for column, words in enumerate(row):
                if words:
                    sheet.write_string(number, column, _clean(words), text if number else bold)


_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def _clean(words: str) -> str:
    return _NO_XML.sub("", words)[:CELL_TEXT]
