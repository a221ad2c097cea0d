"""Benchmarks, as ratios within one run: `make bench`. Prints tables and writes them into docs/benchmarks.md.

Every figure of the web is measured between two runs of a bare Flask view on the same gunicorn with the same settings,
and divided by their mean: a busy machine slows all of them alike. No figure ever fails anything.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bench_import
import bench_sending
import bench_world as world
import requests
from bench_load import CLIENTS, Load, Request, Server, demand_wrk, load, server, stop, wait_for_answer
from bench_report import Report

FULL = 100_000
SMALL = 10_000
SECONDS, ROUNDS = 4, 3
BARE_SECONDS = 2
GROWTH_SECONDS = 3
FIRM = "/h5/customers?scope=team"

Plans = dict[str, list[Request]]


# --- what is asked ------------------------------------------------------------------------------------------------


class Visitor:
    """Signed-in people of a running server, and the requests they send."""

    def __init__(self, url: str, passes: dict[str, Any]) -> None:
        self.url = url
        self.passes = passes
        self.ids: list[str] = passes["ids"]
        self.headers = {userid: self._browser(cookie) for userid, cookie in passes["cookies"].items()}

    def _browser(self, cookie: str) -> dict[str, str]:
        headers = {"Cookie": cookie, "User-Agent": world.AGENT, "Accept-Encoding": "gzip"}
        page = requests.get(self.url + "/h5/me", headers=headers, timeout=30)
        page.raise_for_status()
        token = re.search(r'name="csrf-token" content="([^"]+)"', page.text)
        fresh = page.cookies.items()
        assert token is not None
        return {
            **headers,
            "Cookie": "; ".join(f"{name}={value}" for name, value in fresh) or cookie,
            "X-CSRFToken": token.group(1),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def get(self, path: str, who: str = "admin") -> Request:
        return Request(path, headers=self.headers[who])

    def post(self, path: str, form: dict[str, str]) -> Request:
        body = urlencode({**form, "idempotency_key": "benchmark-N-"}).replace("-N-", "-@N@")
        return Request(path, "POST", self.headers["seller000"], body.replace("%40N%40", "@N@"))

    def api(self, path: str) -> list[Request]:
        agents = [{"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"} for token in self.passes["tokens"]]
        return [Request(path, headers=headers) for headers in agents]

    def reads(self) -> Plans:
        """The pages that are opened most."""
        search = [f"{FIRM}&{urlencode({'q': text})}" for text in self.passes["fragments"]]
        return {
            "list of 20, the whole firm's": [self.get(FIRM)],
            "list of 20, a seller's own": [self.get("/h5/customers", "seller000")],
            "customer with timeline": [self.get(f"/h5/customers/{one}") for one in self.ids],
            "today": [self.get("/h5/", "seller000")],
            "search by a fragment of the name": [self.get(path) for path in search],
            "REST list of 20": self.api("/api/v1/customers?limit=20"),
        }

    def writes(self) -> Plans:
        """What people save. Each goes to one of 400 customers, or makes a new one."""
        customer = {"name": "性能测试机械有限公司@N@", "kind": "company", "phones": "17@N@", "stage": "new"}
        follow_up = {"kind": "phone", "text": "客户对新报价感兴趣，约下周再谈交期和付款方式。", "outcome": ""}
        visit = {
            "note": "现场看了样机，客户要求补充安装方案。",
            "lat": "22.543096",
            "lng": "114.057865",
            "accuracy": "35",
        }
        return {
            "create a customer": [self.post("/h5/customers", customer)],
            "log a follow-up": [self.post(f"/h5/customers/{one}/follow-ups", follow_up) for one in self.ids],
            "log a visit": [self.post(f"/h5/customers/{one}/visits", visit) for one in self.ids],
        }

    def check(self, plans: Plans) -> None:
        """Send the first request of each plan by itself, and see that it is answered as a person would want."""
        for name, plan in plans.items():
            one = plan[0]
            answer = requests.request(
                one.method,
                self.url + one.path,
                headers=dict(one.headers),
                data=one.body.replace("@N@", f"{time.time_ns() % 10**9:09d}") or None,
                timeout=30,
                allow_redirects=False,
            )
            wanted = 303 if one.method == "POST" else 200
            if answer.status_code != wanted:
                raise SystemExit(f"{name}: {one.path} answers {answer.status_code}")
            rows = answer.text.count("row__line")
            if one.path == FIRM and rows != 20:
                raise SystemExit(f"{name}: {rows} rows")


# --- the web ------------------------------------------------------------------------------------------------------


def measure_web(database: str, report: Report, options: argparse.Namespace) -> None:
    """Measure all operations with 16 clients, against the bare view and against their own SQL."""
    with world.copy_of(world.full_place(database, options.customers)) as place, server("bare") as bare:
        with server("wsapp", str(place.config), path="/healthz") as product:
            visitor = Visitor(product.url, _passes(place))
            plans = visitor.reads()
            alone = {name: _alone(product, plan) for name, plan in _checked(visitor, plans).items()}
            for name, plan in {**plans, **visitor.writes()}.items():
                visitor.check({name: plan})
                report.add_web(database, name, _between(bare, product, plan, options))
            report.add_memory(database, product.memory())
            if database == "sqlite":
                report.add_page(_first_page(product.url, visitor.headers["seller000"]))
        report.add_sql(database, alone, _raw(place, plans))
        report.add_start(database, [_start(place) for _number in range(options.rounds)])


def _checked(visitor: Visitor, plans: Plans) -> Plans:
    visitor.check(plans)
    return plans


def _passes(place: world.Place) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(world.in_own_process("passes", place))
    return found


def _between(
    bare: Server, product: Server, plan: Sequence[Request], options: argparse.Namespace
) -> list[tuple[Load, float]]:
    """Return what each round saw, with the bare view's mean rate right before and after it."""

    def hello() -> float:
        return load(bare.url, [Request("/")], seconds=BARE_SECONDS).rate

    found = []
    before = hello()
    for _number in range(options.rounds):
        seen = load(product.url, plan, seconds=options.seconds, pids=product.workers)
        after = hello()
        found.append((seen, (before + after) / 2))
        before = after
    return found


