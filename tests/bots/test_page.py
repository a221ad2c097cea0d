"""The page that confirms what was dictated."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from wsapp.bots import drafts
from wsapp.bots.commands import understand
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.db import corp_scope, db, first
from wsapp.house import local_now
from wsapp.outbox import Outbox


def dictate(app: Flask, cast: Cast, member: Member, line: str) -> str:
    """Have a member dictate to the robot, their card sent and at the host; returns the draft's id."""
    with app.app_context(), corp_scope(cast.corp_id):
        actor = db.session.merge(member)
        if not first(db.select(FollowUp.id)):
            create_customer({"name": "佛山市华星家具有限公司"}, actor=actor)
        kept, card = drafts.draft(understand(line, local_now()), actor=actor)
        assert kept is not None
        tell(actor, drafts.CONFIRM_KIND, card, key=f"bot:{kept.id}", subject_id=kept.id, chosen=True)
        first(db.select(Notification)).host_id = "n1"
        draft_id = kept.id
        db.session.commit()
    return draft_id


def post(client: FlaskClient, draft_id: str, answer: str) -> Any:
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    return client.post(f"/h5/drafts/{draft_id}/answer", data={"csrf_token": token, "answer": answer})


def count(app: Flask, cast: Cast, model: Any, *conditions: Any) -> int:
    with app.app_context(), corp_scope(cast.corp_id):
        return len(db.session.scalars(db.select(model).where(*conditions)).all())


def test_confirmed_on_the_page_once(
    app: Flask, cast: Cast, ali: Member, bob: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    draft_id = dictate(app, cast, ali, "记 华星 报价已发 明天 回访")
    client = sign_in(ali)
    page = client.get(f"/h5/drafts/{draft_id}").text
    assert "佛山市华星家具有限公司" in page
    assert "报价已发" in page
    assert sign_in(bob).get(f"/h5/drafts/{draft_id}").status_code == 404
    assert post(sign_in(bob), draft_id, "confirm").status_code == 404
    assert count(app, cast, FollowUp) == 0
    assert post(client, draft_id, "pick_9").status_code == 303
    assert count(app, cast, FollowUp) == 0
    for _twice in range(2):
        answer = post(client, draft_id, "confirm")
        assert answer.status_code == 303
        assert answer.location.startswith("/h5/customers/")
    assert count(app, cast, FollowUp) == 1
    assert count(app, cast, Outbox, Outbox.kind == "card.update") == 1
    page = client.get(f"/h5/drafts/{draft_id}").text
    assert "已写入" in page
    assert 'name="answer"' not in page


def test_what_is_older_than_a_day_is_not_written(
    app: Flask, cast: Cast, ali: Member, sign_in: Callable[..., FlaskClient]
) -> None:
    from datetime import timedelta

    from wsapp import clock
    from wsapp.bots.models import BotDraft

    draft_id = dictate(app, cast, ali, "记 华星 报价已发")
    with app.app_context(), corp_scope(cast.corp_id):
        first(db.select(BotDraft)).created_at = clock.now() - timedelta(hours=25)
        db.session.commit()
    client = sign_in(ali)
    assert post(client, draft_id, "confirm").location == f"/h5/drafts/{draft_id}"
    assert "没有写入：超过 24 小时" in client.get(f"/h5/drafts/{draft_id}").text
    assert count(app, cast, FollowUp) == 0
