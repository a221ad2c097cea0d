"""Both sides of a task, mixed up a hundred times and, at length, a thousand times."""

import os
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.jobs.conftest import Firm
from tests.jobs.mirror_machine import BothSides
from tests.jobs.mirrors import listening, point_callbacks
from wsapp.hosts import install

BIG = "WSAPP_SOAK" in os.environ
EXAMPLES = {"dingtalk": 600, "wecom": 400} if BIG else {"dingtalk": 30, "wecom": 20}


@pytest.fixture
def restart(firm: Firm) -> Iterator[Callable[[], None]]:
    """The product listens; `restart()` has it forget all that it keeps in memory, as a new process does."""
    with listening(firm.app, firm.emulator) as url:

        def again() -> None:
            _forget(firm.app)
            point_callbacks(firm.emulator, url)

        yield again


def _forget(app: Flask) -> None:
    """Lines, tokens and connections to the hosts are made anew; the database is all that stays."""
    with app.app_context():
        install(app)


def _mix(firm: Firm, restart: Callable[[], None], examples: int) -> None:
    class Machine(BothSides):
        pass

    Machine.firm, Machine.restart = firm, staticmethod(restart)  # type: ignore[assignment]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink) if BIG else (Phase.generate,),  # shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.soak
@pytest.mark.timeout(3600 if BIG else 300)
def test_both_sides_end_equal(firm: Firm, restart: Callable[[], None]) -> None:
    _mix(firm, restart, EXAMPLES[firm.host])
