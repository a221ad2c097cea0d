"""Customers of the pools around a place: as the pool's own list shows them, and never where they are."""

import re
from collections.abc import Callable
from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.crm.test_visit_plans import csrf, own
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.org.models import Member
from wsapp.crm.org.standing import changed
from wsapp.crm.pools.models import Pool
from wsapp.crm.pools.nearby import pooled_near
from wsapp.crm.pools.queries import make_first_pool, pool_for, pools_of, today
from wsapp.crm.visits.nearby import KILOMETRES
from wsapp.db import corp_scope, db

HERE = (22.5431, 114.0579)
METRE = 1 / 111_195


def pooled(name: str, metres: float, actor: Member) -> Customer:
    """Make a customer that lies in the corp's pool, so far north of HERE."""
    if not pools_of(actor):
        make_first_pool()
    place = {"lat": HERE[0] + metres * METRE, "lng": HERE[1]}
    values = {
        "name": name,
        "phones": [f"138{len(name):03}{metres:05.0f}"],
        "address": "高新南一道 6 号",
        "location": place,
    }
    made = create_customer(values, actor=actor)
    made.owner_id, made.pool_id, made.pooled_at = None, pools_of(actor)[0].id, clock.now()
    db.session.flush()
    return made


def near(actor: Member, kilometres: int, place: tuple[float, float] = HERE) -> list[tuple[str, int]]:
    pool = pool_for(pools_of(actor)[0].id, actor=actor)
    found = pooled_near(place, kilometres, pool, actor=actor, steps=KILOMETRES)
    return [(one.row.name, one.kilometres) for one in found]


def test_who_is_near_by_whole_steps_and_who_rests_is_not_shown(here: Flask, ali: Member, guan: Member) -> None:
    actor = own(ali)
    pooled("近处", 400, actor)
    pooled("远处", 4000, actor)
    pooled("很远", 20_000, actor)
    resting = pooled("休眠公司", 400, actor)
    resting.rests_until = today() + timedelta(days=3)
    db.session.flush()
    assert near(actor, 3) == [("近处", 1)]
    assert near(actor, 5) == [("近处", 1), ("远处", 5)]
    assert {name for name, _km in near(own(guan), 1)} == {"休眠公司", "近处"}  # she manages the pool


def test_no_number_of_questions_tells_where_a_customer_is(here: Flask, ali: Member) -> None:
    """Two customers in one square of the grid answer alike, wherever one asks from."""
    actor = own(ali)
    for name, lat in (("甲公司", 22.5412), ("乙公司", 22.5438)):
        made = pooled(name, lat * 1000, actor)
        made.lat, made.lng = lat, 114.0561
    db.session.flush()
    for step in range(-40, 41):
        found = near(actor, 3, (HERE[0] + step * 100 * METRE, HERE[1]))
        assert len({kilometres for _name, kilometres in found}) <= 1
        assert len(found) in (0, 2), step


def test_a_pool_that_shows_addresses_tells_true_distances(here: Flask, ali: Member) -> None:
    actor = own(ali)
    pooled("近处", 990, actor)
    pool = db.session.get(Pool, (actor.corp_id, pools_of(actor)[0].id))
    assert pool is not None
    pool.hidden = ["phones"]
    changed()
    db.session.flush()
    assert near(actor, 1) == [("近处", 1)]
    assert near(actor, 1, (HERE[0] - 20 * METRE, HERE[1])) == []


def test_who_may_not_read_positions_gets_none(here: Flask, ali: Member, guan: Member) -> None:
    actor = own(ali)
    pooled("近处", 400, actor)
    rule_field("customer", "location", {"seller": "hidden"}, actor=own(guan))
    actor.__dict__.pop("_field_rules", None)
    assert near(actor, 10) == []


def test_the_page_shows_them_masked_and_claims(
    app: Flask, cast: Cast, ali: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        customer_id = pooled("江门红木博览城", 400, own(ali)).id
        db.session.commit()
    client = sign_in(ali)
    page = client.get(f"/h5/nearby?lat={HERE[0]}&lng={HERE[1]}&coordinate=gcj02&km=3").text
    listed = page[page.index('id="nearby-pool"') :]
    assert "江门红木博览城" in listed
    assert "1 公里内" in listed
    assert "高新南一道" not in listed
    assert "13800" not in listed
    assert re.search(r"22\.54\d{3}", listed) is None
    claim = f"/h5/pool/{customer_id}/claim"
    assert f'formaction="{claim}"' in listed
    assert client.post(claim, data=csrf(client)).location == f"/h5/customers/{customer_id}"
    assert "nearby-pool" not in client.get(f"/h5/nearby?lat={HERE[0]}&lng={HERE[1]}&coordinate=gcj02&km=3").text
