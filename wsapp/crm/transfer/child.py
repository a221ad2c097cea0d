"""The child process that reads a spreadsheet: `python child.py SOURCE ROWS`. Nothing of wsapp is loaded here.

Whatever a file does to its reader, it does it to this process, which has little memory, little time, and nothing to
lose. It writes the rows to ROWS, one JSON line `[row number, [cells]]` each, and says on stdout what it found:
`{"format", "encoding", "columns", "rows"}`, or `{"refused": code}`.

Cells: text, number or bool as they are; `{"d": …}` a day or moment in ISO form; `{"n": …}` a number of so many digits
that the spreadsheet itself has rounded it; `{"f": true}` a formula that nobody has calculated yet.

The order of the checks matters: what is cheap to see is seen before anything is unpacked, and everything is unpacked
once in small pieces, before a parser that holds all of it gets to see it.
"""

import csv
import datetime
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MEMORY = 512 * 1024 * 1024  # bytes of address space
CPU_SECONDS = 30
WRITTEN = 400 * 1024 * 1024  # bytes of ROWS

UNPACKED = 200 * 1024 * 1024
SHEET = 100 * 1024 * 1024
RATIO = 100
RATIO_FROM = 1024 * 1024  # bytes unpacked: small parts may repeat themselves as they like
ENTRIES = 500
ROWS = 50_000
COLUMNS = 200
CELLS = 2_000_000
CELL_TEXT = 32_767  # characters, as in Excel
SURE_DIGITS = 15  # of a number in a spreadsheet; what follows is made up
PIECE = 256 * 1024
LINES = 500_000  # of a csv file: cells may hold several
LINE = 1_000_000  # characters
HEADING_LINES = 50  # over which a heading may go
QUOTED = re.compile(r'"[^"]*"')

WORKBOOK = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
DOCTYPE = re.compile(rb"<\x00?!\x00?(?:D\x00?O\x00?C\x00?T\x00?Y\x00?P\x00?E|E\x00?N\x00?T\x00?I\x00?T\x00?Y)")
# A formula without a value, as programs write it that do not calculate: its column and row
UNCALCULATED = re.compile(
    rb'<c r="([A-Z]{1,3})(\d{1,7})"[^<>]*>\s*<f[^<>]*(?:/>|>[^<>]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>'
)
LONGEST_CELL = 64 * 1024
OLD_FORMATS = (b"\xd0\xcf\x11\xe0", b"\x09\x08", b"{\\rt", b"%PDF", b"\x7fELF", b"MZ")


class Refused(Exception):
    """The file cannot be taken; the code is translated by the parent."""


def main(source: Path, target: Path) -> None:
    _bind()
    try:
        found = read(source, target)
    except Refused as refusal:
        found = {"refused": str(refusal)}
    except MemoryError:
        found = {"refused": "too_large"}
    except (zipfile.BadZipFile, EOFError, OSError, UnicodeError, ValueError, NotImplementedError, RuntimeError):
        found = {"refused": "broken"}
    sys.stdout.write(json.dumps(found))


def _bind() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN, WRITTEN))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read(source: Path, target: Path) -> dict[str, Any]:
    """Write the rows of `source` to `target`; returns what it is. Raises Refused."""
    with source.open("rb") as file:
        head = file.read(8)
    if not head:
        raise Refused("empty")
    if head.startswith(b"PK"):
        about: dict[str, Any] = {"format": "xlsx", "encoding": ""}
        rows = _xlsx(source)
    elif head.startswith(OLD_FORMATS):
        raise Refused("format")
    else:
        encoding = _encoding(source)
        about = {"format": "csv", "encoding": encoding}
        rows = _csv(source, encoding)
    count = columns = 0
    with target.open("w", encoding="utf-8") as out:
        for number, cells in rows:
            while cells and cells[-1] in (None, ""):
                cells.pop()
            if not cells:
                continue
            if len(cells) > COLUMNS:
                raise Refused("columns")
            count += 1
            if count > ROWS:
                raise Refused("rows")
            columns = max(columns, len(cells))
            out.write(json.dumps([number, cells], ensure_ascii=False, separators=(",", ":")))
            out.write("\n")
    if not count:
        raise Refused("empty")
    return {**about, "columns": columns, "rows": count}


