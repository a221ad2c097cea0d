"""The console says how a corp's stream is."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import DINGTALK_AGENT, Cast
from wsapp import arrivals, clock, hosts
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import STREAM_BROKEN, STREAM_OPEN, STREAM_OPENING, STREAM_REFUSED, Corp, HostStream
from wsapp.crm.org.queries import corps
from wsapp.db import db


@pytest.fixture
def corp(app: Flask) -> Corp:
    """The sample firm at DingTalk, connected with Stream mode."""
    with app.app_context():
        corp = next(one for one in corps() if one.host == "dingtalk")
        values = {**hosts.open_credentials(corp), "event_mode": "stream"}
        sealed = hosts.seal_credentials(corp.host, corp.host_corp_id, values)
        org.connect_corp(corp.host, corp.host_corp_id, corp.name, sealed)
        db.session.commit()
        return corp


@pytest.fixture
def page(app: Flask, cast: Cast, corp: Corp) -> Callable[..., str]:
    """A page of the console, the one of the corp if not said otherwise, as its administrator reads it: without tags."""
    with app.app_context():
        admin = arrivals.arrive(corp, "qianwei")
    client: FlaskClient = cast.sign_in(admin, agent=DINGTALK_AGENT)

    def read(path: str = "/admin/corps") -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", client.get(path).get_data(as_text=True)))

    return read


def write(app: Flask, corp: Corp, **values: Any) -> None:
    with app.app_context():
        db.session.execute(sa.delete(HostStream))
        held_until = clock.wall() + timedelta(seconds=20)
        db.session.add(HostStream(corp_id=corp.id, **{"holder": "x", "held_until": held_until, **values}))
        db.session.commit()


def test_the_page_of_the_corp_tells_its_state(app: Flask, corp: Corp, page: Callable[..., str]) -> None:
    assert "Stream 连接 没有后台进程在保持连接" in page()
    since = clock.now()
    write(app, corp, state=STREAM_OPEN, since=since)
    assert "已连接，自" in page()
    assert "最近推送 还没有收到" in page()
    write(app, corp, state=STREAM_REFUSED, since=since, reason="authFailed: 鉴权失败", last_event_at=since)
    assert "被拒绝：authFailed: 鉴权失败" in page()
    assert "最近推送 还没有收到" not in page()
    write(app, corp, state=STREAM_BROKEN, since=since, reason="1006: the host closed the stream")
    assert "正在重新连接：1006" in page()
    write(app, corp, state=STREAM_OPENING, since=since)
    assert "正在连接" in page()
    write(app, corp, state=STREAM_OPEN, since=since, held_until=clock.wall() - timedelta(seconds=1))
    assert "没有后台进程在保持连接" in page()


def test_the_overview_warns_while_it_is_not_open(app: Flask, corp: Corp, page: Callable[..., str]) -> None:
    warning = "Stream 连接没有建立，收不到事件、按钮和机器人消息："
    assert f"{warning}没有后台进程在保持连接" in page("/admin/")
    write(app, corp, state=STREAM_REFUSED, since=clock.now(), reason="authFailed: 鉴权失败")
    assert f"{warning}被拒绝：authFailed" in page("/admin/")
    write(app, corp, state=STREAM_OPEN, since=clock.now())
    assert warning not in page("/admin/")


def test_where_the_host_sends_to_an_address_nothing_is_said(app: Flask, cast: Cast) -> None:
    text = cast.sign_in(cast.member("guan")).get("/admin/corps").get_data(as_text=True)
    assert "最近回调" in text
    assert "Stream" not in text


def test_the_gauge_tells_whether_it_is_open(app: Flask, corp: Corp) -> None:
    def figure() -> list[str]:
        text = app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).get_data(as_text=True)
        return re.findall(rf'wsapp_host_stream_open{{corp="{corp.id}",host="dingtalk"}} (\S+)', text)

    assert figure() == []
    write(app, corp, state=STREAM_OPEN, since=clock.now())
    assert figure() == ["1.0"]
    write(app, corp, state=STREAM_OPEN, since=clock.now(), held_until=clock.wall() - timedelta(seconds=1))
    assert figure() == ["0.0"]
