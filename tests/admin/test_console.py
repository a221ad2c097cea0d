"""The console: for administrators of their own corp, and nobody else."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from wsapp import clock, outbox
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.models import FAILED, Notification
from wsapp.crm.org.models import ADMIN, SELLER, Corp, Member
from wsapp.crm.org.queries import member
from wsapp.db import corp_scope, db
from wsapp.outbox import Outbox

SignIn = Callable[..., FlaskClient]
PAGES = ("/admin/", "/admin/members", "/admin/work", "/admin/deliveries", "/admin/robots", "/admin/tokens")


def csrf_of(client: FlaskClient, page: str = "/admin/") -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get(page).get_data(as_text=True))
    assert found
    return found.group(1)


def post(client: FlaskClient, path: str, **fields: object) -> tuple[int, str]:
    answer = client.post(path, data={"csrf_token": csrf_of(client), **fields})
    return answer.status_code, answer.get_data(as_text=True)


@pytest.fixture
def desk(sign_in: SignIn, guan: Member) -> FlaskClient:
    """管姐's browser."""
    return sign_in(guan)


@pytest.mark.parametrize("page", PAGES)
def test_administrators_read_every_page(desk: FlaskClient, page: str) -> None:
    answer = desk.get(page)
    assert answer.status_code == 200
    assert "管理后台" in answer.get_data(as_text=True)


@pytest.mark.parametrize("page", PAGES)
def test_others_are_told_whom_to_ask(sign_in: SignIn, ali: Member, page: str) -> None:
    answer = sign_in(ali).get(page)
    assert answer.status_code == 403
    assert "管姐" in answer.get_data(as_text=True)


@pytest.mark.parametrize("page", PAGES)
def test_strangers_are_sent_to_sign_in_and_come_back(app: Flask, cast: Cast, page: str) -> None:
    answer = app.test_client().get(page)
    assert answer.status_code == 302
    assert answer.location.startswith("/signin/")
    assert page.replace("/", "%2F") in answer.location or page in answer.location


