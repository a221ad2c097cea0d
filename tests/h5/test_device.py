"""What the pages' scripts ask for: signed host parameters for our own pages only, and photos."""

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.cast import Cast
from tests.h5.conftest import Book, photo_bytes
from tests.signin.test_wecom_signin import START, code_for, phone
from wsapp.connectors.emulator import RunningEmulator
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db
from wsapp.files import StoredFile, path_of
from wsapp.outbox import Outbox

RowsOf = Callable[..., list[Any]]
OWN = "http://127.0.0.1:8000"

FOREIGN = [
    "",
    "/h5/",
    "//127.0.0.1:8000/h5/",
    "http://127.0.0.1:8000",
    "http://127.0.0.1/h5/",
    "http://127.0.0.1:80/h5/",
    "http://127.0.0.1:8001/h5/",
    "http://127.0.0.1:80000/h5/",
    "https://127.0.0.1:8000/h5/",
    "HTTP://127.0.0.1:8000/h5/",
    "http://127.0.0.1:8000@evil.example/h5/",
    "http://127.0.0.1:8000%40evil.example/h5/",
    "http://127.0.0.1:8000:pw@evil.example/",
    "http://user@127.0.0.1:8000/h5/",
    "http://127.0.0.1:8000.evil.example/h5/",
    "http://evil.example/http://127.0.0.1:8000/h5/",
    "http://evil.example#http://127.0.0.1:8000/h5/",
    "http://evil.example?http://127.0.0.1:8000/h5/",
    "http://evil.example\\@127.0.0.1:8000/h5/",
    "http://127.0.0.1:8000\\.evil.example/h5/",
    "http://127.0.0.1:8000/\\evil.example",
    "http:/127.0.0.1:8000/h5/",
    "http:127.0.0.1:8000/h5/",
    "http:///127.0.0.1:8000/h5/",
    "http://127.0.0.1:8000?x=/h5/",
    "http://127.0.0.1:8000#/h5/",
    "http://127.0.0.1.:8000/h5/",
    "http://localhost:8000/h5/",
    "http://127.1:8000/h5/",
    "http://2130706433:8000/h5/",
    "http://0x7f.0.0.1:8000/h5/",
    "http://[::1]:8000/h5/",
    "http://①②⑦.0.0.1:8000/h5/",
    "http://127.0.0.1:8000/h5/\u202e",
    "http://127.0.0.1:8000/h5/ x",
    "http://127.0.0.1:8000/h5/\r\nHost: evil",
    "http://127.0.0.1:8000/h5/\t",
    " http://127.0.0.1:8000/h5/",
    "\x00http://127.0.0.1:8000/h5/",
    "javascript:alert(1)//http://127.0.0.1:8000/h5/",
    "data:text/html,http://127.0.0.1:8000/h5/",
    "file:///etc/passwd",
    "ftp://127.0.0.1:8000/h5/",
    f"{OWN}/h5/?{'x' * 2000}",
]


@pytest.fixture
def lin(app: Flask, wecom: RunningEmulator) -> FlaskClient:
    """林晓燕's WeCom phone, signed in the real way."""
    client = phone(app)
    client.get(code_for(wecom, client.get(START).location, "LinXiaoYan"))
    return client


def ask(client: FlaskClient, url: str) -> Any:
    return client.get(f"/h5/host-config?url={quote(url, safe='')}", headers={"Accept": "application/json"})


def test_our_own_page_is_signed_without_its_fragment(lin: FlaskClient, wecom: RunningEmulator) -> None:
    answer = ask(lin, f"{OWN}/h5/customers?q=%E5%8D%8E#top")
    assert answer.status_code == 200
    assert set(answer.json) == {"corp_id", "agent_id", "timestamp", "nonce", "signature", "agent_signature"}
    from wsapp.connectors.wecom.crypto import page_signature

    tickets: Any = wecom.emulator
    known = _tickets(tickets)
    url = f"{OWN}/h5/customers?q=%E5%8D%8E"
    made = {page_signature(one, answer.json["nonce"], answer.json["timestamp"], url) for one in known}
    assert {answer.json["signature"], answer.json["agent_signature"]} <= made


def _tickets(emulator: Any) -> list[str]:
    """Return every ticket that the emulator gave out, found by walking its state."""
    found: list[str] = []
    todo, seen = [vars(emulator)], set()
    while todo:
        here = todo.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        values = here.values() if isinstance(here, dict) else here
        for value in list(values):
            if isinstance(value, str):
                found.append(value)
            elif isinstance(value, dict | list | tuple | set):
                todo.append(value)
            elif hasattr(value, "__dict__") and type(value).__module__.startswith("wsapp"):
                todo.append(vars(value))
    return found


def test_many_pages_cost_two_tickets(lin: FlaskClient, wecom: RunningEmulator) -> None:
    for number in range(25):
        assert ask(lin, f"{OWN}/h5/customers/{number}").status_code == 200
    counts: dict[str, int] = dict(wecom.emulator.call_counts)  # type: ignore[attr-defined]
    tickets = sum(count for name, count in counts.items() if "ticket" in name)
    assert tickets == 2, counts


def test_only_thirty_a_minute_are_signed(lin: FlaskClient) -> None:
    answers = [ask(lin, f"{OWN}/h5/customers/{number}").status_code for number in range(31)]
    assert answers == [200] * 30 + [429]


@pytest.mark.parametrize("url", FOREIGN)
def test_foreign_addresses_are_not_signed(app: Flask, url: str) -> None:
    from wsapp.h5.device import own_page

    with app.app_context():
        assert own_page(url) == ""
        assert own_page(f"{OWN}/h5/x#a") == f"{OWN}/h5/x"


