"""My tasks in the host's lists: the switches on my page, and the question on a task's page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.mirrors.models import MirrorChoice, TaskMirror
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import create_task
from wsapp.db import corp_scope, db
from wsapp.outbox import Outbox

Post = Callable[..., Any]
See = Callable[..., str]
RowsOf = Callable[..., list[Any]]
PAGE = "/h5/me/mirrors"


def _task(app: Flask, cast: Cast, owner: Member, **mirror: Any) -> tuple[str, str]:
    with app.app_context(), corp_scope(cast.corp_id):
        actor = db.session.merge(owner)
        task = create_task({"title": "寄样品", "due_at": clock.now() + timedelta(days=1)}, actor=actor)
        row = TaskMirror(task_id=task.id, member_id=owner.id, kind="entry", created_at=clock.now(), **mirror)
        db.session.add(row)
        db.session.commit()
        return task.id, row.id


def test_the_page_offers_what_the_host_keeps_and_is_reached_from_mine(see: See, ali: Member) -> None:
    assert PAGE in see(ali, "/h5/me")
    page = see(ali, PAGE)
    assert "平台日程" in page
    assert "平台待办" not in page  # this host keeps no to-dos for apps
    assert "还没有同步任何待办" in page


def test_switching_is_kept_and_done_in_the_background(
    post: Post, see: See, rows_of: RowsOf, app: Flask, ali: Member, bob: Member
) -> None:
    assert post(ali, PAGE, {"entries": "1", "todos": "1"}).status_code == 303
    (choice,) = rows_of(MirrorChoice, ali)
    assert (choice.id, choice.entries, choice.todos) == (ali.id, True, False)
    with app.app_context():
        assert db.session.scalars(sa.select(Outbox).where(Outbox.kind == "mirror.member")).one().lane == "home"
    assert 'name="entries" value="1" checked' in see(ali, PAGE)
    assert 'name="entries" value="1" checked' not in see(bob, PAGE)
    assert post(ali, PAGE, {}).status_code == 303
    (choice,) = rows_of(MirrorChoice, ali)
    assert not choice.entries


def test_how_it_stands_and_why_not(app: Flask, cast: Cast, post: Post, see: See, ali: Member) -> None:
    post(ali, PAGE, {"entries": "1"})
    _task(app, cast, ali, state="there", host_id="x")
    _task(app, cast, ali, state="refused", code="48002")
    page = see(ali, PAGE)
    assert "已同步 1 条，平台拒绝 1 条" in page
    assert "48002" in page


def test_looking_again_is_not_for_every_second(post: Post, see: See, app: Flask, ali: Member) -> None:
    post(ali, PAGE, {"entries": "1"})
    assert "立即核对" in see(ali, PAGE)
    for _time in range(2):
        assert post(ali, f"{PAGE}/look", {}).status_code == 303
    assert "立即核对" not in see(ali, PAGE)
    with app.app_context():
        looks = sa.select(sa.func.count()).select_from(Outbox).where(Outbox.kind == "mirror.look")
        assert db.session.scalar(looks) == 1


def test_a_task_deleted_at_the_host_asks_on_its_page(
    app: Flask, cast: Cast, post: Post, see: See, rows_of: RowsOf, ali: Member, bob: Member
) -> None:
    post(ali, PAGE, {"entries": "1"})
    task, mirror = _task(app, cast, ali, state="asking", host_id="x")
    page = see(ali, f"/h5/tasks/{task}")
    assert "您在平台日程里删除了这条待办" in page
    assert "您在平台日程里删除了" not in see(bob, f"/h5/tasks/{task}")  # his manager sees the task, not this
    url = f"/h5/tasks/{task}/mirrors/{mirror}"
    assert post(bob, url, {"answer": "off"}).status_code == 404
    assert post(ali, url, {"answer": "perhaps"}).status_code == 422
    assert post(ali, url, {"answer": "again"}).status_code == 303
    states = {one.id: (one.state, one.is_current) for one in rows_of(TaskMirror, ali)}
    assert states.pop(mirror) == ("gone", None)
    assert list(states.values()) == [("wanted", True)]
    assert post(ali, url, {"answer": "again"}).status_code == 404
    assert "重新创建" not in see(ali, f"/h5/tasks/{task}")


def test_a_task_can_be_left_out(app: Flask, cast: Cast, post: Post, see: See, rows_of: RowsOf, ali: Member) -> None:
    post(ali, PAGE, {"entries": "1"})
    task, mirror = _task(app, cast, ali, state="asking", host_id="x")
    assert post(ali, f"/h5/tasks/{task}/mirrors/{mirror}", {"answer": "off"}).status_code == 303
    assert [one.state for one in rows_of(TaskMirror, ali)] == ["off"]
    assert "重新创建" not in see(ali, f"/h5/tasks/{task}")
