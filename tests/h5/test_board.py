"""The board: its figures open the lists that they count, at a bounded cost; the feed; the pages of the briefs."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import PLACE, Book
from tests.h5.test_queries import statements
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.visits.actions import log_visit
from wsapp.db import corp_scope, db
from wsapp.h5.charts import HEIGHT, LEFT, WIDTH, chart

MOST = 24  # three for figures, for people and for who did nothing, two for the trend, rights, what leaves


def rows_in(page: str) -> int:
    return page.count('<li class="weui-cell row')


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def figure_links(page: str) -> dict[str, tuple[str, int]]:
    """Return the figures of the board: their words, the address that they open, and the number."""
    part = page.split('id="figures"')[1].split("</ul>")[0]
    found = re.findall(r'href="([^"]+)">([^<]+)</a>.*?row__value one-line">(\d+)', part, re.S)
    return {text: (url.replace("&amp;", "&"), int(number)) for url, text, number in found}


@pytest.fixture
def busy(app: Flask, cast: Cast, book: Book, ali: Member, cha: Member) -> Book:
    """Besides the book: 小查 of another department has a customer, and follows up."""
    with app.app_context(), corp_scope(cast.corp_id):
        stranger = db.session.merge(cha)
        theirs = create_customer({"name": "恒昌木业"}, actor=stranger)
        log_follow_up(theirs, {"text": "财务的客户，与销售无关"}, actor=stranger)
        db.session.commit()
    return book


@pytest.mark.parametrize(("who", "customers"), [("ali", 1), ("bob", 1), ("guan", 2)])
def test_each_figure_opens_the_list_that_it_counts(
    busy: Book, sign_in: Callable[..., FlaskClient], request: pytest.FixtureRequest, who: str, customers: int
) -> None:
    client = sign_in(request.getfixturevalue(who))
    page = client.get("/h5/board").text
    figures = figure_links(page)
    assert set(figures) == {"新增客户", "跟进", "拜访", "位置已核实的拜访", "离客户较远的拜访"}
    assert figures["新增客户"][1] == customers
    for url, number in figures.values():
        opened = client.get(url)
        assert opened.status_code == 200
        assert rows_in(opened.text.split('id="found"')[-1] if number else "") == number, url
    assert ("恒昌木业" in client.get("/h5/board/feed").text) == (who == "guan")
    assert ("财务的客户" in client.get("/h5/board/list?what=follow_ups").text) == (who == "guan")


@pytest.mark.parametrize(("who", "customers"), [("ali", 1), ("bob", 1), ("guan", 2)])
def test_each_stage_opens_the_customers_that_it_counts(
    busy: Book, sign_in: Callable[..., FlaskClient], request: pytest.FixtureRequest, who: str, customers: int
) -> None:
    client = sign_in(request.getfixturevalue(who))
    funnel = client.get("/h5/board").text.split('id="funnel"')[1].split("</div>")[0]
    stages = re.findall(r'href="([^"]+)".*?funnel__name">([^<]+)<.*?funnel__count">(\d+)<', funnel, re.S)
    assert [text for _url, text, _count in stages] == ["新客户", "已联系", "有意向", "已成交", "已流失"]
    assert sum(int(count) for _url, _text, count in stages) == customers
    for url, _text, count in stages:
        opened = client.get(url.replace("&amp;", "&")).text
        assert rows_in(opened.split('id="found"')[-1] if int(count) else "") == int(count), url


def test_whoever_does_not_read_the_stage_sees_no_stages(
    app: Flask, cast: Cast, busy: Book, sign_in: Callable[..., FlaskClient], bob: Member, guan: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        rule_field("customer", "stage", {"manager": "hidden", "seller": "hidden"}, actor=db.session.merge(guan))
        db.session.commit()
    client = sign_in(bob)
    assert 'id="funnel"' not in client.get("/h5/board").text
    assert client.get("/h5/board/list?what=stage&stage=new").status_code == 404


def test_the_board_names_what_is_wrong_and_opens_it(
    busy: Book, sign_in: Callable[..., FlaskClient], bob: Member, ali: Member
) -> None:
    client = sign_in(bob)
    page = client.get("/h5/board").text
    assert "1 人有逾期待办" in page
    overdue = client.get("/h5/board/list?what=overdue").text
    assert f"/h5/tasks/{busy.overdue}" in overdue
    assert f"/h5/tasks/{busy.later}" not in overdue
    assert f"person={ali.id}" in page
    assert rows_in(client.get(f"/h5/board/list?what=overdue&person={bob.id}").text) == 0


def test_strange_addresses_show_today(busy: Book, sign_in: Callable[..., FlaskClient], bob: Member) -> None:
    client = sign_in(bob)
    today = text_of(client.get("/h5/board").text.split('class="head"')[1].split("</header>")[0])
    for query in ("day=gestern", "day=2999-01-01", "day=0001-01-01", "span=year&day=2026-13-01"):
        page = client.get(f"/h5/board?{query}")
        assert page.status_code == 200
        assert today.split()[-1] in text_of(page.text)
    for query in ("what=nonsense", "what=visits&person=nobody", "what=visits&day=%00"):
        assert client.get(f"/h5/board/list?{query}").status_code == 200


def test_the_board_stays_cheap(
    app: Flask, cast: Cast, busy: Book, sign_in: Callable[..., FlaskClient], ali: Member, bob: Member
) -> None:
    client = sign_in(bob)
    paths = (
        "/h5/board",
        "/h5/board?span=week",
        "/h5/board/feed",
        "/h5/board/list?what=follow_ups",
        "/h5/briefs/morning",
    )
    client.get("/h5/board")
    few = {}
    for path in paths:
        with statements(app) as seen:
            assert client.get(path).status_code == 200
        few[path] = len(seen)
        assert len(seen) <= MOST, (path, len(seen), seen)
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        for number in range(20):
            customer = create_customer({"name": f"第{number:02d}公司"}, actor=owner)
            create_task({"title": "事", "due_at": clock.now() - timedelta(hours=number + 1)}, actor=owner)
            log_visit(customer, {"location": PLACE}, actor=owner)
            log_follow_up(customer, {"text": f"第 {number} 次谈价"}, actor=owner)
        db.session.commit()
    for path in paths:
        with statements(app) as seen:
            assert client.get(path).status_code == 200
        assert len(seen) <= few[path] + 1, (path, seen)


def test_the_briefs_as_pages(busy: Book, sign_in: Callable[..., FlaskClient], ali: Member) -> None:
    client = sign_in(ali)
    morning = client.get("/h5/briefs/morning").text
    assert f"/h5/tasks/{busy.overdue}" in morning
    assert "待办已逾期" in morning
    assert f"/h5/tasks/{busy.later}" not in morning
    evening = client.get("/h5/briefs/evening").text
    assert f"/h5/tasks/{busy.overdue}" in evening
    token = re.search(r'name="csrf_token" value="([^"]+)"', evening)
    assert token
    posted = client.post(
        "/h5/briefs/evening/rest", data={"csrf_token": token[1]}, headers={"Origin": "http://127.0.0.1:8000"}
    )
    assert posted.status_code == 303
    after = client.get("/h5/briefs/evening").text
    assert f"/h5/tasks/{busy.overdue}" not in after
    assert "已把" in after


def test_a_chart_keeps_inside_its_frame() -> None:
    drawn = chart([0, 3, 10], [5, 0, 2], ["", "3/1", ""])
    assert drawn.top == 10
    assert drawn.bars[0].height == 0
    assert max(bar.x + bar.width for bar in drawn.bars) <= WIDTH
    assert min(bar.x for bar in drawn.bars) >= LEFT
    assert all(0 <= float(point.split(",")[1]) <= HEIGHT for point in drawn.line.split())
    assert chart([0], [0], [""]).top == 1
