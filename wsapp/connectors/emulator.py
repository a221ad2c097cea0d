"""What every host's emulator shares: a virtual clock, faults on demand, a call log, callbacks out, a real HTTP server.

An emulator is an ordinary Flask app that answers like the host, for the demo and for tests. The product reaches it
only through the base URLs of its settings. Its own switches live under `/_emulator/`:

    POST /_emulator/clock   {"advance": seconds} | {"offset": seconds}
    POST /_emulator/faults  {"api": "/cgi-bin/message/send", "times": 3, "fault": "delay", …}   ("api": "*" for all)
    DELETE /_emulator/faults                             what has not failed yet goes well
    POST /_emulator/knobs   {"name": value, …}          a host's own switches, see its `KNOBS`
    GET  /_emulator/calls   ?api=…                       what was asked, tokens redacted
    GET  /_emulator/chats   ?user=…                      every message that people see, as data
    POST /_emulator/reset                                forget messages, calls and faults
"""

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from flask import Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from wsapp.connectors.phone import add_phone

MAX_CALLS = 20_000


class VirtualClock:
    """Seconds since 1970 that can be moved, so that 72 hours pass in a test."""

    def __init__(self) -> None:
        self._offset = 0.0

    @property
    def offset(self) -> float:
        """Seconds that this clock is ahead."""
        return self._offset

    @offset.setter
    def offset(self, seconds: float) -> None:
        self._offset = seconds

    def time(self) -> float:
        return time.time() + self.offset


@dataclass
class Fault:
    """One misbehaviour, for the next `times` calls of `api` (after letting `skip` calls through).

    kinds: "delay" (seconds), "status" (status, body), "html", "truncate", "reset_before" (the call has no effect),
    "reset_after" (the effect happens, the answer is lost), "code" (code, message: the host's own error; with
    "after" the effect happens all the same), "drip" (slow bytes), "huge" (megabytes).
    """

    api: str
    fault: str
    times: int = 1
    skip: int = 0
    options: dict[str, Any] = field(default_factory=dict)


