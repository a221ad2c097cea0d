"""Pools over REST: claim, release, assignment; caps that hold, and one winner of many."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.api.conftest import Rest
from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import Department, Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools.models import Ownership, Pool, PoolDay
from wsapp.crm.pools.queries import FIRST_POOL
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db, new_id

MakeRest = Callable[..., Rest]


@pytest.fixture
def work(app: Flask, cast: Cast) -> Callable[[Callable[[], Any]], Any]:
    """`work(f)` does something inside the cast's corp and commits."""

    def run(deed: Callable[[], Any]) -> Any:
        with app.app_context(), corp_scope(cast.corp_id):
            found = deed()
            db.session.commit()
            return found

    return run


def put_into_pool(count: int, *, pool_id: str = FIRST_POOL, level: str | None = None, days: float = 0) -> list[str]:
    """Write customers into a pool as if released `days` ago."""
    at = clock.now() - timedelta(days=days)
    made = [
        Customer(
            id=new_id(),
            name=f"公海第{number}家具厂",
            name_key=f"公海第{number}家具厂",
            pool_id=pool_id,
            pooled_at=at,
            level=level,
            created_at=at,
            updated_at=at,
            version=1,
        )
        for number in range(count)
    ]
    db.session.add_all(made)
    db.session.flush()
    return [one.id for one in made]


def fields(answer: Any) -> list[str]:
    return [one["field"] for one in answer.get_json()["errors"]]


# --- pools and release --------------------------------------------------------------------------------------------


def test_a_new_corp_has_a_pool_for_everybody(me: Rest) -> None:
    pools = me.items("/pools")
    assert [(one["departments"], one["is_default"]) for one in pools] == [([], True)]
    assert me.get(f"/pools/{pools[0]['id']}").get_json() == pools[0]
    assert me.get("/pools/00000000000000000000").status_code == 404


def test_a_release_that_the_manager_decides_is_accepted(
    me: Rest, bob: Member, work: Any, huaxing: dict[str, Any]
) -> None:
    work(lambda: set_rules({"pool.release_approval": True}))
    answer = me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"})
    assert (answer.status_code, answer.get_json()["owner"], answer.get_json()["pool"]) == (202, "ali", None)
    assert me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"}).status_code == 409


def test_a_released_customer_is_its_owners_no_longer(
    me: Rest, rest: MakeRest, guan: Member, huaxing: dict[str, Any]
) -> None:
    assert me.post(f"/customers/{huaxing['id']}/release", {}).status_code == 422
    empty = me.post(f"/customers/{huaxing['id']}/release", {"reason": "  "})
    assert (empty.status_code, fields(empty)) == (422, ["reason"])
    wrong = me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上", "pool": "nirgends"})
    assert (wrong.status_code, fields(wrong)) == (422, ["pool"])
    answer = me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"})
    assert answer.status_code == 200
    body = answer.get_json()
    assert (body["owner"], body["pool"], body["version"]) == (None, FIRST_POOL, 2)
    assert me.get(f"/customers/{huaxing['id']}").status_code == 404
    assert me.items("/customers") == []
    assert me.post(f"/customers/{huaxing['id']}/release", {"reason": "再来"}).status_code == 404
    admin = rest(guan)
    again = admin.post(f"/customers/{huaxing['id']}/release", {"reason": "再来"})
    assert (again.status_code, fields(again)) == (409, ["pool"])
    events = [one["kind"] for one in admin.items(f"/events?subject={huaxing['id']}")]
    assert "customer.released" in events


def test_a_pool_shows_masked_phones_and_no_hidden_field(
    me: Rest, rest: MakeRest, cha: Member, guan: Member, huaxing: dict[str, Any]
) -> None:
    me.patch(f"/customers/{huaxing['id']}", {"address": "大良街道 88 号", "note": "老板姓黄", "city": "佛山市"})
    me.post(f"/customers/{huaxing['id']}/release", {"reason": "no_answer"})
    (seen,) = rest(cha).items(f"/pools/{FIRST_POOL}/customers")
    assert (seen["phones"], seen["address"], seen["note"], seen["city"]) == (["138****8000"], "", "", "佛山市")
    (known,) = rest(guan).items(f"/pools/{FIRST_POOL}/customers")
    assert (known["phones"], known["note"]) == (["13800138000"], "老板姓黄")
    assert rest(cha).get(f"/customers/{huaxing['id']}").status_code == 404
    assert rest(cha).items(f"/customers?pool={FIRST_POOL}") == []


