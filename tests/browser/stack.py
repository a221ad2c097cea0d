"""The whole product as one starts it for a look, on free ports: `wsapp demo`, real processes and real network."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

READY = re.compile(r"The demo is ready: (http://[^/\s]+)/demo")
START_WITHIN = 180  # seconds: a busy machine takes its time to fill two firms
STOP_WITHIN = 35
ARRIVES_WITHIN = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    userid: str
    name: str


@dataclass(frozen=True)
class Sample:
    """One host's sample firm: who is who, and how its phones name themselves."""

    host: str
    corp_id: str
    agent: str
    seller: Person
    colleague: Person
    manager: Person
    outsider: Person  # outside the app's visible range
    manager_field: str


def _sample(host: str, outsider: str, manager_field: str) -> Sample:
    module: Any = import_module(f"wsapp.connectors.{host}.emulator")
    corp = module.demo_org("http://127.0.0.1")["corps"][0]
    people = {one["userid"]: one for one in corp["users"]}
    seller, colleague = list(people.values())[:2]
    manager = seller[manager_field]
    manager = manager[0] if isinstance(manager, list) else manager
    named = [Person(one, people[one]["name"]) for one in (seller["userid"], colleague["userid"], manager, outsider)]
    return Sample(host, corp["corp_id"], module.EMULATOR.phone_agent, *named, manager_field)


WECOM = _sample("wecom", "OuYangMuRong", "direct_leader")
DINGTALK = _sample("dingtalk", "simaxiangru", "manager")
SAMPLES = (WECOM, DINGTALK)


@dataclass(frozen=True)
class Stack:
    """A running demo; ports follow each other (see `wsapp.demo.layout`)."""

    url: str
    pid: int

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def emulator(self, host: str) -> str:
        return f"http://127.0.0.1:{self.port + 1 + _number(host)}"

    def phone(self, host: str) -> str:
        """The address under which this host's phones open the product."""
        return f"http://127.0.0.1:{self.port + 1 + len(SAMPLES) + _number(host)}"

    def move_clock(self, move: str) -> None:
        """Move the time of the product and of the hosts, as the page's buttons do."""
        with requests.Session() as session:
            page = session.get(f"{self.url}/demo", timeout=10).text
            token = re.search(r'name="csrf-token" content="([^"]+)"', page)
            assert token
            headers = {"X-CSRF-Token": token[1]}
            session.post(f"{self.url}/demo/clock", json={"move": move}, headers=headers, timeout=60).raise_for_status()

    def now(self) -> str:
        """The product's time, RFC 3339."""
        found: str = requests.get(f"{self.url}/demo/clock", timeout=10).json()["now"]
        return found

    def chats(self, host: str, user: str) -> list[dict[str, Any]]:
        """What a person has in the chat with the app, newest last."""
        answer = requests.get(f"{self.emulator(host)}/_emulator/chats", {"user": user}, timeout=10)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def card(
        self,
        host: str,
        user: str,
        words: str,
        *,
        but: Callable[[dict[str, Any]], bool] | None = None,
        within: float = ARRIVES_WITHIN,
    ) -> Any:
        """Wait for a person's message whose title contains `words` (and for which `but` does not hold)."""

        def look() -> Any:
            found = [one for one in self.chats(host, user) if words in one["title"] and not (but and but(one))]
            return found[-1] if found else None

        return eventually(look, f"no message {words!r} for {user} in {self.chats(host, user)}", within=within)

    def tell_host(self, host: str, path: str, body: dict[str, Any]) -> None:
        requests.post(f"{self.emulator(host)}{path}", json=body, timeout=10).raise_for_status()


def _number(host: str) -> int:
    return [sample.host for sample in SAMPLES].index(host)


def eventually(look: Callable[[], T], otherwise: str, *, within: float = ARRIVES_WITHIN) -> T:
    """Look again and again until there is something; fail with `otherwise` when there never is."""
    end = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Start the demo with its data in `folder`; at the end ask it to stop, and see that nothing is left behind."""
    environ = {**os.environ, "WSAPP_SERVER_DATA_DIR": str(folder / "data")}
    log = (folder / "log").open("w+")
    command = [sys.executable, "-P", "-m", "wsapp", "demo", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT)
    try:
        ready = eventually(lambda: _ready(process, folder / "log"), "the demo did not start", within=START_WITHIN)
        yield Stack(ready, process.pid)
        family = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_WITHIN) == 0, (folder / "log").read_text()[-2000:]
        assert family, "the demo has no processes of its own?"
        left = eventually(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "processes were left behind"
        )
        assert left
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        log.close()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    text = log.read_text()
    assert process.poll() is None, f"the demo ended: {text[-2000:]}"
    found = READY.search(text)
    return found[1] if found else ""


def children_of(pid: int) -> list[int]:
    """All descendants of a process."""
    try:
        direct = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [pid for child in direct for pid in (child, *children_of(child))]
