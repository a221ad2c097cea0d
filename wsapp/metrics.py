"""Metrics for Prometheus, added up over all processes of this machine.

Counters and histograms are counted where things happen, by the functions of this file. What stands in the database
(how much waits in the outbox, …) is asked at each scrape instead: see `at_scrape`. No label ever holds a name; a corp
appears only by its id.

Several processes share one folder, named by PROMETHEUS_MULTIPROC_DIR before this module is imported
(`wsapp.metrics_folder` does so); without it the numbers are those of the one process.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from wsapp import __version__, logs

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW = (1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600)
MAX_VALUES = 200  # of one label: whatever comes after counts as "other"

HTTP_REQUESTS = Counter("wsapp_http_requests_total", "Answered requests", ["route", "method", "code"])
HTTP_SECONDS = Histogram("wsapp_http_duration_seconds", "Time to answer a request", ["route"], buckets=FAST)
AUTHZ_DENIED = Counter("wsapp_authz_denied_total", "Requests refused for want of a right", ["route"])
LOGINS = Counter("wsapp_login_total", "Sign-ins", ["host", "result"])
SESSIONS_REVOKED = Counter("wsapp_sessions_revoked_total", "Sessions ended before their time", ["reason"])

OUTBOX_SENT = Counter("wsapp_outbox_sent_total", "Messages handed to a host", ["host", "result"])
OUTBOX_DROPPED = Counter(
    "wsapp_outbox_dropped_total", "Messages that a host accepted and did not show", ["host", "code"]
)
OUTBOX_UNKNOWN = Counter("wsapp_outbox_unknown_total", "Messages whose end is not known", ["host"])
OUTBOX_RETRIES = Counter("wsapp_outbox_retry_total", "Work put off and tried again", ["reason"])
OUTBOX_LATENESS = Histogram("wsapp_outbox_due_to_accept_seconds", "From due to accepted by the host", buckets=SLOW)

WORKER_SEEN = Gauge(
    "wsapp_worker_heartbeat_timestamp", "When a worker of this machine was last seen alive", multiprocess_mode="max"
)

HOST_CALLS = Counter("wsapp_host_calls_total", "Calls to the hosts", ["host", "api", "code"])
UNKNOWN_CODES = Counter("wsapp_host_unknown_codes_total", "Codes of a host that our table lacks", ["host", "code"])
HOST_SECONDS = Histogram("wsapp_host_duration_seconds", "Time that a host took", ["host", "api"], buckets=FAST)
HOST_TOKENS = Counter("wsapp_host_tokens_fetched_total", "Access tokens and tickets fetched", ["host", "kind"])
CALLBACKS = Counter("wsapp_callback_total", "Callbacks: ok, badsig, stale, replay, unknown", ["host", "result"])
CALLBACK_SECONDS = Histogram("wsapp_callback_ack_seconds", "Time to acknowledge a callback", ["host"], buckets=FAST)
SCRAPE_ERRORS = Counter("wsapp_scrape_errors_total", "Gauges that could not be asked", ["gauge"])

_seen: dict[str, set[str]] = {}
_seen_lock = threading.Lock()


def bounded(label: str, value: str) -> str:
    """Return the value, or "other" once a label has taken as many values as is good: hosts invent codes."""
    known = _seen.setdefault(label, set())
    if value in known:
        return value
    with _seen_lock:
        if len(known) >= MAX_VALUES:
            return "other"
        known.add(value)
    return value


def request_answered(route: str, method: str, status: int, seconds: float) -> None:
    """Count an answered request. `route` is the rule ("/h5/customers/<id>"), never the path."""
    HTTP_REQUESTS.labels(route, method, str(status)).inc()
    HTTP_SECONDS.labels(route).observe(seconds)


def host_observer(host: str) -> Callable[[str, str, float], None]:
    """Return what `wsapp.connectors.http.HttpTransport` calls after each exchange with this host."""

    def observe(api: str, outcome: str, seconds: float) -> None:
        HOST_CALLS.labels(host, bounded("api", api), bounded("host_code", outcome)).inc()
        HOST_SECONDS.labels(host, bounded("api", api)).observe(seconds)

    return observe


def message_dropped(host: str, code: str) -> None:
    """Count a message that the host took and did not show."""
    OUTBOX_DROPPED.labels(host, bounded("host_code", code)).inc()


def worker_alive() -> None:
    """Note that this worker lives."""
    WORKER_SEEN.set_to_current_time()


# --- gauges asked at each scrape ----------------------------------------------------------------------------------

Values = Mapping[tuple[str, ...], float]
_gauges: dict[str, tuple[str, tuple[str, ...], Callable[[], Values]]] = {}


def at_scrape(
    name: str, text: str, labels: tuple[str, ...] = ()
) -> Callable[[Callable[[], Values]], Callable[[], Values]]:
    """Register a function that is asked, inside an app context, at each scrape; it returns values by label values.

    @at_scrape("wsapp_outbox_depth", "Rows of the outbox", ("state",))
    def depth(): return {("ready",): 3, ("dead",): 0}
    """

    def register(ask: Callable[[], Values]) -> Callable[[], Values]:
        _gauges[name] = (text, labels, ask)
        return ask

    return register


class _Gauges(Collector):
    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("wsapp_build_info", "The running version", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build
        for name, (text, labels, ask) in _gauges.items():
            family = GaugeMetricFamily(name, text, labels=labels)
            try:
                for values, number in ask().items():
                    family.add_metric(values, number)
            except Exception:  # noqa: BLE001 - one broken gauge must not hide the others
                SCRAPE_ERRORS.labels(name).inc()
                logs.get_logger().exception("metrics.gauge_failed", gauge=name)
                continue
            yield family


def render(app: Any) -> tuple[bytes, str]:
    """Return the answer of `/metrics` and its content type: this machine's processes together, then the gauges."""
    counted = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    asked = CollectorRegistry()
    asked.register(_Gauges())
    with app.app_context():
        gauges = generate_latest(asked)
    return generate_latest(counted) + gauges, CONTENT_TYPE_LATEST
