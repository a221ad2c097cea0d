"""The phones' side of the product: on a port of each host it behaves as inside that host's client.

A WSGI layer, in the demo only. It adds what a real phone would bring: the client's user agent, its native side
(the emulator's bridge script, before any script of the page), and a cookie jar of its own for each person, for cookies
of one machine ignore ports.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from wsapp.connectors import connector_class
from wsapp.connectors.emulator import Emulator
from wsapp.connectors.phone import holder_cookie
from wsapp.demo.layout import HostPart

SCRIPT_PATH = "/demo/phone-bridge.js"
SCRIPT_TAG = f'<script src="{SCRIPT_PATH}"></script>'.encode()
NATIVE = Path(__file__).parent / "native.js"

Environ = dict[str, Any]


@dataclass(frozen=True)
class Phone:
    """What the phones of one host have in common."""

    host: str
    agent: str
    emulator_url: str

    @property
    def bridge(self) -> Path:
        return connector_class(self.host).folder / "bridge.js"


class Phones:
    """WSGI layer around the product."""

    def __init__(self, inner: Any, parts: Mapping[HostPart, Emulator]) -> None:
        self.inner = inner
        self.phones = {
            part.phone_url.removeprefix("http://"): Phone(part.host, emulator.phone_agent, part.emulator_url)
            for part, emulator in parts.items()
        }

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        phone = self.phones.get(environ.get("HTTP_HOST", ""))
        if phone is None:
            inner: Iterable[bytes] = self.inner(environ, start_response)
            return inner
        holder = Request(environ).cookies.get(holder_cookie(phone.host), "")
        if environ["PATH_INFO"] == SCRIPT_PATH:
            answer = _script(phone, holder)
        else:
            jar = _jar(phone.host, holder)
            answer = Response.from_app(self.inner, _as_phone(environ, phone, jar), buffered=True)
            _bring_home(answer, phone, jar)
        return answer(environ, start_response)


def _jar(host: str, holder: str) -> str:
    """The prefix of one person's cookies: whoever takes over the phone starts with their own."""
    return f"{host}-{hashlib.sha256(holder.encode()).hexdigest()[:12]}-"


def _as_phone(environ: Environ, phone: Phone, jar: str) -> Environ:
    sent = [one.strip() for one in environ.get("HTTP_COOKIE", "").split(";")]
    own = [one.removeprefix(jar) for one in sent if one.startswith(jar)]
    changed = {**environ, "HTTP_USER_AGENT": phone.agent, "HTTP_COOKIE": "; ".join(own)}
    changed.pop("HTTP_ACCEPT_ENCODING", None)  # a page must be readable for the script to go in
    return changed


def _bring_home(answer: Response, phone: Phone, jar: str) -> None:
    """Rename the cookies, let the page reach the emulator, and put the client's native side before everything else."""
    cookies = answer.headers.getlist("Set-Cookie")
    answer.headers.remove("Set-Cookie")
    for cookie in cookies:
        answer.headers.add("Set-Cookie", jar + cookie)
    policy = answer.headers.get("Content-Security-Policy")
    if policy:
        answer.headers["Content-Security-Policy"] = f"{policy}; connect-src 'self' {phone.emulator_url}"
    if answer.mimetype == "text/html":
        answer.set_data(answer.get_data().replace(b"<head>", b"<head>" + SCRIPT_TAG, 1))


def _script(phone: Phone, holder: str) -> Response:
    facts = json.dumps({"agent": phone.agent, "base": phone.emulator_url, "user": holder})
    parts = (NATIVE.read_text(encoding="utf-8"), phone.bridge.read_text(encoding="utf-8"))
    answer = Response(f"window.__phone = {facts};\n" + "\n".join(parts), content_type="text/javascript; charset=utf-8")
    answer.headers["Cache-Control"] = "no-store"
    return answer
