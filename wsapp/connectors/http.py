"""The bounded way out to the hosts: deadlines, size cap, no redirects, one session per corp, nothing secret in logs."""

import json as jsonlib
import logging
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from wsapp.connectors.base import Answer, TryLater
from wsapp.connectors.deadline import DeadlineAdapter
from wsapp.connectors.deadline import deadline as until

CONNECT_SECONDS = 3
READ_SECONDS = 10
MAX_BODY = 2 * 1024 * 1024
MAX_DEPTH = 32

# At DEBUG it writes whole request lines, and the hosts want their tokens in the query.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

Observer = Callable[[str, str, float], None]  # api label, outcome, seconds


class HttpTransport:
    """A `requests` session that cannot hang, cannot swell and follows nobody. Safe for several threads."""

    def __init__(self, *, pool: int = 16, observe: Observer | None = None, max_body: int = MAX_BODY) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # none may flow between calls or corps
        adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=pool, max_retries=0)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)
        self.observe = observe or (lambda api, outcome, seconds: None)
        self.max_body = max_body

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        api: str = "",
        deadline: float = 15,
        max_body: int = 0,
    ) -> Answer:
        if json is not None:
            # The hosts want real UTF-8: one of them refuses \uXXXX sequences.
            data = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
        send_headers = {"Accept": "application/json", **(headers or {})}
        if data is not None:
            send_headers.setdefault("Content-Type", "application/json; charset=utf-8")
        started = time.monotonic()
        try:
            with until(started + deadline):
                answer = self._exchange(
                    method, url, params, data, send_headers, started + deadline, max_body or self.max_body
                )
        except TryLater as error:
            self.observe(api, "unreachable" if not error.ambiguous else "cut", time.monotonic() - started)
            raise
        self.observe(api, str(answer.status), time.monotonic() - started)
        return answer

    def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str],
        end: float,
        max_body: int,
    ) -> Answer:
        budget = max(0.1, end - time.monotonic())
        try:
            response = self.session.request(
                method,
                url,
                params=params,
                data=data,
                headers=dict(headers),
                timeout=(min(CONNECT_SECONDS, budget), min(READ_SECONDS, budget)),
                allow_redirects=False,
                stream=True,
            )
        except requests.exceptions.ConnectTimeout:
            raise TryLater("the host did not answer the connection in time", code="connect_timeout") from None
        except requests.exceptions.ConnectionError as error:
            never_left = "NewConnectionError" in repr(error) or "Failed to establish" in repr(error)
            code = "unreachable" if never_left else "connection_lost"
            raise TryLater("the connection to the host failed", code=code, ambiguous=not never_left) from None
        except requests.exceptions.RequestException:
            raise TryLater("the host did not answer in time", code="timeout", ambiguous=True) from None
        with response:
            body = self._read(response, end, max_body)
            return Answer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=body,
                json=parse_object(body),
            )

    def _read(self, response: requests.Response, end: float, max_body: int) -> bytes:
        chunks, size = [], 0
        try:
            for chunk in response.iter_content(16384):
                size += len(chunk)
                if size > max_body:
                    raise TryLater("the host's answer is too large", code="too_large", ambiguous=True)
                if time.monotonic() > end:
                    raise TryLater("the host's answer took too long", code="timeout", ambiguous=True)
                chunks.append(chunk)
            if time.monotonic() > end:
                # A connection that we cut ourselves may look like a body that ended.
                raise TryLater("the host's answer took too long", code="timeout", ambiguous=True)
        except requests.exceptions.RequestException:
            raise TryLater("the host's answer broke off", code="connection_lost", ambiguous=True) from None
        return b"".join(chunks)


def parse_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `body`, or None: not JSON, not an object, nested too deep, duplicate keys, NaN."""
    text = body.decode("utf-8-sig", errors="replace").strip()
    if not text.startswith("{") or _depth(text) > MAX_DEPTH:
        return None
    try:
        value = jsonlib.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _depth(text: str) -> int:
    """Return the deepest nesting of brackets outside of strings, without recursion."""
    depth = deepest = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
