"""Quiet hours on the way out: what was in line when they began waits, what may have arrived is brought to its end."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from tests.jobs.conftest import Firm, make_due, row, run_due
from wsapp import clock
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.preferences import choose, declared
from wsapp.db import db

HERE = ZoneInfo("Asia/Shanghai")
BEFORE = datetime(2031, 3, 5, 20, 59, tzinfo=HERE)
QUIET = BEFORE + timedelta(minutes=5)
MORNING = datetime(2031, 3, 6, 8, 0, tzinfo=HERE)
OURS = ("send", "messages.release")
NOTICE = {"wecom": "/cgi-bin/message/send", "dingtalk": "/topapi/message/corpconversation/asyncsend_v2"}
BUSY: dict[str, dict[str, Any]] = {
    "wecom": {"fault": "code", "code": 45009},
    "dingtalk": {"fault": "status", "status": 200, "body": '{"errcode":88,"sub_code":"90018","errmsg":"too fast"}'},
}


@pytest.fixture(autouse=True)
def quiet_nights(firm: Firm) -> None:
    seller = firm.seller()
    choose(seller, channels=declared().channels, quiet_hours="21:00-08:00", digest_after=None, actor=seller)
    db.session.commit()
    run_due(firm.app)


def say(firm: Firm, key: str, *, chosen: bool = False) -> None:
    card = {"title": f"动态 {key}", "text": "看了仓库", "lines": [], "url": "", "buttons": [], "source": "拜访动态"}
    tell(firm.seller(), "visit.checked_in", card, key=key, chosen=chosen)
    db.session.commit()


@pytest.mark.parametrize("tried", [False, True])
def test_what_was_in_line_when_it_grew_quiet_waits(firm: Firm, tried: bool) -> None:
    with time_machine.travel(BEFORE):
        say(firm, "a")
        if tried:
            firm.fault(**BUSY[firm.host], api=NOTICE[firm.host], times=2)  # the first may meet a token of years ago
            run_due(firm.app, kinds=OURS)
            assert (firm.message().state, firm.message().unknown) == ("sending", False)
            firm.emulator.faults.clear()
    with time_machine.travel(QUIET):
        make_due("send")
        run_due(firm.app, kinds=OURS)
        message = firm.message()
        assert (message.held, message.due_at, message.reason) == ("quiet", MORNING, "免打扰时段，结束后发送")
    assert firm.chat() == []
    with time_machine.travel(MORNING + timedelta(seconds=2)):
        run_due(firm.app, kinds=OURS)
        assert firm.message().state == "accepted"
    assert len(firm.chat()) == 1


def test_a_chosen_minute_rings_in_the_night(firm: Firm) -> None:
    with time_machine.travel(QUIET):
        say(firm, "a", chosen=True)
        run_due(firm.app, kinds=OURS)
        assert firm.message().state == "accepted"


def test_what_may_have_arrived_is_brought_to_its_end(firm: Firm) -> None:
    with time_machine.travel(BEFORE):
        say(firm, "a")
        firm.fault("reset_after", api=NOTICE[firm.host])
        run_due(firm.app, kinds=OURS)
        assert firm.message().unknown
    with time_machine.travel(QUIET):
        make_due("send")
        run_due(firm.app, kinds=OURS)
        assert firm.message().state == "accepted"
    assert len(firm.chat()) == 1


def test_a_night_of_messages_is_shown_once_in_the_morning(firm: Firm) -> None:
    with time_machine.travel(QUIET):
        for key in ("a", "b", "c"):
            say(firm, key)
        run_due(firm.app, kinds=OURS)
        assert firm.chat() == []
        assert row("messages.release").due_at == MORNING
    with time_machine.travel(MORNING):
        assert clock.now() >= MORNING
        run_due(firm.app, kinds=OURS)
        run_due(firm.app, kinds=OURS)
    (shown,) = firm.chat()
    assert shown["title"] == "免打扰期间有 3 条消息"
