"""Serving: the whole product as one process tree (`serve`), or one role alone (`web`, `worker`, `scheduler`).

gunicorn answers the web with threads; the sockets are opened here, before anything else, so that a taken port is one
clear line and a web process that is started again loses no connection.
"""

import fcntl
import gc
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gunicorn import util as gunicorn_util
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from setproctitle import setproctitle

from wsapp import logs, metrics_folder
from wsapp.config import Settings, SettingsError
from wsapp.supervisor import Role, Supervisor, die_with

EMBEDDED = (1, 8)  # workers and threads of `serve`: SQLite is one process tree with one web process
ALONE = (2, 4)  # of the role `web`
GRACE = 25  # seconds for requests under way at a stop; the supervisor kills after 30
KEEP_ALIVE = 65  # longer than the usual 60 s of a reverse proxy, which must be the one to hang up
BACKLOG = 512

Rebuild = Callable[[], Settings]
Create = Callable[[Settings], Any]  # settings → Flask app


class CannotServe(Exception):
    """The product cannot start here: a port is taken, or another copy runs on the same data. One line."""


# --- the commands -------------------------------------------------------------------------------------------------


def serve(
    settings: Settings,
    *,
    rebuild: Rebuild | None = None,
    create: Create | None = None,
    also: Sequence[Role] = (),
    on_ready: Callable[[], None] = lambda: None,
) -> int:
    """Migrate, then run web, worker and scheduler (and the roles `also`) as one process tree until SIGTERM or SIGINT.

    `rebuild` reads the settings again on SIGHUP; without it SIGHUP ends, too. `create` makes the app, where not the
    ordinary one. `on_ready` is called once all is started and the addresses accept. Returns the exit code; raises
    CannotServe.
    """
    setproctitle("wsapp: serve")
    with claim(settings, "serve"):
        metrics_folder.share(settings.server.data_dir)
        sockets = [listen(bind) for bind in settings.server.bind]
        app = build(settings, create)
        _migrate(app)
        _connect_corps(app)
        _hang_up(app)
        workers, threads = EMBEDDED[0], settings.server.threads or EMBEDDED[1]
        roles = (
            Role("web", lambda: _run_web(app, sockets, workers, threads, rebuild), reloads=True),
            Role("worker", lambda: _run_worker(app)),
            Role("scheduler", lambda: _run_scheduler(app)),
        )
        logs.get_logger().info(
            "serve.started", addresses=[_spell(one) for one in sockets], embedded=settings.is_embedded
        )
        return Supervisor((*also, *roles), on_ready=on_ready, ends_on_hangup=rebuild is None).run()


def web(settings: Settings, *, rebuild: Rebuild | None = None) -> int:
    """Answer the web, and nothing else, until SIGTERM."""
    setproctitle("wsapp: web")
    with claim(settings, "web"):
        metrics_folder.share(settings.server.data_dir)
        sockets = [listen(bind) for bind in settings.server.bind]
        app = build(settings)
        _connect_corps_if_ready(app)
        _hang_up(app)
        workers, threads = settings.server.workers or ALONE[0], settings.server.threads or ALONE[1]
        logs.get_logger().info("web.started", addresses=[_spell(one) for one in sockets])
        return _run_web(app, sockets, 1 if settings.is_embedded else workers, threads, rebuild)


def worker(settings: Settings) -> int:
    """Execute background work until SIGTERM."""
    setproctitle("wsapp: worker")
    with claim(settings, "worker"):
        metrics_folder.share(settings.server.data_dir)
        return _run_worker(build(settings))


def scheduler(settings: Settings) -> int:
    """Tick until SIGTERM."""
    setproctitle("wsapp: scheduler")
    with claim(settings, "scheduler"):
        metrics_folder.share(settings.server.data_dir)
        return _run_scheduler(build(settings))


def build(settings: Settings, create: Create | None = None) -> Any:
    """Make the data folder, where it is missing, and the Flask app."""
    settings.server.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if create is None:
        from wsapp.app import create_app

        create = create_app
    return create(settings)


def _migrate(app: Any) -> None:
    from wsapp import schema

    schema.upgrade(app)


def _connect_corps(app: Any) -> None:
    from wsapp.admin.console import announce_first_run
    from wsapp.hosts import connect_configured_corps

    with app.app_context():
        connect_configured_corps()
    announce_first_run(app)


def _connect_corps_if_ready(app: Any) -> None:
    """A role alone does not migrate: on a database that is behind it starts all the same; `/readyz` says why not."""
    from sqlalchemy.exc import DBAPIError

    try:
        _connect_corps(app)
    except DBAPIError as error:
        logs.get_logger().error("database.not_ready", reason=str(error.orig))


# --- roles --------------------------------------------------------------------------------------------------------


def _run_worker(app: Any) -> int:
    _forget_connections(app)
    from wsapp.jobs import worker as jobs_worker

    return jobs_worker.main(app) or 0


