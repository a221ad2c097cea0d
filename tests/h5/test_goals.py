"""The goals of the week on the first page: counted as the list that each opens, only where the corp set some."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.dashboards.goals import goals_of
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.visits.actions import log_visit
from wsapp.db import corp_scope, db
from wsapp.h5.charts import ring

HERE = ZoneInfo("Asia/Shanghai")
WEDNESDAY = datetime(2031, 3, 5, 10, 0, tzinfo=HERE)
GOAL = re.compile(r'<a class="(goal[^"]*)" href="([^"]+)">(.*?)</a>', re.S)


@pytest.fixture
def midweek() -> object:
    with time_machine.travel(WEDNESDAY) as traveller:
        yield traveller


@pytest.fixture
def want(app: Flask, cast: Cast) -> Callable[..., None]:
    """`want(visits=…, follow_ups=…)` sets the corp's goals."""

    def act(**wanted: int) -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            set_rules({f"goal.{figure}": number for figure, number in wanted.items()})
            db.session.commit()

    return act


def goals_on(page: str) -> list[tuple[str, str, str]]:
    """Return each goal on the first page as (classes, address, words)."""
    words = ((classes, url, re.sub(r"<[^>]*>", " ", inner)) for classes, url, inner in GOAL.findall(page))
    return [(classes, url.replace("&amp;", "&"), " ".join(text.split())) for classes, url, text in words]


def test_without_goals_there_is_nothing_to_see(sign_in: Callable[..., FlaskClient], ali: Member) -> None:
    assert "goals" not in sign_in(ali).get("/h5/").text


def test_each_goal_counts_what_it_opens(
    midweek: object,
    app: Flask,
    cast: Cast,
    book: Book,
    sign_in: Callable[..., FlaskClient],
    want: Callable[..., None],
    ali: Member,
    bob: Member,
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        mine, boss = db.session.merge(ali), db.session.merge(bob)
        customer = find_customer(book.customer, actor=mine)
        log_visit(customer, {"note": "看了仓库"}, actor=mine)
        log_follow_up(customer, {"text": "报价已发"}, actor=mine)
        log_follow_up(customer, {"text": "上周日谈过", "happened_at": WEDNESDAY - timedelta(hours=71)}, actor=mine)
        log_follow_up(customer, {"text": "主管也问过"}, actor=boss)
        db.session.commit()
    want(visits=10, follow_ups=2)
    client = sign_in(ali)
    visits, follow_ups = goals_on(client.get("/h5/").text)
    for (_classes, url, words), begins in ((visits, "拜访"), (follow_ups, "跟进")):
        done = int(re.match(rf"{begins} (\d+) /", words)[1])  # type: ignore[index]
        listed = client.get(url).text
        assert listed.count('<li class="weui-cell row') == done, words
        assert done
    assert "主管也问过" not in client.get(follow_ups[1]).text
    assert "上周日谈过" not in client.get(follow_ups[1]).text
    assert follow_ups[0] == "goal goal_reached"
    assert "已达成" in follow_ups[2]
    assert re.search(r"拜访 (\d+) / 10 今天还差 (\d+) 次", visits[2])


@pytest.mark.parametrize(
    ("day", "by_tonight"), [("2031-03-03", 2), ("2031-03-05", 6), ("2031-03-07", 10), ("2031-03-09", 10)]
)
def test_how_much_is_to_be_done_by_tonight(
    app: Flask, cast: Cast, ali: Member, want: Callable[..., None], day: str, by_tonight: float
) -> None:
    want(visits=10)
    with app.app_context(), corp_scope(cast.corp_id):
        (goal,) = goals_of(db.session.merge(ali), datetime.fromisoformat(day).date())
        assert (goal.figure, goal.done, goal.wanted) == ("visits", 0, 10)
        assert goal.by_tonight == pytest.approx(by_tonight)


@pytest.mark.parametrize(
    ("day", "words"), [("2031-03-08", "拜访 0 / 10 本周还差 10 次"), ("2026-10-05", "拜访 0 / 10 进度正常")]
)
def test_nobody_is_pressed_on_a_free_day(
    sign_in: Callable[..., FlaskClient], want: Callable[..., None], ali: Member, day: str, words: str
) -> None:
    """A Saturday, when all of the week is over; and a Monday of the National Day holiday, before any of it."""
    want(visits=10)
    with time_machine.travel(datetime.fromisoformat(day).replace(hour=10, tzinfo=HERE)):
        assert [words for _classes, _url, words in goals_on(sign_in(ali).get("/h5/").text)] == [words]


def test_another_corp_has_goals_of_its_own(
    sign_in: Callable[..., FlaskClient], want: Callable[..., None], ivy: Member
) -> None:
    want(visits=10)
    assert "goals" not in sign_in(ivy).get("/h5/").text


@pytest.mark.parametrize(
    ("done", "whole", "mark", "filled", "degrees"),
    [
        (0, 10, 4, 0, 144),
        (1, 500, 100, 1, 72),
        (499, 500, 500, 99, None),
        (10, 10, 10, 100, None),
        (12, 10, 0, 100, None),
    ],
)
def test_a_ring_is_full_only_when_all_is_done(
    done: int, whole: int, mark: float, filled: int, degrees: int | None
) -> None:
    assert (ring(done, whole, mark).filled, ring(done, whole, mark).mark) == (filled, degrees)
