"""In worlds made by chance, everybody sees exactly what the reference says, on every surface.

The list of surfaces is checked against the route map: a route that shows records and is in nobody's list fails.
"""

from collections.abc import Iterator
from itertools import count

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings

from tests.cast import WECOM_AGENT
from tests.rights import reference
from tests.rights.surfaces import FEW, NOT_ASKED, SURFACES, Reader, Surface
from tests.rights.worlds import Built, World, build, worlds
from wsapp.crm.org import access
from wsapp.crm.org.queries import member
from wsapp.db import corp_scope, db

CALM = dict(
    deadline=None,
    database=None,
    phases=[Phase.generate],  # worlds are small as they are: making them smaller costs minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
NAMES = count()
WORLDS = 200


def expected(world: World, kind: str) -> set[int]:
    """Return what the reference says that the actor sees."""
    if kind in ("customer", "follow_up", "visit", "task"):
        return reference.customers(world, world.actor) if kind == "customer" else _records(world, kind)
    team, everybody, _shared = reference.whose(world, world.actor, "customer")
    if kind == "message":
        return {at for at, one in enumerate(world.books) if everybody or one.assignee in team}
    seen = reference.customers(world, world.actor)
    if kind == "customer_event":
        return {at for at, _one in enumerate(world.books) if everybody or at in seen}
    authors, all_authors, shared = reference.whose(world, world.actor, "follow_up")
    return {
        at
        for at, one in enumerate(world.books)
        if (everybody or at in seen or one.author in team) and (all_authors or shared or one.author in authors)
    }


def _records(world: World, kind: str) -> set[int]:
    return reference.records(world, world.actor, kind)


def reader_of(app: Flask, world: World) -> Reader:
    with app.app_context():
        built = build(world, f"world{next(NAMES)}")
        with corp_scope(built.corp_id):
            actor = member(built.members[world.actor])
            assert actor is not None
            token = access.create_token(actor, scopes=("read", "write"), days=1)
            session = access.open_session(actor, device="test")
            db.session.commit()
    return Reader(app, world, built, _client(app, built, session), token)


def _client(app: Flask, built: Built, session: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = WECOM_AGENT
    client.environ_base["HTTP_HOST"] = "127.0.0.1:8000"
    with client.session_transaction() as cookie:
        cookie["corp"], cookie["token"] = built.corp_id, session
    return client


def check(app: Flask, world: World) -> None:
    reader = reader_of(app, world)
    for one in SURFACES:
        seen = one.ask(reader)
        if seen is NOT_ASKED:
            continue
        wanted = {at for at in expected(world, one.kind) if at < FEW or not one.few}
        if one.part:
            assert seen <= wanted, (one.name, seen, wanted)
        else:
            assert seen == wanted, (one.name, seen, wanted)


@pytest.fixture
def calm_app(app: Flask) -> Iterator[Flask]:
    app.config["API_RATE"] = "100000 per minute"
    yield app


@pytest.mark.timeout(600)
@settings(max_examples=WORLDS, **CALM)
@given(world=worlds())
def test_everybody_sees_the_same_on_every_surface(calm_app: Flask, world: World) -> None:
    check(calm_app, world)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=2000, **CALM)
@given(world=worlds())
def test_everybody_sees_the_same_in_two_thousand_worlds(calm_app: Flask, world: World) -> None:
    check(calm_app, world)


# --- the list of surfaces -----------------------------------------------------------------------------------------

# Routes that show no record of a customer's book, or only what was found through a surface above.
ELSEWHERE: dict[str, str] = {}


def reading_routes(app: Flask) -> set[str]:
    """Return the routes of pages and REST that a member reads by."""
    return {
        f"GET {rule.rule}"
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.rule.startswith(("/h5/", "/api/v1/"))
    }


def covered_by(surfaces: list[Surface]) -> set[str]:
    return {route for one in surfaces for route in one.routes}
