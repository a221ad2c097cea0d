"""A host that takes every call and never answers, until it is closed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class HangingHost:
    """Where it listens, and whoever hangs on it. Safe to look at from the test's thread."""

    url: str
    callers: list[socket.socket] = field(default_factory=list)
    called: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hanging_host() -> Iterator[HangingHost]:
    """Listen on a free port, take connections and say nothing; at the end all of them are cut."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = HangingHost(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread = threading.Thread(target=_take, args=(server, host), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for caller in host.callers:
                caller.close()


def _take(server: socket.socket, host: HangingHost) -> None:
    while True:
        try:
            caller, _address = server.accept()
        except OSError:
            return
        host.callers.append(caller)
        host.called.set()