def test_nobody_unknown_gets_a_signature(app: Flask) -> None:
    client = phone(app)
    assert ask(client, f"{OWN}/h5/").status_code == 302
    assert client.post("/h5/photos").status_code == 400  # no token of a page


# --- photos ---------------------------------------------------------------------------------------------------------


def upload(client: FlaskClient, data: dict[str, Any]) -> Any:
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    headers = {"X-CSRF-Token": token, "Accept": "application/json"}
    return client.post("/h5/photos", data=data, headers=headers)


def gps_photo() -> bytes:
    image = Image.new("RGB", (2400, 1200), (10, 200, 30))
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (22.0, 32.0, 35.0)
    exif[0x010E] = "CANARY-22.5431"
    body = io.BytesIO()
    image.save(body, "JPEG", exif=exif)
    return body.getvalue()


def test_an_uploaded_photo_comes_back_small_clean_and_safe(
    sign_in: Any, app: Flask, ali: Member, rows_of: RowsOf
) -> None:
    raw = gps_photo()
    assert b"CANARY" in raw
    client = sign_in(ali)
    answer = upload(client, {"file": (io.BytesIO(raw), "../../con.jpg\u202egpj.exe")})
    assert answer.status_code == 201
    (stored,) = rows_of(StoredFile, ali)
    assert answer.json["id"] == stored.id
    thumb = app.test_client().get(answer.json["url"])  # the host's own viewer has no cookie
    assert thumb.status_code == 200
    whole = app.test_client().get(answer.json["url"].removesuffix("&thumb=1"))
    assert max(Image.open(io.BytesIO(thumb.data)).size) == 320
    picture = Image.open(io.BytesIO(whole.data))
    assert max(picture.size) == 1600
    assert not picture.getexif()
    assert b"CANARY" not in whole.data
    assert whole.headers["Content-Type"] == "image/jpeg"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Disposition"] == "inline; filename=photo.jpg"
    assert whole.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert whole.headers["Cache-Control"] == "private, max-age=600"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "图片是空的"),
        (b"<html><script>alert(1)</script>", "只支持 JPEG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "只支持 JPEG"),
        (b"GIF89a" + b"\0" * 100, "只支持 JPEG"),
        (photo_bytes()[:800], "图片不完整"),
        (b"\xff\xd8\xff\xe0" + b"A" * 200, ""),
    ],
)
def test_what_is_no_photo_is_refused_in_words(
    sign_in: Any, ali: Member, rows_of: RowsOf, raw: bytes, words: str
) -> None:
    answer = upload(sign_in(ali), {"file": (io.BytesIO(raw), "a.jpg")})
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert words in answer.json["detail"]
    assert rows_of(StoredFile, ali) == []


def test_a_photo_that_lies_with_the_host_is_fetched_later(
    sign_in: Any, app: Flask, ali: Member, rows_of: RowsOf
) -> None:
    answer = upload(sign_in(ali), {"media_id": "WWCISP_media-1"})
    assert answer.status_code == 201
    (stored,) = rows_of(StoredFile, ali)
    assert (stored.state, stored.media_id) == ("waiting", "WWCISP_media-1")
    assert answer.json == {"id": stored.id, "url": ""}
    with app.app_context():
        jobs = db.session.query(Outbox).filter_by(kind="media.fetch").all()
        assert [job.payload for job in jobs] == [{"file": stored.id}]


# --- links ----------------------------------------------------------------------------------------------------------


def link_of(see: Any, member: Member, book: Book) -> str:
    page = see(member, f"/h5/visits/{book.visit}")
    return (
        page.split(f'href="/files/{book.photo}')[1]
        .split('"')[0]
        .replace("&amp;", "&")
        .join([f"/files/{book.photo}", ""])
    )


def test_a_link_opens_one_photo_for_ten_minutes(see: Any, app: Flask, book: Book, ali: Member) -> None:
    link = link_of(see, ali, book)
    client = app.test_client()
    assert client.get(link).status_code == 200
    other = "0" * 20
    for bad in (
        f"/files/{book.photo}",
        link.replace(book.photo, other),
        link.replace("s=", "s=0"),
        link.replace("e=", "e=9"),
        link.replace("c=", "c=9"),
        link.replace(ali.id, other),
        link.replace("c=", "c=x"),
        link.replace("m=", "m=%00"),
    ):
        assert client.get(bad).status_code == 401, bad
    assert client.get("/files/..%2f..%2fmaster.key").status_code == 404
    with time_machine.travel(_in_minutes(12), tick=True):
        assert client.get(link).status_code == 401


def _in_minutes(minutes: int) -> Any:
    from datetime import timedelta

    from wsapp import clock

    return clock.now() + timedelta(minutes=minutes)


def test_a_leavers_links_die_with_their_access(see: Any, app: Flask, cast: Cast, book: Book, ali: Member) -> None:
    link = link_of(see, ali, book)
    assert app.test_client().get(link).status_code == 200
    with app.app_context(), corp_scope(cast.corp_id):
        from wsapp.crm.org.actions import shut_out

        shut_out(db.session.merge(ali), "left")
        db.session.commit()
    assert app.test_client().get(link).status_code == 401


def test_a_photo_without_bytes_is_not_found(see: Any, app: Flask, cast: Cast, book: Book, ali: Member) -> None:
    link = link_of(see, ali, book)
    with app.app_context(), corp_scope(cast.corp_id):
        stored = db.session.get(StoredFile, (cast.corp_id, book.photo))
        assert stored is not None
        path_of(stored).unlink()
    assert app.test_client().get(link).status_code == 404
