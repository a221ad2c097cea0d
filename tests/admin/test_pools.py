"""Setting up pools in the console."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import see
from wsapp.crm.org.models import Member
from wsapp.crm.pools.queries import FIRST_POOL, default_pool, is_for, pools_of
from wsapp.db import corp_scope, db

__all__ = ["see"]


@pytest.fixture
def post(sign_in: Callable[..., FlaskClient]) -> Callable[..., Any]:
    """`post(member, path, data)` posts a form with the token of the session."""

    def send(member: Member, path: str, data: dict[str, Any]) -> Any:
        browser = sign_in(member)
        token = browser.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
        return browser.post(path, data={"csrf_token": token, **data})

    return send


SOUTH = {
    "name": "华南公海",
    "departments": ["2"],
    "hidden": ["phones"],
    "enabled": "1",
    "is_default": "1",
    "daily_claims": "3",
    "level_A": "5",
}


def test_a_pool_is_made_and_changed(cast: Cast, see: Any, post: Any, ali: Member, cha: Member, guan: Member) -> None:
    assert "公司公海" in see(guan, "/admin/pools")
    assert post(guan, "/admin/pools", {**SOUTH, "managers": [cha.id]}).status_code == 303

    def pools(who: Member) -> list[str]:
        with cast.app.app_context(), corp_scope(cast.corp_id):
            return [one.name for one in pools_of(db.session.merge(who))]

    assert (pools(ali), pools(cha)) == (["公司公海", "华南公海"], ["公司公海", "华南公海"])
    with cast.app.app_context(), corp_scope(cast.corp_id):
        south = default_pool(db.session.merge(ali))
        assert south is not None
        assert (south.name, south.limit("daily_claims"), south.limit("cool_down")) == ("华南公海", 3, 7)
        assert (dict(south.levels), south.hidden) == ({"A": 5}, {"phones"})
        assert not is_for(south, db.session.merge(cha))
        assert default_pool(db.session.merge(cha)).id == FIRST_POOL  # type: ignore[union-attr]
    page = see(guan, f"/admin/pools/{south.id}")
    assert 'value="华南公海"' in page
    changed = {**SOUTH, "name": "华南一区公海", "daily_claims": ""}
    assert post(guan, f"/admin/pools/{south.id}", changed).status_code == 303
    assert (pools(ali), pools(cha)) == (["公司公海", "华南一区公海"], ["公司公海"])
    assert post(guan, f"/admin/pools/{south.id}", {**changed, "enabled": ""}).status_code == 303
    assert pools(ali) == ["公司公海"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "长" * 61), ("departments", ["404"]), ("daily_claims", "201"), ("cool_down", "-1")],
)
def test_nonsense_is_refused(post: Any, guan: Member, field: str, value: Any) -> None:
    assert post(guan, "/admin/pools", {**SOUTH, field: value}).status_code == 422


def test_only_administrators_set_pools_up(post: Any, bob: Member) -> None:
    assert post(bob, "/admin/pools", SOUTH).status_code == 403
