"""Positions: kept only of who consents, by whatever path; how far they are trusted; what they teach."""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.cast import Cast
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.models import Event
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.crm.visits.consent import consents, give_consent, withdraw_consent
from wsapp.crm.visits.models import LocationConsent, Visit
from wsapp.crm.visits.trust import Fix, Limits, trust_after, trust_of
from wsapp.db import corp_scope, db
from wsapp.files import keep_photo, path_of

NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
PLACE = {"lat": 22.5431, "lng": 114.0579, "accuracy": 35}


def csrf(client: FlaskClient) -> dict[str, str]:
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/h5/me").text)
    assert found is not None
    return {"csrf_token": found.group(1)}


def own(member: Member) -> Member:
    return db.session.merge(member)


def undecided(member: Member) -> None:
    db.session.execute(sa.delete(LocationConsent).where(LocationConsent.id == member.id))


# --- consent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "kept"), [("never asked", False), ("given", True), ("withdrawn", False), ("given again", True)]
)
def test_what_is_kept_by_each_decision(here: Flask, ali: Member, guan: Member, decision: str, kept: bool) -> None:
    actor = own(ali)
    add_field({"object": "visit", "label": "停车处", "type": "address", "key": "parking"}, actor=own(guan))
    if decision == "never asked":
        undecided(actor)
    if decision in ("withdrawn", "given again"):
        withdraw_consent(actor=actor)
    if decision == "given again":
        give_consent(actor=actor)
    assert consents(actor) is kept
    customer = create_customer({"name": "华星科技"}, actor=actor)
    visit = log_visit(
        customer,
        {
            "location": PLACE,
            "set_place": True,
            "place_name": "高新南一道 6 号",
            "custom": {"parking": {"text": "地库", "lat": 22.5, "lng": 114.0}},
        },
        actor=actor,
        photos=[keep_photo(_with_gps(), owner_id=actor.id).id],
    )
    check_out(visit, actor=actor, result="有意向")
    db.session.commit()
    stored = {
        "check-in": visit.lat is not None and visit.lng is not None,
        "accuracy": visit.accuracy is not None,
        "time": visit.fixed_at is not None,
        "address": visit.place_name != "",
        "distance": visit.distance is not None,
        "customer": customer.place is not None,
        "custom field": visit.custom["parking"]["lat"] is not None,
    }
    assert stored == dict.fromkeys(stored, kept)
    assert visit.custom["parking"]["text"] == "地库"
    assert visit.trust == ("verified" if kept else "no_fix")
    said = db.session.scalars(sa.select(Event.data).where(Event.subject_id == visit.id)).all()
    assert ("22.54" in str(said)) is False


def _with_gps() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (22.0, 32.0, 35.0)
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "green").save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_photos_keep_no_position_of_anybody(here: Flask, ali: Member) -> None:
    raw = _with_gps()
    assert b"Exif" in raw
    assert b"Exif" not in path_of(keep_photo(raw, owner_id=ali.id)).read_bytes()


def test_taking_it_back_can_erase_what_was_kept(here: Flask, ali: Member, bob: Member) -> None:
    actor, boss = own(ali), own(bob)
    customer = create_customer({"name": "华星科技"}, actor=actor)
    mine, his = (log_visit(customer, {"location": PLACE, "place_name": "门口"}, actor=one) for one in (actor, boss))
    db.session.commit()
    withdraw_consent(actor=actor, erase=True)
    db.session.commit()
    for visit in (mine, his):
        db.session.refresh(visit)
    assert (mine.lat, mine.lng, mine.accuracy, mine.fixed_at, mine.place_name) == (None, None, None, None, "")
    assert his.lat == PLACE["lat"]
    kinds = db.session.scalars(sa.select(Event.kind).where(Event.subject_id == actor.id)).all()
    assert kinds == ["consent.withdrawn"]


def test_rest_keeps_nothing_of_who_took_it_back_and_says_why(app: Flask, cast: Cast, ali: Member) -> None:
    client, headers = app.test_client(), {"Authorization": f"Bearer {cast.token(ali)}"}
    made = client.post("/api/v1/customers", json={"name": "华星科技"}, headers=headers).get_json()

    def check_in() -> Any:
        body = {"location": PLACE, "set_place": True, "place_name": "门口"}
        answer = client.post(f"/api/v1/customers/{made['id']}/visits", json=body, headers=headers)
        assert answer.status_code == 201, answer.json
        return answer.get_json()

    def decide(deed: Callable[..., Any]) -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            deed(own(ali))
            db.session.commit()

    decide(lambda me: withdraw_consent(actor=me))
    refused = check_in()
    assert (refused["location"], refused["trust"], refused["place_name"]) == (None, "no_fix", "")
    assert [(one["field"], one["type"]) for one in refused["warnings"]] == [("location", "no_consent")]
    assert client.get(f"/api/v1/customers/{made['id']}", headers=headers).get_json()["location"] is None
    decide(undecided)
    kept = check_in()  # a program of hers sends it, for the first time: that is recorded, and she can take it back
    assert (kept["location"]["lat"], kept["trust"], "warnings" in kept) == (PLACE["lat"], "verified", False)
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalars(sa.select(LocationConsent.way).where(LocationConsent.id == ali.id)).one() == "api"


