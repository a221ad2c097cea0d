"""What the web server answers itself, before the app is asked, names no version and breaks nothing (T59)."""

import re
import socket
from pathlib import Path

import pytest
import requests

from tests.security.product import running

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


def test_a_malformed_request_learns_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as product:
        port = product.url.rpartition(":")[2]
        for request in (
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x00\x01\x02\r\n\r\n",
            b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        ):
            answer = raw(int(port), request)
            assert b"Traceback" not in answer
            assert not re.search(rb"(?i)(gunicorn|python|werkzeug)/[0-9]", answer)
            assert b" 500 " not in answer.split(b"\r\n")[0]
        unending = b"POST /callbacks/wecom/x/app HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (
            b" 403 "
            in raw(int(port), unending + b"1000\r\n" + b"a" * 0x1000 + b"\r\n" + b"0\r\n\r\n").split(b"\r\n")[0]
        )
        long = f"{product.url}/api/v1/customers?custom=" + "%E5%8E%82" * 700
        assert requests.get(long, timeout=10).status_code == 401  # it reaches the app
        assert requests.get(f"{product.url}/healthz", timeout=10).status_code == 200
        assert product.process is not None
        assert product.process.poll() is None


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)
