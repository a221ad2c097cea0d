"""Setting up pools in the console."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import see
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.org.models import Member
from wsapp.crm.org.role_actions import give_roles
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


def test_a_pool_may_be_for_the_holders_of_roles(
    cast: Cast, see: Any, post: Any, ali: Member, cha: Member, guan: Member
) -> None:
    assert post(guan, "/admin/pools", {"name": "只读公海", "roles": ["reader"], "enabled": "1"}).status_code == 303
    assert "只读" in see(guan, "/admin/pools")
    with cast.app.app_context(), corp_scope(cast.corp_id):
        give_roles(db.session.merge(cha), ["reader"], actor=db.session.merge(guan))
        db.session.commit()
    for who, expected in ((ali, []), (cha, ["只读公海"])):
        with cast.app.app_context(), corp_scope(cast.corp_id):
            found = pools_of(db.session.get_one(Member, (cast.corp_id, who.id)))
            assert [one.name for one in found] == expected


def test_rules_of_recycling_of_its_own_are_rehearsed_before_they_are_kept(
    cast: Cast, post: Any, see: Any, ali: Member, guan: Member
) -> None:
    with cast.app.app_context(), corp_scope(cast.corp_id):
        made = create_customer({"name": "江门红木有限公司"}, actor=db.session.merge(ali))
        made.created_at = clock.now() - timedelta(days=10)
        db.session.commit()
    wanted = {**SOUTH, "recycle.no_follow": "9", "recycle.joined": "and", "recycle.no_deal": "0"}
    answer = post(guan, "/admin/pools", wanted)
    assert answer.status_code == 200
    assert "今天到期 1 个客户，7 天内共 1 个" in answer.text
    kept = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text)
    assert ("departments", "2") in kept
    assert "华南销售部" not in re.findall(r"row__cut\">([^<]*)", see(guan, "/admin/pools"))
    again = {name: value for name, value in kept if name != "csrf_token"}
    assert post(guan, "/admin/pools", again).status_code == 303
    with cast.app.app_context(), corp_scope(cast.corp_id):
        south = default_pool(db.session.merge(ali))
        assert south is not None
        assert dict(south.recycling) == {"no_follow": 9, "joined": "and", "no_deal": 0}
    page = see(guan, f"/admin/pools/{south.id}")
    assert 'name="recycle.no_follow" type="number" value="9"' in page
    assert post(guan, f"/admin/pools/{south.id}", {**wanted, "name": "华南一区公海"}).status_code == 303


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "长" * 61),
        ("departments", ["404"]),
        ("daily_claims", "201"),
        ("cool_down", "-1"),
        ("roles", ["404"]),
        ("recycle.no_follow", "366"),
        ("recycle.joined", "xor"),
    ],
)
def test_nonsense_is_refused(post: Any, guan: Member, field: str, value: Any) -> None:
    assert post(guan, "/admin/pools", {**SOUTH, field: value}).status_code == 422


def test_only_administrators_set_pools_up(post: Any, bob: Member) -> None:
    assert post(bob, "/admin/pools", SOUTH).status_code == 403
