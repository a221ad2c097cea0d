"""Connections that end when their time is over, however slowly the other side drips.

A socket's own time-out starts anew with every byte. One thread looks after all requests under way and shuts the
sockets of those whose deadline has passed; the blocked reader then sees the connection break.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

STEP = 0.2  # seconds between two looks


class _Watchdog:
    """Shuts watched sockets at their deadline. Starts its thread when first needed, anew in each forked process."""

    def __init__(self) -> None:
        self.watched: dict[int, tuple[float, socket.socket]] = {}
        self.busy = threading.Event()
        self.pid = 0
        self.starting = threading.Lock()

    def watch(self, sock: socket.socket, end: float) -> int:
        if self.pid != os.getpid():
            with self.starting:
                if self.pid != os.getpid():
                    self._start()
        key = id(sock)
        self.watched[key] = (end, sock)
        self.busy.set()
        return key

    def release(self, key: int) -> None:
        self.watched.pop(key, None)

    def _start(self) -> None:
        self.watched, self.busy = {}, threading.Event()
        threading.Thread(target=self._run, daemon=True, name="deadlines").start()
        self.pid = os.getpid()

    def _run(self) -> None:
        while True:
            self.busy.wait()
            self.busy.clear()
            while self.watched:
                time.sleep(STEP)
                now = time.monotonic()
                for key, (end, sock) in list(self.watched.items()):
                    if now >= end:
                        self.release(key)
                        with contextlib.suppress(OSError):
                            sock.shutdown(socket.SHUT_RDWR)


_watchdog = _Watchdog()
_request = threading.local()  # .end and .keys of the request that this thread is making


@contextlib.contextmanager
def deadline(end: float) -> Iterator[None]:
    """While inside, connections used by this thread are shut at `end` (monotonic seconds)."""
    _request.end, _request.keys = end, []
    try:
        yield
    finally:
        for key in _request.keys:
            _watchdog.release(key)
        _request.end = None


def _watch(sock: Any) -> None:
    end = getattr(_request, "end", None)
    if end is not None and isinstance(sock, socket.socket):
        _request.keys.append(_watchdog.watch(sock, end))


class _Watched:
    """Mixed into a connection: its socket is watched from the moment a request uses it."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        _watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _watch(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _TlsConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """A `requests` adapter whose connections obey `deadline`."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
