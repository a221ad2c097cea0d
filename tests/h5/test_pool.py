"""The pool's pages: claiming in one tap, looking in part, giving back, giving away."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book
from tests.h5.test_queries import statements
from tests.jobs.conftest import run_due
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Coworker, Customer
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.actions import shut_out
from wsapp.crm.org.models import LEFT, Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.pools.actions import hand_to, release_customer
from wsapp.crm.pools.models import Handover, PoolDay
from wsapp.crm.pools.moving import Leaving, recycle_together
from wsapp.crm.pools.queries import all_pools, make_first_pool
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db

MOST = 8


@pytest.fixture
def work(app: Flask, cast: Cast) -> Callable[[Callable[[], Any]], Any]:
    """`work(f)` does something inside the cast's corp and commits."""

    def run(deed: Callable[[], Any]) -> Any:
        with app.app_context(), corp_scope(cast.corp_id):
            found = deed()
            db.session.commit()
            return found

    return run


@pytest.fixture
def pooled(work: Any, bob: Member) -> Callable[[int], list[str]]:
    """`pooled(n)` → ids of so many customers that 老鲍 has released."""

    def make(count: int) -> list[str]:
        def deed() -> list[str]:
            owner = db.session.merge(bob)
            made = []
            for number in range(count):
                values = {"name": f"顺德第{number:02d}家具有限公司", "phones": [f"138001380{number:02d}"], "level": "B"}
                customer = create_customer({**values, "note": "老板姓黄"}, actor=owner)
                release_customer(customer, actor=owner, reason="no_answer")
                made.append(customer.id)
            return made

        found: list[str] = work(deed)
        return found

    return make


def owner_of(work: Any, customer_id: str) -> Any:
    return work(lambda: db.session.execute(sa.select(Customer.owner_id).where(Customer.id == customer_id)).scalar_one())


def test_the_pool_is_listed_and_claimed_in_one_tap(
    see: Any, post: Any, work: Any, pooled: Any, ali: Member, cha: Member
) -> None:
    (customer,) = pooled(1)
    assert "/h5/pool" in see(ali, "/h5/customers")
    page = see(ali, "/h5/pool")
    assert "顺德第00家具有限公司" in page
    assert f"/h5/pool/{customer}/claim" in page
    assert "13800138000" not in page
    answer = post(ali, f"/h5/pool/{customer}/claim", {})
    assert (answer.status_code, answer.location) == (303, f"/h5/customers/{customer}")
    assert owner_of(work, customer) == ali.id
    assert "从公司公海领取" in see(ali, f"/h5/customers/{customer}")
    late = post(cha, f"/h5/pool/{customer}/claim", {})
    assert (late.status_code, late.location) == (303, "/h5/pool")
    assert owner_of(work, customer) == ali.id


def test_details_are_shown_in_part_and_so_many_a_day(
    see: Any, sign_in: Callable[..., FlaskClient], work: Any, pooled: Any, ali: Member, guan: Member
) -> None:
    first, second, third = pooled(3)
    work(lambda: set_rules({"pool.daily_views": 2}))
    page = see(ali, f"/h5/pool/{first}")
    assert "138****8000" in page
    assert "13800138000" not in page
    assert "老板姓黄" not in page
    assert "老板姓黄" in see(guan, f"/h5/pool/{first}")  # who manages the pool reads all
    see(ali, f"/h5/pool/{first}")  # again: costs nothing
    see(ali, f"/h5/pool/{second}")
    refused = sign_in(ali).get(f"/h5/pool/{third}")
    assert (refused.status_code, refused.location) == (303, "/h5/pool?pool=00000000000000public")
    counted = work(lambda: {one.member_id: one.views for one in db.session.scalars(sa.select(PoolDay))})
    assert counted == {ali.id: 2}


def test_who_waits_sees_until_when(see: Any, pooled: Any, bob: Member) -> None:
    (customer,) = pooled(1)
    page = see(bob, "/h5/pool")
    assert "起可领取" in page
    assert f"/h5/pool/{customer}/claim" not in page


