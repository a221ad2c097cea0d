"""Load on a running server: wrk with keep-alive clients, the server's processes watched meanwhile."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

CLIENTS = 16
START_WITHIN = 30.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")

# Each request is one of a list in turn; "@N@" in a body becomes a number that never comes twice.
SCRIPT = """
local made = {}
local plan = dofile(os.getenv("BENCH_PLAN"))
local count, number = 0, tonumber(os.getenv("BENCH_FROM"))
function init(arguments)
  for index, one in ipairs(plan) do
    if not one.body then made[index] = wrk.format(one.method, one.path, one.headers) end
  end
end
function request()
  count = count + 1
  local index = (count - 1) % #plan + 1
  if made[index] then return made[index] end
  local one = plan[index]
  number = number + 1
  return wrk.format(one.method, one.path, one.headers, (one.body:gsub("@N@", string.format("%09d", number))))
end
function done(summary, latency, requests)
  io.stderr:write(string.format(
    '{"seconds": %f, "requests": %d, "failed": %d, "broken": %d, "p50": %f, "p99": %f}',
    summary.duration / 1e6, summary.requests, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
"""


@dataclass(frozen=True)
class Request:
    """One request of a plan; `body` may hold "@N@"."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class Load:
    """What a run of load saw. `rate` in requests/s; latencies in seconds; `cpu` in server seconds per request."""

    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float


_numbers = iter(range(0, 10**9, 2_000_000))  # where each run's own numbers begin


def load(url: str, plan: Sequence[Request], *, seconds: int, clients: int = CLIENTS, pids: Sequence[int] = ()) -> Load:
    """Send the plan's requests for some seconds. Ends the program when any of them is answered with an error."""
    with tempfile.TemporaryDirectory(prefix="wsapp-bench-") as folder:
        script, requests_file = Path(folder, "load.lua"), Path(folder, "plan.lua")
        script.write_text(SCRIPT)
        requests_file.write_text("return {" + ",".join(map(_as_lua, plan)) + "}")
        environment = {**os.environ, "BENCH_PLAN": str(requests_file), "BENCH_FROM": str(next(_numbers))}
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s", "-s", str(script), url]
        before = cpu_seconds(pids)
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        used = cpu_seconds(pids) - before
    found = json.loads(done.stderr[done.stderr.index("{") :])
    if found["failed"] or found["broken"] or not found["requests"]:
        raise SystemExit(f"{plan[0].method} {plan[0].path} failed under load: {found}")
    count = found["requests"]
    return Load(count, count / found["seconds"], found["p50"], found["p99"], used / count)


def _as_lua(one: Request) -> str:
    headers = ",".join(f"[{_text(name)}]={_text(value)}" for name, value in one.headers.items())
    body = f",body={_text(one.body)}" if one.body else ""
    return f"{{method={_text(one.method)},path={_text(one.path)},headers={{{headers}}}{body}}}"


def _text(value: str) -> str:
    return '"' + "".join(f"\\{byte:03d}" for byte in value.encode()) + '"'


# --- servers ------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A running server. `started` is how many seconds passed until its first answer."""

    url: str
    process: "subprocess.Popen[str]"
    started: float

    @property
    def workers(self) -> list[int]:
        """The processes that answer requests."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def memory(self) -> list[int]:
        """Return the PSS of each worker in bytes: its own memory, and its share of what it has in common."""
        return [pss(pid) for pid in self.workers]


@contextmanager
def server(*arguments: str, path: str = "/") -> Iterator[Server]:
    """Run `bench_server.py` with arguments until the end of the block; ready when `path` is answered."""
    command = [sys.executable, str(Path(__file__).with_name("bench_server.py")), *arguments]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise SystemExit(f"{' '.join(arguments)} did not start")
        wait_for_answer(url + path)
        yield Server(url, process, time.monotonic() - began)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[str]") -> None:
    """Ask a process to end, and see to it."""
    process.terminate()
    try:
        process.wait(START_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for_answer(url: str, headers: Mapping[str, str] | None = None) -> requests.Response:
    """Return the first answer of an address that may not be listening yet."""
    end = time.monotonic() + START_WITHIN
    while True:
        try:
            return requests.get(url, headers=dict(headers or {}), timeout=START_WITHIN, allow_redirects=False)
        except requests.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return how much processor time some processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def pss(pid: int) -> int:
    """Return the proportional set size of a process in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def demand_wrk() -> None:
    """End the program with advice when the load generator is missing."""
    if shutil.which("wrk") is None:
        raise SystemExit("make bench needs wrk: apt-get install wrk")
