"""Files made to harm whoever reads them: refused fast, in Chinese, by a child that dies instead of us."""

import io
import random
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crm.transfer.conftest import xlsx_bytes
from wsapp.crm.transfer.reading import read_book
from wsapp.problems import Invalid

GOOD = xlsx_bytes([["客户名称"], ["华星木业"]])
SHEET = "xl/worksheets/sheet1.xml"
HEAD = b'<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
TAIL = b"</sheetData></worksheet>"


def with_parts(parts: dict[str, bytes], *, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a good workbook with some parts exchanged or added."""
    body = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as good, zipfile.ZipFile(body, "w", packing, compresslevel=1) as made:
        for name in good.namelist():
            if name not in parts:
                made.writestr(name, good.read(name))
        for name, content in parts.items():
            made.writestr(name, content)
    return body.getvalue()


def one_part_of(size: int) -> bytes:
    return with_parts({SHEET: HEAD + b" " * size + TAIL})


def many_cells() -> bytes:
    chance = random.Random(1)
    row = b"".join(b'<c r="A1"><v>%d</v></c>' % chance.randrange(10**9) for _ in range(2_000))
    return with_parts({SHEET: HEAD + b"".join(b"<row>" + row + b"</row>" for _ in range(1_050)) + TAIL})


def lying_sizes() -> bytes:
    """A part that says it is small and is not."""
    raw = bytearray(one_part_of(90_000_000))
    end = raw.rfind(b"PK\x01\x02")
    struct.pack_into("<I", raw, end + 24, 1_000)
    return bytes(raw)


def laughs() -> bytes:
    entities = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    text = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">' + entities + b"]><sst><si><t>&a9;</t></si></sst>"
    return with_parts({"xl/sharedStrings.xml": text})


def outside() -> bytes:
    text = b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><sst><si><t>x</t></si></sst>'
    return with_parts({"xl/sharedStrings.xml": text})


def in_utf16() -> bytes:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><sst/>'.encode("utf-16")
    return with_parts({"xl/sharedStrings.xml": text})


def far_cell() -> bytes:
    cells = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return with_parts({SHEET: HEAD + cells + TAIL})


def one_text_in_a_million_cells() -> bytes:
    """Two megabytes that ask for 25 gigabytes of text."""
    texts = b'<?xml version="1.0"?><sst><si><t>' + b"x" * 32_000 + b"</t></si></sst>"
    row = b"".join(b'<c t="s"><v>0</v></c>' for _ in range(40))
    sheet = HEAD + b"".join(b'<row r="%d">%s</row>' % (number, row) for number in range(1, 20_000)) + TAIL
    return with_parts({"xl/sharedStrings.xml": texts, SHEET: sheet + random.Random(1).randbytes(300_000)})


def macros() -> bytes:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as good:
        types = good.read("[Content_Types].xml")
    kind = types.replace(b"spreadsheetml.sheet.main+xml", b"sheet.macroEnabled.main+xml")
    return with_parts({"[Content_Types].xml": kind.replace(b"openxmlformats-officedocument.", b"ms-excel.")})


BOMBS: dict[str, Callable[[], bytes]] = {
    "one part of 99 MB of blanks": lambda: one_part_of(99_000_000),
    "one part beyond the limit of a sheet": lambda: one_part_of(150_000_000),
    "many parts that add up": lambda: with_parts({f"xl/media/{n}.bin": bytes(30_000_000) for n in range(8)}),
    "thousands of parts": lambda: with_parts({f"xl/media/{n}.bin": b"" for n in range(2_000)}),
    "a part that lies about its size": lying_sizes,
    "too many cells": many_cells,
    "a cell at the end of the world": far_cell,
    "a billion laughs": laughs,
    "an entity from outside": outside,
    "an entity in UTF-16": in_utf16,
    "a workbook with macros": macros,
    "one text in a million cells": one_text_in_a_million_cells,
    "twenty million blank lines": lambda: b"\n" * 20_000_000,
    "a line of twenty million commas": lambda: b"," * 20_000_000,
    "many lines of many commas": lambda: (b"," * 900_000 + b"\n") * 20,
    "a workbook within a workbook's name": lambda: with_parts({}, packing=zipfile.ZIP_STORED)[:-30],
}


def processor_seconds() -> float:
    """Return the processor time of all children so far: a busy machine makes them wait, not work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused(bomb: str, tmp_path: Path) -> None:
    source, rows = tmp_path / "book.xlsx", tmp_path / "rows"
    source.write_bytes(BOMBS[bomb]())
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, processor_seconds()
    with pytest.raises(Invalid) as refusal:
        read_book(source, rows)
    took = processor_seconds() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert any("\u4e00" <= char <= "\u9fff" for char in refusal.value.fields["file"])
    assert took < 20, took  # seconds: a tenth is usual, without limits it is minutes
    assert grown < 20, grown
    assert not rows.exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"\xd0\xcf\x11\xe0old", b"%PDF-1.7", b"a,b\x00c\n1,2", b"\x81\x20\xff\xfe\x80\x00", b"PK\x03\x04rubbish"],
)
def test_what_is_no_spreadsheet_is_refused(body: bytes, tmp_path: Path) -> None:
    source = tmp_path / "book.xlsx"
    source.write_bytes(body)
    with pytest.raises(Invalid):
        read_book(source, tmp_path / "rows")


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    source = tmp_path / "book.xlsx"
    source.write_bytes(GOOD)
    with pytest.raises(Invalid, match="超时"):
        read_book(source, tmp_path / "rows", wall=0.001)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_encodings_of_text(encoding: str, tmp_path: Path) -> None:
    source = tmp_path / "book.csv"
    source.write_bytes("客户名称;电话\n华星木业;1\n".encode(encoding))
    book = read_book(source, tmp_path / "rows")
    assert (book.format, book.columns, book.rows) == ("csv", 2, 2)
    assert '[2,["华星木业","1"]]' in (tmp_path / "rows").read_text(encoding="utf-8")
