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
from wsapp.crm.customers.models import Coworker
from wsapp.crm.org.models import Member
from wsapp.crm.search import views
from wsapp.db import corp_scope, db, new_id
from wsapp.problems import Invalid, NotFound


@pytest.fixture
def three(app: Flask, cast: Cast, ali: Member) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        values = {"source": "展会", "province": "广东省", "city": "深圳市", "phones": ["13800138000"]}
        values |= {"short_name": "甲字号"}
        create_customer({"name": "甲公司", **values}, actor=owner)
        second = create_customer({"name": "乙公司", "source": "官网咨询", "industry": "家具制造"}, actor=owner)
        second.next_follow_at = clock.now() - timedelta(days=1)
        third = create_customer({"name": "丙公司", "province": "浙江省"}, actor=owner)
        third.credit_code = "91440101MA59ABCDE1"
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
    "phone=8000&q=公司": {"甲公司"},
    "phone=8000&q=乙": set(),
    "short_name=甲": {"甲公司"},
    "credit_code=9144": {"丙公司"},
    "parent=yes": set(),
    "parent=no&place=no": {"甲公司", "乙公司", "丙公司"},
    "place=yes": set(),
    "place=nonsense": set(),
    "dealt=30": {"甲公司", "乙公司", "丙公司"},
    "updated=1": set(),
    "updated=7": {"甲公司", "乙公司", "丙公司"},
    "department=none": set(),
}


def test_the_list_is_narrowed(three: None, see: Callable[..., str], ali: Member) -> None:
    for query, wanted in NARROWED.items():
        assert names(see(ali, f"/h5/customers?{query}")) == wanted, query


def test_it_is_narrowed_by_whose_it_is(
    three: None, app: Flask, see: Callable[..., str], ali: Member, bob: Member, cha: Member, guan: Member
) -> None:
    with app.app_context(), corp_scope(ali.corp_id):
        other = create_customer({"name": "丁公司"}, actor=db.session.merge(cha))
        db.session.add(Coworker(id=new_id(), customer_id=other.id, member_id=ali.id, since=clock.now()))
        db.session.commit()
        homes = {one.name: one.main_department_id for one in (ali, cha)}
        assert homes[ali.name] != homes[cha.name]

    def shown(who: Member, query: str) -> str:
        page = see(who, f"/h5/customers?scope=team&{query}")
        return "".join(one for one in "甲乙丙丁" if f"{one}公司" in page)

    assert shown(guan, f"department={homes[ali.name]}") == "甲乙丙"
    assert shown(guan, f"department={homes[cha.name]}") == "丁"
    assert shown(guan, f"creator={cha.id}") == shown(guan, f"coworker={ali.id}") == "丁"
    assert shown(bob, f"department={homes[cha.name]}") == ""
    assert "scope=department" in see(guan, "/h5/customers")
    assert "scope=department" not in see(bob, "/h5/customers")
    whole = see(guan, "/h5/customers?scope=department")  # hers is the root: all are below it
    assert names(whole) == {"甲公司", "乙公司", "丙公司"}
    assert "丁公司" in whole


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
