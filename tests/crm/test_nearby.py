"""Customers around a place by their worth, and the shortest way over a day's stops."""

import random
from datetime import timedelta
from itertools import pairwise, permutations

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.org.models import Member
from wsapp.crm.visits.nearby import _inside, customers_near
from wsapp.crm.visits.route import MOST, shortest
from wsapp.db import corp_scope, db, is_postgresql
from wsapp.geo import Position, metres_between
from wsapp.problems import Forbidden

HERE = (22.5431, 114.0579)
METRES = 1 / 111_195  # degrees of latitude


def own(member: Member) -> Member:
    return db.session.merge(member)


def customer_at(actor: Member, name: str, north: float, **more: object) -> Customer:
    made = create_customer({"name": name, "location": {"lat": HERE[0] + north * METRES, "lng": HERE[1]}}, actor=actor)
    for key, value in more.items():
        setattr(made, key, value)
    db.session.flush()
    return made


@pytest.mark.parametrize(
    ("kilometres", "expected"),
    [(1, ["甲", "乙"]), (3, ["甲", "乙", "丙"]), (5, ["甲", "乙", "丙"]), (10, ["甲", "乙", "丙", "丁"])],
)
def test_within_the_circle_and_not_only_the_box(here: Flask, ali: Member, kilometres: int, expected: str) -> None:
    actor = own(ali)
    for name, north in (("甲", 0), ("乙", 999), ("丙", -2990), ("丁", 9990), ("戊", 10_050)):
        customer_at(actor, f"{name}公司", north)
    corner = customer_at(actor, "角公司", 900)
    corner.lng = HERE[1] + 0.0087  # some 890 m east, too: inside the box, 1,270 m away
    db.session.flush()
    found = customers_near(HERE, kilometres, actor=actor, by_distance=True)
    assert [one.name for one in found if one.name != "角公司"] == [f"{name}公司" for name in expected]
    assert ("角公司" in [one.name for one in found]) is (kilometres > 1)
    assert [one.metres for one in found] == sorted(one.metres for one in found)


def test_the_worthiest_first_and_hidden_fields_tell_nothing(here: Flask, ali: Member, guan: Member) -> None:
    actor, now = own(ali), clock.now()
    customer_at(actor, "刚跟进的A", 10, level="A", last_followed_at=now)
    customer_at(actor, "久未跟进的C", 20, level="C", created_at=now - timedelta(days=90))
    customer_at(actor, "逾期的B", 30, level="B", last_followed_at=now, next_follow_at=now - timedelta(days=1))
    customer_at(actor, "去过的D", 40, level="D", last_followed_at=now, last_visited_at=now)
    ranked = [(one.name, one.worth) for one in customers_near(HERE, 1, actor=actor)]
    assert ranked == [("久未跟进的C", 80), ("逾期的B", 60), ("刚跟进的A", 40), ("去过的D", 10)]
    assert len(customers_near(HERE, 1, actor=actor, unvisited_days=7)) == 3
    rule_field("customer", "level", {"seller": "hidden"}, actor=own(guan))
    db.session.flush()
    actor.__dict__.pop("_field_rules", None)
    assert {one.level for one in customers_near(HERE, 1, actor=actor)} == {None}
    rule_field("customer", "location", {"seller": "hidden"}, actor=own(guan))
    actor.__dict__.pop("_field_rules", None)
    with pytest.raises(Forbidden):
        customers_near(HERE, 1, actor=actor)


def test_others_customers_are_not_near(here: Flask, ali: Member, cha: Member, bob: Member) -> None:
    customer_at(own(ali), "阿丽的客户", 100)
    assert [one.name for one in customers_near(HERE, 1, actor=own(bob))] == ["阿丽的客户"]
    assert customers_near(HERE, 1, actor=own(cha)) == []


def test_the_box_is_answered_by_the_index(here: Flask, guan: Member) -> None:
    if is_postgresql():
        pytest.skip("PostgreSQL reads a table of a few rows whole")
    query = _inside(HERE, 1000, own(guan), 0).compile(db.engine, compile_kwargs={"literal_binds": True})
    wall = str(query).replace("WHERE ", f"WHERE customer.corp_id = {guan.corp_id} AND ", 1)
    plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {wall}").all()
    assert "ix_customer_place" in str(plan), plan


def _length(order: tuple[int, ...], stops: list[Position], start: Position | None) -> float:
    way = [*([start] if start else []), *(stops[at] for at in order)]
    return sum(metres_between(one, other) for one, other in pairwise(way))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("start", [None, HERE])
def test_the_way_is_the_shortest_of_all(count: int, start: Position | None) -> None:
    chance = random.Random(count)
    stops = [(HERE[0] + chance.uniform(-0.1, 0.1), HERE[1] + chance.uniform(-0.1, 0.1)) for _one in range(count)]
    order, length = shortest(stops, start)
    assert sorted(order) == list(range(count))
    best = min((_length(one, stops, start) for one in permutations(range(count))), default=0)
    assert length == pytest.approx(best)
    assert _length(tuple(order), stops, start) == pytest.approx(length)


def test_ten_stops_and_no_more() -> None:
    stops = [(HERE[0] + at * 0.01, HERE[1]) for at in (3, 1, 4, 8, 5, 9, 2, 6, 7, 0)]
    order, _length_of_it = shortest(stops, (HERE[0] - 0.01, HERE[1]))
    assert order == [9, 1, 6, 0, 2, 4, 7, 8, 3, 5]
    with pytest.raises(ValueError, match="10"):
        shortest([*stops, HERE], None)
    assert len(stops) == MOST


def test_of_equal_ways_the_stops_keep_their_order() -> None:
    there = (HERE[0] + 0.01, HERE[1])
    assert shortest([HERE, HERE, HERE]) == ([0, 1, 2], 0.0)
    assert shortest([HERE, there])[0] == [0, 1]
    assert shortest([there, HERE], HERE)[0] == [1, 0]


def test_pages_of_near_and_route(app: Flask, cast: Cast, ali: Member, cha: Member, sign_in: object) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        actor = own(ali)
        near, far = customer_at(actor, "近的公司", 100).id, customer_at(actor, "远的公司", 2500).id
        nowhere = create_customer({"name": "没有位置的公司"}, actor=actor).id
        hers = customer_at(own(cha), "小查的公司", 50).id
        db.session.commit()
    client: FlaskClient = sign_in(ali)  # type: ignore[operator]
    where = f"lat={HERE[0]}&lng={HERE[1]}&coordinate=gcj02"
    page = client.get(f"/h5/nearby?{where}&km=1").text
    assert "近的公司" in page
    assert "远的公司" not in page
    assert "小查的公司" not in page
    around = client.get(f"/h5/nearby?customer={near}").text
    assert "远的公司" in around
    stops = "&".join(f"stop={one}" for one in (far, near, nowhere, hers))
    route = client.get(f"/h5/route?{stops}&{where}").text
    assert route.index("近的公司") < route.index("远的公司")
    assert "小查的公司" not in route
    assert "2 位客户还没有位置" in route
    assert f"to={HERE[1]}%2C" in route
    assert "https://uri.amap.com/navigation?" in route
    with app.app_context(), corp_scope(cast.corp_id):
        more = [customer_at(own(ali), f"第{n}站", 10 * n).id for n in range(11)]
        db.session.commit()
    assert "最多 10 站" in client.get("/h5/route?" + "&".join(f"stop={one}" for one in more)).text
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalar(sa.text("SELECT count(*) FROM visit")) == 0  # where she is was kept nowhere
