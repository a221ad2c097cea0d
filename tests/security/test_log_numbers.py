"""Telephone numbers stand in no log: of no route, command or job, errors included (T22)."""

import io
import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.api.test_transfers import work
from tests.cast import Cast
from tests.crm.transfer.conftest import csv_bytes
from tests.security.pages import World
from tests.security.test_host_header import address_of
from tests.security.test_nul import FIELDS, NAMES
from wsapp import clock, logs
from wsapp.crm.customers.models import CustomerKey
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db, insert_rows, new_id
from wsapp.web import limiter

CORE = "39172845"  # the digits that all numbers here have in common, and that nothing else has
OF_CUSTOMER, OF_CONTACT, OF_LEAD, OF_ROW = (f"1{CORE}{n:02}" for n in (1, 2, 3, 4))
SPELT = (OF_CUSTOMER, f"1{CORE}", f"+86 139 1728 4501 {CORE}", f"1{CORE}01x", f"{CORE}；{OF_LEAD}")


def numbers_in(log: io.StringIO) -> list[str]:
    """Return the lines of a log in which a number stands, however it is written."""
    return [line for line in log.getvalue().splitlines() if CORE in re.sub(r"[\s()-]", "", line)]


def test_this_file_would_see_one(log: io.StringIO) -> None:
    logs.get_logger().info("probe", phone="+86 (139) 1728-4501 39172845")
    assert len(numbers_in(log)) == 1


def make_records(me: Any) -> dict[str, str]:
    """Create a customer, a contact and a lead; type numbers wrongly, twice, and where they do not belong."""
    customer = me("POST", "/customers", {"name": "华星木业有限公司", "phones": [OF_CUSTOMER]}).get_json()
    path = f"/customers/{customer['id']}"
    contact = me("POST", f"{path}/contacts", {"name": "陈经理", "phones": [OF_CONTACT]})
    lead = me("POST", "/leads", {"name": "恒昌家具", "phones": [OF_LEAD]})
    assert (contact.status_code, lead.status_code) == (201, 201), contact.text + lead.text
    assert me("POST", "/customers", {"name": "另一家公司", "phones": [OF_CUSTOMER]}).status_code == 409
    for number in (f"{CORE}xyz", f"{CORE}" * 5, {"n": OF_CUSTOMER}):
        for body in (
            {"name": "错号码公司", "phones": [number]},
            {"phones": number},
            {"name": "甲", OF_CUSTOMER: number},
        ):
            assert me("POST", "/customers", body).status_code in (201, 409, 422)
            assert me("PATCH", path, body | {"version": 1}).status_code in (200, 409, 422)
            assert me("POST", "/leads", body).status_code in (201, 409, 422)
    for raw in (f'{{"phones": ["{OF_CUSTOMER}"', f'{{"phones": {OF_CUSTOMER}e999}}', f"[{OF_CUSTOMER}]"):
        assert me("POST", "/customers", raw=raw).status_code in (400, 422)
    for query in ("q", "phone", "cursor", "sort", "owner", OF_CUSTOMER):
        me("GET", f"/customers?{query}={OF_CUSTOMER}")
    me("GET", f"/duplicates?phones={OF_CUSTOMER}")
    return {"customer": str(customer["id"]), "contact": str(contact.get_json()["id"])}