def test_pages_ask_first_and_store_by_the_answer(
    app: Flask, cast: Cast, ali: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        me = own(ali)
        undecided(me)
        customer_id = create_customer({"name": "华星科技"}, actor=me).id
        db.session.commit()
    client = sign_in(ali)
    form = f"/h5/customers/{customer_id}/visits"
    fix = {"lat": "22.5431", "lng": "114.0579", "accuracy": "35", "set_place": "1"}

    def last_visit() -> Visit:
        with app.app_context(), corp_scope(cast.corp_id):
            return db.session.scalars(sa.select(Visit).order_by(Visit.checked_in_at.desc(), Visit.id.desc())).first()

    page = client.get(f"{form}/new").text
    assert "同意使用位置" in page
    assert "不会在后台跟踪" in page
    assert "data-place=" not in page
    assert client.post(form, data={**csrf(client), **fix}).status_code == 303
    assert (last_visit().lat, last_visit().no_fix_reason) == (None, "未同意使用位置")
    answer = client.post("/h5/me/location/consent", data={**csrf(client), "next": f"{form}/new"})
    assert answer.location.endswith(f"{form}/new")
    assert 'data-place="auto"' in client.get(f"{form}/new").text
    assert client.post(form, data={**csrf(client), **fix}).status_code == 303
    assert last_visit().lat == 22.5431
    client.post("/h5/me/location/withdrawal", data={**csrf(client), "erase": "1"})
    assert "不保存您的位置" in client.get("/h5/me/location").text
    assert client.post(form, data={**csrf(client), **fix}).status_code == 303
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalars(sa.select(Visit.lat)).all() == [None, None, None]


# --- trust --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance", "accuracy", "age", "repeated", "photos", "limits", "expected"),
    [
        (0, 0, 0, 0, 0, Limits(), "verified"),
        (299.9, 199.9, 119, 0, 0, Limits(), "verified"),
        (300, 200, 120, 0, 0, Limits(), "verified"),
        (300.1, 200, 120, 0, 0, Limits(), "near"),
        (100, 200.1, 10, 0, 0, Limits(), "near"),
        (100, 35, 120.1, 0, 0, Limits(), "stale"),
        (900, 800, 10, 0, 0, Limits(), "near"),
        (1000, 0, 10, 0, 0, Limits(), "near"),
        (1000.1, 0, 10, 0, 0, Limits(), "far"),
        (1800, 800, 10, 0, 0, Limits(), "near"),
        (1801, 800, 10, 0, 0, Limits(), "far"),
        (2000, None, 10, 0, 0, Limits(), "near"),
        (2001, None, 10, 0, 0, Limits(), "far"),
        (100_000, 50_000, 10, 0, 0, Limits(), "far"),
        (None, 35, 10, 0, 0, Limits(), "near"),
        (None, 35, 121, 0, 0, Limits(), "stale"),
        (100, 35, 10, 9, 0, Limits(repeats=10), "verified"),
        (100, 35, 10, 10, 0, Limits(repeats=10), "near"),
        (100, 35, 10, 99, 0, Limits(repeats=0), "verified"),
        (5000, 35, 10, 10, 0, Limits(repeats=10), "far"),
        (100, 35, 10, 0, 0, Limits(photo=True), "near"),
        (100, 35, 10, 0, 1, Limits(photo=True), "verified"),
        (150, 35, 10, 0, 0, Limits(verified=100), "near"),
        (1500, 35, 10, 0, 0, Limits(near=2000), "near"),
        (100, 35, 600, 0, 0, Limits(age=timedelta(minutes=10)), "verified"),
    ],
)
def test_trust_table(
    distance: float | None,
    accuracy: float | None,
    age: float,
    repeated: int,
    photos: int,
    limits: Limits,
    expected: str,
) -> None:
    fix = Fix(22.5, 114.0, accuracy, NOW - timedelta(seconds=age))
    got = trust_of(fix, distance=distance, now=NOW, limits=limits, repeated=repeated, photos=photos)
    assert got == expected


METRE = 1 / 111_195  # degrees of latitude


