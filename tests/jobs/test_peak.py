"""A small morning peak: reminders of several firms due at one moment, sent by one engine within the hosts' limits."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from tests.cast import settings_for
from tests.jobs.test_isolation import _wait
from tests.soak.peak import Firm, plant, reminders_at, sent, shown_twice_or_lost, tried_again
from wsapp import clock
from wsapp.connectors.dingtalk.emulator import DingTalkEmulator
from wsapp.connectors.wecom.emulator import WeComEmulator
from wsapp.db import db
from wsapp.jobs.pace import PACE
from wsapp.jobs.worker import Engine

A_SECOND = 20  # calls of one API that DingTalk takes of an app
FIRMS = [Firm(one, ("wecom", "dingtalk")[one % 2], 8, 40) for one in range(6)]


@pytest.fixture
def urls() -> Iterator[dict[str, str]]:
    """Both hosts with the firms, DingTalk with its limit of calls."""
    with ExitStack() as stack:
        found = {}
        for name, emulator in (("wecom", WeComEmulator()), ("dingtalk", DingTalkEmulator())):
            emulator.load({"corps": [one.at_host() for one in FIRMS if one.host == name]})
            found[name] = stack.enter_context(emulator.start()).url
            if name == "dingtalk":
                emulator.knobs["qps"] = A_SECOND
        yield found


@pytest.fixture
def product(tmp_path: Path, database_url: str, urls: dict[str, str]) -> Iterator[Flask]:
    from wsapp.app import create_app
    from wsapp.crm.org import standing

    standing._kept.clear()
    bases = {f"{name}_base": url for name, url in urls.items()}
    made = create_app(settings_for(tmp_path / "data", url=database_url, public_url="http://127.0.0.1:8000", **bases))
    yield made
    with made.app_context():
        db.engine.dispose()


def test_everybody_is_reminded_once_and_no_host_is_asked_too_much(product: Flask, urls: dict[str, str]) -> None:
    plant(product, FIRMS, clock.now() + timedelta(seconds=0.5))
    engine = Engine(product, pace=PACE.compressed(1, poll=0.05), queue_url="")
    engine.start()
    try:
        _wait(lambda: sent(product) == 240, 60)
    finally:
        engine.stop()
    assert shown_twice_or_lost(FIRMS, reminders_at(urls)) == {"lost": 0, "twice": 0}
    assert tried_again(product) <= 24  # the host had to refuse hardly anything
