"""Deep and huge bodies are refused at once (T03, B01, B02): no 5xx, little work, no memory kept."""

import gzip
import io
import json
import resource
import zipfile
from collections.abc import Iterator

import pytest
from flask import Flask

from tests.cast import Cast
from tests.effort import effort
from tests.security.test_redirects import DINGTALK_CORP, WECOM_CORP
from wsapp.crm.org.models import Member

MOST = 100_000  # calls: what a page of this product costs
MAX_GROWTH = 5 * 1024  # KB of memory, over all bodies of one target

QUERY = "?msg_signature=" + "0" * 40 + "&timestamp=1790000000&nonce=abc"
DINGTALK_QUERY = "?signature=" + "0" * 40 + "&timestamp=1790000000000&nonce=abc"


def laughs(levels: int) -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol" * 10}">' for n in range(levels))
    return f"<?xml version='1.0'?><!DOCTYPE xml [{entities}]><xml><Encrypt>&l{levels - 1};</Encrypt></xml>".encode()


def deep_xml(depth: int) -> bytes:
    return b"<xml>" + b"<a>" * depth + b"</a>" * depth + b"</xml>"


def deep_json(depth: int, left: str = "[", right: str = "]") -> bytes:
    return ('{"encrypt":' + left * depth + right * depth + "}").encode()


def zipped() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", b"a" * 10_000_000)
    return body.getvalue()


BODIES: dict[str, bytes] = {
    "empty": b"",
    "nul": b"\x00" * 1000,
    "laughs": laughs(10),
    "one big entity": b"<!DOCTYPE x [<!ENTITY a '"
    + b"A" * 60_000
    + b"'>]><xml><Encrypt>"
    + b"&a;" * 900
    + b"</Encrypt></xml>",
    "outside entity": b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><xml><Encrypt>&a;</Encrypt></xml>",
    "outside parameter entity": b"<!DOCTYPE x [<!ENTITY % a SYSTEM 'http://127.0.0.1:9/x'>%a;]><xml/>",
    "outside DTD": b"<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'><xml><Encrypt>a</Encrypt></xml>",
    "XInclude": b"<xml xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/passwd'/></xml>",
    "deep XML": deep_xml(20_000),
    "deep XML within the size": deep_xml(9_000),
    "wide XML": b"<xml>" + b"<a/>" * 16_000 + b"</xml>",
    "many attributes": b"<xml " + b" ".join(b"a%d='x'" % n for n in range(6000)) + b"/>",
    "two Encrypt": b"<xml><Encrypt>a</Encrypt><Encrypt>b</Encrypt></xml>",
    "XML unfinished": b"<xml><Encrypt>" + b"a" * 1000,
    "XML in UTF-16": "<xml><Encrypt>a</Encrypt></xml>".encode("utf-16"),
    "deep JSON": deep_json(100_000),
    "deep JSON of objects": deep_json(50_000, '{"a":', "}"),
    "JSON unfinished and deep": b"[" * 60_000,
    "JSON of many keys": json.dumps({f"k{n}": n for n in range(5000)}).encode(),
    "long number": b'{"encrypt":' + b"9" * 60_000 + b"}",
    "long fraction": b'{"encrypt":0.' + b"9" * 60_000 + b"e-999999}",
    "NaN": b'{"encrypt":NaN}',
    "lone surrogate": b'{"encrypt":"\\ud800"}',
    "no UTF-8": b'{"encrypt":"\xff\xfe"}',
    "long base64": b'{"encrypt":"' + b"A" * 60_000 + b'"}',
    "long base64 in XML": b"<xml><Encrypt>" + b"A" * 60_000 + b"</Encrypt></xml>",
    "64 KB and a byte": b"<xml><Encrypt>" + b"A" * (65_537 - 14),
    "a megabyte and a byte": b'{"a":"' + b"a" * (1024 * 1024) + b'"}',
    "fifteen megabytes": b"a" * 15_000_000,
    "gzip": gzip.compress(b"<xml>" + b"a" * 10_000_000 + b"</xml>"),
    "zip": zipped(),
}
TYPES = ("application/json", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "")
CALLBACKS = (
    f"/callbacks/wecom/{WECOM_CORP}/app{QUERY}",
    f"/callbacks/wecom/{WECOM_CORP}/contacts{QUERY}",
    f"/callbacks/dingtalk/{DINGTALK_CORP}{DINGTALK_QUERY}",
    f"/callbacks/dingtalk/{DINGTALK_CORP}/card",
    f"/callbacks/dingtalk/{DINGTALK_CORP}/robot",
)