# --- xlsx ---------------------------------------------------------------------------------------------------------


def _xlsx(source: Path) -> Iterator[tuple[int, list[Any]]]:
    _look_into(source)
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        with CalamineWorkbook.from_path(str(source)) as book:
            for index, meta in enumerate(book.sheets_metadata):
                if meta.visible != SheetVisibleEnum.Visible or meta.typ != SheetTypeEnum.WorkSheet:
                    continue
                sheet = book.get_sheet_by_index(index)
                if sheet.end is not None:
                    yield from _sheet(sheet, _uncalculated(source, index))
                    return
    except CalamineError:
        raise Refused("broken") from None


def _sheet(sheet: Any, uncalculated: dict[int, set[int]]) -> Iterator[tuple[int, list[Any]]]:
    if sheet.end[1] >= COLUMNS:
        raise Refused("columns")
    filled, values_of = _merged(sheet), {}
    for index, values in enumerate(sheet.to_python(skip_empty_area=False)):
        cells = [_cell(value) for value in values]
        for column in uncalculated.get(index, ()):
            cells.extend([None] * (column + 1 - len(cells)))
            cells[column] = {"f": True}
        for column, top in filled.get(index, {}).items():
            if top == index:
                values_of[top, column] = cells[column]
            elif cells[column] in (None, ""):
                cells[column] = values_of.get((top, column))
        yield index + 1, cells


def _uncalculated(source: Path, index: int) -> dict[int, set[int]]:
    """Return row → columns, from 0, of the formulas of a sheet that have no value: what they would say is not known,
    and is not nothing."""
    found: dict[int, set[int]] = {}
    with zipfile.ZipFile(source) as archive:
        part = _part_of(archive, index)
        if part not in archive.namelist():
            return found
        tail = b""
        with archive.open(part) as stream:
            while piece := stream.read(PIECE):
                text = tail + piece
                for column, row in UNCALCULATED.findall(text) if b"<f" in text else ():
                    found.setdefault(int(row) - 1, set()).add(_column(column))
                tail = text[-LONGEST_CELL:]
    return found


def _part_of(archive: zipfile.ZipFile, index: int) -> str:
    """Return the name of the part that a workbook keeps a sheet in, "" where it does not say."""
    from xml.etree.ElementTree import ParseError

    from defusedxml.ElementTree import fromstring

    try:
        named = [one for one in fromstring(archive.read("xl/workbook.xml")).iter() if one.tag.endswith("}sheet")]
        links = fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except (KeyError, ParseError):
        return ""
    link = next((value for name, value in named[index].attrib.items() if name.endswith("}id")), "")
    target = next((str(one.get("Target")) for one in links if one.get("Id") == link), "")
    return target[1:] if target.startswith("/") else f"xl/{target}"


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _merged(sheet: Any) -> dict[int, dict[int, int]]:
    """Return row → column → top row of cells that were merged downwards: each of the rows means the value of the top.

    What was merged to the right belongs to the first column alone.
    """
    found: dict[int, dict[int, int]] = {}
    left_over = CELLS
    for (top, left), (bottom, _right) in sheet.merged_cell_ranges or ():
        left_over -= bottom - top + 1
        if left_over < 0:
            raise Refused("too_large")
        if left > sheet.end[1] or bottom == top:
            continue
        for row in range(top, bottom + 1):
            found.setdefault(row, {})[left] = top
    return found