class Emulator:
    """Base of both emulators. Subclasses set `host`, fill `app` with routes and keep their state under `lock`."""

    host = ""
    knobs: dict[str, Any] = {}
    phone_agent = ""  # the User-Agent of the host's client on a phone
    hears_groups = False  # whether apps are told what is said to them in group chats
    here = (0.0, 0.0)  # where phones are unless told otherwise: latitude and longitude, GCJ-02

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.lock = threading.RLock()
        self.faults: list[Fault] = []
        self.calls: deque[dict[str, Any]] = deque(maxlen=MAX_CALLS)
        self.call_counts: dict[str, int] = {}
        self.knobs = dict(type(self).knobs)
        self.callback_threads: list[threading.Thread] = []
        self.webview_aliases: dict[str, str] = {}  # origin of an app → the one under which the phone opens it
        self.app = Flask(f"emulator-{self.host}", static_folder=None)
        self.app.wsgi_app = _FaultGate(self, self.app.wsgi_app)  # type: ignore[method-assign]
        self.app.extensions["clock"] = self.clock
        self._add_switches()
        add_phone(self, self.app)

    # --- subclasses answer these -----------------------------------------------------------------------------

    def error_answer(self, code: str, message: str) -> Response:
        """The host's own error envelope for the fault kind "code"."""
        raise NotImplementedError

    def group_chats(self, user: str) -> list[dict[str, str]]:
        """The group chats that a person is in: [{"id", "name"}]."""
        return []

    def chats(self, user: str = "") -> list[dict[str, Any]]:
        """What people see, newest last: {"id", "user", "at", "kind", "title", "text", "buttons", "url", "state", …}."""
        raise NotImplementedError

    def agenda(self, user: str) -> list[dict[str, Any]]:
        """A person's to-dos and calendar: {"list" ("todo", "entry"), "id", "title", "at" (seconds), "all_day",
        "minutes", "done", "url", "acts" (of "complete", "reopen", "move", "delete")}."""
        return []

    def act_on_item(self, user: str, kind: str, item_id: str, act: str, at: float) -> bool:
        """A person's tap on one item of their agenda (`at`: where it is moved to); says whether it did anything."""
        return False

    def forget(self) -> None:
        """Drop messages and other traffic, keep people and apps."""

    def close(self) -> None:
        """End what runs beside the HTTP server."""

    def trust(self, origin: str) -> None:
        """Count pages of `origin` as the apps' own, as if the console had registered it."""

    def use_streams(self) -> None:
        """Push over streams rather than to addresses, where the host has both."""

    # --- the phone -------------------------------------------------------------------------------------------

    def alias_webview(self, url: str, alias: str) -> None:
        """Have the phone open the app at `url` under the address `alias`, which the host trusts as well."""
        self.webview_aliases[url] = alias
        self.trust(alias)

    # --- callbacks out ---------------------------------------------------------------------------------------

    def post_callback(
        self,
        make: Callable[[], tuple[str, dict[str, str], bytes]],
        *,
        tries: int,
        deadline: float,
        pause: float | Sequence[float],
        done: Callable[[int, bytes], None] = lambda status, body: None,
        accepted: Callable[[int, bytes], bool] = lambda status, body: status == 200,
        gave_up: Callable[[], None] = lambda: None,
    ) -> threading.Thread:
        """Push a callback from a thread of its own, as the host does: again after `pause` when there is no 200 in time.

        `make` returns (url, headers, body) afresh for each try: a retry carries a new nonce and a new ciphertext.
        `pause` may name each pause; `accepted` says whether an answer counts; `gave_up` hears of the last failure.
        """
        pauses = [pause] * tries if isinstance(pause, int | float) else list(pause)

        def push() -> None:
            for attempt in range(tries):
                url, headers, body = make()
                try:
                    answer = requests.post(url, data=body, headers=headers, timeout=deadline, allow_redirects=False)
                except requests.RequestException:
                    answer = None
                if answer is not None and accepted(answer.status_code, answer.content):
                    done(answer.status_code, answer.content)
                    return
                if attempt + 1 < tries:
                    time.sleep(pauses[attempt])
            gave_up()

        thread = threading.Thread(target=push, daemon=True, name=f"{self.host}-callback")
        with self.lock:
            self.callback_threads = [one for one in self.callback_threads if one.is_alive()] + [thread]
        thread.start()
        return thread

    def wait_for_callbacks(self, timeout: float = 30) -> None:
        """Wait until every callback under way has ended."""
        for thread in list(self.callback_threads):
            thread.join(timeout)

    # --- switches --------------------------------------------------------------------------------------------

    def _add_switches(self) -> None:
        app = self.app

        @app.post("/_emulator/clock")
        def clock() -> Response:
            body = request.get_json()
            self.clock.offset = body["offset"] if "offset" in body else self.clock.offset + body["advance"]
            return jsonify({"now": self.clock.time(), "offset": self.clock.offset})

        @app.post("/_emulator/faults")
        def add_faults() -> Response:
            body = request.get_json()
            rules = body if isinstance(body, list) else [body]
            with self.lock:
                for rule in rules:
                    known = {key: rule.pop(key) for key in ("api", "fault", "times", "skip") if key in rule}
                    self.faults.append(Fault(**known, options=rule))
            return jsonify({"faults": len(self.faults)})

        @app.delete("/_emulator/faults")
        def end_faults() -> Response:
            with self.lock:
                self.faults.clear()
            return jsonify({"faults": 0})

        @app.post("/_emulator/knobs")
        def set_knobs() -> tuple[Response, int] | Response:
            body = request.get_json()
            if unknown := set(body) - set(self.knobs):
                return jsonify({"unknown": sorted(unknown)}), 422
            self.knobs.update(body)
            return jsonify(self.knobs)

        @app.get("/_emulator/calls")
        def list_calls() -> Response:
            api = request.args.get("api", "")
            with self.lock:
                found = [call for call in self.calls if not api or call["api"] == api]
                return jsonify({"calls": found, "counts": self.call_counts})

        @app.get("/_emulator/chats")
        def list_chats() -> Response:
            with self.lock:
                return jsonify({"items": self.chats(request.args.get("user", ""))})

        @app.post("/_emulator/reset")
        def reset() -> Response:
            with self.lock:
                self.faults.clear()
                self.calls.clear()
                self.call_counts.clear()
                self.forget()
            return jsonify({})

    def take_fault(self, api: str) -> Fault | None:
        with self.lock:
            for rule in self.faults:
                if rule.api not in ("*", api):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    return None
                rule.times -= 1
                if rule.times <= 0:
                    self.faults.remove(rule)
                return rule
        return None

    # --- serving ---------------------------------------------------------------------------------------------

    def start(self, port: int = 0, bind: str = "127.0.0.1") -> "RunningEmulator":
        """Serve from a thread of this process; returns the running server with its base URL."""
        return RunningEmulator(self, bind, port)

    def serve_forever(self, port: int, bind: str = "127.0.0.1") -> None:
        make_server(bind, port, self.app, threaded=True, request_handler=_Handler).serve_forever()