def test_several_are_claimed_together_as_far_as_the_cap_goes(
    see: Any, post: Any, work: Any, pooled: Any, ali: Member
) -> None:
    customers = pooled(5)
    work(lambda: set_rules({"pool.daily_claims": 3}))
    answer = post(ali, "/h5/pool/claims", {"customers": customers})
    assert answer.status_code == 303
    assert sum(owner_of(work, one) == ali.id for one in customers) == 3
    assert post(ali, "/h5/pool/claims", {}).status_code == 303
    many = post(ali, "/h5/pool/claims", {"customers": [f"{n:020d}" for n in range(21)]})
    assert many.status_code == 303


def test_a_customer_is_given_back_from_its_record(see: Any, post: Any, work: Any, book: Book, ali: Member) -> None:
    assert f"/h5/customers/{book.customer}/release" in see(ali, f"/h5/customers/{book.customer}")
    assert "联系不上" in see(ali, f"/h5/customers/{book.customer}/release")
    refused = post(ali, f"/h5/customers/{book.customer}/release", {})
    assert refused.status_code == 422
    answer = post(ali, f"/h5/customers/{book.customer}/release", {"reason": "no_answer"})
    assert (answer.status_code, answer.location) == (303, "/h5/customers")
    assert owner_of(work, book.customer) is None


def test_a_manager_gives_it_to_somebody_else(
    app: Flask, see: Any, post: Any, work: Any, book: Book, ali: Member, bob: Member, cha: Member
) -> None:
    page = see(bob, f"/h5/customers/{book.customer}/assignment")
    assert bob.id in page
    assert cha.id not in page
    wrong = post(bob, f"/h5/customers/{book.customer}/assignment", {"owner": cha.id})
    assert wrong.status_code == 422
    assert "未完成的待办" in page
    chosen = {"owner": bob.id, "tasks": "1", "stays": "1"}
    answer = post(bob, f"/h5/customers/{book.customer}/assignment", chosen)
    assert (answer.status_code, owner_of(work, book.customer)) == (303, bob.id)
    assert "改为 老鲍" in see(bob, f"/h5/customers/{book.customer}")
    assert work(lambda: db.session.scalars(sa.select(Coworker.member_id)).all()) == [ali.id]
    (moved,) = work(lambda: db.session.scalars(sa.select(Handover.id)).all())
    assert post(bob, f"/h5/handovers/{moved}/undo", {}).status_code == 303
    work(lambda: run_due(app, kinds=("handover",)))
    assert owner_of(work, book.customer) == ali.id
    assert work(lambda: db.session.scalars(sa.select(Coworker.member_id)).all()) == []


def test_an_administrator_assigns_out_of_the_pool(
    see: Any, post: Any, work: Any, pooled: Any, guan: Member, ali: Member
) -> None:
    (customer,) = pooled(1)
    assert f"/h5/customers/{customer}/assignment" in see(guan, "/h5/pool")
    assert post(guan, f"/h5/customers/{customer}/assignment", {"owner": ali.id}).status_code == 303
    assert owner_of(work, customer) == ali.id


def test_the_pool_page_costs_the_same_however_much_is_in_it(
    app: Flask, sign_in: Callable[..., FlaskClient], pooled: Any, ali: Member, work: Any
) -> None:
    pooled(2)
    client = sign_in(ali)
    client.get("/h5/pool")
    counts = []
    for more in (0, 20):
        if more:
            work(
                lambda: db.session.add_all(
                    Customer(
                        name=f"另{n}公司",
                        name_key=f"另{n}公司",
                        pool_id="00000000000000public",
                        pooled_at=clock.now() - timedelta(days=1),
                        created_at=clock.now(),
                        updated_at=clock.now(),
                        version=1,
                    )
                    for n in range(20)
                )
            )
        with statements(app) as seen:
            assert client.get("/h5/pool").status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert counts[0] <= MOST


# --- many at once -------------------------------------------------------------------------------------------------