def _alone(product: Server, plan: Sequence[Request]) -> float:
    """Return the median latency with a single client, in seconds."""
    return load(product.url, plan, seconds=GROWTH_SECONDS, clients=1).p50


def _raw(place: world.Place, plans: Plans) -> dict[str, dict[str, float]]:
    import json

    pages = {}
    for name, plan in plans.items():
        headers = plan[0].headers
        key = {"cookie": headers["Cookie"]} if "Cookie" in headers else {"token": headers["Authorization"].split()[1]}
        pages[name] = {"path": plan[0].path, **key}
    found: dict[str, dict[str, float]] = json.loads(world.in_own_process("statements", place, json.dumps(pages)))
    return found


# --- growth -------------------------------------------------------------------------------------------------------


def measure_growth(database: str, sizes: Sequence[int], report: Report) -> None:
    """Measure each operation with one client on firms of several sizes, the first of which is what they grow from."""
    found: dict[int, dict[str, float]] = {}
    for size in sizes:
        with world.copy_of(world.full_place(database, size)) as place:
            found[size] = _latencies(place)
    report.add_growth(database, found)


def _latencies(place: world.Place) -> dict[str, float]:
    with server("wsapp", str(place.config), path="/healthz") as product:
        visitor = Visitor(product.url, _passes(place))
        plans = {**visitor.reads(), **visitor.writes()}
        visitor.check(plans)
        return {name: _alone(product, plan) for name, plan in plans.items()}


# --- start, first page --------------------------------------------------------------------------------------------


def _start(place: world.Place) -> float:
    """Return the seconds from the command to its first answer: `wsapp serve` on SQLite, `wsapp web` on PostgreSQL."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-P", "-m", "wsapp", "serve" if place.database == "sqlite" else "web"]
    environment = {**os.environ, "WSAPP_SERVER_BIND": f"127.0.0.1:{port}", "WSAPP_CONFIG": str(place.config)}
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=world.ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/h5/customers")
        return time.monotonic() - began
    finally:
        stop(process)


class _Links(HTMLParser):
    """Gathers the style sheets and scripts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag == "script" and values.get("src"):
            self.found.append(str(values["src"]))
        if tag == "link" and values.get("rel") == "stylesheet":
            self.found.append(str(values["href"]))


def _first_page(url: str, headers: dict[str, str]) -> dict[str, int]:
    """Return the compressed bytes of the first page, today: itself, its style sheets, its scripts."""
    page = requests.get(url + "/h5/", headers=headers, timeout=30)
    links = _Links()
    links.feed(page.text)
    sizes = {"HTML": _wire_bytes(url + "/h5/", headers), "CSS": 0, "JS": 0}
    for link in links.found:
        sizes["CSS" if ".css" in link else "JS"] += _wire_bytes(url + link, headers)
    return sizes


def _wire_bytes(url: str, headers: dict[str, str]) -> int:
    with requests.get(url, headers=headers, timeout=30, stream=True) as answer:
        answer.raise_for_status()
        return len(answer.raw.read(decode_content=False))


# --- the run ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append", help="only this one")
    parts = ("web", "growth", "sending", "import")
    parser.add_argument("--part", choices=parts, action="append", help="only this part")
    parser.add_argument("--customers", type=int, default=FULL, help="customers of the firm")
    parser.add_argument("--million", action="store_true", help="growth up to a million customers (half an hour, 20 GB)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks.md as it is")
    options = parser.parse_args()
    demand_wrk()
    report = Report(world.ROOT / "docs" / "benchmarks.md", machine())
    chosen = options.part or parts
    sizes = [SMALL, options.customers, *([world.MILLION] if options.million else [])]
    steps: dict[str, Callable[[str], None]] = {
        "web": lambda database: measure_web(database, report, options),
        "growth": lambda database: measure_growth(database, sizes, report),
        "sending": lambda database: report.add_sending(database, bench_sending.measure(database, options.rounds)),
        "import": lambda database: report.add_import(database, bench_import.measure(database, options.rounds)),
    }
    try:
        for database in options.database or ("sqlite", "postgresql"):
            for part in chosen:
                print(f"{database}: {part} …", file=sys.stderr)
                steps[part](database)
    finally:
        world.POSTGRES.stop()
    print(report.text())
    if not options.dry:
        report.write()


def machine() -> dict[str, str]:
    """Return where and with what the figures were made."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    packages = ("flask", "sqlalchemy", "gunicorn", "psycopg", "jinja2")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, {pages / 2**30:.0f} GB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {metadata.version(name)}" for name in packages),
        "clients": f"{CLIENTS} keep-alive clients of wrk, on the same cores",
    }


if __name__ == "__main__":
    main()
