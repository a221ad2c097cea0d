"""The process tree: what dies is started again, what is told to stop stops, and nobody is left behind."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel tells children of a parent's death on Linux only"
)
PATIENCE = 20  # seconds


def wait_until(check, what):
    """Wait for a fact about other processes, which nobody announces."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def tree(tmp_path):
    """Start a supervisor over roles written as Python; roles note their pids and signals in files of `tmp_path`."""
    started = []

    def tree(roles, setup=""):
        program = tmp_path / "program.py"
        program.write_text(
            textwrap.dedent(
                f"""
                import os, signal, sys, time
                from pathlib import Path
                from wsapp import logs, supervisor
                from wsapp.supervisor import Role, Supervisor
                FOLDER = Path({str(tmp_path)!r})

                def note(name, text):
                    with open(FOLDER / name, "a") as file:
                        file.write(text + "\\n")

                def steady(name, on_term=lambda: sys.exit(0)):
                    def run():
                        signal.signal(signal.SIGTERM, lambda *_: (note("ended", name), on_term()))
                        signal.signal(signal.SIGHUP, lambda *_: note("reloaded", name))
                        note(name, str(os.getpid()))
                        while True:
                            signal.pause()
                    return run

                supervisor.FIRST_PAUSE = 0.05
                """
            )
            + textwrap.dedent(setup)
            + textwrap.dedent(
                f"""
                logs.setup()
                sys.exit(Supervisor([{roles}], on_ready=lambda: note("ready", str(os.getpid()))).run())
                """
            )
        )
        process = subprocess.Popen([sys.executable, str(program)], stderr=open(tmp_path / "log", "w"))  # noqa: SIM115
        started.append(process)
        return process

    yield tree
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def noted(tmp_path):
    """Return the lines that roles have written under a name."""

    def noted(name):
        path = tmp_path / name
        return path.read_text().splitlines() if path.exists() else []

    return noted


TWO = 'Role("one", steady("one")), Role("two", steady("two"), reloads=True)'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_everything_stops_when_told(tree, noted, number):
    process = tree(TWO)
    pids = [int(wait_until(lambda name=name: noted(name), name)[0]) for name in ("one", "two")]
    assert wait_until(lambda: noted("ready"), "ready") == [str(process.pid)]
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    assert sorted(noted("ended")) == ["one", "two"]
    assert not any(is_alive(pid) for pid in pids)


def test_a_role_that_is_killed_comes_back(tree, noted, tmp_path):
    tree(TWO)
    first = int(wait_until(lambda: noted("one"), "first start")[0])
    os.kill(first, signal.SIGKILL)
    second = int(wait_until(lambda: noted("one")[1:], "second start")[0])
    assert is_alive(second)
    assert len(noted("two")) == 1
    assert '"event":"process.died"' in (tmp_path / "log").read_text()


def test_a_role_that_keeps_failing_is_tried_less_and_less_often(tree, noted, tmp_path):
    tree('Role("bad", lambda: note("bad", str(time.monotonic())) or 1 / 0)')
    times = [float(line) for line in wait_until(lambda: noted("bad") if len(noted("bad")) > 4 else None, "five starts")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[3] > gaps[0] * 2
    assert "ZeroDivisionError" in (tmp_path / "log").read_text()


def test_a_hangup_goes_to_those_that_reload(tree, noted):
    process = tree(TWO)
    wait_until(lambda: noted("one") and noted("two"), "both starts")
    process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: noted("reloaded"), "reload") == ["two"]
    assert process.poll() is None
    assert noted("ended") == []


@LINUX
def test_a_killed_parent_takes_its_children_with_it(tree, noted):
    process = tree(TWO)
    pids = [int(wait_until(lambda name=name: noted(name), name)[0]) for name in ("one", "two")]
    process.kill()
    process.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "children gone")
    assert sorted(noted("ended")) == ["one", "two"]  # in order: they were asked, not killed


def test_who_does_not_stop_in_time_is_killed_with_its_own_children(tree, noted, tmp_path):
    stubborn = """
        def fork_and_stay():
            if os.fork() == 0:
                note("grandchild", str(os.getpid()))
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            steady("stubborn", on_term=lambda: None)()

        supervisor.STOP_WITHIN = 0.3
    """
    process = tree('Role("stubborn", fork_and_stay)', setup=stubborn)
    wait_until(lambda: len(noted("stubborn")) == 2, "both processes")
    pids = [int(pid) for pid in noted("stubborn")]
    process.terminate()
    assert process.wait(PATIENCE) == 0
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "both gone")


def test_processes_name_their_role(tree, noted):
    tree(TWO)
    pid = wait_until(lambda: noted("one"), "start")[0]
    assert Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode() == "wsapp: one"
