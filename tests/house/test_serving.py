"""`wsapp serve` started in earnest: one tree, one copy, nothing dropped at a reload, nothing left at the end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.house.test_supervisor import LINUX, PATIENCE, is_alive, wait_until

pytestmark = [pytest.mark.server, LINUX]


def command(*words):
    return [sys.executable, "-P", "-m", "wsapp", *words]


class Served:
    """A running `wsapp serve` over settings in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.settings = folder / "config.toml"
        self.settings.write_text('[server]\nbind = "127.0.0.1:0"\n')
        self.log_path = folder / "log"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("WSAPP_", "PROMETHEUS_"))}
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                command("serve", "--config", str(self.settings)), stderr=log, cwd=folder, env=environ
            )
        started = wait_until(lambda: self.events("serve.started") or self.process.poll(), "start")
        assert isinstance(started, list), self.log_path.read_text()
        self.url = started[0]["addresses"][0]
        self.get("/healthz")

    def events(self, name):
        lines = [line for line in self.log_path.read_text().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def get(self, path):
        return requests.get(self.url + path, timeout=PATIENCE, headers={"Connection": "close"})

    def pid_of(self, role):
        return self.events_of(role)[-1]["pid"]

    def events_of(self, role):
        return [event for event in self.events("process.started") if event["role"] == role]

    def tree(self):
        """The processes below (and with) the one that was started, by id, with their titles."""
        found, queue = {}, [self.process.pid]
        while queue:
            pid = queue.pop()
            path = Path(f"/proc/{pid}")
            try:
                found[pid] = (path / "cmdline").read_bytes().rstrip(b"\0 ").decode()
                queue += map(int, (path / "task" / str(pid) / "children").read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found


@pytest.fixture
def served(tmp_path):
    one = Served(tmp_path)
    yield one
    if one.process.poll() is None:
        one.process.terminate()
        try:
            one.process.wait(PATIENCE)
        finally:
            one.process.kill()


def test_it_answers_under_its_names_and_stops_without_a_trace(served):
    assert served.get("/healthz").status_code == 200
    tree = served.tree()
    assert tree[served.process.pid] == "wsapp: serve"
    assert list(tree.values()).count("wsapp: web") == 2  # gunicorn's parent and its one worker
    served.process.terminate()
    assert served.process.wait(35) == 0
    assert not any(is_alive(pid) for pid in tree)
    assert "Traceback" not in "".join(
        line for line in served.log_path.read_text().splitlines() if not line.startswith("{")
    )


def test_a_second_copy_refuses_in_one_line(served):
    second = subprocess.run(
        command("serve", "--config", str(served.settings)), capture_output=True, text=True, timeout=PATIENCE
    )
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert "server.data_dir" in second.stderr
    assert str(served.process.pid) in second.stderr
    assert served.get("/healthz").status_code == 200


def test_a_taken_port_is_named_in_one_line(served, tmp_path):
    taken = served.url.removeprefix("http://")
    other = tmp_path / "other.toml"
    other.write_text(f'[server]\nbind = "{taken}"\ndata_dir = "other"\n')
    second = subprocess.run(command("serve", "--config", str(other)), capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert "server.bind" in second.stderr
    assert taken in second.stderr


def test_reloads_under_load_drop_no_request(served):
    answers, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                answers.append(served.get("/healthz").status_code)
            except requests.RequestException as error:
                answers.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(1, 4):
        served.process.send_signal(signal.SIGHUP)
        wait_until(lambda turn=turn: len(served.events("web.reloaded")) == turn, "reload")
        asked = len(answers)
        wait_until(lambda asked=asked: len(answers) > asked + 20, "answers after the reload")
    stop.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}


def test_a_reload_with_bad_settings_keeps_the_good_ones(served):
    served.settings.write_text('[server]\nbnd = "127.0.0.1:0"\n')
    served.process.send_signal(signal.SIGHUP)
    (refusal,) = wait_until(lambda: served.events("web.reload_refused"), "refusal")
    assert "server.bnd" in refusal["reason"]
    assert served.get("/healthz").status_code == 200


def test_a_killed_web_process_comes_back_at_the_same_address(served):
    os.kill(served.pid_of("web"), signal.SIGKILL)
    wait_until(lambda: len(served.events_of("web")) == 2, "restart")
    assert served.get("/healthz").status_code == 200  # not refused: the socket never closed


def test_a_killed_parent_leaves_nobody(served):
    tree = served.tree()
    served.process.kill()
    served.process.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in tree), "the whole tree gone")


def test_metrics_are_counted_over_all_processes(served):
    served.get("/healthz")
    end = time.monotonic() + PATIENCE
    while 'wsapp_http_requests_total{code="200",method="GET",route="/healthz"}' not in served.get("/metrics").text:
        assert time.monotonic() < end
    text = served.get("/metrics").text
    assert "wsapp_build_info" in text
    assert 'wsapp_outbox_depth{state="dead"} 0.0' in text
    assert "wsapp_outbox_oldest_due_age_seconds" in text
    assert "wsapp_scrape_errors_total{" not in text