def test_the_table_through_the_door(here: Flask, ali: Member) -> None:
    """Metres from the customer's place, accuracy, seconds since the fix, and how the check-in is marked."""
    actor = own(ali)
    placed = create_customer({"name": "华星科技", "location": {"lat": 22.5431, "lng": 114.0579}}, actor=actor)
    unplaced = create_customer({"name": "顺德恒昌木业"}, actor=actor)
    table = [
        (placed, 0, 35, 0, "verified"),
        (placed, 299, 200, 120, "verified"),
        (placed, 301, 200, 120, "near"),
        (placed, 299, 201, 0, "near"),
        (placed, 299, None, 0, "near"),
        (placed, 999, 1, 0, "near"),
        (placed, 1002, 1, 0, "far"),
        (placed, 1790, 800, 0, "near"),
        (placed, 1810, 800, 0, "far"),
        (placed, 5000, 9000, 0, "far"),
        (placed, 0, 35, 121, "stale"),
        (placed, 5000, 35, 3600, "stale"),
        (unplaced, 0, 35, 0, "near"),
        (unplaced, 0, 35, 121, "stale"),
        (placed, None, None, 0, "no_fix"),
        (unplaced, None, None, 0, "no_fix"),
    ]
    with time_machine.travel(NOW, tick=False):
        for customer, metres, accuracy, age, expected in table:
            fix = {"lat": 22.5431 + (metres or 0) * METRE, "lng": 114.0579, "fixed_at": NOW - timedelta(seconds=age)}
            location = None if metres is None else fix | {"accuracy": accuracy}
            visit = log_visit(customer, {"location": location}, actor=actor)
            assert visit.trust == expected, (metres, accuracy, age)


@pytest.mark.parametrize(
    ("trust", "minutes", "least", "expected"),
    [
        ("verified", 9, 10, "near"),
        ("verified", 10, 10, "verified"),
        ("verified", 0, 0, "verified"),
        ("far", 9, 10, "far"),
        ("no_fix", 9, 10, "no_fix"),
        ("stale", 9, 10, "stale"),
    ],
)
def test_a_stay_that_was_too_short(trust: str, minutes: int, least: int, expected: str) -> None:
    limits = Limits(stay=timedelta(minutes=least))
    assert trust_after(trust, timedelta(minutes=minutes), limits) == expected


def test_the_corps_rules_of_stay_and_repetition_hold(here: Flask, ali: Member) -> None:
    actor = own(ali)
    set_rules({"visit.repeats": 2, "visit.stay": 10})
    customer = create_customer({"name": "华星科技", "location": {"lat": 22.5431, "lng": 114.0579}}, actor=actor)
    states = []
    with time_machine.travel(NOW, tick=False) as traveller:
        for _day in range(3):
            visit = log_visit(customer, {"location": PLACE}, actor=actor)
            states.append(visit.trust)
            traveller.shift(timedelta(minutes=5))
        check_out(visit, actor=actor)
        elsewhere = log_visit(customer, {"location": {**PLACE, "lat": 22.54311}}, actor=actor)
        assert (states, elsewhere.trust) == (["verified", "verified", "near"], "verified")
        traveller.shift(timedelta(minutes=9))
        check_out(elsewhere, actor=actor)
        assert elsewhere.trust == "near"


# --- what they teach ----------------------------------------------------------------------------------------------


def _visits(customer: Customer, actor: Member, *latitudes: float) -> None:
    for lat in latitudes:
        assert log_visit(customer, {"location": {**PLACE, "lat": lat}}, actor=actor).trust == "verified"


def test_a_customers_place_is_the_median_of_its_last_five_verified_visits(here: Flask, ali: Member) -> None:
    actor = own(ali)
    customer = create_customer({"name": "华星科技", "location": {"lat": 22.5431, "lng": 114.0579}}, actor=actor)
    _visits(customer, actor, 22.5433, 22.5434, 22.5435, 22.5412)
    far = log_visit(customer, {"location": {**PLACE, "lat": 22.6}}, actor=actor)
    assert (far.trust, customer.lat) == ("far", 22.5431)
    _visits(customer, actor, 22.5436)
    assert (customer.lat, customer.place_source) == (pytest.approx(22.5434), "visits")
    _visits(customer, actor, 22.5436, 22.5436)
    assert customer.lat == pytest.approx(22.5436)
    assert customer.place_accuracy == 35


def test_a_place_does_not_leap(here: Flask, ali: Member) -> None:
    actor = own(ali)
    set_rules({"visit.verified": 2000})
    customer = create_customer({"name": "华星科技", "location": {"lat": 22.5431, "lng": 114.0579}}, actor=actor)
    _visits(customer, actor, *(22.5500 + one / 100_000 for one in range(5)))  # 770 m north
    assert customer.lat == 22.5431
