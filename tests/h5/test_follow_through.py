"""Repeats, watching and asking on the pages; the corp's own working days in the console."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import Book
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import CorpDay, Member
from wsapp.crm.tasks.models import Task
from wsapp.crm.watches.models import Watch
from wsapp.db import corp_scope, db
from wsapp.jobs.dispatcher import dispatch
from wsapp.outbox import Outbox

Send = Callable[..., Any]


@pytest.fixture
def send(sign_in: Callable[..., FlaskClient]) -> Send:
    """`send(member, path, **fields)` posts a form with the token of the session."""

    def act(member: Member, path: str, **fields: Any) -> Any:
        browser = sign_in(member)
        token = browser.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
        return browser.post(path, data={"csrf_token": token, **fields})

    return act


@pytest.fixture
def stored(app: Flask, cast: Cast) -> Callable[..., Any]:
    """`stored(model)` → all rows of the corp."""

    def fetch(model: Any) -> Any:
        with app.app_context(), corp_scope(cast.corp_id):
            return db.session.scalars(sa.select(model)).all()

    return fetch


REPEATED = {
    "title": "对账",
    "due_at": "2030-01-31T09:00",
    "repeat": "monthly",
    "repeat_every": "2",
    "repeat_monthdays": "15，-1",
    "repeat_weekdays": ["1"],
    "repeat_times": "6",
    "repeat_free": "move",
}


def test_a_repeat_is_typed_shown_and_typed_again(
    send: Send, stored: Callable[..., Any], sign_in: Callable[..., FlaskClient], ali: Member
) -> None:
    answer = send(ali, "/h5/tasks", **REPEATED)
    assert answer.status_code == 303
    (task,) = stored(Task)
    assert (task.repeat_every, task.repeat_days, task.repeat_times, task.repeat_free) == (2, [-1, 15], 6, "move")
    browser = sign_in(ali)
    shown = browser.get(f"/h5/tasks/{task.id}").text
    assert "每 2 个月 15 日、最后一天，遇到休息日顺延到下一个工作日，共 6 次，这是第 1 次" in shown
    form = browser.get(f"/h5/tasks/{task.id}/edit").text
    for typed in ('value="-1, 15"', 'value="6"', 'value="move" checked', '<details class="more-fields" open'):
        assert typed in form, typed


def test_a_repeat_that_would_never_come_again_is_refused(
    send: Send, stored: Callable[..., Any], sign_in: Callable[..., FlaskClient], ali: Member
) -> None:
    weekends = REPEATED | {"repeat": "weekly", "repeat_weekdays": ["6", "7"], "repeat_free": "skip"}
    refused = send(ali, "/h5/tasks", **weekends)
    assert refused.status_code == 422
    assert "所选日期都在周末，跳过休息日就没有下一次了" in refused.text
    assert REPEATED["title"] in refused.text
    assert send(ali, "/h5/tasks", **weekends | {"repeat_weekdays": ["5", "6"]}).status_code == 303
    (task,) = stored(Task)
    changed = send(ali, f"/h5/tasks/{task.id}", **weekends, version=str(task.version))
    assert changed.status_code == 422
    assert "所选日期都在周末" in changed.text


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("repeat_every", "两", "请填写数字"),
        ("repeat_monthdays", "32", "请填写 1–31 的日期"),
        ("repeat_times", "0", "应为 1–999 的整数"),
    ],
)
def test_wrong_repeats_come_back_with_what_was_typed(
    send: Send, ali: Member, field: str, typed: str, words: str
) -> None:
    answer = send(ali, "/h5/tasks", **{**REPEATED, field: typed})
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{typed}"' in answer.text


def test_a_customer_and_a_task_are_watched_and_no_longer(
    send: Send,
    stored: Callable[..., Any],
    sign_in: Callable[..., FlaskClient],
    book: Book,
    bob: Member,
    cha: Member,
) -> None:
    for path in (f"/h5/customers/{book.customer}", f"/h5/tasks/{book.today}"):
        assert send(bob, f"{path}/watch", on="1").status_code == 303
        assert send(cha, f"{path}/watch", on="1").status_code == 404
    assert len(stored(Watch)) == 2
    shown = sign_in(bob).get("/h5/watches").text
    assert f"/h5/customers/{book.customer}/watch" in shown
    assert f"/h5/tasks/{book.today}" in shown
    assert send(bob, f"/h5/tasks/{book.today}/watch", on="").status_code == 303
    assert len(stored(Watch)) == 1


def test_a_manager_asks_how_a_task_is_going(
    send: Send, stored: Callable[..., Any], sign_in: Callable[..., FlaskClient], book: Book, ali: Member, bob: Member
) -> None:
    assert "催一下" in sign_in(bob).get(f"/h5/tasks/{book.overdue}").text
    assert "催一下" not in sign_in(ali).get(f"/h5/tasks/{book.overdue}").text
    for _press in range(2):
        assert send(bob, f"/h5/tasks/{book.overdue}/question").status_code == 303
    assert [one.actor_id for one in stored(Event) if one.kind == "task.asked"] == [bob.id]


def test_the_corp_sets_its_own_days(
    app: Flask, cast: Cast, send: Send, stored: Callable[..., Any], sign_in: Callable[..., FlaskClient], guan: Member
) -> None:
    days = {"day": "2026-12-24", "until": "2026-12-25", "works": "0", "note": "公司旅游"}
    assert send(guan, "/admin/workdays", **days).status_code == 303
    assert {(one.id, one.works, one.note) for one in stored(CorpDay)} == {
        ("2026-12-24", False, "公司旅游"),
        ("2026-12-25", False, "公司旅游"),
    }
    assert "2026-12-24 周四" in sign_in(guan).get("/admin/workdays").text
    with app.app_context(), corp_scope(cast.corp_id):
        event = db.session.scalars(sa.select(Event).where(Event.kind == "day.changed")).first()
        dispatch(event.id)
        assert db.session.scalar(sa.select(sa.exists().where(Outbox.kind == "ladders.plan")))
    assert send(guan, "/admin/workdays/2026-12-24/removal").status_code == 303
    assert [one.id for one in stored(CorpDay)] == ["2026-12-25"]
    assert send(guan, "/admin/workdays/2026-12-24/removal").status_code == 404
    for wrong in ({"day": ""}, {"day": "2026-12-25", "until": "2026-12-24"}, {"day": "2099-01-01"}):
        assert send(guan, "/admin/workdays", **wrong).status_code == 422