def test_the_overview_shows_why_the_host_refuses(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    with app.app_context():
        corp = db.session.get(Corp, cast.corp_id)
        assert corp
        corp.fault = "40001 不合法的secret参数"
        db.session.commit()
    assert "40001 不合法的secret参数" in desk.get("/admin/").get_data(as_text=True)


def test_the_way_in_is_shown_to_administrators_only(desk: FlaskClient, sign_in: SignIn, ali: Member) -> None:
    assert 'href="/admin/"' in desk.get("/h5/me").get_data(as_text=True)
    assert 'href="/admin/"' not in sign_in(ali).get("/h5/me").get_data(as_text=True)


# --- members ------------------------------------------------------------------------------------------------------


def test_members_are_found_by_name_and_only_of_the_own_corp(desk: FlaskClient) -> None:
    page = desk.get("/admin/members").get_data(as_text=True)
    assert all(name in page for name in ("阿丽", "老鲍", "小查", "管姐"))
    assert "艾薇" not in page
    page = desk.get("/admin/members?q=小").get_data(as_text=True)
    assert "小查" in page
    assert "阿丽" not in page


def test_a_role_is_changed_and_ends_the_sessions(
    app: Flask, cast: Cast, desk: FlaskClient, sign_in: SignIn, ali: Member
) -> None:
    phone = sign_in(ali)
    assert phone.get("/admin/").status_code == 403
    assert post(desk, f"/admin/members/{ali.id}/role", role="admin")[0] == 303
    assert phone.get("/admin/").status_code == 302
    assert sign_in(cast.member("ali")).get("/admin/").status_code == 200


def test_the_last_administrator_stays(app: Flask, cast: Cast, desk: FlaskClient, guan: Member) -> None:
    status, page = post(desk, f"/admin/members/{guan.id}/role", role="seller")
    assert status == 422
    assert "至少要保留一名管理员" in page
    assert cast.member("guan").role == ADMIN


def test_unknown_roles_and_members_are_refused(desk: FlaskClient, ali: Member, ivy: Member) -> None:
    assert post(desk, f"/admin/members/{ali.id}/role", role="owner")[0] == 422
    assert post(desk, f"/admin/members/{ivy.id}/role", role="admin")[0] == 404
    assert desk.get(f"/admin/members/{ivy.id}").status_code == 404


def test_signing_out_a_member_ends_sessions_and_tokens(
    app: Flask, cast: Cast, desk: FlaskClient, sign_in: SignIn, ali: Member
) -> None:
    phone, token = sign_in(ali), cast.token(ali)
    assert "test" in desk.get(f"/admin/members/{ali.id}").get_data(as_text=True)
    assert post(desk, f"/admin/members/{ali.id}/sign-out")[0] == 303
    assert phone.get("/h5/").status_code == 302
    answer = app.test_client().get("/api/v1/tasks", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


# --- background work ----------------------------------------------------------------------------------------------


def dead_work(app: Flask, corp_id: int, kind: str) -> int:
    with app.app_context(), corp_scope(corp_id):
        outbox.enqueue(kind, {})
        row = db.session.execute(sa.select(Outbox).where(Outbox.kind == kind)).scalar_one()
        row.state, row.error = outbox.DEAD, "宿主返回 45009"
        db.session.commit()
        return row.id


def test_dead_work_is_shown_with_its_error_and_put_back_in_line(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    work_id = dead_work(app, cast.corp_id, "card.update")
    page = desk.get("/admin/work").get_data(as_text=True)
    assert "更新消息卡片" in page
    assert "宿主返回 45009" in page
    assert post(desk, f"/admin/work/{work_id}/revival")[0] == 303
    with app.app_context():
        row = db.session.get(Outbox, work_id)
        assert row
        assert (row.state, row.error) == (outbox.READY, None)
    assert post(desk, f"/admin/work/{work_id}/revival")[0] == 404


def test_another_corps_work_is_neither_shown_nor_touched(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    work_id = dead_work(app, cast.other_corp_id, "media.fetch")
    assert "取回照片" not in desk.get("/admin/work?state=dead").get_data(as_text=True)
    assert post(desk, f"/admin/work/{work_id}/revival")[0] == 404
    with app.app_context():
        row = db.session.get(Outbox, work_id)
        assert row
        assert row.state == outbox.DEAD


@pytest.mark.parametrize("state", ["ready", "running", "dead", "done", "nonsense"])
def test_work_pages_page_on(app: Flask, cast: Cast, desk: FlaskClient, state: str) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        for number in range(35):
            outbox.enqueue("event", {"event": f"e{number}"}, key=f"k{number}")
        db.session.execute(
            sa.update(Outbox)
            .where(Outbox.corp_id == cast.corp_id)
            .values(state=state if state in ("running", "dead", "done") else "ready", due_at=clock.now())
        )
        db.session.commit()
    page = desk.get(f"/admin/work?state={state}").get_data(as_text=True)
    assert page.count("分发事件") == 30
    following = re.search(r'href="(/admin/work\?[^"]*cursor=[^"]+)"', page)
    assert following
    rest = desk.get(following.group(1).replace("&amp;", "&")).get_data(as_text=True)
    assert rest.count("分发事件") == 5


# --- deliveries ---------------------------------------------------------------------------------------------------


def test_the_ledger_says_what_happened_and_why(
    app: Flask, cast: Cast, desk: FlaskClient, ali: Member, bob: Member, ivy: Member
) -> None:
    for reader, title in ((ali, "回访华星家具"), (bob, "阿丽拜访了华星家具"), (ivy, "别家的事")):
        with app.app_context(), corp_scope(reader.corp_id):
            card = {"title": title, "text": "", "lines": [], "url": "", "buttons": [], "source": "", "state": ""}
            tell(member(reader.id), "task.due", card, key=f"k:{title}")  # type: ignore[arg-type]
            db.session.execute(
                sa.update(Notification)
                .where(Notification.recipient_id == reader.id)
                .values(state=FAILED, host_code="81013", reason="收件人不在应用可见范围内", attempts=3)
            )
            db.session.commit()
    page = desk.get("/admin/deliveries").get_data(as_text=True)
    told = ("回访华星家具", "发送失败", "81013", "收件人不在应用可见范围内", "已尝试 3 次")
    assert all(text in page for text in told)
    assert "别家的事" not in page
    only_bob = desk.get(f"/admin/deliveries?person={bob.id}").get_data(as_text=True)
    assert "阿丽拜访了华星家具" in only_bob
    assert "回访华星家具" not in only_bob
    assert "回访华星家具" not in desk.get("/admin/deliveries?state=read").get_data(as_text=True)
    assert "别家的事" not in desk.get(f"/admin/deliveries?person={ivy.id}").get_data(as_text=True)


# --- tokens -------------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_works_and_is_revoked(app: Flask, cast: Cast, desk: FlaskClient) -> None:
    answer = desk.post("/admin/tokens", data={"csrf_token": csrf_of(desk), "scope": ["read"], "days": "30"})
    assert answer.status_code == 201
    found = re.search(r"wsapp_\d+_[0-9a-f]{48}", answer.get_data(as_text=True))
    assert found
    token = found.group(0)
    assert answer.headers["Cache-Control"] == "no-store"
    page = desk.get("/admin/tokens").get_data(as_text=True)
    assert token not in page
    api = app.test_client()
    headers = {"Authorization": f"Bearer {token}"}
    assert api.get("/api/v1/customers", headers=headers).status_code == 200
    assert api.post("/api/v1/customers", headers=headers, json={"name": "华星家具"}).status_code == 403
    revocation = re.search(r"/admin/tokens/[0-9a-f]{40}/revocation", page)
    assert revocation
    assert post(desk, revocation.group(0))[0] == 303
    assert api.get("/api/v1/customers", headers=headers).status_code == 401


@pytest.mark.parametrize("fields", [{"days": "30"}, {"scope": "read", "days": "9999"}, {"scope": "root", "days": "30"}])
def test_bad_tokens_are_not_made(app: Flask, desk: FlaskClient, fields: dict[str, str]) -> None:
    status, page = post(desk, "/admin/tokens", **fields)
    assert status == 422
    assert "wsapp_" not in page


def test_another_corps_token_cannot_be_revoked(app: Flask, cast: Cast, desk: FlaskClient, ivy: Member) -> None:
    token = cast.token(ivy)
    from wsapp.vault import digest

    assert post(desk, f"/admin/tokens/{digest(token)[:40]}/revocation")[0] == 404
    answer = app.test_client().get("/api/v1/tasks", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_two_demotions_at_once_leave_one_administrator(app: Flask, cast: Cast, guan: Member, bob: Member) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    from wsapp.crm.org.actions import set_role
    from wsapp.problems import Problem

    with app.app_context(), corp_scope(cast.corp_id):
        other = member(bob.id)
        assert other
        other.role = ADMIN
        db.session.commit()
    ready = Barrier(2)

    def demote(actor_id: str, member_id: str) -> bool:
        with app.app_context(), corp_scope(cast.corp_id):
            actor, target = member(actor_id), member(member_id)
            assert actor
            assert target
            db.session.rollback()
            ready.wait()
            try:
                set_role(target, SELLER, actor=actor)
                db.session.commit()
            except Problem:
                db.session.rollback()
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(demote, (guan.id, bob.id), (bob.id, guan.id)))
    assert sorted(done) == [False, True]
    with app.app_context(), corp_scope(cast.corp_id):
        admins = db.session.scalars(sa.select(Member.id).where(Member.role == ADMIN)).all()
    assert len(admins) == 1
