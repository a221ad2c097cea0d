"""Documents that people attach: known kinds only, known by their first bytes, and never shown in the page.

They are kept as they are (nothing looks inside), under a random name, and handed out as a download.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from wsapp import clock
from wsapp.db import db, new_id
from wsapp.files import StoredFile, store
from wsapp.problems import Invalid
from wsapp.texts import _

MAX_BYTES = 10 * 1024 * 1024
LONGEST_NAME = 120
OFFICE = "application/vnd.openxmlformats-officedocument."
ZIP, OLE, PDF = (b"PK\x03\x04", b"PK\x05\x06"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",), (b"%PDF-",)


@dataclass(frozen=True)
class Sort:
    """A kind of document: its content type, and how its bytes begin (nothing: it is text)."""

    content_type: str
    begins: tuple[bytes, ...] = ()


SORTS: Mapping[str, Sort] = {
    "pdf": Sort("application/pdf", PDF),
    "doc": Sort("application/msword", OLE),
    "docx": Sort(OFFICE + "wordprocessingml.document", ZIP),
    "xls": Sort("application/vnd.ms-excel", OLE),
    "xlsx": Sort(OFFICE + "spreadsheetml.sheet", ZIP),
    "ppt": Sort("application/vnd.ms-powerpoint", OLE),
    "pptx": Sort(OFFICE + "presentationml.presentation", ZIP),
    "wps": Sort("application/vnd.ms-works", OLE),
    "zip": Sort("application/zip", ZIP),
    "txt": Sort("text/plain"),
    "csv": Sort("text/csv"),
}
SUFFIXES = "、".join(SORTS)


def keep_document(raw: bytes, name: str, *, owner_id: str, field: str = "file") -> StoredFile:
    """Store an uploaded document (at most 10 MB) for its owner, not yet part of any record. Raises Invalid."""
    bare = clean_name(name)
    sort = SORTS.get(bare.rpartition(".")[2].casefold())
    if not raw:
        raise Invalid({field: _("文件是空的，请重新选择")})
    if len(raw) > MAX_BYTES:
        raise Invalid({field: _("文件超过 10 MB")})
    if sort is None or not _is(raw, sort):
        raise Invalid({field: _("只支持以下文件：%(known)s，且内容应与扩展名一致", known=SUFFIXES)})
    stored = StoredFile(
        id=new_id(),
        owner_id=owner_id,
        created_at=clock.now(),
        state="ready",
        name=bare,
        content_type=sort.content_type,
    )
    db.session.add(stored)
    db.session.flush()
    store(stored, raw)
    return stored


def _is(raw: bytes, sort: Sort) -> bool:
    if sort.begins:
        return raw.startswith(sort.begins)
    return b"\0" not in raw


def clean_name(name: str) -> str:
    """Return a file's name without folders, control or invisible characters; a long one keeps its ending."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    bare = "".join(char for char in unicodedata.normalize("NFC", last) if unicodedata.category(char)[0] != "C")
    stem, dot, suffix = " ".join(bare.split()).rpartition(".")
    if not dot:
        return suffix[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - len(suffix[:10]) - 1]}{dot}{suffix[:10]}"
