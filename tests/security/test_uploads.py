"""Whatever is uploaded, at whatever door and under whatever name: refused, or stored as what it says, and never served
as a page (T36, T37)."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.cast import Cast
from tests.conftest import SOAK
from tests.h5.conftest import Book
from tests.security.polyglots import NAMES, POLYGLOTS, multipart, picture
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.org.models import Member
from wsapp.crm.transfer.models import ImportJob
from wsapp.db import corp_scope, db
from wsapp.files import PHOTO, StoredFile

Send = Callable[[str, bytes], Any]
STORED = re.compile(r"files/\d+/[0-9a-z]{2}/[0-9a-z]{20}(?:\.thumb\.jpg|\.jpg|\.bin)")
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069/\\\\]")
ANSWERS = {201, 303, 413, 422}


@pytest.fixture
def phone(cast: Cast, ali: Member, guan: Member) -> FlaskClient:
    """阿丽's phone; customers have a field for photos and one for documents."""
    with cast.app.app_context(), corp_scope(cast.corp_id):
        for key, kind in (("front", "image"), ("papers", "file")):
            add_field({"object": "customer", "key": key, "label": key, "type": kind}, actor=db.session.merge(guan))
        db.session.commit()
    return cast.sign_in(ali)


def posting(client: FlaskClient, path: str, field: str, **more: str) -> Send:
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]

    def send(name: str, raw: bytes) -> Any:
        body, kind = multipart(field, name, raw, csrf_token=token, **more)
        return client.post(path, data=body, content_type=kind, headers={"X-CSRF-Token": token})

    return send


def resting(cast: Cast, member: Member, path: str) -> Send:
    client, token = cast.app.test_client(use_cookies=False), cast.token(member)

    def send(name: str, raw: bytes) -> Any:
        body, kind = multipart("file", name, raw)
        return client.post(path, data=body, content_type=kind, headers={"Authorization": f"Bearer {token}"})

    return send


@pytest.fixture
def doors(cast: Cast, phone: FlaskClient, book: Book, ali: Member) -> list[Send]:
    """Where photos and documents come in; the last two take documents, too."""
    visit, customer = f"/h5/customers/{book.customer}/visits", "/h5/customers"
    return [
        posting(phone, "/h5/photos", "file"),
        posting(phone, visit, "photo_files"),
        posting(phone, customer, "custom.front.files", name=""),
        posting(phone, customer, "custom.papers.files", name=""),
        resting(cast, ali, "/api/v1/files"),
    ]


def every_file(app: Flask, cast: Cast, owner: Member, but: str) -> Iterator[tuple[StoredFile, Any]]:
    """Yield every stored file and the answer that hands it out."""
    from wsapp.files import address

    with app.app_context(), corp_scope(cast.corp_id):
        found = db.session.scalars(sa.select(StoredFile).where(StoredFile.id != but)).all()
        links = [(one, address(one, owner)) for one in found]
        db.session.expunge_all()
    for stored, link in links:
        yield stored, app.test_client().get(link)


def lying(data: Path) -> dict[str, bytes]:
    """Return what lies in the folders of files and spreadsheets."""
    there = [one for part in ("files", "transfers") for one in (data / part).rglob("*") if one.is_file()]
    return {str(one.relative_to(data)): one.read_bytes() for one in there}


def outside(folder: Path) -> set[str]:
    """Return the names of all files that are neither the database nor in the folder of files."""
    found = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
    return {one for one in found if not one.startswith(("data/files/", "data/transfers/", "data/wsapp.db"))}


def check_what_is_handed_out(app: Flask, cast: Cast, ali: Member, but: str) -> dict[str, int]:
    """Check every stored file's answer; returns how many there are of each content type."""
    kinds: dict[str, int] = {}
    for stored, answer in every_file(app, cast, ali, but):
        kinds[stored.content_type] = kinds.get(stored.content_type, 0) + 1
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.mimetype == stored.content_type
        shown = answer.headers["Content-Disposition"]
        if stored.content_type == PHOTO:
            assert shown == "inline; filename=photo.jpg"
            assert Image.open(io.BytesIO(answer.data)).format == "JPEG"
        else:
            assert shown.startswith("attachment; filename")
            assert not re.search("html|svg|xml|javascript|image", answer.mimetype.replace("openxml", ""))
            assert not UNSEEN.search(stored.name + shown.replace('\\"', ""))
            assert len(stored.name) <= 120
    return kinds


