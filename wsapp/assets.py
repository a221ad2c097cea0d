"""Static files: named by their content, squeezed once, kept by the client for a year."""

import gzip
import hashlib
import json
from functools import cache
from pathlib import Path
from urllib.parse import quote

from flask import Flask, Response, abort, request

from wsapp.connectors import connector_classes

STATIC = Path(__file__).parent / "static"


@cache
def _manifest() -> dict[str, str]:
    path = STATIC / "vendor" / "manifest.json"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


@cache
def _static_body(path: Path) -> tuple[bytes, bytes, str]:
    body = path.read_bytes()
    return body, gzip.compress(body, 9, mtime=0), hashlib.sha256(body).hexdigest()[:12]


def _static_path(name: str) -> Path | None:
    """Return the file behind a static name; `host/<host>.js` is the connector's own script."""
    if name.startswith("host/"):
        kind = connector_classes().get(name[len("host/") : -len(".js")])
        path = kind.folder / "host.js" if kind else None
    else:
        path = (STATIC / name).resolve()
        if not path.is_relative_to(STATIC):
            return None
    return path if path is not None and path.is_file() else None


def asset(name: str) -> str:
    """Return the address of a static file that changes with its content; vendored ones by their plain name."""
    vendored = _manifest().get(name)
    if vendored:
        return f"/static/vendor/{vendored}"
    path = _static_path(name)
    return f"/static/{quote(name)}?v={_static_body(path)[2]}" if path else f"/static/{quote(name)}"


CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


def static_file(name: str) -> Response:
    """Serve a static file, compressed once, cached by the client for a year when its address names its content."""
    path = _static_path(name)
    if path is None or path.suffix not in CONTENT_TYPES:
        abort(404)
    body, squeezed, mark = _static_body(path)
    gzipped = "gzip" in request.headers.get("Accept-Encoding", "") and path.suffix not in (".png", ".ico")
    response = Response(squeezed if gzipped else body, content_type=CONTENT_TYPES[path.suffix])
    if gzipped:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    forever = name.startswith("vendor/") or request.args.get("v") == mark
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
    response.set_etag(mark)
    response.make_conditional(request)
    return response


def service_worker() -> Response:
    """Serve the service worker, of the pages below its own address; browsers look for a new one at each visit."""
    response = static_file(f"vendor/{_manifest()['sw.js']}")
    response.headers["Cache-Control"] = "no-cache"
    return response


def install(app: Flask) -> None:
    """Serve static files, and let templates name them."""
    app.add_url_rule("/static/<path:name>", "static_file", static_file)
    app.add_url_rule("/h5/sw.js", "service_worker", service_worker)
    app.jinja_env.globals.update(asset=asset)