def test_release_ends_tasks_and_co_working_and_remembers_the_owner(
    me: Rest, cha: Member, work: Any, huaxing: dict[str, Any]
) -> None:
    due = (clock.now() + timedelta(days=1)).isoformat()
    task = me.made("/tasks", {"title": "寄样品", "due_at": due, "customer": huaxing["id"]})
    row = Coworker(customer_id=huaxing["id"], member_id=cha.id, since=clock.now())
    work(lambda: db.session.add(row))
    me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"})

    def check() -> None:
        kept = db.session.scalars(sa.select(Task).where(Task.id == task["id"])).one()
        assert (kept.state, "联系不上" in kept.done_note) == ("cancelled", True)
        assert db.session.scalars(sa.select(Coworker)).all() == []
        owned = db.session.scalars(sa.select(Ownership)).one()
        assert (owned.customer_id, owned.ending, owned.reason) == (huaxing["id"], "released", "联系不上")
        assert owned.until is not None

    work(check)


def test_a_release_goes_to_the_default_pool_of_the_owners_department(
    me: Rest, rest: MakeRest, cha: Member, work: Any, huaxing: dict[str, Any]
) -> None:
    me.items("/pools")

    def make() -> str:
        from wsapp.crm.org.standing import changed

        now = clock.now()
        pool = Pool(name="华南公海", departments=["2"], is_default=True, created_at=now, updated_at=now)
        db.session.add(pool)
        db.session.flush()
        changed()
        return pool.id

    south = work(make)
    body = me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"}).get_json()
    assert body["pool"] == south
    stranger = rest(cha)  # of another department: neither sees the pool nor what is in it
    assert south not in [one["id"] for one in stranger.items("/pools")]
    assert stranger.get(f"/pools/{south}").status_code == 404
    assert stranger.get(f"/pools/{south}/customers").status_code == 404
    assert stranger.post(f"/customers/{huaxing['id']}/claim").status_code == 404


# --- claim --------------------------------------------------------------------------------------------------------


def test_a_claim_makes_the_owner(me: Rest, rest: MakeRest, cha: Member, work: Any) -> None:
    (customer,) = work(lambda: put_into_pool(1))
    me.items("/pools")
    answer = me.post(f"/customers/{customer}/claim")
    assert answer.status_code == 200
    assert (answer.get_json()["owner"], answer.get_json()["pool"]) == ("ali", None)
    lost = rest(cha).post(f"/customers/{customer}/claim")
    assert (lost.status_code, fields(lost)) == (409, ["pool"])
    twice = me.post(f"/customers/{customer}/claim")
    assert (twice.status_code, fields(twice)) == (409, ["pool"])
    assert me.post("/customers/00000000000000000000/claim").status_code == 404
    assert rest(cha).get(f"/customers/{customer}").status_code == 404


def test_a_stranger_of_another_corp_claims_nothing(me: Rest, rest: MakeRest, ivy: Member, work: Any) -> None:
    (customer,) = work(lambda: put_into_pool(1))
    me.items("/pools")
    assert rest(ivy).post(f"/customers/{customer}/claim").status_code == 404


def test_the_former_owner_waits_and_others_do_not(
    me: Rest, rest: MakeRest, bob: Member, work: Any, huaxing: dict[str, Any]
) -> None:
    me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"})
    cool = me.post(f"/customers/{huaxing['id']}/claim")
    assert (cool.status_code, fields(cool)) == (409, ["cool_down"])

    def a_week_ago() -> None:
        db.session.execute(sa.update(Ownership).values(until=clock.now() - timedelta(days=7, minutes=1)))

    work(a_week_ago)
    assert me.post(f"/customers/{huaxing['id']}/claim").status_code == 200
    me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"})
    assert rest(bob).post(f"/customers/{huaxing['id']}/claim").status_code == 200


