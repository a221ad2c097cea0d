"""The way to our own public address, as the hosts and the phones take it: DNS, TLS, proxy, and back to us."""

import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import urllib3

from wsapp.connectors.base import TryLater
from wsapp.connectors.checks import Fetched

SECONDS = 5.0
MAX_BODY = 64 * 1024


def address(public_url: str) -> tuple[str, int]:
    """Return host and port of the public address."""
    parts = urlsplit(public_url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def is_loopback(public_url: str) -> bool:
    """Whether the public address is this machine alone (the demo)."""
    host = address(public_url)[0]
    return host == "localhost" or host.startswith("127.") or host == "::1"


def certificate(public_url: str) -> str:
    """Return the end of the certificate ("Nov 22 05:00:00 2027 GMT") that the public address shows.

    Raises ssl.SSLCertVerificationError (see its verify_code), OSError.
    """
    host, port = address(public_url)
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=host) as secured,
    ):
        shown = secured.getpeercert() or {}
    return str(shown.get("notAfter", ""))


def fetch(
    public_url: str,
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    data: bytes | None = None,
    content_type: str = "",
) -> Fetched:
    """Ask our own public address. No redirect is followed. Raises TryLater when nothing came back."""
    pool = urllib3.PoolManager(
        num_pools=1, timeout=urllib3.Timeout(total=SECONDS), retries=False, ssl_context=ssl.create_default_context()
    )
    url = public_url.rstrip("/") + path + (f"?{urlencode(params)}" if params else "")
    headers = {"Content-Type": content_type} if content_type else {}
    try:
        answer = pool.request(
            "GET" if data is None else "POST", url, body=data, headers=headers, redirect=False, preload_content=False
        )
        body = answer.read(MAX_BODY)
        found = Fetched(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)
        answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise TryLater(f"our own address did not answer: {type(error).__name__}", code="unreachable") from None
    finally:
        pool.clear()
    return found