@pytest.fixture
def me(app: Flask, cast: Cast, guan: Member) -> Any:
    """`me(method, path, json)`: the administrator over REST."""
    client, token = app.test_client(use_cookies=False), cast.token(guan)
    app.config["API_RATE"] = "100000 per minute"

    def ask(method: str, path: str, body: Any = None, *, raw: str = "", **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        if raw:
            more |= {"data": raw, "content_type": "application/json"}
        elif body is not None:
            more["json"] = body
        return client.open(f"/api/v1{path}", method=method, headers=headers, **more)

    return ask


def test_records_reveals_imports_exports_and_their_jobs(
    app: Flask, cast: Cast, me: Any, guan: Member, log: io.StringIO
) -> None:
    made = make_records(me)
    page = cast.sign_in(guan)
    token = page.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    for path in (f"/h5/customers/{made['customer']}", f"/h5/contacts/{made['contact']}"):
        shown = page.post(f"{path}/phones/0", headers={"X-CSRF-Token": token})
        assert CORE in shown.text, (path, shown.status_code)
    for text in SPELT[1:4]:
        for path in ("/h5/search", "/h5/customers", "/h5/leads", "/h5/pool", "/h5/bin", "/h5/customers/duplicates"):
            assert page.get(path, query_string={"q": text, "phones": text}).status_code == 200, path
    table = [
        ["客户名称", "手机"],
        ["甲公司木业", OF_ROW],
        ["", OF_ROW],
        ["乙公司木业", f"{CORE}x"],
        ["丙公司", OF_CUSTOMER],
    ]
    for name, body in (("a.csv", csv_bytes(table)), (f"{OF_ROW}.csv", b"%PDF")):
        me("POST", "/imports", data={"file": (io.BytesIO(body), name)})
    assert me("POST", "/exports", {"object": "customer", "filter": {"q": OF_CUSTOMER}}).status_code == 201
    me(
        "POST",
        "/tasks",
        {"title": f"打 {OF_CUSTOMER}", "customer": made["customer"], "due_at": f"{clock.now():%FT%TZ}"},
    )
    work(app)
    assert CORE in me("GET", "/customers?q=甲公司木业").text  # the import was done
    assert me("DELETE", f"/customers/{made['customer']}").status_code < 500
    work(app)
    assert log.getvalue().count('"event":"request"') > 45
    assert numbers_in(log) == []


def test_every_route_with_a_number_in_every_value(
    app: Flask, cast: Cast, world: World, guan: Member, me: Any, log: io.StringIO
) -> None:
    limiter.enabled = False
    page = cast.sign_in(guan)
    token = page.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    values, asked = dict.fromkeys((*NAMES, *FIELDS, "phones", "file_name"), OF_CUSTOMER), 0
    try:
        for rule in app.url_map.iter_rules():
            address = address_of(rule, world)
            if rule.rule.startswith(("/signout", "/callbacks/", "/_emulator", "/static")):
                continue
            for method in sorted((rule.methods or set()) & {"GET", "POST", "PATCH", "DELETE"}):
                asked += 1
                if rule.rule.startswith("/api/v1"):
                    more: dict[str, Any] = {} if method == "GET" else {"body": {"phones": [OF_CUSTOMER], "name": CORE}}
                    me(method, address.removeprefix("/api/v1") + f"?q={OF_CUSTOMER}", **more)
                else:
                    more = {} if method == "GET" else {"data": values, "headers": {"X-CSRF-Token": token}}
                    page.open(address, method=method, query_string=values, **more)
    finally:
        limiter.enabled = True
    assert asked > 300
    assert log.getvalue().count('"event":"request"') >= asked - 10
    assert numbers_in(log) == []


def test_an_error_of_the_database_keeps_the_number_to_itself(here: Flask, cast: Cast, log: io.StringIO) -> None:
    """PostgreSQL tells the values in what it adds to an error."""
    from wsapp.crm.customers.actions import create_customer

    with corp_scope(cast.corp_id):
        owner = db.session.merge(cast.member("ali"))
        made = create_customer({"name": "华星木业有限公司", "phones": [OF_CUSTOMER]}, actor=owner)
        db.session.commit()
        customer_id = made.id
        twice = {"customer_id": customer_id, "value": OF_CUSTOMER, "guard": OF_CUSTOMER}
        for values in ([twice, twice], [{**twice, "customer_id": OF_CUSTOMER}], [{**twice, "value": None}]):
            with pytest.raises(sa.exc.IntegrityError) as refusal:
                insert_rows(CustomerKey, [{"id": new_id(), **one} for one in values])
            db.session.rollback()
            logs.get_logger().error("probe", exc_info=refusal.value)
            logs.get_logger().error("probe", error=str(refusal.value))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    probes = [one for one in lines if one["event"] == "probe"]
    assert len(probes) == 6
    assert all("customer_key" in json.dumps(one) or "FOREIGN" in json.dumps(one) for one in probes)
    assert numbers_in(log) == []
