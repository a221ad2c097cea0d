"""The processes of a soak: `python -m tests.soak.processes emulator|worker|scheduler …`. Each ends with its parent."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from wsapp.supervisor import die_with


def main() -> int:
    role, *arguments = sys.argv[1:]
    die_with(os.getppid())
    roles = {"emulator": emulator, "worker": worker, "scheduler": scheduler, "streams": streams, "recycle": recycle}
    return roles[role](*arguments)


def emulator(host: str, org_file: str) -> int:
    """Serve a host's emulator on a free port; its URL is the first line on stdout."""
    from importlib import import_module

    from werkzeug.serving import make_server

    from wsapp.connectors import emulator as shared

    made = import_module(f"wsapp.connectors.{host}.emulator").EMULATOR()
    made.load(json.loads(Path(org_file).read_text()))
    server = make_server("127.0.0.1", 0, made.app, threaded=True, request_handler=shared._Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
    return 0


def worker(config: str, pace: str) -> int:
    """Run a worker as `wsapp worker` does, with time compressed. It knows one more kind of work: one that kills it."""
    from wsapp.jobs import handlers
    from wsapp.jobs import worker as jobs_worker

    handlers.HANDLERS["poison"] = lambda claim, desk: os.kill(os.getpid(), signal.SIGSEGV)
    values = json.loads(pace)
    threads = values.pop("threads", jobs_worker.THREADS)
    return jobs_worker.main(_app(config), threads=threads, pace=_pace(values))


def scheduler(config: str) -> int:
    """Run a scheduler as `wsapp scheduler` does."""
    from wsapp.jobs import scheduler as jobs_scheduler

    return jobs_scheduler.main(_app(config))


def streams(config: str, pace: str) -> int:
    """Hold streams as a worker does, and nothing else."""
    from wsapp.jobs import streams as jobs_streams
    from wsapp.jobs.worker import until_told

    keeper = jobs_streams.StreamKeeper(_app(config), pace=jobs_streams.PACE.compressed(100, **json.loads(pace)))
    with until_told() as told:
        keeper.start()
        told.wait()
        keeper.stop()
    return 0


def recycle(config: str, corp: str, clock_file: str) -> int:
    """Run `wsapp recycle` for a corp, at the time that the clock file says."""
    from wsapp import clock
    from wsapp.cli import run

    clock.enable_control(Path(clock_file))
    return run(["recycle", "--config", config, "--corp", corp])


def _app(config: str) -> Any:
    from wsapp import logs
    from wsapp.app import create_app
    from wsapp.config import load
    from wsapp.connectors import connector_classes

    logs.setup()
    return create_app(load(Path(config), {}, connector_classes()))


def _pace(values: dict[str, Any]) -> Any:
    from wsapp.jobs.pace import PACE

    return PACE.compressed(values.pop("factor", 1), **values)


if __name__ == "__main__":
    sys.exit(main())
