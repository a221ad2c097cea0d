"""Stored files, first of all photos: checked, re-encoded (EXIF gone), stored under random names, handed out by signed
links that end soon. Documents are in `wsapp.documents`."""

import hashlib
import hmac
import io
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from PIL import Image, ImageOps, UnidentifiedImageError
from sqlalchemy.orm import Mapped, mapped_column

from wsapp import clock
from wsapp.db import Base, CorpScoped, Moment, db, first, new_id, rows
from wsapp.house import house
from wsapp.kept import Kept, columns_of, one_of
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 1600
THUMB_SIDE = 320
QUALITY = 82
FORMATS = ("JPEG", "PNG", "WEBP")
LINK_LIFE = timedelta(minutes=10)
ORPHAN_AFTER = timedelta(hours=24)
MAX_PER_RECORD = 9
PHOTO = "image/jpeg"

Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # twice this raises in Pillow; open_photo raises from one pixel above


class StoredFile(CorpScoped, Base):
    """A photo, or a document (`name`). `record_id` is what it belongs to, None until the form that uploaded it is
    saved; `part` is "" for the record's photos, else the custom field that holds it ("custom.<key>").

    `media_id` names a photo that still lies with the host; the worker fetches it and `state` becomes "ready".
    """

    __tablename__ = "stored_file"
    __table_args__ = (
        sa.Index("ix_stored_file_record", "corp_id", "record_id"),
        sa.Index("ix_stored_file_orphan", "record_id", "created_at"),
    )

    owner_id: Mapped[str] = mapped_column(sa.String(40))
    record_id: Mapped[str | None] = mapped_column(sa.String(40))
    state: Mapped[str] = mapped_column(sa.String(10), default="ready")  # ready, waiting, failed
    media_id: Mapped[str | None] = mapped_column(sa.String(300))
    part: Mapped[str] = mapped_column(sa.String(60), default="")
    name: Mapped[str] = mapped_column(sa.String(120), default="")  # of a document, as its owner called it
    content_type: Mapped[str] = mapped_column(sa.String(100), default=PHOTO)
    size: Mapped[int] = mapped_column(default=0)  # bytes
    width: Mapped[int] = mapped_column(default=0)
    height: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class Photo:
    """A re-encoded photo and its thumbnail, both JPEG."""

    body: bytes
    thumb: bytes
    width: int
    height: int


def read_photo(raw: bytes) -> Photo:
    """Check and re-encode a photo: JPEG, PNG or WebP, at most 10 MB and 40 million pixels; 1600 px a side after.

    The original bytes, and with them any EXIF position, are gone. Raises Invalid.
    """
    if not raw:
        raise Invalid({"photos": _("图片是空的，请重新选择")})
    if len(raw) > MAX_BYTES:
        raise Invalid({"photos": _("图片超过 10 MB，请压缩后再上传")})
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Invalid({"photos": _("图片尺寸过大，请重新拍摄")})
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))
            image.load()
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise Invalid({"photos": _("只支持 JPEG、PNG、WebP 图片")}) from None
    except (OSError, ValueError, SyntaxError):
        raise Invalid({"photos": _("图片不完整，请重新拍摄")}) from None
    upright.info.clear()  # Pillow writes a JPEG's comment again, whatever stands in it
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    body = _encode(upright)
    size = upright.size
    upright.thumbnail((THUMB_SIDE, THUMB_SIDE))
    return Photo(body, _encode(upright), *size)


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def keep_photo(raw: bytes, *, owner_id: str) -> StoredFile:
    """Store an uploaded photo for its owner, not yet part of any record. Raises Invalid."""
    photo = read_photo(raw)
    stored = StoredFile(id=new_id(), owner_id=owner_id, created_at=clock.now(), state="ready")
    _fill(stored, photo)
    db.session.add(stored)
    db.session.flush()
    return stored


def expect_photo(media_id: str, *, owner_id: str) -> StoredFile:
    """Note a photo that lies with the host under `media_id`; the worker fetches it (see `fill_photo`)."""
    if not 1 <= len(media_id) <= 300:
        raise Invalid({"photos": _("图片编号不正确，请重新拍摄")})
    stored = StoredFile(id=new_id(), owner_id=owner_id, created_at=clock.now(), state="waiting", media_id=media_id)
    db.session.add(stored)
    db.session.flush()
    return stored


def fill_photo(stored: StoredFile, photo: Photo) -> None:
    """Put a fetched and re-encoded photo into the row that waits for it."""
    _fill(stored, photo)
    stored.state = "ready"


def _fill(stored: StoredFile, photo: Photo) -> None:
    path = _path(stored.corp_id, stored.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, photo.body)
    _write(path.with_suffix(".thumb.jpg"), photo.thumb)
    stored.size, stored.width, stored.height = len(photo.body), photo.width, photo.height


def store(stored: StoredFile, body: bytes) -> None:
    """Write the bytes of a file that is no photo."""
    path = path_of(stored)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, body)
    stored.size = len(body)


