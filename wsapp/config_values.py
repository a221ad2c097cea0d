"""What each kind of value in the settings must look like. Every refusal is one line and never repeats a secret."""

import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from datetime import time
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from wsapp.config_file import Place, nearest

Parser = Callable[[Any, Place], Any]

PRIVATE_NAMES = (".localhost", ".local", ".internal", ".test", ".lan")
DATABASE_SCHEMES = ("postgresql+psycopg", "sqlite")
QUEUE_SCHEMES = ("redis", "rediss", "amqp", "amqps")
# A value nobody has replaced yet: dingxxxxxxxx, <secret>, your-secret, changeme.
PLACEHOLDER = re.compile(r"x{6,}|^<.*>$|^your[-_ ]|change[-_]?me|请填写|示例", re.IGNORECASE)
# Callback keys have the same shape at every host; a host may say more by the pattern of its field.
CALLBACK_SHAPES = {
    "callback_aes_key": (r"[A-Za-z0-9]{43}", "must be 43 letters and digits (应为 43 位字母数字)"),
    "callback_token": (r"[A-Za-z0-9]{3,32}", "must be 3 to 32 letters and digits (应为 3–32 位字母数字)"),
}


def text(value: Any, place: Place) -> str:
    if not isinstance(value, str):
        place.fail(f"expected text in quotes, got {_kind(value)} (应为带引号的文本)")
    return value.strip()


def count(least: int, most: int) -> Callable[[Any, Place], int]:
    def parse(value: Any, place: Place) -> int:
        if place.loose and isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            place.fail(f"expected a whole number, got {_kind(value)} (应为整数)")
        if not least <= value <= most:
            place.fail(f"must be between {least} and {most} (应在 {least} 与 {most} 之间)")
        return int(value)

    return parse


def strings(value: Any, place: Place) -> tuple[str, ...]:
    if isinstance(value, str) and place.loose:
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        place.fail(f"expected a list, got {_kind(value)} (应为列表)")
    return tuple(text(one, place) for one in value)


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return kinds.get(type(value), "a date or time")


def web_address(value: Any, place: Place) -> str:
    """A URL without path tricks; plain http only where nobody else can listen in."""
    url = text(value, place).rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        place.fail("not a valid URL (网址无效)")
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", url):
        place.fail("expected a URL such as https://crm.example.com (应为完整网址)")
    if parts.query or parts.fragment or parts.username is not None:
        place.fail("the URL must have no user, query or fragment (网址不能带账号、参数或 #)")
    if parts.scheme == "http" and not _is_private(host):
        place.fail("must start with https:// (网址须以 https:// 开头)")
    return url


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(PRIVATE_NAMES)
    return address.is_private or address.is_loopback


def public_url(value: Any, place: Place) -> str:
    return "" if value == "" else web_address(value, place)


def bind(value: Any, place: Place) -> tuple[str, ...]:
    binds = strings(value, place) if isinstance(value, list) else strings(text(value, place).split(","), place)
    for one in binds:
        _, colon, port = one.rpartition(":")
        if one.startswith("unix:"):
            continue
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            place.fail("expected host:port, for example 127.0.0.1:8000 (应为 地址:端口)")
    return binds


def service_url(schemes: tuple[str, ...], example: str) -> Callable[[Any, Place], str]:
    """A service's URL. It may hold a password, so no message repeats it."""

    def parse(value: Any, place: Place) -> str:
        url = text(value, place)
        if not url:
            return ""
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            place.fail("not a valid URL (网址无效)")
        if parts.scheme not in schemes or (parts.scheme != "sqlite" and not parts.hostname and not parts.query):
            place.fail(f"expected a URL such as {example} (网址格式不对)")
        return url

    return parse


def quiet_hours(value: Any, place: Place) -> tuple[time, time] | None:
    written = text(value, place)
    if not written:
        return None
    found = re.fullmatch(r"(\d\d?:\d\d)\s*[-–~]\s*(\d\d?:\d\d)", written)
    try:
        start, end = (_hour(half) for half in found.groups()) if found else (None, None)
    except ValueError:
        start = end = None
    if start is None or end is None or start == end:
        place.fail('expected hours such as "21:00-08:00", or "" for none (应为 起-止 时间)')
    return start, end


def _hour(written: str) -> time:
    hour, _, minute = written.partition(":")
    return time(int(hour), int(minute))


def timezone(value: Any, place: Place) -> str:
    name = text(value, place)
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        place.fail(f'unknown time zone, did you mean "{nearest(name, zoneinfo.available_timezones())}"? (时区不存在)')
    return name


def folder_name(value: Any, place: Place) -> str:
    name = text(value, place)
    if not name:
        place.fail("must name a folder (须填写目录)")
    return name


def credential(value: Any, place: Place, *, key: str, label: str = "", pattern: str = "", hint: str = "") -> str:
    """One value copied from a host's console, always as text; the refusal says where to find the right one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        place.fail(f"expected text in quotes, got {_kind(value)} (应为带引号的文本)")
    if not value:
        return ""
    if re.search(r"[\s\x00-\x1f]", value):
        place.fail("contains a space or a line break (含有空格或换行)")
    if PLACEHOLDER.search(value):
        place.fail(f"still the example value (仍是示例值，请填写{hint or '管理后台中的'}{label or '真实的值'})")
    shape, message = next((CALLBACK_SHAPES[end] for end in CALLBACK_SHAPES if key.endswith(end)), ("", ""))
    if shape and not re.fullmatch(shape, value):
        place.fail(message)
    if pattern and not re.fullmatch(pattern, value):
        place.fail(f"does not look right (格式不对：{hint or label or key})")
    return value


def own_address(bind: str) -> str:
    """Return the URL under which a server bound here can be opened on the same machine."""
    host, _, port = bind.rpartition(":")
    if bind.startswith("unix:"):
        return "http://127.0.0.1"
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"http://{host}:{port}"


def passwords(url: str) -> tuple[str, ...]:
    """Return the password in a service's URL as it stands there and as it is meant, for the log's redaction."""
    secret = urlsplit(url).password if url else None
    return tuple({secret, unquote(secret), quote(unquote(secret), safe="")}) if secret else ()
