"""The list narrowed by any field, and narrowed lists kept under a name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.org.models import Member
from wsapp.crm.search import views
from wsapp.db import corp_scope, db
from wsapp.problems import Invalid, NotFound


@pytest.fixture
def three(app: Flask, cast: Cast, ali: Member) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        create_customer({"name": "甲公司", "source": "展会", "province": "广东省", "city": "深圳市"}, actor=owner)
        second = create_customer({"name": "乙公司", "source": "官网咨询", "industry": "家具制造"}, actor=owner)
        second.next_follow_at = clock.now() - timedelta(days=1)
        third = create_customer({"name": "丙公司", "province": "浙江省"}, actor=owner)
        third.last_followed_at = clock.now() - timedelta(days=20)
        db.session.commit()


def names(text: str) -> set[str]:
    return {name for name in ("甲公司", "乙公司", "丙公司") if name in text}


NARROWED = {
    "source=展会": {"甲公司"},
    "region=深圳": {"甲公司"},
    "region=浙江&source=展会": set(),
    "industry=家具": {"乙公司"},
    "next=late": {"乙公司"},
    "next=none": {"甲公司", "丙公司"},
    "last=15": {"甲公司", "乙公司", "丙公司"},
    "last=never": {"甲公司", "乙公司"},
    "last=nonsense": set(),
    "custom.nothing=1": {"甲公司", "乙公司", "丙公司"},
    "source=展会&q=公司": {"甲公司"},
}


def test_the_list_is_narrowed(three: None, see: Callable[..., str], ali: Member) -> None:
    for query, wanted in NARROWED.items():
        assert names(see(ali, f"/h5/customers?{query}")) == wanted, query


def test_a_view_keeps_what_was_asked_for_and_shows_each_reader_their_own(
    three: None,
    see: Callable[..., str],
    post: Callable[..., Any],
    ali: Member,
    cha: Member,
) -> None:
    page = see(ali, "/h5/customers/filter?source=展会&scope=mine")
    assert "来源：展会" in page
    done = post(ali, "/h5/customers/views", {"name": "展会来的", "shared": "1", "source": "展会", "evil": "x"})
    assert done.status_code == 303
    page = see(ali, "/h5/customers/filter")
    assert "展会来的" in page
    assert "evil" not in page
    shared = see(cha, "/h5/customers/filter")
    assert "展会来的" in shared
    link = shared.split('class="row__link" href="')[1].split('"')[0].replace("&amp;", "&")
    assert names(see(ali, link)) == {"甲公司"}
    assert names(see(cha, link)) == set()


def test_views_are_ones_own_few_and_named(here: Flask, ali: Member, cha: Member, guan: Member) -> None:
    owner, stranger, boss = (db.session.merge(one) for one in (ali, cha, guan))
    for number in range(views.MOST):
        last = views.save_view(f"第{number}个", {"source": "展会"}, shared=number == 0, actor=owner)
    with pytest.raises(Invalid):
        views.save_view("再一个", {}, shared=False, actor=owner)
    with pytest.raises(Invalid):
        views.save_view(" ", {}, shared=False, actor=stranger)
    assert [one.name for one in views.views_of(stranger)] == ["第0个"]
    for actor in (stranger, boss):
        with pytest.raises(NotFound):
            views.remove_view(last.id, actor=actor)
    views.remove_view(views.views_of(stranger)[0].id, actor=boss)
    views.remove_view(last.id, actor=owner)
    assert len(views.views_of(owner)) == views.MOST - 2
