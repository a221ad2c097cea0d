"""What follows a message, and what people left with the host."""

import io

import pytest
import sqlalchemy as sa
from PIL import Image

from tests.jobs.conftest import SELLERS, Firm, make_due, row, run_due
from wsapp import files, outbox
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import complete_task
from wsapp.db import db
from wsapp.files import StoredFile
from wsapp.jobs.pace import PACE
from wsapp.jobs.runner import Desk

UPDATE_API = {"wecom": "/cgi-bin/message/update_template_card", "dingtalk": "/v1.0/card/instances"}
PERSON_API = {"wecom": "/cgi-bin/user/get", "dingtalk": "/topapi/v2/user/get"}


@pytest.fixture
def sent(firm: Firm) -> Firm:
    """A firm whose seller has one card in the chat."""
    firm.task()
    run_due(firm.app)
    assert firm.message().state == "accepted"
    return firm


def _finish(firm: Firm) -> None:
    from wsapp.crm.tasks.models import Task

    complete_task(db.session.execute(sa.select(Task)).scalar_one(), actor=firm.seller())
    db.session.commit()


def test_a_card_shows_who_finished_the_work(sent: Firm) -> None:
    _finish(sent)
    run_due(sent.app)
    (shown,) = sent.chat()
    assert shown["state"].startswith("已完成 · ")
    assert shown["buttons"] == []


def test_a_card_update_is_tried_again_while_the_host_is_ill(sent: Firm) -> None:
    sent.fault("status", api=UPDATE_API[sent.host], status=503)
    _finish(sent)
    run_due(sent.app)
    assert sent.chat()[0]["state"] == ""
    assert (row("card.update").state, row("card.update").attempts) == ("ready", 1)
    make_due("card.update")
    run_due(sent.app)
    assert sent.chat()[0]["state"].startswith("已完成 · ")


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)  # after 72 hours the host lets nobody update
def test_a_refused_card_update_does_no_harm(sent: Firm) -> None:
    sent.emulator.clock.offset += 73 * 3600
    _finish(sent)
    run_due(sent.app)
    found = row("card.update")
    assert found.state == "done"
    assert found.error
    assert found.error.startswith("the card stays as it was")


def test_whoever_left_is_shut_out(firm: Firm) -> None:
    userid = SELLERS[firm.host]
    firm.fault("code", api=PERSON_API[firm.host], code={"wecom": 60111, "dingtalk": 33012}[firm.host])
    outbox.enqueue("member.check", {"userid": userid})
    db.session.commit()
    run_due(firm.app)
    db.session.rollback()
    status = sa.select(Member.status).where(Member.id == firm.seller_id)
    assert db.session.scalar(status) == "left"
    outbox.enqueue("member.check", {"userid": userid})  # a mistake of the host's: back means back
    db.session.commit()
    run_due(firm.app)
    db.session.rollback()
    assert db.session.scalar(status) == "active"


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def _photo_of(firm: Firm, raw: bytes, monkeypatch: pytest.MonkeyPatch) -> StoredFile:
    """Leave a photo with the host and have it fetched."""
    import requests

    from wsapp import hosts
    from wsapp.crm.org.models import Corp

    corp = db.session.execute(sa.select(Corp).where(Corp.id == firm.corp_id)).scalar_one()
    connector = hosts.lines().of(corp)
    db.session.rollback()
    token = connector.calls.token()  # type: ignore[attr-defined]
    url = f"{firm.running.url}/cgi-bin/media/upload?access_token={token}&type=image"
    answer = requests.post(url, files={"media": ("a.jpg", raw, "image/jpeg")}, timeout=5).json()
    stored = files.expect_photo(answer["media_id"], owner_id=firm.seller_id)
    outbox.enqueue("media.fetch", {"file": stored.id}, key=f"media:{stored.id}")
    db.session.commit()
    run_due(firm.app, kinds=("media.fetch",))
    db.session.rollback()
    statement = sa.select(StoredFile).execution_options(populate_existing=True)
    return db.session.execute(statement).scalar_one()


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_photo_is_fetched_from_the_host(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = _photo_of(firm, _jpeg(), monkeypatch)
    assert (stored.state, stored.width, stored.height) == ("ready", 40, 30)
    assert files.path_of(stored).stat().st_size == stored.size


@pytest.mark.parametrize("firm", ["wecom"], indirect=True)
def test_a_photo_that_is_none_is_marked(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _photo_of(firm, b"\xff\xd8not a photo at all", monkeypatch).state == "failed"


def test_a_photo_that_is_gone_is_marked(firm: Firm) -> None:
    stored = files.expect_photo("gone", owner_id=firm.seller_id)
    outbox.enqueue("media.fetch", {"file": stored.id})
    db.session.commit()
    run_due(firm.app, kinds=("media.fetch",))
    db.session.rollback()
    assert db.session.scalar(sa.select(StoredFile.state)) == "failed"
    assert row("media.fetch").state == "done"


def test_a_host_that_never_answers_is_given_up(firm: Firm) -> None:
    stored = files.expect_photo("m", owner_id=firm.seller_id)
    outbox.enqueue("media.fetch", {"file": stored.id})
    db.session.commit()
    found = row("media.fetch")
    found.attempts = PACE.max_tries - 1
    db.session.commit()
    if firm.host == "wecom":
        firm.fault("status", api="/cgi-bin/media/get", status=500)
        run_due(firm.app, Desk(), kinds=("media.fetch",))
        assert row("media.fetch").state == "dead"
        db.session.rollback()
    else:
        run_due(firm.app, Desk(), kinds=("media.fetch",))
    assert db.session.scalar(sa.select(StoredFile.state)) == "failed"