def test_the_manager_is_asked_when_somebody_leaves_and_hands_over(
    app: Flask, see: Any, post: Any, work: Any, ali: Member, bob: Member
) -> None:
    def leave() -> str:
        leaver = db.session.merge(ali)
        customer = create_customer({"name": "佛山市华星家具有限公司"}, actor=leaver)
        shut_out(leaver, LEFT)
        record("member.left", leaver, actor=None, name=leaver.name)
        return customer.id

    customer = work(leave)
    work(lambda: run_due(app, kinds=("event",)))
    (card,) = work(lambda: db.session.scalars(sa.select(Notification).where(Notification.kind == "member.left")).all())
    assert (card.recipient_id, card.message["title"]) == (bob.id, "阿丽 已离职，请交接客户")
    path = f"/h5/team/{ali.id}/handover"
    assert path in card.message["url"]
    assert "将接手 1 个" in see(bob, path)
    form = {"way": "load", "takers": bob.id, f"weight_{bob.id}": "1"}
    assert "将接手 1 个" in post(bob, path, {**form, "preview": "1"}).text
    assert post(bob, path, {"way": "load"}).status_code == 422
    answer = post(bob, path, form)
    assert answer.status_code == 303
    assert "正在交接" in see(bob, answer.location)
    work(lambda: run_due(app, kinds=("handover",)))
    done = see(bob, answer.location)
    assert "已完成" in done
    assert "1/1" in done
    assert owner_of(work, customer) == bob.id
    assert post(bob, f"{answer.location}/undo", {}).status_code == 303
    work(lambda: run_due(app, kinds=("handover",)))
    assert owner_of(work, customer) == ali.id


def test_in_a_pool_that_draws_one_signs_up(
    app: Flask, see: Any, post: Any, work: Any, pooled: Any, ali: Member, cha: Member, guan: Member
) -> None:
    (customer,) = pooled(1)
    form = {"name": "公司公海", "enabled": "1", "is_default": "1", "draw": "1"}
    assert post(guan, "/admin/pools/00000000000000public", form).status_code == 303
    assert "第一个人报名后 10 分钟截止" in see(ali, f"/h5/pool/{customer}")
    assert 'aria-label="报名' in see(ali, "/h5/pool")
    assert post(ali, f"/h5/pool/{customer}/claim", {}).status_code == 303
    assert owner_of(work, customer) is None
    page = see(ali, "/h5/pool")
    assert "已报名 · 1 人报名" in page
    assert f"/h5/pool/{customer}/claim" not in page
    assert f"/h5/pool/{customer}/claim" in see(cha, "/h5/pool")
    assert "已报名 · 1 人报名" in see(ali, f"/h5/pool/{customer}")
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=True):
        work(lambda: run_due(app, kinds=("draw",)))
        assert owner_of(work, customer) == ali.id


def test_a_filtered_list_is_handed_over_as_a_whole(
    app: Flask, see: Any, post: Any, work: Any, ali: Member, bob: Member, cha: Member
) -> None:
    def make() -> list[str]:
        seller = db.session.merge(ali)
        sources = ("官网", "展会", "展会")
        found = [
            create_customer({"name": f"第{n}家具厂", "source": one}, actor=seller) for n, one in enumerate(sources)
        ]
        return [one.id for one in found]

    customers = work(make)
    path = "/h5/customers/handover?scope=team&source=展会"
    assert "转移筛选出的全部客户" in see(bob, "/h5/customers/choose?scope=team&source=展会")
    page = see(bob, path)
    assert "回收倒计时重新开始" in page
    assert '<b class="number__n">2</b>' in page or ">2<" in page
    form = {"way": "load", "tasks": "1", "takers": bob.id, f"weight_{bob.id}": "1"}
    assert "将接手 2 个" in post(bob, path, {**form, "preview": "1"}).text
    answer = post(bob, path, form)
    assert answer.status_code == 303
    work(lambda: run_due(app, kinds=("handover",)))
    assert [owner_of(work, one) for one in customers] == [ali.id, bob.id, bob.id]
    assert "批量转移" in see(bob, "/h5/handovers")
    assert "批量转移" not in see(cha, "/h5/handovers")


def test_an_administrator_deals_the_pool_out(
    app: Flask, see: Any, post: Any, sign_in: Any, work: Any, pooled: Any, ali: Member, bob: Member, guan: Member
) -> None:
    customers = pooled(4)
    path = "/h5/pool/deal?pool=00000000000000public"
    assert path.replace("&", "&amp;") in see(guan, "/h5/pool")
    assert "/h5/pool/deal" not in see(ali, "/h5/pool")
    assert sign_in(ali).get(path).status_code == 403
    assert post(guan, path, {"count": "0", "way": "turn", "takers": [ali.id]}).status_code == 422
    answer = post(guan, path, {"count": "4", "way": "turn", "takers": [ali.id, guan.id]})
    assert answer.status_code == 303
    work(lambda: run_due(app, kinds=("handover",)))
    assert sorted(owner_of(work, one) for one in customers) == sorted([ali.id, ali.id, guan.id, guan.id])
    assert "4/4" in see(guan, answer.location)
    assert sign_in(ali).get(answer.location).status_code == 404


