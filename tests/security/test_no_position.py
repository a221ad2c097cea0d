"""Consent withdrawn, or never given: no position is stored by any path.

By every door that takes a position one is written, each with a number of its own; then every column of every table,
every file and the log are searched for it. The same doors, with consent, show that the search finds what is there.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.api.test_transfers import work
from tests.cast import Cast
from tests.crm.test_positions import csrf, own, undecided
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.org.models import Member
from wsapp.crm.visits.consent import withdraw_consent
from wsapp.crm.visits.plans import plan_visit
from wsapp.db import Base, corp_scope, db
from wsapp.geo import to_gcj02
from wsapp.house import house

LNG = 121.4737
Values = dict[str, str]


@dataclass
class Desk:
    """What the doors need: 阿丽's browser, a browser without session, her token's headers, a customer for each door."""

    page: FlaskClient
    stranger: FlaskClient
    rest: Callable[..., Any]
    customers: Mapping[str, str]
    plan: str
    who: str

    def form(self, door: str, path: str, more: Values, *, method: str = "post") -> int:
        customer = self.customers[door]
        sent = {**csrf(self.page), "idempotency_key": f"key-of-{door}", **more}
        answer = getattr(self.page, method)(path.format(customer=customer), data=sent)
        return int(answer.status_code)


def lat_of(number: int) -> float:
    """Return a latitude that no other door writes."""
    return round(31.230017 + number * 0.0011, 6)


def fields(lat: float, **more: str) -> Values:
    return {"lat": f"{lat}", "lng": f"{LNG}", "accuracy": "35", "set_place": "1", **more}


def gps_photo(lat: float) -> io.BytesIO:
    """Return a photo whose EXIF says where it was taken: the number stands in its bytes as text."""
    exif = Image.Exif()
    exif[0x010E] = f"{lat} {LNG}"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (31.0, 13.0, lat)
    exif.get_ifd(0x8825)[29] = f"{lat}"
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "green").save(buffer, "JPEG", exif=exif)
    assert f"{lat}".encode() in buffer.getvalue()
    buffer.seek(0)
    return buffer


def own_address(lat: float) -> Values:
    return {"custom.parking": "地库", "custom.parking.at": f"{lat},{LNG}"}


def at(lat: float) -> dict[str, Any]:
    return {"lat": lat, "lng": LNG, "accuracy": 35}


FORM, DRAFT = "/h5/customers/{customer}/visits", "/h5/customers/{customer}/visits/draft"


def offline(desk: Desk, lat: float) -> int:
    more = {"record": "visit", "customer": desk.customers["offline"], "who": desk.who, "fix_age": "5000"}
    times = {"recorded_at": "1000", "sent_at": "61000", "idempotency_key": "key-of-offline"}
    return desk.form("offline", "/h5/offline/entries", {**fields(lat), **more, **times})


# name → what writes a position there (and returns the status), whether it is kept with consent
DOORS: dict[str, tuple[Callable[[Desk, float], int], bool]] = {
    "form": (lambda d, lat: d.form("form", FORM, fields(lat)), True),
    "form wgs84": (lambda d, lat: d.form("form wgs84", FORM, fields(lat, coordinate="wgs84")), True),
    "form of a plan": (lambda d, lat: d.form("form of a plan", FORM, fields(lat, plan=d.plan)), True),
    "form refused": (lambda d, lat: d.form("form refused", FORM, fields(lat, note="长" * 4000)), False),
    "form own field": (
        lambda d, lat: d.form("form own field", FORM, {"no_fix_reason": "pc", **own_address(lat)}),
        True,
    ),
    "draft": (lambda d, lat: d.form("draft", DRAFT, {**fields(lat), "said": "周五再去"}), False),
    "offline": (offline, True),
    "rest": (
        lambda d, lat: d.rest(
            "/visits", {"customer": d.customers["rest"], "location": at(lat), "set_place": True}, key="k1"
        ),
        True,
    ),
    "rest of customer": (
        lambda d, lat: d.rest(f"/customers/{d.customers['rest of customer']}/visits", {"location": at(lat)}),
        True,
    ),
    "rest place name": (
        lambda d, lat: d.rest(
            f"/customers/{d.customers['rest place name']}/visits",
            {"location": at(0.5), "place_name": f"{lat} 号楼"},
            key="k2",
        ),
        True,
    ),
    "rest own field": (
        lambda d, lat: d.rest(
            f"/customers/{d.customers['rest own field']}/visits",
            {"custom": {"parking": {"text": "地库", "lat": lat, "lng": LNG}}},
        ),
        True,
    ),
    "rest refused": (
        lambda d, lat: d.rest("/visits", {"customer": "0" * 26, "location": at(lat)}, key="k3"),
        False,
    ),
    "nearby": (lambda d, lat: d.page.get("/h5/nearby", query_string=fields(lat)).status_code, False),
    "route": (lambda d, lat: d.page.get("/h5/route", query_string=fields(lat)).status_code, False),
    "nearby signed out": (lambda d, lat: d.stranger.get("/h5/nearby", query_string=fields(lat)).status_code, False),
    "photo in the form": (
        lambda d, lat: (
            d.page.post(
                FORM.format(customer=d.customers["photo in the form"]),
                data={**csrf(d.page), "no_fix_reason": "pc", "photo_files": (gps_photo(lat), "shop.jpg")},
                content_type="multipart/form-data",
            ).status_code
        ),
        False,
    ),
    "photo by rest": (lambda d, lat: d.rest("/files", None, data={"file": (gps_photo(lat), "shop.jpg")}), False),
}
REFUSED = {"form refused", "rest refused", "nearby signed out"}


@pytest.fixture
def desk(app: Flask, cast: Cast, ali: Member, guan: Member, sign_in: Callable[..., FlaskClient]) -> Desk:
    with app.app_context(), corp_scope(cast.corp_id):
        actor = own(ali)
        add_field({"object": "visit", "label": "停车处", "type": "address", "key": "parking"}, actor=own(guan))
        customers = {name: create_customer({"name": f"{name} 有限公司"}, actor=actor).id for name in DOORS}
        db.session.flush()
        hours = {"starts_at": clock.now(), "ends_at": clock.now() + timedelta(hours=1)}
        customer = find_customer(customers["form of a plan"], actor=actor)
        plan = plan_visit(customer, {"kind": "巡店", **hours}, actor=actor).id
        db.session.commit()
    client, headers = app.test_client(use_cookies=False), {"Authorization": f"Bearer {cast.token(ali)}"}

    def rest(path: str, body: Any, key: str = "", **more: Any) -> int:
        sent = {**headers, **({"Idempotency-Key": key} if key else {})}
        answer = client.post(f"/api/v1{path}", headers=sent, **({"json": body} if body is not None else more))
        return answer.status_code

    page = sign_in(ali)
    who = page.get("/h5/offline/session").get_json()["who"]
    return Desk(page, app.test_client(), rest, customers, plan, who)


def everything(app: Flask, log: str) -> dict[str, str]:
    """Return all that is kept, by where: each table's rows, each file, the log."""
    found = {"log": log}
    with app.app_context():
        for table in Base.metadata.sorted_tables:
            rows = db.session.execute(sa.select(table)).mappings()
            found[table.name] = json.dumps([dict(row) for row in rows], default=str, ensure_ascii=False)
        db.session.rollback()
        folder = house().settings.server.data_dir
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes().decode("latin-1")
    return found