def _look_into(source: Path) -> None:
    """Refuse a file that is no workbook, or that unpacks to more than anybody types."""
    with zipfile.ZipFile(source) as archive:
        parts = archive.infolist()
        if len(parts) > ENTRIES:
            raise Refused("bomb")
        if len({part.filename for part in parts}) != len(parts):
            raise Refused("broken")
        if any(part.flag_bits & 1 for part in parts):
            raise Refused("encrypted")
        total = sum(part.file_size for part in parts)
        packed = source.stat().st_size
        if total > UNPACKED or (total > RATIO_FROM and total > packed * RATIO):
            raise Refused("bomb")
        for part in parts:
            is_sheet = part.filename.startswith("xl/worksheets/")
            if is_sheet and part.file_size > SHEET:
                raise Refused("bomb")
            if part.file_size > RATIO_FROM and part.file_size > part.compress_size * RATIO:
                raise Refused("bomb")
        names = {part.filename for part in parts}
        if "[Content_Types].xml" not in names or "xl/workbook.xml" not in names:
            raise Refused("format")
        for part in parts:
            _unpack(archive, part)


def _unpack(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Unpack a part once, in pieces, looking at what it holds: a part that lies about its size breaks here."""
    is_sheet = part.filename.startswith("xl/worksheets/")
    is_xml = part.filename.lower().endswith((".xml", ".rels"))
    rows = cells = 0
    knows_workbook = False
    tail = b""
    with archive.open(part) as stream:
        while piece := stream.read(PIECE):
            if not is_xml:
                continue
            text = tail + piece
            if DOCTYPE.search(text):
                raise Refused("entities")
            knows_workbook = knows_workbook or WORKBOOK in text
            if is_sheet:
                rows += text.count(b"<row") - tail.count(b"<row")
                cells += text.count(b"<c ") - tail.count(b"<c ")
                if rows > ROWS * 2:
                    raise Refused("rows")
                if cells > CELLS:
                    raise Refused("too_large")
            tail = text[-len(WORKBOOK) :]
    if part.filename == "[Content_Types].xml" and not knows_workbook:
        raise Refused("format")


def _cell(value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case str():
            return value[:CELL_TEXT].replace("\x00", "")
        case int() | float():
            return _number(float(value))
        case datetime.datetime() | datetime.date():
            return {"d": value.isoformat()}
        case _:
            return str(value)


def _number(value: float) -> Any:
    if value != value or value in (float("inf"), float("-inf")):
        return ""
    if abs(value) >= 10**SURE_DIGITS:
        return {"n": f"{value:.0f}"}
    return int(value) if value.is_integer() else value


# --- csv ----------------------------------------------------------------------------------------------------------


def _encoding(source: Path) -> str:
    """Return the encoding of a text file: what its first bytes say, else UTF-8, else what Chinese Windows writes."""
    raw = source.read_bytes()
    if raw.startswith(b"\xef\xbb\xbf"):
        order: Iterable[str] = ("utf-8-sig",)
    elif raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        order = ("utf-16",)
    elif b"\x00" in raw:
        raise Refused("format")
    else:
        order = ("utf-8", "gb18030")
    for encoding in order:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text or "\x1b" in text:
            raise Refused("format")
        return encoding
    raise Refused("encoding")


def _csv(source: Path, encoding: str) -> Iterator[tuple[int, list[Any]]]:
    csv.field_size_limit(CELL_TEXT * 4)
    with source.open(encoding=encoding, newline="") as file:
        first = _heading(file)
        file.seek(0)
        delimiter = max(",;\t", key=first.count) if first else ","
        try:
            for number, cells in enumerate(csv.reader(_lines(file), delimiter=delimiter), 1):
                if len(cells) > COLUMNS * 10:  # also of empty ones
                    raise Refused("columns")
                yield number, [cell[:CELL_TEXT] for cell in cells]
        except csv.Error:
            raise Refused("broken") from None


def _heading(file: Any) -> str:
    """Return the first row without what stands in quotes: a heading may have line breaks and commas of its own."""
    text = ""
    for _line in range(HEADING_LINES):
        text += file.readline(LINE)
        if text.count('"') % 2 == 0:
            break
    return QUOTED.sub("", text)


def _lines(file: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(file):
        if number == LINES:
            raise Refused("rows")
        if len(line) > LINE:
            raise Refused("columns")
        yield line


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
