"""The doctor and a corp in Stream mode: green while a process holds the stream open."""

import threading
from datetime import timedelta

from tests.doctor.conftest import Clinic
from wsapp import clock
from wsapp.crm.org.queries import stream_of
from wsapp.db import db
from wsapp.doctor import examine
from wsapp.jobs.streams import PACE, StreamKeeper


def test_a_stream_that_is_open_is_green_and_tells_of_the_last_push(inside: Clinic) -> None:
    corp = inside.change("dingtalk", event_mode="stream", callback_token="", callback_aes_key="")
    emulator = inside.emulators["dingtalk"]
    emulator.use_streams()
    keeper = StreamKeeper(inside.app, pace=PACE.compressed(100, beat=0.2))
    keeper.start()
    try:
        assert emulator.streams.wait_for(1)
        emulator.people.change({"userid": "qianwei", "action": "update", "title": "主管"})
        wait_for_a_push(corp.id)
        found = {one.check: one for one in examine(corp)}
    finally:
        keeper.stop()
    assert [one for one in found if found[one].state == "fail"] == []
    assert (found["stream"].state, str(found["stream"].evidence)[:11]) == ("ok", "已连接，最近一次推送：")
    assert found["callback"].state == "skip"


def wait_for_a_push(corp_id: int) -> None:
    pause, end = threading.Event(), clock.wall() + timedelta(seconds=20)
    while True:
        stream = stream_of(corp_id)
        told = stream is not None and stream.last_event_at
        db.session.rollback()  # nobody else could write meanwhile
        if told:
            return
        assert clock.wall() < end
        pause.wait(0.05)
