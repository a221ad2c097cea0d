"""Metrics: labels stay bounded, gauges are asked inside the app, and a broken one hides nothing else."""

import re

import pytest
from flask import Flask, current_app

from wsapp import metrics


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
