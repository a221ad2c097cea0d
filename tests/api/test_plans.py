"""/plans: planned visits over REST."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from tests.api.conftest import Rest
from wsapp.crm.org.models import Member


@pytest.fixture
def nine() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 3, 4, 1, 0, tzinfo=UTC), tick=False):
        yield


def test_plans_over_rest(nine: None, rest: Callable[..., Rest], ali: Member, bob: Member, cha: Member) -> None:
    me, boss, stranger = rest(ali), rest(bob), rest(cha)
    customer = me.made("/customers", {"name": "佛山市华星家具有限公司"})["id"]
    body = {
        "kind": "巡店",
        "starts_at": "2026-03-04T10:00:00+08:00",
        "ends_at": "2026-03-04T11:00:00+08:00",
        "participants": ["bob"],
    }
    sent = {"Idempotency-Key": "plan-1"}
    made = me.post(f"/customers/{customer}/plans", body, headers=sent)
    assert (made.status_code, me.post(f"/customers/{customer}/plans", body, headers=sent).json) == (201, made.json)
    plan = made.get_json()
    assert (plan["state"], plan["member"], plan["participants"], plan["version"]) == ("planned", "ali", ["bob"], 1)
    assert plan["checklist"][0] == {"text": "门头照片", "done": False}
    other = me.made("/plans", {**body, "customer": customer, "starts_at": "2026-03-04T10:30:00+08:00"})
    assert [one["id"] for one in boss.items("/plans?member=ali&state=planned")] == [plan["id"], other["id"]]
    assert [one["id"] for one in me.items(f"/customers/{customer}/plans?starts_after=2026-03-04T02:15:00Z")] == [
        other["id"]
    ]
    assert stranger.items("/plans") == []
    assert stranger.get(f"/plans/{plan['id']}").status_code == 404
    assert me.post("/plans", {**body, "customer": customer, "kind": "没有"}).status_code == 422
    assert me.post("/plans", {**body, "customer": customer, "participants": ["nobody"]}).status_code == 422
    path = f"/plans/{plan['id']}"
    stale = me.patch(path, {"purpose": "看样"}, headers={"If-Match": '"9"'})
    assert (stale.status_code, stale.get_json()["current"]["version"]) == (412, 1)
    assert me.patch(path, {"purpose": "看样"}, headers={"If-Match": '"1"'}).get_json()["purpose"] == "看样"
    assert boss.patch(path, {"purpose": "改"}).status_code == 403
    assert boss.post(f"{path}/departure").get_json()["state"] == "on_way"
    assert me.post(f"/plans/{other['id']}/cancellation", {"reason": "出差"}).get_json()["reason"] == "出差"
    assert me.post(f"/plans/{other['id']}/departure").status_code == 409
