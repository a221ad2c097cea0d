"""DELETE, and the recycle bin over REST."""

from collections.abc import Callable
from typing import Any

from tests.api.conftest import Rest
from wsapp.crm.org.models import Member


def test_a_customer_is_deleted_gone_everywhere_and_restored(me: Rest, huaxing: dict[str, Any]) -> None:
    path = f"/customers/{huaxing['id']}"
    me.made(f"{path}/follow-ups", {"text": "谈了价格"})
    answer = me("DELETE", path)
    assert answer.status_code == 200
    gone = answer.get_json()
    assert (gone["id"], gone["object"], gone["title"]) == (huaxing["id"], "customer", huaxing["name"])
    assert (gone["counts"], gone["deleted_by"]) == ({"follow_up": 1}, "ali")
    assert me.get(path).status_code == 404
    assert me("DELETE", path).status_code == 404
    for listing in ("/customers", "/customers?q=华星", "/follow-ups"):
        assert me.items(listing) == []
    assert [one["id"] for one in me.items("/deletions?object=customer")] == [huaxing["id"]]
    again = me.post(f"/deletions/{huaxing['id']}/restoration")
    assert again.status_code == 200
    assert me.get(path).get_json()["phones"] == huaxing["phones"]
    assert [one["text"] for one in me.items("/follow-ups")] == ["谈了价格"]
    assert me.items("/deletions") == []


def test_a_phone_taken_meanwhile_answers_409_and_may_stay_away(me: Rest, huaxing: dict[str, Any]) -> None:
    me("DELETE", f"/customers/{huaxing['id']}")
    me.made("/customers", {"name": "东莞宏远家私厂", "phones": huaxing["phones"]})
    address = f"/deletions/{huaxing['id']}/restoration"
    answer = me.post(address)
    assert answer.status_code == 409
    assert answer.get_json()["errors"][0]["field"] == "phones"
    assert me.post(address, {"anyway": True}).status_code == 200
    assert me.get(f"/customers/{huaxing['id']}").get_json()["phones"] == []


def test_records_below_a_customer_go_one_by_one(me: Rest, huaxing: dict[str, Any]) -> None:
    path = f"/customers/{huaxing['id']}"
    log = me.made(f"{path}/follow-ups", {"text": "谈了价格"})
    visit = me.made(f"{path}/visits", {"note": "看了样品"})
    task = me.made("/tasks", {"title": "送样品", "due_at": "2030-01-01T09:00:00+08:00", "customer": huaxing["id"]})
    for address in (f"/follow-ups/{log['id']}", f"/visits/{visit['id']}", f"/tasks/{task['id']}"):
        assert me("DELETE", address).status_code == 200
        assert me.get(address).status_code == 404
    left = me.get(path).get_json()
    assert (left["last_followed_at"], left["last_visited_at"], left["next_follow_at"]) == (None, None, None)


def test_strangers_and_read_only_tokens_delete_nothing(
    me: Rest, rest: Callable[..., Rest], huaxing: dict[str, Any], ali: Member, cha: Member
) -> None:
    path = f"/customers/{huaxing['id']}"
    assert rest(cha)("DELETE", path).status_code == 404
    assert rest(ali, scopes=("read",))("DELETE", path).status_code == 403
    assert me.get(path).status_code == 200
    me("DELETE", path)
    assert rest(cha).items("/deletions") == []
    assert rest(cha).post(f"/deletions/{huaxing['id']}/restoration").status_code == 404
