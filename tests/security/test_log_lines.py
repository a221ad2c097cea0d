"""Whatever strangers send, one event is one line of JSON, and nothing in it passes for another event (5.3)."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from flask import Flask

from tests.cast import CORP, Cast
from tests.security.payloads import LOG_LINES
from wsapp import logs
from wsapp.crm.org.models import Member

RAW = "\x00\x08\x0b\x0c\x1b\x1c\x1d\x1e\x7f\x85\u2028\u2029\u202e"


@contextmanager
def ours_alone() -> Iterator[None]:
    """Without the test runner's own ear, which chokes on what we log here."""
    root = logging.getLogger()
    all_of_them = list(root.handlers)
    root.handlers[:] = [one for one in all_of_them if type(one).__module__ == logs.__name__]
    yield
    root.handlers[:] = all_of_them


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    """Every line as its event; fails on a line that is none, or that holds what could end or turn a line."""
    text = stream.getvalue()
    assert not [char for char in RAW if char in text]
    lines = text.split("\n")
    assert lines.pop() == ""
    assert lines == text.splitlines()  # no other kind of line end either
    found = [json.loads(line) for line in lines]
    assert not [one for one in found if one["event"] == "forged"]
    return found


def test_an_event_is_a_line(log: io.StringIO) -> None:
    for text in LOG_LINES:
        before = len(events(log))
        logs.get_logger().info("probe", text=text, note=text, nested={"deep": [text]})
        with ours_alone():
            logging.getLogger("library").warning("probe %s", text)
        logs.get_logger().warning(f"probe {text}")
        after = events(log)
        assert len(after) == before + 3, repr(text)
        assert all(one["event"].startswith("probe") for one in after[before:])


def test_an_exception_is_a_line(log: io.StringIO) -> None:
    for text in LOG_LINES:
        before = len(events(log))
        try:
            raise ValueError(text)
        except ValueError:
            logs.get_logger().exception("probe")
        assert len(events(log)) == before + 1, repr(text)


def test_a_request_is_a_line(app: Flask, cast: Cast, guan: Member, log: io.StringIO) -> None:
    client = cast.sign_in(guan)
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    for text in LOG_LINES:
        client.environ_base["REMOTE_ADDR"] = f"127.0.2.{LOG_LINES.index(text) + 1}"
        address = quote(text.encode(errors="surrogatepass"), safe="")
        one_line = (
            "".join(char for char in text if char not in "\r\n\x00").encode("latin-1", "replace").decode("latin-1")
        )
        sent = (
            lambda address=address: client.get(f"/nowhere/{address}"),
            lambda address=address: client.get(f"/h5/customers/{address}?q={address}&cursor={address}"),
            lambda address=address: client.get(f"/signin/wecom/{CORP}/return?code={address}&state={address}"),
            lambda address=address: client.get(f"/callbacks/wecom/{address}/app?msg_signature={address}"),
            lambda text=text: client.post(
                f"/callbacks/wecom/{CORP}/app?timestamp=1", data=text.encode(errors="replace")
            ),
            lambda text=text: client.post(
                "/h5/tasks", data={"title": text.replace("\ud800", "?"), "csrf_token": token}
            ),
            lambda line=one_line: client.get(
                "/h5/", headers={"X-Request-Id": line, "User-Agent": line, "Referer": line}
            ),
            lambda line=one_line: client.get("/api/v1/customers", headers={"Authorization": f"Bearer {line}"}),
        )
        for send in sent:
            before = len(events(log))
            answer = send()
            assert answer.status_code < 500, repr(text)
            new = events(log)[before:]
            assert [one["event"] for one in new].count("request") == 1, repr(text)
            assert new[-1]["event"] == "request"
            assert new[-1]["request_id"] == answer.headers["X-Request-Id"]
            assert "forged" not in answer.headers["X-Request-Id"]


def test_a_proxys_request_id_is_kept_where_it_is_one(app: Flask, cast: Cast, log: io.StringIO) -> None:
    answer = app.test_client().get("/signin/", headers={"X-Request-Id": "proxy-0123456789"})
    assert answer.headers["X-Request-Id"] == "proxy-0123456789"
    assert events(log)[-1]["request_id"] == "proxy-0123456789"