def test_the_entry_delay_counts_from_the_pool_and_not_from_an_edit(
    me: Rest, rest: MakeRest, guan: Member, work: Any
) -> None:
    work(lambda: set_rules({"pool.entry_delay": 2}))
    (old,) = work(lambda: put_into_pool(1, days=3))
    (young,) = work(lambda: put_into_pool(1, days=1))
    me.items("/pools")
    assert rest(guan).patch(f"/customers/{old}", {"level": "A"}).status_code == 200  # a peer restarts the delay here
    early = me.post(f"/customers/{young}/claim")
    assert (early.status_code, fields(early)) == (409, ["entry_delay"])
    assert me.post(f"/customers/{old}/claim").status_code == 200


def test_daily_holding_and_level_caps(me: Rest, work: Any) -> None:
    me.items("/pools")
    customers = work(lambda: put_into_pool(12))
    answers = [me.post(f"/customers/{one}/claim") for one in customers]
    assert Counter(one.status_code for one in answers) == {200: 10, 409: 2}
    assert fields(answers[-1]) == ["daily_claims"]
    work(lambda: set_rules({"pool.daily_claims": 0, "pool.holding": 11}))
    assert me.post(f"/customers/{customers[10]}/claim").status_code == 200
    full = me.post(f"/customers/{customers[11]}/claim")
    assert (full.status_code, fields(full)) == (409, ["holding"])
    me.patch(f"/customers/{customers[0]}", {"stage": "dealt"})  # dealt ones do not count
    assert me.post(f"/customers/{customers[11]}/claim").status_code == 200
    assert len(me.items("/customers?limit=50")) == 12

    def one_of_level_a() -> list[str]:
        from wsapp.crm.org.standing import changed

        pool = db.session.scalars(sa.select(Pool)).one()
        pool.rules = {"level_holding": {"A": 1}, "holding": 0}
        changed()
        return put_into_pool(2, level="A")

    first, second = work(one_of_level_a)
    assert me.post(f"/customers/{first}/claim").status_code == 200
    assert fields(me.post(f"/customers/{second}/claim")) == ["holding"]


def test_a_refused_claim_counts_nothing(me: Rest, work: Any, huaxing: dict[str, Any]) -> None:
    me.post(f"/customers/{huaxing['id']}/release", {"reason": "联系不上"})
    assert me.post(f"/customers/{huaxing['id']}/claim").status_code == 409
    work(lambda: set_rules({"pool.holding": 1, "pool.cool_down": 0}))
    me.made("/customers", {"name": "占位公司"})
    assert fields(me.post(f"/customers/{huaxing['id']}/claim")) == ["holding"]
    assert work(lambda: [one.claims for one in db.session.scalars(sa.select(PoolDay))]) in ([], [0])


# --- at once ------------------------------------------------------------------------------------------------------


def crowd(app: Flask, cast: Cast, count: int) -> list[Rest]:
    """Return REST clients of so many new members."""
    with app.app_context(), corp_scope(cast.corp_id):
        for number in range(count):
            facts = SimpleNamespace(
                userid=f"s{number}",
                unionid="",
                name=f"销售{number}",
                departments=("2",),
                main_department="2",
                leads=(),
                manager="",
                position="",
                avatar="",
                phone="",
                is_admin=False,
                status="active",
            )
            org.keep_member(facts, fold=True, leads_root=False)
        db.session.flush()
        people = list(db.session.scalars(sa.select(Member).where(Member.name.like("销售%"))))
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Department)) == 3
        db.session.commit()
        db.session.expunge_all()
    return [Rest(app, cast.token(one)) for one in people]


def all_at_once(clients: list[Rest], paths: list[str]) -> list[Any]:
    start = Barrier(len(clients))

    def claim(client: Rest, path: str) -> Any:
        start.wait()
        return client.post(path)

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(claim, clients, paths))


