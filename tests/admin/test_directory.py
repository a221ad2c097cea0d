"""The console's page of the directory: progress, "sync now", what went wrong, and the yes to very many leavers."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.admin.test_console import post
from tests.cast import Cast
from tests.h5.test_queries import statements
from wsapp import clock
from wsapp.crm.org import directory
from wsapp.crm.org.models import Corp, DirectoryRun, Member
from wsapp.db import corp_scope, db
from wsapp.outbox import Outbox

SignIn = Callable[..., FlaskClient]


@pytest.fixture
def desk(sign_in: SignIn, guan: Member) -> FlaskClient:
    """管姐's browser."""
    return sign_in(guan)


def end_latest(app: Flask, cast: Cast, state: str, **values: object) -> None:
    """End a run of the cast's corp as if it had gone that way."""
    with app.app_context(), corp_scope(cast.corp_id):
        run, _is_new = directory.begin("nightly")
        for name, value in values.items():
            setattr(run, name, value)
        directory.end(run, state, code=run.code or "", reason=run.reason or "")
        db.session.commit()


def text_of(client: FlaskClient, path: str = "/admin/directory") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_before_the_first_run_the_page_says_so(desk: FlaskClient) -> None:
    page = text_of(desk)
    assert "还没有同步过" in page
    assert "立即同步" in page


def test_sync_now_begins_one_run_and_shows_it_going(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    assert post(desk, "/admin/directory/runs")[0] == 303
    assert post(desk, "/admin/directory/runs")[0] == 303  # pressed twice: the same run
    page = text_of(desk)
    assert "正在读取部门" in page
    assert 'hx-trigger="every 2s"' in page
    part = text_of(desk, "/admin/directory/progress")
    assert "正在读取部门" in part
    assert "<html" not in part
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(DirectoryRun)) == 1
        kinds = db.session.scalars(sa.select(Outbox.kind).where(Outbox.corp_id == cast.corp_id)).all()
        assert kinds == ["directory.walk"]


def test_a_finished_run_tells_what_is_visible(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    end_latest(app, cast, directory.DONE, people=120, roots=4, departments=9, departments_read=9, joined=3)
    page = text_of(desk)
    assert "120 人，4 个根部门" in page
    assert "新增 3，恢复 0，离职 0" in page
    assert "hx-trigger" not in page


def test_a_failed_run_says_why_and_what_to_do(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    end_latest(app, cast, directory.FAILED, code="empty")
    assert "请检查应用的可见范围是否为空" in text_of(desk)
    assert "上次通讯录同步失败" in text_of(desk, "/admin/")
    end_latest(app, cast, directory.FAILED, code="60020", reason="not allowed")
    page = text_of(desk)
    assert "60020 not allowed" in page
    assert "企业可信 IP" in page


def test_very_many_leavers_wait_for_a_yes(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    assert post(desk, "/admin/directory/acceptance")[0] == 404  # nothing waits
    end_latest(app, cast, directory.ASKING, leavers=3, known=4)
    page = text_of(desk)
    assert "把 3 名成员（共 4 名）标记为离职" in page
    assert "离职 0" in page  # nobody is marked yet
    assert "通讯录同步等待确认" in text_of(desk, "/admin/")
    assert post(desk, "/admin/directory/acceptance")[0] == 303
    with app.app_context(), corp_scope(cast.corp_id):
        run = directory.running()
        assert run is not None
        assert run.accept_leavers
    assert post(desk, "/admin/directory/acceptance")[0] == 404  # said once


def test_held_leaving_is_shown(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    with app.app_context():
        corp = db.session.get(Corp, cast.corp_id)
        assert corp is not None
        corp.leaving_held_at = clock.now()
        db.session.commit()
    assert "已暂停标记离职" in text_of(desk)
    assert "已暂停标记离职" in text_of(desk, "/admin/")


@pytest.mark.parametrize("path", ["/admin/directory", "/admin/directory/progress"])
def test_others_see_nothing_of_it(sign_in: SignIn, ali: Member, path: str) -> None:
    assert sign_in(ali).get(path).status_code == 403


def test_another_corps_runs_are_not_shown(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    with app.app_context(), corp_scope(cast.other_corp_id):
        directory.begin("console")
        db.session.commit()
    assert "还没有同步过" in text_of(desk)


def test_the_page_costs_as_many_statements_for_many_runs_as_for_one(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    end_latest(app, cast, directory.DONE, people=1)
    text_of(desk)
    with statements(app) as few:
        text_of(desk)
    for number in range(12):
        end_latest(app, cast, directory.DONE, people=number)
    with statements(app) as many:
        text_of(desk)
    assert len(many) == len(few) <= 6
