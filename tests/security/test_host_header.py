"""Who asks under a made-up name gets no answer that repeats it (T55): every route, every way to name a host."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from tests.cast import CORP, Cast
from tests.conftest import PUBLIC_URL
from tests.security.pages import World
from tests.security.payloads import EVIL
from wsapp.app import create_app
from wsapp.crm.org.models import Member
from wsapp.house import House

NAMES = (
    {"Host": EVIL},
    {"Host": f"{EVIL}:8000"},
    {"Host": f"127.0.0.1:8000.{EVIL}"},
    {"X-Forwarded-Host": EVIL},
    {"X-Forwarded-Server": EVIL, "X-Host": EVIL, "X-HTTP-Host-Override": EVIL, "X-Original-Host": EVIL},
    {"Forwarded": f"host={EVIL};proto=https"},
    {"X-Original-URL": f"//{EVIL}/", "X-Rewrite-URL": f"//{EVIL}/", "X-Forwarded-Prefix": f"//{EVIL}"},
    {"X-Forwarded-Proto": "https", "X-Forwarded-Host": EVIL, "X-Forwarded-For": EVIL, "X-Real-IP": EVIL},
)


def address_of(rule: Rule, world: World) -> str:
    """An address of this route, with records that exist."""
    book = world.book
    known = {
        "customer_id": book.customer,
        "visit_id": book.visit,
        "task_id": book.today,
        "member_id": world.member,
        "file_id": book.photo,
        "host": "wecom",
        "corp_id": CORP,
        "kind": "app",
        "name": "vendor/manifest.json",
        "work_id": "1",
        "obj": "customer",
    }
    return re.sub(r"<(?:[^<>]+:)?(\w+)>", lambda found: known.get(found[1], "1m80jct21b590sz80fvf"), rule.rule)


@pytest.mark.parametrize("trusted_proxies", [0, 1])
def test_no_route_repeats_a_made_up_name(
    app: Flask, cast: Cast, world: World, ali: Member, guan: Member, trusted_proxies: int
) -> None:
    product = app if not trusted_proxies else _behind_a_proxy(app)
    repeated: list[str] = []
    asked = signed_in = 0
    for member in (None, ali, guan):
        client = _client(product, cast, member)
        for rule in product.url_map.iter_rules():
            for method in sorted((rule.methods or set()) & {"GET", "POST", "PATCH"}):
                for names in NAMES:
                    answer = client.open(address_of(rule, world), method=method, headers=names)
                    asked += 1
                    signed_in += answer.status_code == 200 and rule.rule == "/h5/"
                    assert answer.status_code < 500 or rule.rule == "/readyz", f"{method} {rule.rule}"
                    if EVIL in answer.text or EVIL in str(answer.headers):
                        repeated.append(f"{method} {rule.rule} {names}")
    assert repeated == []
    assert asked > 1000
    assert signed_in == 2 * len(NAMES)


def _client(app: Flask, cast: Cast, member: Member | None) -> FlaskClient:
    """A browser that sends its session wherever it is led to: a made-up name must not profit even from that."""
    client = app.test_client(use_cookies=False)
    if member is not None:
        signed_in = cast.sign_in(member)
        cookie = signed_in.get_cookie("wsapp")
        assert cookie is not None
        client.environ_base["HTTP_COOKIE"] = f"wsapp={cookie.value}"
    return client


def _behind_a_proxy(app: Flask) -> Flask:
    from dataclasses import replace

    house: House = app.extensions["wsapp"]
    settings = house.settings
    return create_app(replace(settings, server=replace(settings.server, trusted_proxies=1)))


def test_the_routers_own_redirects_keep_to_the_path(app: Flask) -> None:
    client = app.test_client()
    for asked, meant in (("/h5", "/h5/"), ("/admin", "/admin/"), ("/h5//customers", "/h5/customers")):
        answer = client.open(path="/", environ_overrides={"PATH_INFO": asked, "HTTP_HOST": EVIL})
        assert (answer.status_code, answer.location) == (308, meant)


def test_messages_and_sign_in_name_the_public_address(
    app: Flask, wecom: object, sign_in: Callable[..., FlaskClient]
) -> None:
    from tests.security.test_redirects import WECOM_CORP

    off = app.test_client().get(f"/signin/wecom/{WECOM_CORP}", headers={"Host": EVIL})
    assert off.status_code == 302
    assert PUBLIC_URL.replace(":", "%3A").replace("/", "%2F") in off.location
    assert EVIL not in off.location
