"""Draws: signing up, one winner by chance among those who may have it, told to all; nothing is lost or drawn twice."""

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from tests.api.test_pools import put_into_pool
from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.pools import draws
from wsapp.crm.pools.actions import claim_customer
from wsapp.crm.pools.draws import hold_draw, sign_up, standings
from wsapp.crm.pools.models import Draw, PoolDay
from wsapp.crm.pools.queries import day_key, today
from wsapp.crm.pools.settings import make_pool
from wsapp.db import db
from wsapp.outbox import Outbox
from wsapp.problems import Conflict


def own(member: Member) -> Member:
    return db.session.merge(member)


@pytest.fixture
def hot(here: Flask, ali: Member, bob: Member, cha: Member, guan: Member) -> str:
    """A customer of a pool that draws."""
    values = {"name": "抽签公海", "enabled": True, "draw": True, "daily_claims": "3"}
    pool = make_pool(values, actor=own(guan))
    (customer_id,) = put_into_pool(1, pool_id=pool.id)
    db.session.commit()
    return customer_id


def owner_of(customer_id: str) -> str | None:
    return db.session.scalar(sa.select(Customer.owner_id).where(Customer.id == customer_id))


def titles() -> dict[str, str]:
    found = db.session.scalars(sa.select(Notification).where(Notification.kind == "draw.ended"))
    return {one.recipient_id: one.message["title"] for one in found}


def the_draw() -> str:
    return db.session.scalars(sa.select(Draw.id)).one()


def test_who_signs_up_waits_for_the_draw_and_one_gets_it(hot: str, ali: Member, bob: Member, cha: Member) -> None:
    with pytest.raises(Conflict, match="须先报名"):
        claim_customer(hot, actor=own(ali))
    assert not standings([hot], actor=own(ali))
    assert [sign_up(hot, actor=own(one)).people for one in (ali, bob)] == [1, 2]
    with pytest.raises(Conflict, match="已经报名"):
        sign_up(hot, actor=own(ali))
    db.session.commit()
    assert (standings([hot], actor=own(cha))[hot].is_in, standings([hot], actor=own(bob))[hot].is_in) == (False, True)
    row = db.session.scalars(sa.select(Outbox).where(Outbox.kind == "draw")).one()
    left = row.due_at - clock.now()
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=True):
        with pytest.raises(Conflict, match="已截止"):
            sign_up(hot, actor=own(cha))
        hold_draw(the_draw())
        db.session.commit()
        winner = owner_of(hot)
        assert winner in (ali.id, bob.id)
        loser = bob.id if winner == ali.id else ali.id
        assert titles()[winner].startswith("您抽中了")
        assert titles()[loser].startswith("没有抽中")
        hold_draw(the_draw())  # a row that came twice
        assert (owner_of(hot), len(titles())) == (winner, 2)
        taken = db.session.execute(sa.select(PoolDay.member_id, PoolDay.claims)).all()
        assert [tuple(one) for one in taken] == [(winner, 1)]


def test_whom_a_cap_forbids_it_is_passed_over(hot: str, ali: Member, bob: Member) -> None:
    for one in (ali, bob):
        sign_up(hot, actor=own(one))
    full = PoolDay(id=day_key(ali.id), member_id=ali.id, day=today(), claims=3, views=0)
    db.session.add(full)
    db.session.commit()
    hold_draw(the_draw())
    assert owner_of(hot) == bob.id


def test_a_customer_that_went_elsewhere_is_nobodys_prize(hot: str, ali: Member, cha: Member) -> None:
    sign_up(hot, actor=own(ali))
    gone = sa.update(Customer).where(Customer.id == hot).values(owner_id=cha.id, pool_id=None)
    db.session.execute(gone)
    db.session.commit()
    hold_draw(the_draw())
    assert owner_of(hot) == cha.id
    assert titles()[ali.id].startswith("抽签未成")


def test_chances_are_as_the_quotas_that_are_left(
    hot: str, ali: Member, bob: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many draws with quotas 3 and 1, three quarters go to who has three left."""
    from random import Random

    monkeypatch.setattr(draws, "chance", Random(7))
    db.session.add(PoolDay(id=day_key(bob.id), member_id=bob.id, day=today(), claims=2, views=0))
    db.session.flush()
    pool = next(one for one in draws.all_pools() if one.draws)
    weights = [draws._weight(pool, own(one)) for one in (ali, bob)]
    assert weights == [3, 1]
    counted = Counter(draws.chance.choices(("ali", "bob"), weights)[0] for _ in range(2_000))
    assert 1_400 < counted["ali"] < 1_600
