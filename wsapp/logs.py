"""Logs: one JSON line per event on stderr, with request and corp, without secrets.

    log = logs.get_logger()
    log.info("visit.logged", visit=visit.public_id, ms=12)

Whatever the libraries log through the standard module takes the same way. Secrets are taken out by the name of the key,
by the shape of the text (`access_token=…`, `Bearer …`) and by value (`register_secret`).
"""

import json
import logging
import re
import sys
import threading
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TextIO, cast

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars, merge_contextvars
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

REDACTED = "***"
MAX_TEXT = 2_000
MAX_TRACE = 16_000
MAX_SECRETS = 2_000
SHORTEST_SECRET = 6  # shorter values would blank out ordinary words
FIRST_KEYS = ("ts", "level", "event", "request_id", "corp", "user", "route", "status", "ms", "err_code")

# Libraries that say too much, or too often, at their own level.
LIBRARY_LEVELS = {
    "urllib3": logging.WARNING,
    "requests": logging.WARNING,
    "werkzeug": logging.WARNING,
    "apscheduler": logging.WARNING,
    "dramatiq": logging.WARNING,
    "pika": logging.CRITICAL,
    "alembic": logging.WARNING,
    "PIL": logging.WARNING,
    "wechatpy": logging.WARNING,
    "dingtalk": logging.CRITICAL + 1,  # logs whole answers and the URL with its access token at ERROR
    "dingtalk_stream": logging.CRITICAL + 1,  # logs tickets and whole messages
    "websockets": logging.WARNING,
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_SECRET_KEY = re.compile(
    r"secret|token|passw|authorization|cookie|aes_?key|private_key|master_key|api_key|signature|ticket|credential|session_id"
    r"|(?:auth|sign_?in|response)_?code",
    re.IGNORECASE,
)
_SECRET_PAIR = re.compile(
    r"""(?ix)
    ( (?: secret | token | ticket | passw(?:or)?d | signature | aes_?key | auth_?code ) ["']? \s? [=:] \s? ["']?
    | (?<![a-z_]) code= )
    [^\s"'&,;})\]]+
    """
)
_SECRET_HEADER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
# What PostgreSQL adds to an error is the values themselves: "Key (…)=(…) already exists", "Failing row contains (…)",
# "COPY customer, line 3: …".
_DETAIL = re.compile(r"(?s)\b((?:DETAIL|CONTEXT):\s+).*?(?=\n(?:\[SQL|HINT:|\(Background|\n(?:The above|During))|\Z)")
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")
# What breaks a line, or turns text around, although JSON leaves it as it is.
_CONTROL = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def get_logger(**bound: Any) -> FilteringBoundLogger:
    """Return a logger; `bound` goes into each of its events."""
    return cast(FilteringBoundLogger, structlog.get_logger(**bound))


def setup(*, stream: TextIO | None = None, level: int = logging.INFO, secrets: Iterable[str] = ()) -> None:
    """Send all logs of this process as JSON lines to `stream` (stderr as it is at each event), and hide `secrets`."""
    for secret in secrets:
        register_secret(secret)
    sink = _Sink(stream)
    structlog.configure(
        processors=[*_shared_processors(), render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _JsonHandler)]:
        root.removeHandler(handler)
    root.addHandler(_JsonHandler(sink))
    root.setLevel(level)
    logging.captureWarnings(True)
    for name, least in LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, level))


# --- context ------------------------------------------------------------------------------------------------------


def request_id(given: str | None = None) -> str:
    """Return the id under which a request is logged: the proxy's, where it is well-formed, else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def bind(**values: Any) -> None:
    """Put values (request_id, corp, user, …) into every further event of this thread or task."""
    bind_contextvars(**values)


def clear() -> None:
    """Forget what was bound: at the start of each request and job."""
    clear_contextvars()


def current_request_id() -> str:
    """Return the bound request id, for jobs and host calls to carry on; empty where there is none."""
    return str(get_contextvars().get("request_id", ""))


# --- secrets ------------------------------------------------------------------------------------------------------

_secrets: dict[str, None] = {}
_secrets_lock = threading.Lock()


def register_secret(value: str) -> None:
    """Hide this value wherever it turns up in a log. Short ones are left: they would hide ordinary words."""
    if len(value) < SHORTEST_SECRET:
        return
    with _secrets_lock:
        _secrets[value] = None
        while len(_secrets) > MAX_SECRETS:  # the oldest: access tokens that are long dead
            del _secrets[next(iter(_secrets))]


def redact(text: str) -> str:
    """Return the text without known secrets, secret-looking pairs, headers and passwords in URLs."""
    for secret in tuple(_secrets):
        if secret in text:
            text = text.replace(secret, REDACTED)
    text = _DETAIL.sub(rf"\1{REDACTED}", text)
    text = _SECRET_PAIR.sub(rf"\1{REDACTED}", text)
    text = _SECRET_HEADER.sub(rf"\1 {REDACTED}", text)
    return _URL_PASSWORD.sub(rf"\1{REDACTED}@", text)


def _clean(value: Any, depth: int = 0) -> Any:
    """A value that may be logged: redacted, cut, made of plain JSON types."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < 4:
        return {str(key): _clean_pair(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < 4:
        return [_clean(inner, depth + 1) for inner in value]
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return _redacted(text, MAX_TEXT)


def _clean_pair(key: str, value: Any, depth: int = 0) -> Any:
    if value is not None and not isinstance(value, bool | int | float) and _SECRET_KEY.search(key):
        return REDACTED
    if key == "exception":
        return _redacted(str(value), MAX_TRACE)
    return _clean(value, depth)


def _redacted(text: str, most: int) -> str:
    """The text redacted, then cut to `most` characters; cut roughly before that, lest a huge text cost huge work."""
    return _cut(redact(text[: most * 2]), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


# --- from event to line -------------------------------------------------------------------------------------------


def _shared_processors() -> list[Any]:
    return [
        merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%f+00:00", utc=True, key="ts"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Turn an event into its line: cleaned, the common keys first, no control character left raw."""
    ordered = {key: event.pop(key) for key in FIRST_KEYS if key in event}
    ordered.update(event)
    cleaned = {key: _clean_pair(key, value) for key, value in ordered.items()}
    line = json.dumps(cleaned, ensure_ascii=False, separators=(",", ":"), default=str)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class _Sink:
    """Where lines go. One write a line, so that lines of several processes do not mix."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.lock = threading.Lock()

    def msg(self, line: str) -> None:
        stream = self.stream or sys.stderr
        with self.lock:
            stream.write(line + "\n")
            stream.flush()

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


class _JsonHandler(logging.Handler):
    """Takes what libraries log the standard way through the same processors."""

    def __init__(self, sink: _Sink) -> None:
        super().__init__()
        self.sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event: EventDict = {"event": record.getMessage(), "logger": record.name, "exc_info": record.exc_info}
            for process in _shared_processors():
                event = process(None, record.levelname.lower(), event)
            self.sink.msg(render(None, "", event))
        except Exception:  # noqa: BLE001 - a log line must never take the work down with it
            self.handleError(record)
