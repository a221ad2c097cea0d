"""A simulated working month of a firm on both hosts: every message that a reference calendar predicts, and no other."""

import logging
import os
from datetime import date, time
from pathlib import Path

import pytest

from tests.soak.month import Month, Shape
from tests.soak.month_product import running

BIG = bool(os.environ.get("WSAPP_SOAK"))
PEOPLE = int(os.environ.get("WSAPP_SOAK_SIZE", 200))

# A Friday, a Saturday that the firm works, the Sunday that is worked instead of Mid-Autumn, a Monday, a day off.
WEEK = Shape(
    people=12,
    first=date(2026, 9, 18),
    days=5,
    each=2,
    grid=360,
    customers=2,
    turns=(
        (date(2026, 9, 18), "day", (date(2026, 9, 19), True)),
        (date(2026, 9, 18), "burst", None),
        (date(2026, 9, 20), "ladder_at", time(10)),
        (date(2026, 9, 21), "day", (date(2026, 9, 22), False)),
    ),
)
# Mid-Autumn, National Day and both of their make-up days.
MONTH = Shape(
    people=PEOPLE,
    first=date(2026, 9, 14),
    days=33,
    each=11,
    grid=60,
    turns=(
        (date(2026, 9, 16), "burst", None),
        (date(2026, 9, 22), "evening", time(17, 30)),
        (date(2026, 9, 29), "ladder_at", time(10)),
        (date(2026, 10, 12), "day", (date(2026, 10, 14), False)),
        (date(2026, 10, 13), "steps", (1, 2, 4, 6)),
    ),
)

pytestmark = [pytest.mark.soak, pytest.mark.server]


@pytest.fixture(autouse=True)
def _few_words(caplog: pytest.LogCaptureFixture) -> None:
    """Of a month of expired tokens and updated cards nobody keeps each line."""
    caplog.set_level(logging.ERROR)


def live(shape: Shape, data: Path, database_url: str) -> None:
    month = Month(shape)
    with running(data, database_url, month.halves, month.begins) as product:
        account = month.live(product)
        print("", *account.lines(), sep="\n")
        month.check(product, account)


@pytest.mark.timeout(120)
def test_every_message_of_a_week_comes_once_in_its_minute(tmp_path: Path, database_url: str) -> None:
    live(WEEK, tmp_path / "data", database_url)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_every_message_of_a_month_comes_once_in_its_minute(tmp_path: Path, database_url: str) -> None:
    live(MONTH, tmp_path / "data", database_url)