@pytest.mark.parametrize("count", [100, pytest.param(200, marks=pytest.mark.long)])
def test_of_many_claims_at_once_one_wins(app: Flask, cast: Cast, me: Rest, work: Any, count: int) -> None:
    me.items("/pools")
    (customer,) = work(lambda: put_into_pool(1))
    clients = crowd(app, cast, count)
    answers = all_at_once(clients, [f"/customers/{customer}/claim"] * count)
    assert Counter(one.status_code for one in answers) == {200: 1, 409: count - 1}
    assert {tuple(fields(one)) for one in answers if one.status_code == 409} == {("pool",)}
    assert work(lambda: db.session.scalar(sa.select(sa.func.count()).select_from(Ownership))) == 1
    assert work(lambda: db.session.scalar(sa.select(sa.func.sum(PoolDay.claims)))) == 1


@pytest.mark.parametrize(("rule", "most"), [("pool.daily_claims", 5), ("pool.holding", 7)])
def test_caps_hold_when_one_person_claims_everything_at_once(me: Rest, work: Any, rule: str, most: int) -> None:
    me.items("/pools")
    work(lambda: set_rules({"pool.daily_claims": 0, rule: most}))
    customers = work(lambda: put_into_pool(20))
    answers = all_at_once([me] * 20, [f"/customers/{one}/claim" for one in customers])
    assert Counter(one.status_code for one in answers) == {200: most, 409: 20 - most}
    assert len(me.items("/customers?limit=50")) == most


# --- assignment ---------------------------------------------------------------------------------------------------


def test_a_manager_of_the_pool_assigns_out_of_it(
    me: Rest, rest: MakeRest, bob: Member, guan: Member, work: Any
) -> None:
    me.items("/pools")
    (customer,) = work(lambda: put_into_pool(1))
    assert me.post(f"/customers/{customer}/assignment", {"owner": "ali"}).status_code == 404
    assert rest(bob).post(f"/customers/{customer}/assignment", {"owner": "ali"}).status_code == 404
    answer = rest(guan).post(f"/customers/{customer}/assignment", {"owner": "ali"})
    assert (answer.status_code, answer.get_json()["owner"], answer.get_json()["pool"]) == (200, "ali", None)
    assert me.get(f"/customers/{customer}").status_code == 200


def test_assignment_within_the_team_keeps_the_history(
    me: Rest, rest: MakeRest, ali: Member, bob: Member, work: Any, huaxing: dict[str, Any]
) -> None:
    boss = rest(bob)
    assert boss.post(f"/customers/{huaxing['id']}/assignment", {"owner": "bob"}).get_json()["owner"] == "bob"
    assert me.get(f"/customers/{huaxing['id']}").status_code == 404
    assert boss.post(f"/customers/{huaxing['id']}/assignment", {"owner": "cha"}).status_code == 422
    history = work(
        lambda: [
            (one.owner_id, one.ending) for one in db.session.scalars(sa.select(Ownership).order_by(Ownership.until))
        ]
    )
    assert sorted(history) == sorted([(ali.id, "assigned"), (bob.id, "")])


def test_the_id_of_before_a_merge_leads_to_the_winner_in_its_pool(me: Rest, work: Any, guan: Member) -> None:
    winner, loser = (me.made("/customers", {"name": name})["id"] for name in ("佛山市华星家具有限公司", "顺德分店"))
    assert me.post(f"/customers/{loser}/merge", {"into": winner}).status_code == 200
    assert me.post(f"/customers/{loser}/release", {"reason": "太远"}).status_code in (200, 404)
    work(lambda: set_rules({"pool.cool_down": 0}))
    claimed = me.post(f"/customers/{loser}/claim")
    assert (claimed.status_code, claimed.get_json()["id"], claimed.get_json()["owner"]) == (200, winner, "ali")
    assert me.patch(f"/customers/{loser}", {"level": "A"}).get_json()["id"] == winner
    assert me.post(f"/customers/{loser}/assignment", {"owner": "ali"}).get_json()["id"] == winner
    assert me.post(f"/customers/{loser}/claim").get_json()["errors"][0]["field"] == "pool"
