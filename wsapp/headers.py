"""What goes around every answer: its policy, its redirects, its compression."""

import gzip
import re
from urllib.parse import urlsplit

from flask import Response, current_app, request

from wsapp.connectors import connector_classes
from wsapp.house import house

GZIP_FROM = 900  # bytes


def stay_here(response: Response) -> None:
    """The router's own redirects (a missing slash, a doubled one) name the Host that was asked for, which anybody can
    make up: only the path is kept."""
    if response.location and response.location.startswith(request.host_url):
        response.location = "/" + response.location[len(request.host_url) :].lstrip("/\\")
        response.set_data(b"")


def add_security_headers(response: Response) -> None:
    """What browsers are to refuse on every page of ours."""
    policy = current_app.config["CONTENT_SECURITY_POLICY"]
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "geolocation=(self), camera=(self), microphone=(self)"
    if house().settings.server.public_url.startswith("https://"):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def content_security_policy(origins: frozenset[str]) -> str:
    """Return the policy of every page: nothing from elsewhere, framed only by the hosts (in the demo, its phones)."""
    framers = dict.fromkeys(["'self'", *sorted(origins)])
    for host, kind in connector_classes().items():
        framers |= dict.fromkeys(kind.frame_origins)
        for url in house().settings.hosts.get(host, {}).values():
            parts = urlsplit(url)
            framers[f"{parts.scheme}://{parts.netloc}"] = None
    return "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {' '.join(framers)}",
        )
    )


def compress(response: Response) -> None:
    """Squeeze text for clients that can take it; pictures and streams pass."""
    if (
        response.direct_passthrough
        or response.is_streamed
        or "gzip" not in request.headers.get("Accept-Encoding", "")
        or "Content-Encoding" in response.headers
        or not re.search(r"^text/|json$|javascript$|xml$", response.mimetype or "")
    ):
        return
    body = response.get_data()
    if len(body) < GZIP_FROM:
        return
    response.set_data(gzip.compress(body, compresslevel=4, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