def _run_scheduler(app: Any) -> int:
    _forget_connections(app)
    from wsapp.jobs import scheduler as jobs_scheduler

    return jobs_scheduler.main(app) or 0


def _run_web(app: Any, sockets: Sequence[socket.socket], workers: int, threads: int, rebuild: Rebuild | None) -> int:
    # gunicorn closes the descriptors it is given: the socket objects must not close them a second time.
    binds = [f"fd://{one.detach()}" for one in sockets]
    # It would name its processes "gunicorn: master" and "gunicorn: worker" at every turn.
    gunicorn_util._setproctitle = lambda title: setproctitle("wsapp: web")
    WebServer(app, binds, workers, threads, rebuild).run()
    return 0


def _hang_up(app: Any) -> None:
    """Close this process's database connections: none may be shared with the processes to come."""
    from wsapp.db import db

    with app.app_context():
        db.engine.dispose()


def _forget_connections(app: Any) -> None:
    from wsapp import db

    with app.app_context():
        db.after_fork()


# --- gunicorn -----------------------------------------------------------------------------------------------------


class WebServer(BaseApplication):
    """gunicorn around an app that is built once, before its workers are forked, and again on SIGHUP."""

    def __init__(self, app: Any, binds: Sequence[str], workers: int, threads: int, rebuild: Rebuild | None) -> None:
        self.app = app
        self.binds = list(binds)
        self.size = (workers, threads)
        self.rebuild = rebuild
        super().__init__()

    def load_config(self) -> None:
        workers, threads = self.size
        options = {
            "bind": self.binds,
            "worker_class": "gthread",
            "workers": workers,
            "threads": threads,
            "limit_request_line": 8190,  # a filter by custom fields in Chinese is long once it is quoted
            "preload_app": True,
            "graceful_timeout": GRACE,
            "keepalive": KEEP_ALIVE,
            "backlog": BACKLOG,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,
            "forwarded_allow_ips": "",  # the app's own setting says how many proxies are believed
            "control_socket_disable": True,
            "logger_class": GunicornLog,
            "when_ready": lambda arbiter: _set_aside(),
            "post_fork": lambda arbiter, worker: self._begin_worker(arbiter),
            "child_exit": lambda arbiter, worker: metrics_folder.tidy(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self.app

    def reload(self) -> None:
        """Build the app from the settings as they are now; with bad settings the old one stays. Drops no request."""
        if self.rebuild:
            try:
                self.app = build(self.rebuild())
                _hang_up(self.app)
            except SettingsError as error:
                logs.get_logger().error("web.reload_refused", reason=str(error))
                return
        self.callable = None
        _set_aside()
        super().reload()
        logs.get_logger().info("web.reloaded")

    def _begin_worker(self, arbiter: Any) -> None:
        die_with(arbiter.pid)
        _forget_connections(self.app)


def _set_aside() -> None:
    """Take what is loaded by now out of the garbage collector's rounds, before workers are forked.

    Its marks stand in the objects: a round in a worker would copy nearly all memory that the workers share.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class GunicornLog(Logger):
    """Sends gunicorn's words through the root logger; it has no access log: the app logs its requests itself."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel("WARNING")

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Say nothing."""


# --- sockets ------------------------------------------------------------------------------------------------------


def listen(bind: str) -> socket.socket:
    """Open a listening socket at "host:port", "[v6]:port" or "unix:path". Raises CannotServe, naming the address."""
    try:
        if bind.startswith("unix:"):
            return _listen_unix(bind.removeprefix("unix:"))
        host, _, port = bind.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotServe(f"server.bind: cannot listen on {bind}: {reason} (无法监听该地址)") from None


def _listen_unix(path: str) -> socket.socket:
    with suppress(FileNotFoundError):
        if Path(path).is_socket():
            os.unlink(path)  # left behind by a process that was killed
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(path)
    one.listen(BACKLOG)
    return one


def _spell(one: socket.socket) -> str:
    name = one.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"http://{host}:{name[1]}"


# --- one copy only ------------------------------------------------------------------------------------------------


@contextmanager
def claim(settings: Settings, role: str) -> Iterator[None]:
    """Hold the data folder for this process tree while SQLite is in it: `serve` excludes everybody, a role its like.

    Children inherit the claim, so it lasts until the last of them is gone. Raises CannotServe while another one has it.
    """
    folder = settings.server.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.is_embedded:
        yield
        return
    held = [_lock(folder / "serve.lock", role == "serve", folder)]
    if role != "serve":
        held.append(_lock(folder / f"{role}.lock", True, folder))
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _lock(path: Path, exclusive: bool, folder: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise CannotServe(
            f"server.data_dir: {folder} is in use by another copy of wsapp{f' (process {pid})' if pid else ''}; SQLite "
            "takes one process tree, several need PostgreSQL (数据目录正被另一个实例使用)"
        ) from None
    if exclusive:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
