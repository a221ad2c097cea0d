"""Visits, follow-ups and their photos over REST."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from tests.api.conftest import Rest, picture
from tests.cast import Cast
from wsapp import clock
from wsapp.crm.org.models import Member
from wsapp.files import link_holds

MakeRest = Callable[..., Rest]
HERE = {"lat": 23.1291, "lng": 113.2644}


@pytest.mark.parametrize(
    ("location", "trust"),
    [
        ({**HERE, "accuracy": 30}, "verified"),
        ({"lat": 23.135, "lng": 113.2644, "accuracy": 30}, "near"),
        ({"lat": 24.0, "lng": 113.2644, "accuracy": 30}, "far"),
        (None, "no_fix"),
    ],
)
def test_a_visit_says_how_far_its_place_can_be_trusted(
    me: Rest, huaxing: dict[str, Any], location: dict[str, float] | None, trust: str
) -> None:
    visit = me.made(f"/customers/{huaxing['id']}/visits", {"note": "谈了价格", "location": location})
    assert (visit["state"], visit["trust"], visit["note"], visit["member"]) == ("in", trust, "谈了价格", "ali")
    assert visit["customer"] == huaxing["id"]
    assert visit["checked_out_at"] is None
    if location is None:
        assert (visit["location"], visit["distance_m"]) == (None, None)
    else:
        assert {name: visit["location"][name] for name in location} == location
        assert visit["location"]["fixed_at"]
        assert isinstance(visit["distance_m"], float)


def test_an_old_fix_is_stale(me: Rest, huaxing: dict[str, Any]) -> None:
    old = (clock.now() - timedelta(minutes=10)).isoformat()
    visit = me.made("/visits", {"customer": huaxing["id"], "location": {**HERE, "accuracy": 10, "fixed_at": old}})
    assert visit["trust"] == "stale"
    assert visit["location"]["fixed_at"] == old


def test_who_checked_in_checks_out_once(rest: MakeRest, bob: Member, me: Rest, huaxing: dict[str, Any]) -> None:
    visit = me.made(f"/customers/{huaxing['id']}/visits", {"location": HERE})
    path = f"/visits/{visit['id']}"
    assert rest(bob).post(f"{path}/check-out").status_code == 403
    out = me.post(f"{path}/check-out", {"result": "有意向", "note": "下周报价"}).get_json()
    assert (out["state"], out["result"], out["note"]) == ("done", "有意向", "下周报价")
    assert out["checked_out_at"] >= out["checked_in_at"]
    assert me("POST", f"{path}/check-out").get_json() == out


def test_a_next_date_becomes_a_task_and_the_customer_moves_on(me: Rest, huaxing: dict[str, Any]) -> None:
    next_at = (clock.now() + timedelta(days=3)).replace(second=0, microsecond=0).isoformat()
    body = {"text": "电话谈了交期", "kind": "phone", "next_at": next_at, "next_action": "送样品"}
    follow_up = me.made(f"/customers/{huaxing['id']}/follow-ups", body)
    assert {field: follow_up[field] for field in body} == body
    assert follow_up["author"] == "ali"
    tasks = me.items(f"/tasks?customer={huaxing['id']}")
    assert [(one["title"], one["due_at"]) for one in tasks] == [("送样品", next_at)]
    customer = me.get(f"/customers/{huaxing['id']}").get_json()
    assert customer["stage"] == "contacted"
    assert customer["last_followed_at"] == follow_up["happened_at"]
    assert customer["next_follow_at"] == next_at


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": " "}, "text"),
        ({"text": "谈了", "kind": "telepathy"}, "kind"),
        ({"text": "谈了", "happened_at": "2020-01-01T00:00:00Z"}, "happened_at"),
        ({"text": "谈了", "next_at": "2020-01-01T00:00:00Z"}, "next_at"),
        ({"text": "谈了", "photos": ["nope"]}, "photos"),
        ({"text": "谈了", "photos": "nope"}, "photos"),
        ({"text": "谈了", "author": "bob"}, "author"),
    ],
)
def test_bad_follow_ups_are_refused(me: Rest, huaxing: dict[str, Any], body: dict[str, Any], field: str) -> None:
    answer = me.post(f"/customers/{huaxing['id']}/follow-ups", body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.get_json()["errors"]]
    assert me.items("/follow-ups") == []


def test_lists_show_what_the_team_did(
    rest: MakeRest, bob: Member, cha: Member, ivy: Member, me: Rest, huaxing: dict[str, Any]
) -> None:
    visit = me.made(f"/customers/{huaxing['id']}/visits", {"note": "到访"})
    follow_up = me.made("/follow-ups", {"customer": huaxing["id"], "text": "谈了"})
    for kind, record in (("visits", visit), ("follow-ups", follow_up)):
        who = "member" if kind == "visits" else "author"
        for path in (f"/{kind}", f"/customers/{huaxing['id']}/{kind}", f"/{kind}?{who}=ali"):
            for reader in (me, rest(bob)):
                assert reader.items(path) == [record], path
        assert rest(bob).items(f"/{kind}?{who}=bob") == []
        assert rest(bob).items(f"/{kind}?customer=other") == []
        for stranger in (cha, ivy):
            assert rest(stranger).items(f"/{kind}") == []
            assert rest(stranger).get(f"/{kind}/{record['id']}").status_code == 404
        assert rest(bob).get(f"/{kind}/{record['id']}").get_json() == record


# --- photos -------------------------------------------------------------------------------------------------------


def test_a_photo_is_uploaded_attached_and_linked(
    app: Flask, cast: Cast, rest: MakeRest, bob: Member, me: Rest, huaxing: dict[str, Any], ali: Member
) -> None:
    uploaded = me.upload(picture())
    assert uploaded.status_code == 201
    file = uploaded.get_json()
    assert set(file) == {"id", "url", "content_type", "size"}
    assert file["content_type"] == "image/jpeg"
    assert rest(bob).get(f"/files/{file['id']}").status_code == 404
    visit = me.made(f"/customers/{huaxing['id']}/visits", {"photos": [file["id"]]})
    assert visit["photos"] == [file["id"]]
    assert [one["id"] for one in visit["photo_links"]] == [file["id"]]
    again = rest(bob).get(f"/files/{file['id']}")
    assert again.status_code == 200
    query = {name: values[0] for name, values in parse_qs(urlsplit(file["url"]).query).items()}
    with app.app_context():
        assert link_holds(cast.corp_id, file["id"], ali.id, ali.epoch, query["e"], query["s"])
    assert query["m"] == ali.id


def test_others_photos_cannot_be_attached(rest: MakeRest, cha: Member, me: Rest, huaxing: dict[str, Any]) -> None:
    theirs = rest(cha).upload(picture()).get_json()["id"]
    mine = me.upload(picture("blue")).get_json()["id"]
    taken = me.made(f"/customers/{huaxing['id']}/visits", {"photos": [mine]})
    for photo in (theirs, mine):
        answer = me.post(f"/customers/{huaxing['id']}/visits", {"photos": [photo]})
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == "photos"
    assert me.items("/visits") == [taken]
    assert me.get(f"/files/{theirs}").status_code == 404


@pytest.mark.parametrize("raw", [b"", b"GIF89a", b"<svg onload=alert(1)>", b"\xff\xd8\xff\xe0 cut"])
def test_what_is_no_photo_is_refused(me: Rest, raw: bytes) -> None:
    answer = me.upload(raw)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "file"


def test_other_fields_and_forms_are_refused(me: Rest) -> None:
    import io

    assert me.post("/files", {"file": "x"}).status_code == 415
    wrong = me("POST", "/files", data={"photo": (io.BytesIO(picture()), "a.png")})
    assert wrong.status_code == 422
    assert "file" in wrong.get_json()["errors"][0]["message"]
    both = me("POST", "/files", data={"file": [(io.BytesIO(picture()), "a.png"), (io.BytesIO(picture()), "b.png")]})
    assert both.status_code == 422