class RunningEmulator:
    """An emulator that answers on a port of this machine until `stop`."""

    def __init__(self, emulator: Emulator, bind: str, port: int) -> None:
        self.emulator = emulator
        self.server = make_server(bind, port, emulator.app, threaded=True, request_handler=_Handler)
        self.server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://{bind}:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True, name=f"{emulator.host}-emulator"
        )
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
        self.emulator.close()

    def __enter__(self) -> "RunningEmulator":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # keep connections alive, as the hosts do

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date of every answer: by the emulated clock."""
        clock: VirtualClock = self.server.app.extensions["clock"]  # type: ignore[attr-defined]
        return super().date_time_string(int(clock.time() if timestamp is None else timestamp))

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        self.close_connection = True  # else a connection that was reset on demand waits for its next request

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


REDACTED = ("access_token", "corpsecret", "appsecret", "suite_access_token")


class _FaultGate:
    """WSGI layer in front of an emulator: logs each call and misbehaves as told."""

    def __init__(self, emulator: Emulator, inner: Any) -> None:
        self.emulator = emulator
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith(("/_emulator", "/phone", "/webview")):
            return self.inner(environ, start_response)
        self._log(environ, path)
        rule = self.emulator.take_fault(path)
        if rule is None:
            return self.inner(environ, start_response)
        return self._misbehave(rule, environ, start_response)

    def _log(self, environ: dict[str, Any], path: str) -> None:
        query = "&".join(
            part.split("=")[0] + "=…" if part.split("=")[0] in REDACTED else part
            for part in environ.get("QUERY_STRING", "").split("&")
        )
        with self.emulator.lock:
            counts = self.emulator.call_counts
            counts[path] = counts.get(path, 0) + 1
            self.emulator.calls.append(
                {"api": path, "method": environ["REQUEST_METHOD"], "query": query, "at": self.emulator.clock.time()}
            )

    def _misbehave(self, rule: Fault, environ: dict[str, Any], start_response: Any) -> Any:
        kind, options = rule.fault, rule.options
        if kind == "delay":
            time.sleep(options.get("seconds", 1))
            return self.inner(environ, start_response)
        if kind == "reset_before":
            return _reset(environ)
        if kind == "reset_after":
            b"".join(self.inner(environ, lambda status, headers, exc=None: None))
            return _reset(environ)
        if kind == "truncate":
            whole = b"".join(self.inner(environ, lambda status, headers, exc=None: None))
            answer = Response(whole[: len(whole) // 2], content_type="application/json")
        elif kind == "html":
            answer = Response(
                "<html><body>502 Bad Gateway</body></html>", options.get("status", 200), content_type="text/html"
            )
        elif kind == "status":
            answer = Response(options.get("body", ""), options.get("status", 500))
        elif kind == "code":
            if options.get("after"):
                b"".join(self.inner(environ, lambda status, headers, exc=None: None))
            with self.emulator.app.app_context():
                answer = self.emulator.error_answer(str(options["code"]), options.get("message", "emulated"))
        elif kind == "huge":
            answer = Response(
                b'{"a":"' + b"x" * options.get("bytes", 50_000_000) + b'"}', content_type="application/json"
            )
        elif kind == "drip":
            answer = Response(
                (_slowly(options.get("body", "{}"), options.get("seconds", 1))), content_type="application/json"
            )
        else:
            raise ValueError(f"unknown fault {kind!r}")
        return answer(environ, start_response)


def _slowly(text: str, seconds: float) -> Any:
    for char in text:
        time.sleep(seconds)
        yield char


def _reset(environ: dict[str, Any]) -> list[bytes]:
    """Cut the connection with RST, so that the client sees a reset rather than an answer."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise ConnectionError("reset on demand")


def dump(value: Any) -> bytes:
    """JSON as the hosts write it: real UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode()