def test_a_manager_lets_a_customer_rest_until_a_day(
    see: Any, post: Any, work: Any, pooled: Any, sign_in: Any, ali: Member, guan: Member
) -> None:
    (customer,) = pooled(1)
    name = "顺德第00家具有限公司"
    until = f"{clock.now() + timedelta(days=30):%Y-%m-%d}"
    assert "休眠" not in see(ali, f"/h5/pool/{customer}")
    post(ali, f"/h5/pool/{customer}/rest", {"until": until, "reason": "合同期内"})
    assert name in see(ali, "/h5/pool")  # a seller does not manage it
    post(guan, f"/h5/pool/{customer}/rest", {"until": until})
    assert name in see(ali, "/h5/pool")  # a reason is needed
    post(guan, f"/h5/pool/{customer}/rest", {"until": until, "reason": "合同期内，明年再联系"})
    assert name not in see(ali, "/h5/pool")
    assert sign_in(ali).get(f"/h5/pool/{customer}").status_code == 404
    post(ali, f"/h5/pool/{customer}/claim", {})
    assert owner_of(work, customer) is None
    page = see(guan, "/h5/pool")
    assert "休眠至" in page
    assert "合同期内，明年再联系" in see(guan, f"/h5/pool/{customer}")
    assert f"/h5/pool/{customer}/claim" not in page
    post(guan, f"/h5/pool/{customer}/rest", {})
    post(ali, f"/h5/pool/{customer}/claim", {})
    assert owner_of(work, customer) == ali.id


def test_a_manager_undoes_a_recycling_within_a_week(
    see: Any, post: Any, work: Any, ali: Member, cha: Member, guan: Member
) -> None:
    def deed() -> str:
        make_first_pool()
        owner = db.session.merge(ali)
        made = create_customer({"name": "江门红木博览城"}, actor=owner)
        create_task({"title": "寄样品", "due_at": clock.now() + timedelta(days=2), "customer": made.id}, actor=owner)
        add_coworker(made, db.session.merge(cha), may_edit=True, actor=owner)
        pool = all_pools()[0]
        recycle_together([Leaving(made.id, ali.id, made.created_at, pool, "15 天未跟进")])
        return made.id

    def along() -> tuple[list[str], list[tuple[str, bool]]]:
        coworkers = db.session.execute(sa.select(Coworker.member_id, Coworker.may_edit))
        return list(db.session.scalars(sa.select(Task.state))), [tuple(one) for one in coworkers]

    customer = work(deed)
    assert work(along) == (["cancelled"], [])
    assert "还给原负责人" not in see(cha, f"/h5/pool/{customer}")
    assert "还给原负责人 阿丽" in see(guan, f"/h5/pool/{customer}")
    post(cha, f"/h5/pool/{customer}/return", {})
    assert owner_of(work, customer) is None
    post(guan, f"/h5/pool/{customer}/return", {})
    assert owner_of(work, customer) == ali.id
    assert work(along) == (["open"], [(cha.id, True)])


def test_the_address_of_before_a_merge_leads_to_the_winner(
    work: Any, pooled: Any, post: Any, see: Any, guan: Member, ali: Member
) -> None:
    winner, loser = pooled(2)

    def merge() -> None:
        gone, stays = (db.session.get_one(Customer, (ali.corp_id, one)) for one in (loser, winner))
        boss = db.session.merge(guan)
        for one in (gone, stays):
            hand_to(one, boss.id, actor=boss)
        merge_customers(gone, stays, actor=boss)
        release_customer(stays, actor=boss, reason="busy")

    work(merge)
    assert f"/h5/pool/{winner}/claim" in see(ali, f"/h5/pool/{loser}")
    answer = post(ali, f"/h5/pool/{loser}/claim", {})
    assert answer.location.partition("?")[0].endswith(f"/h5/customers/{winner}")
    assert f"/h5/customers/{winner}/edit" in see(ali, f"/h5/customers/{loser}")