def _write(path: Path, body: bytes) -> None:
    """Write whole or not at all."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(draft, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _path(corp_id: int | None, file_id: str) -> Path:
    from wsapp.db import current_corp

    corp = corp_id or current_corp()
    return house().settings.server.data_dir / "files" / str(corp) / file_id[-2:] / f"{file_id}.jpg"


def path_of(stored: StoredFile, *, thumb: bool = False) -> Path:
    """Return where a ready file, or a photo's thumbnail, lies."""
    path = _path(stored.corp_id, stored.id)
    if stored.content_type != PHOTO:
        return path.with_suffix(".bin")
    return path.with_suffix(".thumb.jpg") if thumb else path


def attach(file_ids: Sequence[str], *, to: Any, owner_id: str, most: int = MAX_PER_RECORD) -> list[str]:
    """Make the owner's uploaded photos part of a record (at most `most` in all); returns their ids. Raises Invalid."""
    wanted = list(dict.fromkeys(file_ids))
    if len(wanted) > most:
        raise Invalid({"photos": _("最多 %(most)d 张照片", most=most)})
    if not wanted:
        return []
    found = {one.id: one for one in rows(sa.select(StoredFile).where(StoredFile.id.in_(wanted)))}
    for file_id in wanted:
        stored = found.get(file_id)
        if stored is None or not may_become_part(stored, to.id, owner_id=owner_id) or stored.content_type != PHOTO:
            raise Invalid({"photos": _("有照片已失效，请重新上传")})
        stored.record_id = to.id
    return wanted


def may_become_part(stored: StoredFile, record_id: str | None, *, owner_id: str, part: str = "") -> bool:
    """Say whether a file can be part of a record: its owner's upload that is nowhere yet, or there already."""
    is_there = stored.record_id == record_id is not None and stored.part == part
    return is_there or (stored.owner_id == owner_id and stored.record_id is None)


def find_file(file_id: str) -> StoredFile:
    """Return a stored file of the current corp; the caller checks who may see it. Raises NotFound."""
    stored = first(sa.select(StoredFile).where(StoredFile.id == file_id))
    if stored is None:
        raise NotFound(_("文件不存在或链接已过期"))
    return stored


_FILES = Kept(sa.select(*columns_of(StoredFile)).where(one_of(StoredFile.record_id, "ids")))


def files_of(record_ids: Sequence[str], *, every: bool = False) -> dict[str, list[Any]]:
    """Return the columns of the photos of records by record id, oldest first, in one query; with `every`, also of the
    files that their custom fields hold (`part`)."""
    found: dict[str, list[Any]] = {one: [] for one in record_ids}
    if record_ids:
        # Sorted here: asked to sort by its key, SQLite reads through all files of the corp.
        for stored in sorted(_FILES.all(ids=list(record_ids)), key=lambda one: str(one.id)):
            if every or not stored.part:
                found[stored.record_id].append(stored)
    return found


def orphans(before: datetime) -> Sequence[StoredFile]:
    """Return uploads that never became part of a record."""
    return rows(sa.select(StoredFile).where(StoredFile.record_id.is_(None), StoredFile.created_at < before).limit(500))


def remove_bytes(stored: StoredFile) -> None:
    """Delete a file's bytes; the caller deletes its row."""
    for thumb in (False, True):
        path_of(stored, thumb=thumb).unlink(missing_ok=True)


# --- links --------------------------------------------------------------------------------------------------------


def address(stored: Any, member: Any) -> str:
    """Return the path of a link to a file (a row of `StoredFile`), good for ten minutes, for a member alone."""
    query = link_query(stored.corp_id, stored.id, member.id, member.epoch)
    return f"/files/{stored.id}?{urlencode(query)}"


def link_query(corp_id: int, file_id: str, member_id: str, epoch: int) -> dict[str, str]:
    """Return the query of a link that opens a file for ten minutes, for one member, until their access ends."""
    # Ends are rounded up so that a page's links stay the same for a while and the web view may cache the picture.
    ends = int((clock.now() + LINK_LIFE).timestamp()) // 60 * 60 + 60
    return {
        "c": str(corp_id),
        "m": member_id,
        "e": str(ends),
        "s": _signature(corp_id, file_id, member_id, epoch, ends),
    }


def link_holds(corp_id: int, file_id: str, member_id: str, epoch: int, ends: str, signature: str) -> bool:
    """Say whether a link's query is ours, for this file and member, and not over."""
    if not (ends.isascii() and ends.isdigit() and len(ends) <= 12) or int(ends) < clock.now().timestamp():
        return False
    return hmac.compare_digest(signature, _signature(corp_id, file_id, member_id, epoch, int(ends)))


def _signature(corp_id: int, file_id: str, member_id: str, epoch: int, ends: int) -> str:
    text = f"{corp_id}|{file_id}|{member_id}|{epoch}|{ends}"
    return hmac.new(house().vault.derive("file-links"), text.encode(), hashlib.sha256).hexdigest()[:40]
