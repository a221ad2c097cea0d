"""Messages per second: the product's worker and connector against a bare threaded loop of `requests`, to one emulator.

ours   rows that wait in the outbox → claimed, frozen, posted, answers read, written down as accepted
bare   the very same bytes posted by eight threads that write nothing down
"""

import json
import queue
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from bench_load import stop
from bench_world import CACHE, CORP_ID, POSTGRES, ROOT, Place, build_app, in_corp, keep_person, write_config, wsapp

MESSAGES = 2000  # a round
EACH = 20  # messages to one person, below what the host takes in a minute
THREADS = 8  # as many as the product's worker has
GIVE_UP = 300.0  # seconds


def measure(database: str, rounds: int) -> dict[str, Any]:
    """Return messages/s of both, and the median of the rounds' ratios."""
    folder = CACHE / "sending"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with emulator(folder, rounds) as host:
        place = _place(database, folder, host)
        found = [_round(place, host, number) for number in range(rounds)]
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "ours": statistics.median(ours for ours, _bare in found),
        "bare": statistics.median(bare for _ours, bare in found),
        "ratio": statistics.median(ours / bare for ours, bare in found),
    }


def _place(database: str, folder: Path, host: str) -> Place:
    url = ""
    if database == "postgresql":
        POSTGRES.run('DROP DATABASE IF EXISTS "work_sending" WITH (FORCE)', 'CREATE DATABASE "work_sending"')
        url = POSTGRES.url("work_sending")
    place = Place(database, 0, folder, write_config(folder, url=url, api_base=host))
    wsapp(place, "db", "upgrade")
    return place


def _round(place: Place, host: str, number: int) -> tuple[float, float]:
    payloads = json.loads(_run("prepare", place, str(number)))
    requests.post(f"{host}/_emulator/reset", timeout=10).raise_for_status()
    bare = float(_run("bare", place, host, stdin=json.dumps(payloads)))
    requests.post(f"{host}/_emulator/reset", timeout=10).raise_for_status()
    return float(_run("ours", place)), bare


def _run(task: str, place: Place, *arguments: str, stdin: str = "") -> str:
    command = [sys.executable, str(Path(__file__)), task, str(place.config), *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, input=stdin, stdout=subprocess.PIPE, text=True)
    return done.stdout


@contextmanager
def emulator(folder: Path, rounds: int) -> Iterator[str]:
    """Run WeCom's emulator with the benchmark's app and enough employees; gives its address."""
    from wsapp.connectors.wecom.emulator import demo_org

    firm = demo_org("http://127.0.0.1:8000")
    corp = firm["corps"][0]
    corp["corp_id"] = CORP_ID
    corp["apps"][0] |= {"agent_id": 1000002, "secret": "benchmark-secret"}
    model = {
        key: value for key, value in corp["users"][0].items() if key not in ("unionid", "mobile", "leads", "manager")
    }
    corp["users"] += [{**model, "userid": userid, "name": userid} for userid in _people(rounds)]
    path = folder / "org.json"
    path.write_text(json.dumps(firm))
    command = [sys.executable, "-P", "-m", "wsapp", "emulator", "--host", "wecom", "--port", "0", "--org", str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        yield url
    finally:
        stop(process)


def _people(rounds: int) -> list[str]:
    return [f"p{number:05d}" for number in range(rounds * MESSAGES // EACH)]


# --- processes of a round -----------------------------------------------------------------------------------------


def prepare(app: Any, number: int) -> list[str]:
    """Put a round's messages in line; returns the bytes that will be posted for them."""
    from wsapp import clock, hosts
    from wsapp.crm.notifications.actions import as_data, tell
    from wsapp.crm.notifications.messages import task_card
    from wsapp.crm.notifications.models import Notification
    from wsapp.crm.org import actions as org
    from wsapp.crm.tasks.models import OPEN, Task
    from wsapp.db import db, new_id

    with in_corp(app) as corp:
        root = org.keep_department(_Department(), parent=None)
        people = _people(number + 1)[-(MESSAGES // EACH) :]
        for userid in people:
            keep_person(userid, userid, root.id)
        connector = hosts.lines().of(corp)
        payloads = []
        for index in range(MESSAGES):
            reader = org.member_by_userid(people[index % len(people)], fold=True)
            assert reader is not None
            now = clock.now()
            task = Task(
                id=new_id(),
                title=f"回访青岛海天塑胶机械有限公司，确认第 {index} 批报价",
                kind="follow_up",
                due_at=now,
                reminders=[0],
                assignee_id=reader.id,
                creator_id=reader.id,
                state=OPEN,
                created_at=now,
                updated_at=now,
            )
            db.session.add(task)
            db.session.flush()
            card = task_card(task, kind="due", reader=reader)
            tell(reader, "task.due", card, key=f"bench:{task.id}", subject_id=task.id, task_ids=[task.id], chosen=True)
            told = db.session.execute(
                sa.select(Notification).where(Notification.key == f"bench:{task.id}")
            ).scalar_one()
            body = connector.compose(hosts.message_of(as_data(told)), (reader.userid,)).body
            payloads.append(body.decode())
        db.session.commit()
    return payloads


class _Department:
    id, name, parent, order = "1", "总部", "", 0


def ours(app: Any) -> float:
    """Let the product's worker send what waits; returns messages/s."""
    from wsapp.crm.notifications.models import PLANNED, SENDING, Notification
    from wsapp.db import every_corp, reading
    from wsapp.jobs.worker import Engine

    def left() -> int:
        from wsapp.db import db

        with app.app_context(), every_corp(), reading():
            waiting = sa.select(sa.func.count()).where(Notification.state.in_((PLANNED, SENDING)))
            return db.session.scalar(waiting.select_from(Notification)) or 0

    count = left()
    engine = Engine(app)
    began = time.perf_counter()
    engine.start()
    while left():
        if time.perf_counter() - began > GIVE_UP:
            raise SystemExit(f"{left()} messages were not sent within {GIVE_UP:.0f} s")
        time.sleep(0.05)
    took = time.perf_counter() - began
    engine.stop()
    return count / took


def bare(app: Any, host: str, payloads: Sequence[str]) -> float:
    """Post the bytes with as many threads and nothing else; returns messages/s."""
    query = {"corpid": CORP_ID, "corpsecret": "benchmark-secret"}
    token = requests.get(f"{host}/cgi-bin/gettoken", params=query, timeout=10).json()["access_token"]
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for payload in payloads:
        waiting.put(payload)
    refused: list[str] = []

    def post() -> None:
        session = requests.Session()
        session.trust_env = False
        while True:
            try:
                body = waiting.get_nowait()
            except queue.Empty:
                return
            answer = session.post(
                f"{host}/cgi-bin/message/send", params={"access_token": token}, data=body.encode(), timeout=30
            ).json()
            if answer["errcode"] != 0:
                refused.append(str(answer))

    threads = [threading.Thread(target=post) for _number in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if refused:
        raise SystemExit(f"the emulator refused {len(refused)} messages, the first with {refused[0][:200]}")
    return len(payloads) / took


def main() -> None:
    task, config, *arguments = sys.argv[1:]
    app = build_app(Path(config))
    match task:
        case "prepare":
            print(json.dumps(prepare(app, int(arguments[0]))))
        case "ours":
            print(ours(app))
        case "bare":
            print(bare(app, arguments[0], json.loads(sys.stdin.read())))


if __name__ == "__main__":
    main()
