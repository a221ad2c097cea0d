"""Text that no database takes (NUL, half a character) is refused wherever it comes in (B02, B14)."""

from urllib.parse import quote

import pytest
from flask import Flask

from tests.cast import CORP, Cast
from tests.security.pages import World
from tests.security.test_host_header import address_of
from wsapp.crm.org.models import Member

BAD = ("\x00", "a\x00b", "甲\x00", "\ud800", "\udfff")
NAMES = (
    "q",
    "cursor",
    "scope",
    "state",
    "person",
    "next",
    "corp",
    "code",
    "authCode",
    "name",
    "customer",
    "url",
    "for",
    "stage",
)
FIELDS = (
    *(
        "name",
        "phones",
        "title",
        "note",
        "text",
        "tags",
        "new_tags",
        "customer",
        "assignee",
        "version",
        "idempotency_key",
    ),
    *("due_at", "reason", "language", "code", "role", "days", "scope", "outcome", "photos", "media_id", "until", "lat"),
)


def spelt(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@pytest.mark.parametrize("signed_in", [False, True])
def test_in_addresses(app: Flask, cast: Cast, world: World, guan: Member, signed_in: bool) -> None:
    client = cast.sign_in(guan) if signed_in else app.test_client()
    failed = []
    for number, rule in enumerate(app.url_map.iter_rules()):
        client.environ_base["REMOTE_ADDR"] = f"127.0.4.{number + 1}"
        for bad in BAD:
            path = rule.rule
            for argument in rule.arguments:
                for shape in (f"<{argument}>", f"<key:{argument}>", f"<int:{argument}>", f"<path:{argument}>"):
                    path = path.replace(shape, "wecom" if argument == "host" else spelt(bad))
            for address in {path, address_of(rule, world) + "?" + "&".join(f"{name}={spelt(bad)}" for name in NAMES)}:
                for method in sorted((rule.methods or set()) & {"GET", "POST", "PATCH"}):
                    if client.open(address, method=method).status_code >= 500:
                        failed.append(f"{method} {rule.rule}: {address[:80]}")
    assert failed == []


def test_in_forms(app: Flask, cast: Cast, world: World, guan: Member) -> None:
    client = cast.sign_in(guan)
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    failed = []
    for number, rule in enumerate(app.url_map.iter_rules()):
        if (
            "POST" not in (rule.methods or ())
            or rule.rule == "/signout"
            or rule.rule.startswith(("/api/", "/callbacks/"))
        ):
            continue
        client.environ_base["REMOTE_ADDR"] = f"127.0.5.{number + 1}"
        for bad in BAD:
            data = {name: bad.encode("utf-8", "surrogatepass") for name in FIELDS}
            body = "&".join(f"{name}={quote(value, safe='')}" for name, value in data.items())
            answer = client.post(
                address_of(rule, world),
                data=body,
                content_type="application/x-www-form-urlencoded",
                headers={"X-CSRF-Token": token},
            )
            if answer.status_code >= 500:
                failed.append(f"{rule.rule} {bad!r}")
    assert failed == []


def test_in_headers(app: Flask, cast: Cast, guan: Member) -> None:
    client = cast.sign_in(guan)
    for bad in ("\x80\x81", "\xff" * 50, "a" * 5000, "é"):
        for name in (
            "User-Agent",
            "Accept-Language",
            "Referer",
            "X-Request-Id",
            "Cookie",
            "Authorization",
            "Idempotency-Key",
        ):
            for path in ("/h5/", "/signin/", "/api/v1/customers", f"/signin/wecom/{CORP}"):
                assert client.get(path, headers={name: bad}).status_code < 500, (name, path)
