"""Nothing that a user sends as a filter or sort by custom fields ever reaches a statement's text (T24)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import Cast
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.fields.finding import matching, ordered
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db
from wsapp.problems import Invalid

QUOTES = (
    "'",
    '"',
    "`",
    "\\",
    "%",
    "_",
    ";",
    "--",
    "/*",
    ")",
    "))",
    "'))",
    "$$",
    "\u2019",
    "%27",
    "?",
    ":x",
    "%(x)s",
    "{x}",
)
TAILS = (
    " OR 1=1",
    " OR '1'='1",
    " UNION SELECT name FROM customer",
    "; DROP TABLE customer",
    " AND (SELECT count(*) FROM member) > 0",
    " || (SELECT userid FROM member)",
    "->>'zqx'",
    "::text",
    " ORDER BY 1",
    " LIMIT 1 OFFSET 1",
    " COLLATE nocase",
    ", pg_sleep(9)",
    " RETURNING id",
    "/**/OR/**/1=1",
    "\nOR 1=1",
    " ESCAPE 'x'",
)
MARK = "zqx"  # stands in every payload, and in no statement of ours
PAYLOADS = [f"{MARK}{quote}{tail}" for quote in QUOTES for tail in TAILS]
assert len(PAYLOADS) >= 300


@pytest.fixture
def told(here: Flask, ali: Member, guan: Member) -> Iterator[list[str]]:
    """The text of every statement, in a corp with three indexed fields and two customers."""
    for key, kind in (("city_of", "text"), ("budget", "number"), ("lines", "multiple")):
        options = ["家具", "灯具"] if kind == "multiple" else []
        add_field(
            {"object": "customer", "key": key, "label": key, "type": kind, "options": options, "indexed": True},
            actor=guan,
        )
    for name, city in (("华星家具有限公司", "佛山"), ("宏兴灯具有限公司", "中山")):
        values = {"name": name, "custom": {"city_of": city, "budget": 5, "lines": ["家具"]}}
        create_customer(values, actor=db.session.merge(ali, load=False))
    db.session.commit()
    texts: list[str] = []

    def listen(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        texts.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", listen)
    yield texts
    sa.event.remove(db.engine, "before_cursor_execute", listen)


def look(actor: Member, *, wanted: dict[str, Any] | None = None, sort: str = "") -> list[str] | None:
    """Return the names that a list shows, None when it refuses."""
    statement: Any = sa.select(Customer.id, Customer.name).where(visible_customers(actor))
    try:
        for condition in matching("customer", wanted or {}, actor=actor, id_column=Customer.id):
            statement = statement.where(condition)
        if sort:
            statement, (column, _down) = ordered(
                "customer", sort, actor=actor, id_column=Customer.id, statement=statement
            )
            statement = statement.order_by(column)
    except Invalid:
        return None
    return [row.name for row in db.session.execute(statement)]


def everywhere(payload: str) -> Iterator[dict[str, Any]]:
    """Every place of a filter or sort in which a user's text can stand."""
    for operator in ("eq", "gt", "gte", "lt", "lte", "starts"):
        yield {"wanted": {"city_of": {operator: payload}}}
        yield {"wanted": {"budget": {operator: payload}}}
    yield {"wanted": {"city_of": payload}}
    yield {"wanted": {"lines": {"in": [payload, "家具"]}}}
    yield {"wanted": {"city_of": {"empty": payload}}}
    yield {"wanted": {payload: "1"}}
    yield {"wanted": {"city_of": {payload: "1"}}}
    yield {"sort": f"custom.{payload}"}
    yield {"sort": f"-custom.city_of{payload}"}


def test_no_payload_reaches_a_statement(told: list[str], ali: Member) -> None:
    harmless = {("city_of", "lt"), ("city_of", "lte"), ("city_of", "empty"), ("lines", "in"), ("city_of", "gt")}
    for payload in PAYLOADS:
        for place in everywhere(payload):
            found = look(ali, **place)
            (key, test) = next(iter(place.get("wanted", {"": ""}).items()))
            operator = next(iter(test)) if isinstance(test, dict) else "eq"
            if (key, operator) not in harmless and operator != "gte":
                assert not found, (payload, place)
    assert told
    assert not [text for text in told if MARK in text]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(payload=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=60))
def test_no_text_at_all_reaches_a_statement(told: list[str], ali: Member, payload: str) -> None:
    _never_told(told, ali, payload)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(payload=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=200))
def test_no_text_of_ten_thousand_reaches_a_statement(told: list[str], ali: Member, payload: str) -> None:
    _never_told(told, ali, payload)


def _never_told(told: list[str], ali: Member, payload: str) -> None:
    del told[:]
    for place in everywhere(MARK + payload):
        look(ali, **place)
    assert not [text for text in told if MARK in text]


def test_over_rest_as_well(told: list[str], here: Flask, cast: Cast, ali: Member) -> None:
    db.session.remove()
    client, token = here.test_client(use_cookies=False), cast.token(ali)
    sent = {"Authorization": f"Bearer {token}"}
    del told[:]
    for payload in PAYLOADS[::10]:
        for query in (
            {"custom": json.dumps({"city_of": payload})},
            {"custom": json.dumps({payload: 1})},
            {"sort": f"custom.{payload}"[:60]},
            {"custom": payload},
        ):
            answer = client.get("/api/v1/customers", query_string=query, headers=sent)
            assert answer.status_code in (200, 422), answer.text
            assert answer.status_code == 422 or answer.get_json()["items"] == []
    with corp_scope(cast.corp_id):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 2
    assert not [text for text in told if MARK in text]
