"""Reminders through hosts that fail in every way they know: none lost, none shown twice, few tokens fetched."""

import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.soak.world import TOKEN_APIS, Host, World, people_for, world

BIG = bool(os.environ.get("WSAPP_SOAK"))
REMINDERS = int(os.environ.get("WSAPP_SOAK_SIZE", 3000 if BIG else 150))
# Ten minutes of trouble, so many times faster: back-off, pauses and the hosts' own waits are divided by it.
FACTOR = 10 if BIG else 60
SECONDS = 600 / FACTOR
KILLS = 20 if BIG else 2
PACE = {"factor": FACTOR, "lease": 15 if BIG else 12, "beat": 2, "poll": 0.2}

SENDS = {
    "wecom": "/cgi-bin/message/send",
    "dingtalk": "/v1.0/card/instances/createAndDeliver",
}
THROTTLED: dict[str, list[dict[str, Any]]] = {
    "wecom": [{"fault": "code", "code": code} for code in (-1, 45009, 45033)],
    "dingtalk": [
        {"fault": "status", "status": 200, "body": '{"status":1111,"wait":5,"punish":"deny"}'},
        {"fault": "status", "status": 403, "body": '{"code":"Forbidden.AccessDenied.QpsLimitForApi","message":"busy"}'},
        {"fault": "status", "status": 503, "body": '{"code":"ServiceUnavailable","message":"busy"}'},
    ],
}
BROKEN: list[dict[str, Any]] = [
    {"fault": "status", "status": 500},
    {"fault": "status", "status": 502, "body": "<html>Bad Gateway</html>"},
    {"fault": "html"},
    {"fault": "truncate"},
    {"fault": "reset_before"},
    {"fault": "reset_after"},
]
DEAD_TOKEN: dict[str, dict[str, Any]] = {
    "wecom": {"fault": "code", "code": 42001},
    "dingtalk": {"fault": "status", "status": 400, "body": '{"code":"InvalidAuthentication","message":"dead"}'},
}
TIMEOUT = {"fault": "delay", "seconds": 11}  # beyond what we wait for an answer; the message arrives all the same

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(1800 if BIG else 400)]


class Trouble(threading.Thread):
    """Keeps a host in trouble for a while; counts what makes a new token necessary."""

    def __init__(self, host: Host, seconds: float, timeouts: int) -> None:
        super().__init__(daemon=True)
        self.host = host
        self.timeouts = timeouts
        self.over = threading.Event()
        self.seconds = seconds
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        timer = threading.Timer(self.seconds, self.over.set)
        timer.start()
        pending = 0
        while not self.over.wait(0.1):
            if pending < 6:
                pending = self._add(random.choice(["broken", "broken", "throttled", "dead", "revoked", "timeout"]))
            else:
                pending = self.host.post("faults", [])["faults"]
        timer.cancel()
        self.host.end_faults()

    def _add(self, kind: str) -> int:
        if kind == "timeout" and self.done["timeout"] >= self.timeouts:
            kind = "broken"
        self.done[kind] += 1
        if kind == "revoked":
            self.host.post("tokens", {})
            return 0
        rule = {
            "broken": random.choice(BROKEN),
            "throttled": random.choice(THROTTLED[self.host.name]),
            "dead": DEAD_TOKEN[self.host.name],
            "timeout": TIMEOUT,
        }[kind]
        times = 1 if kind in ("dead", "timeout") else random.randint(1, 3)
        found: int = self.host.post("faults", {"api": SENDS[self.host.name], "times": times, **rule})["faults"]
        return found


def test_troubled_hosts_lose_nothing_and_repeat_nothing(tmp_path: Path, database_url: str) -> None:
    count = 1 if database_url.startswith("sqlite") else 2
    with world(tmp_path, database_url, people=people_for(REMINDERS), cards=True) as soak:
        soak.plan(REMINDERS)
        troubles = [Trouble(host, SECONDS, timeouts=30 if BIG else 2) for host in soak.hosts.values()]
        workers = [soak.start("worker", **PACE) for _ in range(count)]
        soak.start("scheduler")
        for trouble in troubles:
            soak.wait(lambda host=trouble.host: host.posts() > 0, 60, "the first post")
            trouble.start()
        for kill in range(KILLS):
            posted = REMINDERS * (kill + 1) / (KILLS + 2)
            soak.wait(lambda posted=posted: soak.posts() >= posted, 300, f"post number {posted:.0f}")
            victim = random.choice(workers)
            soak.kill(victim)
            workers[workers.index(victim)] = soak.start("worker", **PACE)
        for trouble in troubles:
            trouble.join()
        soak.wait(lambda: soak.unsettled() == 0, 600 if BIG else 200, "the last message")
        done = {trouble.host.name: dict(trouble.done) for trouble in troubles}
        print(f"{REMINDERS} reminders through {done}, {soak.posts()} posts, {soak.ledger()}, {soak.verdict()}")
        assert soak.verdict() == {"lost": 0, "twice": 0}
        assert set(soak.ledger()) <= {"accepted", "delivered", "read"}
        for trouble in troubles:
            _assert_few_tokens(soak, trouble)
        for worker in workers:
            soak.kill(worker, signal.SIGTERM)


def _assert_few_tokens(soak: World, trouble: Trouble) -> None:
    """One fetch for the start, one for each token that died, one for each worker killed in the middle of a fetch."""
    fetched = trouble.host.calls()[TOKEN_APIS[trouble.host.name]]
    assert fetched <= 1 + trouble.done["dead"] + trouble.done["revoked"] + KILLS, (trouble.host.name, fetched)
