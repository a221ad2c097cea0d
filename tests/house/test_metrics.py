"""Metrics: labels stay bounded, gauges are asked inside the app, and a broken one hides nothing else."""

import os
import re
import socket
import subprocess
import sys

import pytest
from flask import Flask, current_app

from wsapp import metrics, metrics_folder


@pytest.fixture
def app():
    return Flask("metrics")


@pytest.fixture
def gauge():
    """Register gauges for one test."""
    before, kept = dict(metrics._gauges), metrics._gauges
    kept.clear()
    yield metrics.at_scrape
    kept.clear()
    kept.update(before)


def numbers(app):
    body, content_type = metrics.render(app)
    assert content_type.startswith("text/plain")
    return body.decode()


def test_every_metric_is_ours_by_name(app):
    names = re.findall(r"^# TYPE (\S+)", numbers(app), re.MULTILINE)
    ours = [name for name in names if not name.startswith(("python_", "process_"))]
    assert {"wsapp_http_requests_total", "wsapp_outbox_due_to_accept_seconds", "wsapp_build_info"} <= set(ours)
    assert all(name.startswith("wsapp_") for name in ours)


def test_a_request_is_counted_by_its_rule(app):
    metrics.request_answered("/test/<id>", "GET", 200, 0.02)
    text = numbers(app)
    assert 'wsapp_http_requests_total{code="200",method="GET",route="/test/<id>"} 1.0' in text
    assert 'wsapp_http_duration_seconds_bucket{le="0.025",route="/test/<id>"} 1.0' in text


def test_a_host_call_is_counted_with_its_outcome(app):
    metrics.host_observer("fake")("user/get", "cut", 0.3)
    assert 'wsapp_host_calls_total{api="user/get",code="cut",host="fake"} 1.0' in numbers(app)


def test_a_label_takes_a_bounded_number_of_values():
    values = {metrics.bounded("test", str(n)) for n in range(1_000)}
    assert len(values) == metrics.MAX_VALUES + 1
    assert "other" in values
    assert metrics.bounded("test", "0") == "0"


def test_gauges_are_asked_inside_the_app(app, gauge):
    @gauge("wsapp_test_depth", "For this test", ("state",))
    def depth():
        return {("ready",): 3, (current_app.name,): 1}

    text = numbers(app)
    assert 'wsapp_test_depth{state="ready"} 3.0' in text
    assert 'wsapp_test_depth{state="metrics"} 1.0' in text


def test_a_broken_gauge_hides_no_other(app, gauge):
    @gauge("wsapp_test_broken", "Fails")
    def broken():
        raise RuntimeError("no database")

    @gauge("wsapp_test_whole", "Works")
    def whole():
        return {(): 7}

    text = numbers(app)
    assert "wsapp_test_whole 7.0" in text
    assert "wsapp_test_broken" not in text.replace('gauge="wsapp_test_broken"', "")
    assert 'wsapp_scrape_errors_total{gauge="wsapp_test_broken"}' in numbers(app)


# --- the shared folder ----------------------------------------------------------------------------------------------


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The folder of this machine below a data folder, not yet shared by this process."""
    monkeypatch.setenv(metrics_folder.VARIABLE, "")
    folder = tmp_path / "metrics" / socket.gethostname()
    folder.mkdir(parents=True)
    return folder


def test_what_the_dead_have_counted_stays_while_a_brother_lives(machine, tmp_path, dead_pid):
    for pid in (dead_pid, os.getpid()):
        (machine / f"counter_{pid}.db").touch()
    metrics_folder.share(tmp_path)
    assert os.environ[metrics_folder.VARIABLE] == str(machine)
    assert len(list(machine.iterdir())) == 2


def test_a_machine_without_processes_starts_afresh(machine, tmp_path, dead_pid):
    (machine / f"counter_{dead_pid}.db").touch()
    elsewhere = machine.parent / "another-machine"
    elsewhere.mkdir()
    (elsewhere / f"counter_{dead_pid}.db").touch()
    metrics_folder.share(tmp_path)
    assert list(machine.iterdir()) == []
    assert len(list(elsewhere.iterdir())) == 1  # its process ids mean nothing here


def test_many_dead_are_thinned_out_oldest_first(machine, tmp_path, dead_pid, monkeypatch):
    monkeypatch.setattr(metrics_folder, "MAX_DEAD", 3)
    mine = machine / f"counter_{os.getpid()}.db"
    mine.touch()
    for age in range(10):
        file = machine / f"histogram{age}_{dead_pid}.db"
        file.touch()
        os.utime(file, (1_000_000 - age, 1_000_000 - age))
    metrics_folder.share(tmp_path)
    metrics_folder.tidy()
    kept = {file.name for file in machine.iterdir()}
    assert kept == {mine.name, *(f"histogram{age}_{dead_pid}.db" for age in range(3))}
