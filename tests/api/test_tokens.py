"""Who may speak to the API: tokens, scopes, speed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.api.conftest import Rest
from tests.cast import Cast
from wsapp import clock
from wsapp.crm.org.actions import shut_out
from wsapp.crm.org.models import LEFT, ApiToken, Corp, Member
from wsapp.crm.org.queries import member
from wsapp.db import corp_scope, db, every_corp

MakeRest = Callable[..., Rest]

BAD_HEADERS = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer nonsense",
    "Basic YWxpOnB3",
    "Bearer wsapp_1_" + "0" * 48,
    "Bearer wsapp_99999999999999999999_" + "0" * 48,
    "Bearer wsapp_-1_" + "0" * 48,
    "Bearer wsapp_\xb2_" + "0" * 48,
    "Bearer " + "x" * 5000,
)


@pytest.mark.parametrize("header", BAD_HEADERS)
def test_without_a_valid_token_nothing_is_answered(app: Flask, cast: Cast, header: str) -> None:
    answer = app.test_client().get("/api/v1/customers", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.get_json()["status"] == 401


def test_a_session_is_no_token_and_no_cookie_comes_back(
    app: Flask, sign_in: Callable[..., FlaskClient], ali: Member, me: Rest
) -> None:
    assert sign_in(ali).get("/api/v1/customers").status_code == 401
    for path in ("/customers", "/openapi.json"):
        assert "Set-Cookie" not in me.get(path).headers
    docs = sign_in(ali).get("/api/docs")
    assert "Set-Cookie" not in docs.headers
    assert "Cookie" not in docs.headers.get("Vary", "")


def test_a_changed_corp_in_the_token_finds_nothing(app: Flask, cast: Cast, ali: Member) -> None:
    parts = cast.token(ali).split("_")
    forged = "_".join((parts[0], str(cast.other_corp_id), parts[2]))
    assert Rest(app, forged).get("/customers").status_code == 401


def test_an_expired_token_is_dead(app: Flask, cast: Cast, me: Rest) -> None:
    with app.app_context(), every_corp():
        db.session.execute(sa.update(ApiToken).values(expires_at=clock.now() - timedelta(seconds=1)))
        db.session.commit()
    assert me.get("/customers").status_code == 401


def test_a_leavers_token_dies_at_once(app: Flask, cast: Cast, me: Rest, ali: Member) -> None:
    assert me.get("/customers").status_code == 200
    with app.app_context(), corp_scope(cast.corp_id):
        leaver = member(ali.id)
        assert leaver
        shut_out(leaver, LEFT)
        db.session.commit()
    assert me.get("/customers").status_code == 401


def test_a_switched_off_corps_tokens_are_dead(app: Flask, cast: Cast, me: Rest) -> None:
    with app.app_context():
        corp = db.session.get(Corp, cast.corp_id)
        assert corp
        corp.enabled = False
        db.session.commit()
    assert me.get("/customers").status_code == 401


def test_scopes_are_kept_apart(rest: MakeRest, ali: Member, huaxing: dict[str, str]) -> None:
    reader, writer = rest(ali, scopes=("read",)), rest(ali, scopes=("write",))
    assert reader.get("/customers").status_code == 200
    for answer in (
        reader.post("/customers", {"name": "新客户"}),
        reader.patch(f"/customers/{huaxing['id']}", {"level": "A"}),
        reader.post(f"/customers/{huaxing['id']}/visits", {}),
        writer.get("/customers"),
    ):
        assert answer.status_code == 403
        assert answer.get_json()["type"].endswith("missing_scope")
    assert writer.post("/customers", {"name": "新客户"}).status_code == 201


def test_too_fast_is_answered_with_when_to_come_again(app: Flask, rest: MakeRest, ali: Member, bob: Member) -> None:
    app.config["API_RATE"] = "5 per minute"
    quick, other = rest(ali), rest(bob)
    statuses = [quick.get("/customers").status_code for _call in range(6)]
    assert statuses.count(429) >= 1
    refused = quick.get("/customers")
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert other.get("/customers").status_code == 200


def test_use_is_noted(app: Flask, me: Rest) -> None:
    me.get("/customers")
    with app.app_context(), every_corp():
        used = db.session.scalars(sa.select(ApiToken.used_at)).all()
    assert all(used)


def test_the_language_follows_the_request(me: Rest) -> None:
    english = me.get("/customers/nope", headers={"Accept-Language": "en"}).get_json()
    chinese = me.get("/customers/nope", headers={"Accept-Language": "zh-CN"}).get_json()
    assert chinese["title"] == "记录不存在或无权查看"
    assert english["status"] == chinese["status"] == 404
