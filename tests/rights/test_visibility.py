"""In worlds made by chance, everybody sees exactly what the reference says, on every surface.

The list of surfaces is checked against the route map: a route that shows records and is in nobody's list fails.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, get_args

import pytest
import sqlalchemy as sa
import structlog
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings

from tests.cast import WECOM_AGENT
from tests.rights import reference
from tests.rights.surfaces import NOT_ASKED, SURFACES, Reader, of_a_customer
from tests.rights.worlds import Away, Book, Built, Custom, Person, World, build, worlds
from wsapp.bots.commands import Verb
from wsapp.crm.org import access
from wsapp.crm.org.queries import member
from wsapp.crm.transfer.models import OBJECTS as EXPORTED
from wsapp.db import corp_scope, db

CALM: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "phases": [Phase.generate],  # worlds are small as they are: making them smaller costs minutes
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}
NAMES, TURNS = count(), count()
WORLDS = 100
PART = 8  # of the surfaces each world of the short run asks one in eight, in turn; the long run asks all


SEEN_BY: dict[str, Callable[[World, int], set[int]]] = {
    "lead": reference.leads,
    "binned": reference.binned,
    "pooled": reference.pooled,
    "assignable": lambda world, person: reference.customers(world, person) | reference.managed(world, person),
    "exported": lambda world, person: reference.may(world, person, "export"),
    "exported_follow_up": reference.exported_follow_ups,
    "edited": lambda world, person: reference.may(world, person, "edit"),
}


def expected(world: World, kind: str) -> set[int]:
    """Return what the reference says that the actor sees."""
    if kind in ("customer", "follow_up", "visit", "task"):
        return reference.customers(world, world.actor) if kind == "customer" else _records(world, kind)
    if kind in SEEN_BY:
        return SEEN_BY[kind](world, world.actor)
    if kind in ("own_task", "own_message"):
        return {at for at, one in enumerate(world.books) if one.assignee == world.actor}
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
        if (everybody or at in seen or one.author in team)
        and (all_authors or one.author in authors or (shared and at in seen))
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


def check(app: Flask, world: World, *, step: int = 1) -> None:
    reader, turn = reader_of(app, world), next(TURNS)
    for one in SURFACES[turn % step :: step]:
        seen = one.ask(reader)
        if seen is NOT_ASKED:
            continue
        wanted = {at for at in expected(world, one.kind) if not one.few or at < one.few}
        if one.part:
            assert seen <= wanted, (one.name, seen, wanted)
        else:
            assert seen == wanted, (one.name, seen, wanted)


@pytest.fixture
def calm_app(app: Flask) -> Iterator[Flask]:
    """An app for a hundred thousand requests: no limit, no line of the log for each, no waiting for the disk."""
    app.config["API_RATE"] = "100000 per minute"
    usual = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with app.app_context():
        if db.engine.dialect.name == "sqlite":  # the test's PostgreSQL does not wait, either
            sa.event.listen(db.engine, "connect", lambda one, _record: one.execute("PRAGMA synchronous=OFF"))
            db.engine.dispose()
    yield app
    structlog.configure(**usual)


@pytest.mark.timeout(600)
@settings(max_examples=WORLDS, **CALM)
@given(world=worlds())
def test_everybody_sees_the_same_on_every_surface(calm_app: Flask, world: World) -> None:
    check(calm_app, world, step=PART)


def test_a_deputy_reaches_what_the_absent_reaches_by_a_value(calm_app: Flask) -> None:
    """A world that chance found late: the deputy's own role takes nothing out, the absent person's one source."""
    nothing = dict.fromkeys(("customer", "follow_up", "visit", "task"), "none")
    every = dict.fromkeys(("edit", "transfer", "delete", "export"), "value")
    own = Custom({**nothing, "customer": "all"}, (), (), dict.fromkeys(every, "none"))
    absent = Custom({**nothing, "customer": "value"}, (), ("展会",), every)
    people = (Person((), (), ("own0",)), Person((), (), ("own1",)), Person((), (), ()))
    books = tuple(Book(2, (), False, 2, 2, 2, 2, None, source) for source in ("展会", "官网", "展会"))
    check(calm_app, World((None,), people, (own, absent), books, (Away(1, 0, True),), (), 0))


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=2000, **CALM)
@given(world=worlds())
def test_everybody_sees_the_same_in_two_thousand_worlds(calm_app: Flask, world: World) -> None:
    check(calm_app, world)


# --- the list of surfaces -----------------------------------------------------------------------------------------

# Routes that show no customer, follow-up, visit or task of the book by themselves; each says why or who asks it.
PLAIN = "shows no record of the book"
OWN = "the reader's own alone: tests/house/test_routes.py asks it as a stranger"
PARENT = "opens a record by its id as its customer's page does: tests/house/test_routes.py"
ELSEWHERE: dict[str, str] = {
    "GET /api/v1/departments": PLAIN,
    "GET /api/v1/departments/<department_id>": PLAIN,
    "GET /api/v1/exports/<export_id>": OWN,
    "GET /api/v1/exports/<export_id>/result": OWN,
    "GET /api/v1/fields": PLAIN,
    "GET /api/v1/fields/<field_id>": PLAIN,
    "GET /api/v1/imports/<import_id>": OWN,
    "GET /api/v1/imports/<import_id>/result": OWN,
    "GET /api/v1/members": PLAIN,
    "GET /api/v1/members/<member_id>": PLAIN,
    "GET /api/v1/openapi.json": PLAIN,
    "GET /h5/bin/new/<any(customer, contact, follow_up, visit, task):obj>/<key:record_id>": PARENT,
    "GET /h5/appeals": OWN,
    "GET /h5/appeals/<key:appeal_id>": OWN,
    "GET /h5/bin/runs/<key:run_id>": OWN,
    "GET /h5/colleagues": PLAIN,
    "GET /h5/me/phrases": OWN,
    "GET /h5/tasks/<key:task_id>/delay": PARENT,
    "GET /h5/tasks/<key:task_id>/offer": PARENT,
    "GET /h5/bin/runs/new": PLAIN,
    "GET /h5/bulk/<key:bulk_id>": OWN,
    "GET /h5/customers/<key:customer_id>/merge/<key:other_id>": PARENT,
    "GET /h5/customers/handover": PLAIN,  # counts of what one may give away
    "GET /h5/customers/new": PLAIN,
    "GET /h5/drafts/<key:draft_id>": OWN,
    "GET /h5/extensions": OWN,
    "GET /h5/extensions/<key:request_id>": OWN,
    "GET /h5/exports": OWN,
    "GET /h5/exports/<key:export_id>": OWN,
    "GET /h5/exports/<key:export_id>/decision": OWN,
    "GET /h5/exports/<key:export_id>/result": OWN,
    "GET /h5/handovers": OWN,
    "GET /h5/handovers/<key:handover_id>": OWN,
    "GET /h5/follow-ups/new": PLAIN,
    "GET /h5/follow-ups/<key:follow_up_id>/edit": PARENT,
    "GET /h5/host-config": PLAIN,
    "GET /h5/imports": OWN,
    "GET /h5/imports/<key:import_id>": OWN,
    "GET /h5/imports/<key:import_id>/result": OWN,
    "GET /h5/imports/templates/<name>": PLAIN,
    "GET /h5/leads/new": PLAIN,
    "GET /h5/me": OWN,
    "GET /h5/me/channels": OWN,
    "GET /h5/me/deputy": OWN,
    "GET /h5/me/identity": PLAIN,
    "GET /h5/me/location": OWN,
    "GET /h5/offline/session": OWN,
    "GET /h5/sw.js": PLAIN,
    "GET /h5/me/mirrors": OWN,
    "GET /h5/pool/deal": "a form over the pool: page_pools",
    "GET /h5/probe": PLAIN,
    "GET /h5/share-requests": OWN,
    "GET /h5/share-requests/<key:request_id>": OWN,
    "GET /h5/tasks/<key:task_id>/edit": PARENT,
    "GET /h5/watches": OWN,
    "GET /h5/tasks/new": PLAIN,
    "GET /h5/team/<key:member_id>/handover": OWN,
    "GET /h5/follow-ups/drafts/<key:ask_id>": OWN,
    "GET /h5/reports": OWN,
    "GET /h5/reports/new": OWN,
    "GET /h5/reports/team": "names of one's people alone: tests/crm/test_reports.py",
    "GET /h5/reports/<key:report_id>/edit": OWN,
    "GET /api/v1/reports": "texts and counts: tests/api/test_reports.py",
    "GET /api/v1/reports/<report_id>": "texts and counts: tests/api/test_reports.py",
    "GET /h5/visits/new": PLAIN,
    "GET /h5/visits/plans/<key:plan_id>/edit": PARENT,
    "GET /h5/visits/plans": OWN,
}


def test_every_export_and_every_answer_of_the_robot_is_a_surface() -> None:
    names = {one.name for one in SURFACES}
    assert {f"export_{obj}" for obj in EXPORTED} <= names
    # "team" counts what the team's people did, by `within_team`; "log" and "remind" name customers as "find" does.
    assert {*get_args(Verb)} - {"team", "log", "remind", "help"} <= {name.removeprefix("robot_") for name in names}


def test_every_reading_route_is_a_surface_or_says_why_not(app: Flask) -> None:
    routes = {
        f"GET {rule.rule}"
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.rule.startswith(("/h5/", "/api/v1/"))
    }
    asked = {route for one in SURFACES for route in one.routes} | {f"GET {rule}" for rule in of_a_customer(app)}
    assert routes - asked - set(ELSEWHERE) == set(), "a surface without a case: see tests/rights/surfaces.py"
    assert set(ELSEWHERE) - routes == set(), "these routes are gone"
    assert set(ELSEWHERE) & asked == set(), "asked and excused at once"