def test_polyglots_are_refused_re_encoded_or_downloads(
    app: Flask, cast: Cast, doors: list[Send], book: Book, ali: Member, tmp_path: Path
) -> None:
    for send in doors:
        for what, (name, raw) in POLYGLOTS.items():
            answer = send(name, raw)
            assert answer.status_code in ANSWERS, (what, answer.status_code)
            assert b"<script>alert(document" not in answer.data, what
    kinds = check_what_is_handed_out(app, cast, ali, book.photo)
    photos, documents = kinds.pop(PHOTO), sum(kinds.values())
    assert photos >= 40
    assert 1 <= documents < 10
    for name, body in lying(tmp_path / "data").items():
        assert STORED.fullmatch(name), name
        if name.endswith(".jpg"):
            assert not re.search(rb"(?i)<script|<html|<\?php|<svg|PK\x03\x04|Exif|<x:xmp|ICC_PROFILE", body), name


def test_hostile_names_lead_nowhere(
    app: Flask, cast: Cast, doors: list[Send], book: Book, ali: Member, tmp_path: Path
) -> None:
    before = outside(tmp_path)
    small = picture("PNG")
    for number, name in enumerate(NAMES):
        for send in doors if SOAK or number % 3 == 0 else doors[-1:]:
            assert send(f"{name}.png", small).status_code in ANSWERS, name
        for send in doors[-2:] if SOAK or number % 3 == 0 else doors[-1:]:
            assert send(f"{name}.pdf", b"%PDF-1.7\n").status_code in ANSWERS, name
    kinds = check_what_is_handed_out(app, cast, ali, book.photo)
    assert kinds[PHOTO] >= len(NAMES) + 4 * len(NAMES[::3])
    assert kinds["application/pdf"] >= len(NAMES)
    assert outside(tmp_path) == before
    assert all(STORED.fullmatch(name) for name in lying(tmp_path / "data"))


def test_no_stored_photo_says_where_it_was_taken(doors: list[Send], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1], exif.get_ifd(0x8825)[2] = "N", (22.0, 32.0, 35.0)
    exif[0x010E] = "CANARY-22.5431"
    places = {"exif": exif, "xmp": b"<x:xmpmeta>CANARY-22.5431</x:xmpmeta>"}
    for form in ("JPEG", "PNG", "WEBP"):
        more = {"comment": b"CANARY-22.5431"} if form == "JPEG" else {}
        raw = picture(form, **places, **more)
        assert raw.count(b"CANARY") >= 1
        for send in doors:
            assert send(f"a.{form.lower()}", raw).status_code in (201, 422)
    scanned = lying(tmp_path / "data")
    assert len(scanned) >= 2 * 3 * len(doors)
    for name, body in scanned.items():
        assert not re.search(rb"CANARY|Exif|GPS|xmp", body), name
        assert not Image.open(io.BytesIO(body)).getexif(), name


def test_the_import_doors_take_no_polyglot(
    app: Flask, cast: Cast, phone: FlaskClient, ali: Member, tmp_path: Path
) -> None:
    rest, page = resting(cast, ali, "/api/v1/imports"), posting(phone, "/h5/imports", "file", object="customer")
    for number, (what, (name, raw)) in enumerate(list(POLYGLOTS.items())[:: 1 if SOAK else 2]):
        for send in (rest, page)[: 2 if number % 10 == 0 else 1]:
            answer = send(name, raw)
            assert answer.status_code == 422, what
            assert b"<script>alert(document" not in answer.data, what
    assert lying(tmp_path / "data") == {}
    for name in NAMES[::4]:  # each starts a child process
        answer = rest(f"{name}.csv", "客户名称\n华星木业".encode())
        assert answer.status_code == 201
        assert not UNSEEN.search(answer.get_json()["file_name"]), name
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(ImportJob)) == len(NAMES[::4])
    assert not [one for one in lying(tmp_path / "data") if not re.fullmatch(r"transfers/\d+/[0-9a-z]{20}\.rows", one)]


def test_the_domain_file_of_the_console_is_one_of_the_hosts(
    app: Flask, cast: Cast, guan: Member, tmp_path: Path
) -> None:
    from wsapp.crm.org.models import OwnershipFile

    before = outside(tmp_path)
    send = posting(cast.sign_in(guan), "/admin/corps/file", "file")
    for name, raw in POLYGLOTS.values():
        assert send(name, raw).status_code == 303
        assert send("WW_verify_aBcD1234EfGh5678.txt", raw).status_code == 303
    for name in NAMES:
        for whole in (name, f"{name}.txt", f"{name}/WW_verify_aBcD1234EfGh5678.txt\n"):
            assert send(whole, b"aBcD1234EfGh5678").status_code == 303
    with app.app_context():
        assert db.session.execute(sa.select(OwnershipFile.name)).all() == []
    assert (outside(tmp_path), lying(tmp_path / "data")) == (before, {})
    good = "WW_verify_aBcD1234EfGh5678.txt"
    assert send(good, b"aBcD1234EfGh5678").status_code == 303
    answer = app.test_client().get(f"/{good}")
    assert (answer.data, answer.mimetype) == (b"aBcD1234EfGh5678", "text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
