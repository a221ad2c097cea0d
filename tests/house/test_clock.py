"""The clock: aware, movable for the demo by every process at once, and real for leases."""

import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
import time_machine

from wsapp import clock

SLACK = timedelta(seconds=5)


@pytest.fixture
def control(tmp_path):
    clock.enable_control(tmp_path / "clock" / "offset")
    yield tmp_path / "clock" / "offset"
    clock.disable_control()


def test_time_is_aware_and_utc():
    assert clock.now().tzinfo is UTC
    assert clock.wall().tzinfo is UTC


def test_nothing_moves_it_unless_enabled():
    with pytest.raises(RuntimeError):
        clock.advance(60)
    assert clock.offset() == timedelta()


def test_moving_it_leaves_the_wall_clock_alone(control):
    assert clock.advance(3600) == timedelta(hours=1)
    assert clock.advance(1.5) == timedelta(hours=1, seconds=1.5)
    assert clock.now() - clock.wall() > timedelta(hours=1)
    assert abs(clock.wall() - datetime.now(UTC)) < SLACK


def test_other_processes_agree(control):
    program = (
        "import sys; from pathlib import Path; from wsapp import clock\n"
        "clock.enable_control(Path(sys.argv[1])); clock.now()\n"
        "for line in sys.stdin:\n"
        "    shift = clock.advance(60) if line.strip() == 'advance' else clock.now() - clock.wall()\n"
        "    print(shift.total_seconds(), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(control)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:

        def say(word):
            other.stdin.write(word + "\n")
            other.stdin.flush()
            return other.stdout.readline().strip()

        assert float(say("ask")) == pytest.approx(0, abs=0.01)
        for hours in range(1, 6):  # several changes within one tick of the file system's clock
            clock.advance(3600)
            assert float(say("ask")) == pytest.approx(hours * 3600, abs=0.01)
        assert float(say("advance")) == 5 * 3600 + 60
        assert clock.offset() == timedelta(hours=5, minutes=1)
        other.stdin.close()


def test_moves_at_the_same_time_all_count(control):
    threads = [threading.Thread(target=lambda: [clock.advance(1) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.offset() == timedelta(seconds=200)


def test_today_is_a_matter_of_place():
    with time_machine.travel(datetime(2026, 11, 21, 17, 30, tzinfo=UTC), tick=False):
        assert clock.today("Asia/Shanghai") == date(2026, 11, 22)
        assert clock.today("Europe/London") == date(2026, 11, 21)
        assert clock.today(timezone(timedelta(hours=-5))) == date(2026, 11, 21)


def test_a_day_starts_at_midnight_there():
    assert clock.start_of_day(date(2026, 11, 22), "Asia/Shanghai") == datetime(2026, 11, 21, 16, tzinfo=UTC)
    # London changes its clocks on this day: it starts in summer time.
    assert clock.start_of_day(date(2026, 10, 25), "Europe/London") == datetime(2026, 10, 24, 23, tzinfo=UTC)


def test_nobody_else_asks_for_the_time():
    source = Path(clock.__file__).parent
    guilty = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if path.name != "clock.py" and ("datetime.now(" in path.read_text() or "utcnow(" in path.read_text())
    ]
    assert guilty == []
