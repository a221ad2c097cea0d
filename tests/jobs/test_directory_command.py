"""`wsapp corp sync`: the number of members, progress, exit codes; no worker needed."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.town import PEOPLE_PAGE, Town, small, town
from wsapp.db import db
from wsapp.outbox import Outbox


def wsapp(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does."""
    command = [sys.executable, "-P", "-m", "wsapp", *words, "--config", str(folder / "config.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def sync(firm: Town, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    db.session.rollback()
    return wsapp(folder, "corp", "sync", firm.host_corp_id, *more)


@pytest.mark.server
@pytest.mark.parametrize("host", ["dingtalk"])
def test_it_prints_the_number_of_members(host: str, database_url: str, tmp_path: Path) -> None:
    with town(host, small(), database_url, tmp_path / "data") as firm:
        done = sync(firm, tmp_path / "data")
        assert done.returncode == 0, done.stderr
        assert "12 members, 5 departments, 1 roots visible; 12 new, 0 back, 0 left." in done.stdout
        assert "12 people" in done.stderr  # progress
        assert firm.statuses() == dict.fromkeys(firm.layout.people, "active")
        token = wsapp(tmp_path / "data", "token", "create", "--corp", firm.host_corp_id, "--user", "s7")
        assert token.returncode == 0, token.stderr
        assert token.stdout.split()[-1].startswith("wsapp_")
        firm.work()  # what it left in line for a worker is nothing but a look
        left = sa.select(sa.func.count()).select_from(Outbox).where(Outbox.kind == "directory.walk")
        assert db.session.scalar(left.where(Outbox.state != "done")) == 0


@pytest.mark.server
def test_it_stops_at_a_fifth_goes_on_when_told_and_fails_on_nobody(database_url: str, tmp_path: Path) -> None:
    with town("wecom", small(), database_url, tmp_path / "data") as firm:
        firm.sync()
        with firm.silence():
            for userid in ("s1", "s2", "s3"):
                firm.change(userid, "leave")
        asked = sync(firm, tmp_path / "data")
        assert asked.returncode == 1
        assert "3 of 12 members would leave" in asked.stderr.splitlines()[-1]
        assert set(firm.statuses().values()) == {"active"}
        told = sync(firm, tmp_path / "data", "--accept-leavers")
        assert told.returncode == 0, told.stderr
        assert "9 members" in told.stdout
        assert "3 left" in told.stdout
        with firm.silence():
            firm.change_range(departments=[], users=[])
        empty = sync(firm, tmp_path / "data")
        assert empty.returncode == 1
        assert "shows no members" in empty.stderr.splitlines()[-1]


@pytest.mark.server
def test_a_refusing_host_is_one_line(database_url: str, tmp_path: Path) -> None:
    with town("dingtalk", small(), database_url, tmp_path / "data") as firm:
        firm.fault(PEOPLE_PAGE["dingtalk"], "code", times=9, code=60011)
        refused = sync(firm, tmp_path / "data")
        assert refused.returncode == 1
        assert "60011" in refused.stderr.splitlines()[-1]