@pytest.mark.parametrize("decision", ["never asked", "withdrawn", "given"])
def test_no_position_is_stored_without_consent(
    app: Flask, cast: Cast, ali: Member, desk: Desk, log: io.StringIO, decision: str
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        if decision == "never asked":
            undecided(own(ali))
        if decision == "withdrawn":
            withdraw_consent(actor=own(ali))
        db.session.commit()
    for number, (name, (write, _kept)) in enumerate(DOORS.items()):
        if decision == "never asked" and name.startswith("rest"):
            continue  # a program of hers that sends one decides for her (test_positions.py)
        status = write(desk, lat_of(number))
        assert (status < 400 and name not in REFUSED) or (name in REFUSED and status != 500), (name, status)
    work(app)
    assert "/h5/nearby" in log.getvalue()  # it is the product's own
    places = everything(app, log.getvalue())
    leaks = {}
    for number, name in enumerate(DOORS):
        lat = lat_of(number)
        marks = {f"{lat}", f"{to_gcj02((lat, LNG))[0]}"}
        leaks[name] = [place for place, text in places.items() if any(mark in text for mark in marks)]
    if decision == "given":
        assert {name for name, where in leaks.items() if where} == {name for name, (_do, kept) in DOORS.items() if kept}
        assert not any(where for name, where in leaks.items() if name.startswith("photo"))
    else:
        assert {name: where for name, where in leaks.items() if where} == {}
