"""A host that hangs, and the command line."""

import json
import time

import pytest

from tests.doctor.conftest import Clinic
from wsapp import cli
from wsapp.connectors.emulator import Fault
from wsapp.doctor import examine


def test_a_host_that_hangs_is_named_in_time(inside: Clinic) -> None:
    """After the token every call hangs for 30 s: all ends in half a minute, and dependants are not blamed."""
    inside.emulators["wecom"].faults.append(Fault("/cgi-bin/agent/get", "delay", times=9, options={"seconds": 30}))
    started = time.monotonic()
    found = examine(inside.corp("wecom"))
    assert time.monotonic() - started < 60  # of 270 that the host would take
    failed = [one.check for one in found if one.state == "fail"]
    assert failed == ["ip"]  # the first call that needs more than the token
    assert next(one for one in found if one.check == "ip").code in ("timeout", "connection_lost")


def test_a_wrong_secret_is_not_tried_again_and_again(inside: Clinic) -> None:
    """However often somebody looks, the host hears of a wrong secret no more than six times an hour."""
    corp = inside.change("wecom", app_secret="wrong" * 8)
    emulator = inside.emulators["wecom"]
    emulator.call_counts.clear()
    for _look in range(8):
        found = examine(inside.corp("wecom"), only=("token",))
        assert (found[0].state, found[0].code) == ("fail", "40001")
    assert emulator.call_counts["/cgi-bin/gettoken"] <= 6
    assert corp.enabled


def test_the_command_prints_json_and_fails(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    path, corp_id = str(clinic.data_dir / "config.toml"), clinic.org("dingtalk")["corps"][0]["corp_id"]
    options = ["--config", path, "--corp", corp_id, "--no-message"]
    assert cli.run(["doctor", *options, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert {one["state"] for one in told["checks"]} <= {"ok", "warn", "fail", "skip"}
    assert all(set(one["fix"]) == {"zh", "en"} for one in told["checks"])

    next(iter(clinic.emulators["dingtalk"].world.corps[corp_id].apps.values())).stopped = True
    assert cli.run(["doctor", *options]) == 1
    said = capsys.readouterr().out
    assert "50003" in said
    assert "应用发布 › 版本管理与发布" in said
