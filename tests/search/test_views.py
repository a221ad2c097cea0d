"""The list narrowed by any field, and narrowed lists kept under a name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

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
        values = {"source": "展会", "province": "广东省", "city": "深圳市", "phones": ["13800138000"]}
        create_customer({"name": "甲公司", **values}, actor=owner)
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
    "phone=138 0013": {"甲公司"},
    "phone=8000": {"甲公司"},
    "phone=80": set(),
    "kind=person": set(),
    "created=7&visited=never": {"甲公司", "乙公司", "丙公司"},
    "created=1": set(),
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
    bob: Member,
    cha: Member,
) -> None:
    page = see(ali, "/h5/customers/filter?source=展会&scope=mine")
    assert "来源：展会" in page
    view = {"name": "展会来的", "shared": "1", "source": "展会", "evil": "x"}
    assert post(ali, "/h5/customers/views", view, htmx=True).status_code == 422
    assert post(bob, "/h5/customers/views", view).status_code == 303
    page = see(bob, "/h5/customers/filter")
    assert "展会来的" in page
    assert "evil" not in page
    shared = see(cha, "/h5/customers/filter")
    assert "展会来的" in shared
    link = shared.split('class="row__link" href="')[1].split('"')[0].replace("&amp;", "&")
    assert names(see(ali, link)) == {"甲公司"}
    assert names(see(cha, link)) == set()


def test_views_are_ones_own_few_and_named(here: Flask, bob: Member, cha: Member, guan: Member) -> None:
    owner, stranger, boss = (db.session.merge(one) for one in (bob, cha, guan))
    for number in range(views.MOST):
        last = views.save_view(f"第{number}个", {"source": "展会"}, shared=number == 0, actor=owner)
    with pytest.raises(Invalid):
        views.save_view("给大家", {}, shared=True, actor=stranger)
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


def test_the_list_opens_with_the_view_that_one_chose(
    three: None,
    app: Flask,
    sign_in: Callable[..., FlaskClient],
    see: Callable[..., str],
    post: Callable[..., Any],
    ali: Member,
    cha: Member,
) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        view = views.save_view("展会", {"source": "展会"}, shared=False, actor=db.session.merge(ali)).id
        db.session.commit()
    client = sign_in(ali)
    assert post(cha, f"/h5/customers/views/{view}/default", {}).status_code == 404
    assert post(ali, f"/h5/customers/views/{view}/default", {}).status_code == 303
    assert names(client.get("/h5/customers", follow_redirects=True).text) == {"甲公司"}
    assert names(see(ali, "/h5/customers?scope=mine")) == {"甲公司", "乙公司", "丙公司"}
    post(ali, f"/h5/customers/views/{view}/default", {})
    assert names(client.get("/h5/customers", follow_redirects=True).text) == {"甲公司", "乙公司", "丙公司"}
    post(ali, f"/h5/customers/views/{view}/default", {})
    post(ali, f"/h5/customers/views/{view}/removal", {})
    assert names(client.get("/h5/customers", follow_redirects=True).text) == {"甲公司", "乙公司", "丙公司"}


def test_every_sort_goes_on_where_the_page_ended(app: Flask, see: Callable[..., str], ali: Member) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        owner = db.session.merge(ali)
        made = [create_customer({"name": f"第{number % 7}家{number:02d}"}, actor=owner).id for number in range(25)]
        db.session.commit()
    for sort in ("name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"):
        first = see(ali, f"/h5/customers?scope=mine&sort={sort}")
        rest = see(ali, first.split('hx-get="')[-1].split('"')[0].replace("&amp;", "&"))
        rows = [one.split('"')[0] for page in (first, rest) for one in page.split('href="/h5/customers/1')[1:]]
        shown = [f"1{one}" for one in rows if "/" not in one and "?" not in one]
        assert sorted(shown) == sorted(made), sort
        if "created" in sort:
            assert shown == (made if sort == "created_at" else made[::-1])
