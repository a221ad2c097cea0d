"""Reminders under a worker that is killed again and again: none lost, none shown twice by the hosts' own rules."""

import os
import random
from pathlib import Path

import pytest

from tests.soak.world import people_for, world

BIG = bool(os.environ.get("WSAPP_SOAK"))
REMINDERS = int(os.environ.get("WSAPP_SOAK_SIZE", 3000 if BIG else 150))
KILLS = int(os.environ.get("WSAPP_SOAK_KILLS", 24 if BIG else 4))
PACE = {"lease": 3, "beat": 1, "poll": 0.2, "crash_pause": 60 if BIG else 4}

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(1800 if BIG else 400)]


def test_killed_workers_lose_nothing_and_repeat_nothing(tmp_path: Path, database_url: str) -> None:
    is_shared = not database_url.startswith("sqlite")
    count = 2 if is_shared else 1
    with world(tmp_path, database_url, people=people_for(REMINDERS), cards=False) as soak:
        for host in soak.hosts.values():  # so that a kill finds messages on their way
            for api in ("/cgi-bin/message/send", "/topapi/message/corpconversation/asyncsend_v2"):
                host.post("faults", {"api": api, "fault": "delay", "seconds": 0.1, "times": 10**9})
        soak.plan(REMINDERS)
        workers = [soak.start("worker", **PACE) for _ in range(count)]
        schedulers = [soak.start("scheduler") for _ in range(2)]
        for kill in range(KILLS):
            posted = REMINDERS * (kill + 0.5) / (KILLS + 1)
            soak.wait(lambda posted=posted: soak.posts() >= posted, 120, f"post number {posted:.0f}")
            victim = random.choice(workers)
            soak.kill(victim)
            workers[workers.index(victim)] = soak.start("worker", **PACE)
            if kill == KILLS // 2:
                soak.kill(schedulers.pop(0))
                schedulers.append(soak.start("scheduler"))
        soak.wait(lambda: soak.unsettled() == 0, 300 if BIG else 150, "the last message")
        repeats = soak.posts() - REMINDERS
        print(f"{REMINDERS} reminders, {KILLS} kills, {repeats} posts repeated, {soak.ledger()}, {soak.verdict()}")
        assert soak.verdict() == {"lost": 0, "twice": 0}
        assert set(soak.ledger()) <= {"accepted", "delivered", "read"}
