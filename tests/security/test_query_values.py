"""Every value of every address, found by watching which the program asks for, is bound and never told (T24).

The route map and the API's own description say what there is: a new parameter is tried without anybody adding it here,
and one that stands in the source but that no page asks for fails, too.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule

import wsapp
from tests.cast import Cast
from tests.security.pages import World, all_pages
from tests.security.test_field_filters import MARK, PAYLOADS
from tests.security.test_host_header import address_of
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db
from wsapp.web import limiter

OUT = ("/callbacks/", "/_emulator", "/static/", "/healthz", "/readyz", "/metrics", "/sandbox")
ASKED_IN_SOURCE = re.compile(r"""(?:\barg|\bchoice|request\.args\.get(?:list)?)\(\s*["'](\w+)["']""")
UNASKED = {"thumb"}  # asked for behind a signed link only: compared with "1"
# The corp's own fields by their kinds: each is a filter, and the indexed ones an order of the list
OWN = {"zcity": "text", "zsum": "number", "zday": "date", "zpick": "single", "zmany": "multiple"}
Query = dict[str, str]


class Watching(ImmutableMultiDict[str, str]):
    """Query values that remember which of them were asked for."""

    asked: set[str] = set()

    def get(self, key: str, *more: Any, **named: Any) -> Any:
        Watching.asked.add(key)
        return super().get(key, *more, **named)

    def getlist(self, key: str, *more: Any, **named: Any) -> Any:
        Watching.asked.add(key)
        return super().getlist(key, *more, **named)


@pytest.fixture
def told(app: Flask, cast: Cast, world: World, guan: Member) -> Iterator[list[str]]:
    """The text of every statement, over a book where customers have fields of their own."""
    app.config["API_RATE"] = "100000 per minute"
    limiter.enabled = False
    with app.app_context(), corp_scope(cast.corp_id):
        for key, kind in OWN.items():
            options = ["家具", "灯具"] if kind in ("single", "multiple") else []
            facts = {"object": "customer", "key": key, "label": key, "type": kind, "options": options}
            add_field({**facts, "indexed": True}, actor=db.session.merge(guan))
        db.session.commit()
    texts: list[str] = []

    def listen(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        texts.append(statement)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", listen)
    yield texts
    sa.event.remove(engine, "before_cursor_execute", listen)
    limiter.enabled = True


def shown_rules(app: Flask) -> list[Rule]:
    rules = [one for one in app.url_map.iter_rules() if "GET" in (one.methods or ())]
    return [one for one in rules if not one.rule.startswith(OUT)]


def asked_on(client: FlaskClient, path: str) -> tuple[set[str], bool]:
    """Return the names of the query values that a page asks for, and whether there was a page."""
    Watching.asked = set()
    answer = client.get(path + ("&" if "?" in path else "?") + "zq=1")
    return Watching.asked - {"zq"}, answer.status_code == 200


def rule_of(adapter: MapAdapter, path: str) -> str:
    """Return the rule of an address; "" for one that no record of ours has."""
    try:
        return str(adapter.match(path, return_rule=True)[0].rule)
    except HTTPException:
        return ""


def places_of_pages(app: Flask, client: FlaskClient, world: World) -> set[tuple[str, str]]:
    """Return (path, name) for every query value of every page of the phone and of the console, once a route."""
    app.request_class = type("Watched", (app.request_class,), {"parameter_storage_class": Watching})
    paths = [address_of(rule, world) for rule in shown_rules(app) if not rule.rule.startswith("/api/")]
    paths += [path for path, _office in all_pages(world) if not path.startswith("/api/")]
    adapter = app.url_map.bind("")
    found: dict[tuple[str, str], str] = {}
    seen: set[str] = set()
    for path in paths:
        bare = path.partition("?")[0]
        rule = rule_of(adapter, bare)
        if rule and rule not in seen:
            names, there = asked_on(client, path)
            seen |= {rule} if there else set()
            for name in names:
                found.setdefault((rule, name), bare)
    return {(path, name) for (_rule, name), path in found.items()}


def places_of_api(app: Flask, world: World) -> set[tuple[str, str]]:
    """Return (path, name) for every query value of the API's description."""
    spec = app.test_client().get("/api/v1/openapi.json").get_json()
    found = set()
    for rule in shown_rules(app):
        described = spec["paths"].get(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {}).get("get", {})
        names = {one["name"] for one in described.get("parameters", ()) if one["in"] == "query"}
        found |= {(address_of(rule, world), name) for name in names}
    return found


def everything(app: Flask, client: FlaskClient, world: World) -> list[tuple[str, str]]:
    own = {("/h5/customers", f"custom.{key}") for key in OWN} | {("/h5/customers", f"custom.{key}.from") for key in OWN}
    bulk = {("/h5/customers/handover", name) for _path, name in own}
    return sorted(places_of_pages(app, client, world) | places_of_api(app, world) | own | bulk)


def sent(name: str, payload: str) -> Iterator[Query]:
    """Yield the queries that carry a payload under a name, in each form that may pass the first look."""
    yield {name: payload}
    if name == "sort":
        yield {name: f"custom.{payload}"[:40]}
        yield {name: f"-custom.zcity{payload}"[:40]}
        yield {name: f"-updated_at{payload}"[:40]}
    if name == "custom":
        for test in (payload, {"eq": payload}, {"gte": payload}, {"in": [payload]}, {"starts": payload}, {payload: 1}):
            yield {name: json.dumps({"zcity": test})}
        yield {name: json.dumps({payload: 1})}
        yield {name: json.dumps({"zsum": {"lt": payload}, "zday": payload, "zpick": payload, "zmany": payload})}


def names_in_source() -> set[str]:
    """Return the names of query values that the doors of people ask for, as far as they stand there as words."""
    doors = [one for room in ("h5", "admin") for one in (Path(wsapp.__file__).parent / room).rglob("*.py")]
    return {name for one in doors for name in ASKED_IN_SOURCE.findall(one.read_text())}


def try_all(app: Flask, cast: Cast, world: World, told: list[str], member: Member, *, each: int) -> int:
    """Send `each` payloads to every place there is; returns how many places there are."""
    client, token = cast.sign_in(member), cast.token(member)
    rest = app.test_client(use_cookies=False)
    places, broken, at = everything(app, client, world), [], 0
    assert names_in_source() - {name for _path, name in places} == UNASKED
    del told[:]
    for path, name in places:
        for payload in [PAYLOADS[(at + step * 37) % len(PAYLOADS)] for step in range(each)]:
            for query in sent(name, payload):
                is_api = path.startswith("/api/")
                headers = {"Authorization": f"Bearer {token}"} if is_api else {}
                answer = (rest if is_api else client).get(path, query_string=query, headers=headers)
                if answer.status_code >= 500 or answer.status_code == 429:
                    broken.append((path, query, answer.status_code))
        at += each
    assert broken == []
    assert told
    assert [text for text in told if MARK in text] == []
    return len(places)


def test_no_query_value_reaches_a_statement(
    app: Flask, cast: Cast, world: World, told: list[str], guan: Member
) -> None:
    assert try_all(app, cast, world, told, guan, each=1) > 100


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_no_query_value_of_all_payloads_reaches_a_statement(
    app: Flask, cast: Cast, world: World, told: list[str], guan: Member
) -> None:
    try_all(app, cast, world, told, guan, each=len(PAYLOADS))
