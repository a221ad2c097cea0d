"""Reading a spreadsheet in a child process that a hostile file may kill: the parent only waits, and not for long."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsapp.problems import Invalid
from wsapp.texts import _

CHILD = Path(__file__).with_name("child.py")
WALL_SECONDS = 60
ANSWER = 4_096  # characters of what a child says


@dataclass(frozen=True)
class Book:
    """What a file turned out to be. `rows` counts those with anything in them, the heading included."""

    format: str  # "xlsx", "csv"
    encoding: str
    columns: int
    rows: int


def read_book(source: Path, rows: Path, *, wall: float = WALL_SECONDS) -> Book:
    """Read the spreadsheet at `source` and write its rows to `rows` (see `child`). Raises Invalid for `file`."""
    command = [sys.executable, "-I", str(CHILD), str(source), str(rows)]
    try:
        done = subprocess.run(  # the child gets nothing of ours: no environment, no open files
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=wall, env={}
        )
    except subprocess.TimeoutExpired:
        raise _refusal("slow", rows) from None
    found = _answer(done.stdout)
    if done.returncode != 0 or not found:
        raise _refusal("killed", rows)
    if "refused" in found:
        raise _refusal(str(found["refused"]), rows)
    return Book(found["format"], found["encoding"], found["columns"], found["rows"])


def _answer(output: bytes) -> dict[str, Any]:
    try:
        found = json.loads(output[:ANSWER])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(code: str, rows: Path) -> Invalid:
    rows.unlink(missing_ok=True)
    words = {
        "empty": _("文件是空的，请先填写数据"),
        "format": _("只支持 .xlsx 和 .csv 文件，请在 Excel 或 WPS 中另存为这两种格式之一"),
        "encoding": _("看不懂这个文件的编码，请另存为 UTF-8 或 GBK 编码的 CSV，或 .xlsx"),
        "encrypted": _("文件设了密码，请去掉密码后再上传"),
        "entities": _("文件中有不允许的 XML 定义，已拒绝读取"),
        "bomb": _("文件解压后过大，已拒绝读取"),
        "too_large": _("文件内容过大，请拆成几个文件再上传"),
        "columns": _("文件超过 200 列，请删去不需要的列"),
        "rows": _("文件行数过多，请拆成几个文件再上传"),
        "slow": _("文件太复杂，读取超时，请拆成几个文件再上传"),
        "killed": _("文件过大或已损坏，已停止读取"),
    }
    return Invalid({"file": words.get(code, _("文件已损坏，请重新保存后再上传"))})


def read_rows(rows: Path, offset: int = 0, *, limit: int = 0) -> Iterator[tuple[int, list[Any], int]]:
    """Yield (row number, cells, offset of the next row) of what `read_book` wrote, from a byte offset on."""
    with rows.open("rb") as file:
        file.seek(offset)
        for count, line in enumerate(file, 1):
            offset += len(line)
            number, cells = json.loads(line)
            yield number, cells, offset
            if count == limit:
                return
