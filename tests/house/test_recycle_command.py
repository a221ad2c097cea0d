"""`wsapp recycle`: what would move and why; then it does, for one corp or all, in a process that may be killed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import CORP, OTHER_CORP, Cast
from wsapp import cli, clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.pools.clocks import today
from wsapp.crm.pools.models import OwnerClock
from wsapp.db import corp_scope, db

NAME = "佛山市华星家具有限公司"


@pytest.fixture
def recycle(cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`recycle(*options)` runs the command and returns what it printed."""

    def run(*options: str) -> str:
        assert cli.run(["recycle", "--config", str(tmp_path / "data" / "config.toml"), *options]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def work(app: Flask, cast: Cast) -> Callable[[Callable[[], Any]], Any]:
    """`work(f)` does something inside the cast's corp and commits."""

    def run(deed: Callable[[], Any]) -> Any:
        with app.app_context(), corp_scope(cast.corp_id):
            found = deed()
            db.session.commit()
            return found

    return run


def test_it_warns_first_and_moves_what_was_warned_of(recycle: Any, work: Any, ali: Member) -> None:
    def deed() -> str:
        made = create_customer({"name": NAME}, actor=db.session.merge(ali))
        made.created_at = clock.now() - timedelta(days=60)
        return made.id

    customer_id = work(deed)
    foretold = recycle("--corp", CORP, "--dry-run").splitlines()
    day = work(today)
    assert foretold[0].split("\t") == ["warn", customer_id, NAME, "阿丽", str(day + timedelta(days=3)), "15 天未跟进"]
    assert foretold[-1].endswith("0 customers would move, owners would be warned of 1.")
    assert work(lambda: db.session.scalars(sa.select(OwnerClock.id)).all()) == []  # nothing was changed
    assert "0 customers moved, owners warned of 1." in recycle("--corp", CORP)
    assert "owners warned of 0." in recycle("--corp", CORP)
    work(lambda: db.session.execute(sa.update(OwnerClock).values(warned_for=day, warned_days=1)))
    assert recycle("--corp", OTHER_CORP, "--dry-run").endswith("0 customers would move, owners would be warned of 0.\n")
    line = recycle("--dry-run").splitlines()
    assert f"move\t{customer_id}\t{NAME}\t阿丽 → 公司公海\t{day}\t15 天未跟进" in line
    assert "1 customers moved, owners warned of 0." in recycle()
    assert work(lambda: db.session.scalar(sa.select(Customer.owner_id).where(Customer.id == customer_id))) is None


def test_an_unknown_corp_is_one_line(cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["recycle", "--config", str(tmp_path / "data" / "config.toml"), "--corp", "wwnone"]
    assert cli.run(command) == 1
    assert "no corp wwnone is connected" in capsys.readouterr().err