@pytest.fixture
def memory() -> Iterator[None]:
    """The most memory that this process ever held may grow by little beyond the bodies themselves."""
    bodies = sum(map(len, BODIES.values())) // 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH + bodies


@pytest.mark.parametrize("address", CALLBACKS, ids=lambda one: one.split("?")[0].removeprefix("/callbacks/"))
def test_callbacks(app: Flask, memory: None, address: str) -> None:
    client = app.test_client()
    refusals = set()
    for name, body in BODIES.items():
        for content_type in TYPES[:2]:
            answer, calls = effort(
                lambda body=body, kind=content_type: client.post(address, data=body, content_type=kind)
            )
            assert answer.status_code == 403, name
            assert calls < MOST
            refusals.add(answer.data)
    assert len(refusals) == 1  # from outside every cause looks alike


def test_callbacks_with_squeezed_bodies(app: Flask) -> None:
    client = app.test_client()
    for address in CALLBACKS:
        for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
            answer = client.post(address, data=BODIES["gzip"], headers={"Content-Encoding": encoding})
            assert answer.status_code == 403


def test_callbacks_with_odd_queries(app: Flask) -> None:
    client = app.test_client()
    odd = (
        "?" + "a=1&" * 5000,
        "?msg_signature=" + "0" * 60_000,
        "?msg_signature=a&msg_signature=b&timestamp=1&nonce=2&timestamp=3",
        "?timestamp=" + "9" * 5000,
        "?timestamp=１７９００００００００&nonce=x&msg_signature=y",
        "?echostr=" + "A" * 60_000 + QUERY.replace("?", "&"),
        "?%00=%ff&nonce=%00",
        "",
    )
    for address in CALLBACKS:
        for query in odd:
            for method in ("GET", "POST"):
                url = address.split("?")[0] + query
                answer, calls = effort(lambda method=method, url=url: client.open(url, method=method, data=b"<xml/>"))
                assert answer.status_code == 403, query[:60]
                assert calls < MOST


@pytest.mark.parametrize(
    "path", ["/customers", "/tasks", "/visits", "/follow-ups", "/customers/x", "/tasks/x/completion", "/tasks/x/snooze"]
)
def test_the_api(app: Flask, cast: Cast, ali: Member, path: str) -> None:
    client = app.test_client()
    headers = {"Authorization": f"Bearer {cast.token(ali)}"}
    method = "PATCH" if path == "/customers/x" else "POST"
    for name, body in BODIES.items():
        for content_type in TYPES:
            answer, calls = effort(
                lambda body=body, kind=content_type: client.open(
                    f"/api/v1{path}", method=method, data=body, content_type=kind, headers=headers
                )
            )
            assert 400 <= answer.status_code < 500, f"{name} as {content_type}: {answer.status_code}"
            assert answer.mimetype == "application/problem+json", f"{name} as {content_type}"
            assert calls < MOST


@pytest.mark.parametrize("path", ["/h5/customers", "/h5/tasks", "/h5/photos", "/signout", "/admin/tokens"])
def test_forms(app: Flask, cast: Cast, guan: Member, path: str) -> None:
    client = cast.sign_in(guan)
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    client.post(path, headers={"X-CSRF-Token": token})  # templates are read once
    for number, (name, body) in enumerate(BODIES.items()):
        for content_type in TYPES[number % 2 :: 2]:
            answer, calls = effort(
                lambda body=body, kind=content_type: client.post(
                    path, data=body, content_type=kind, headers={"X-CSRF-Token": token}
                )
            )
            assert answer.status_code < 500, f"{name} as {content_type}: {answer.status_code}"
            assert calls < MOST


def test_the_sign_in(app: Flask, cast: Cast) -> None:
    client = app.test_client()
    address = f"/signin/dingtalk/{DINGTALK_CORP}/code"
    client.environ_base["HTTP_ORIGIN"] = "http://127.0.0.1:8000"
    for number, (name, body) in enumerate(BODIES.items()):
        client.environ_base["REMOTE_ADDR"] = f"127.0.3.{number + 1}"
        answer, calls = effort(lambda body=body: client.post(address, data=body, content_type="application/json"))
        assert 400 <= answer.status_code < 500, f"{name}: {answer.status_code}"
        assert calls < MOST
