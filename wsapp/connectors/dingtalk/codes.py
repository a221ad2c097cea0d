"""DingTalk's error codes: what each one means for us, and how every reply becomes one code.

The platform answers in two dialects (https://open.dingtalk.com/document/orgapp/server-api-error-codes-1): the legacy
host with HTTP 200 and a number, the new host with an HTTP status and a word. Both end here as one string.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wsapp.connectors.base import (
    Answer,
    BadCode,
    BadCredentials,
    HostError,
    OutOfRange,
    Refused,
    TryLater,
)

Kind = Literal["refresh", "later", "refuse", "credentials", "range", "code"]


@dataclass(frozen=True)
class Reaction:
    """What to do about a code: `after` is seconds to wait where it is "later"."""

    kind: Kind
    after: float = 5
    ambiguous: bool = False  # the write may have happened all the same


REFRESH = Reaction("refresh")
REFUSE = Reaction("refuse")
CREDENTIALS = Reaction("credentials")
RANGE = Reaction("range")
CODE = Reaction("code")
SECOND = Reaction("later", 1)
MINUTE = Reaction("later", 60)
BAN = Reaction("later", 300)
HOUR = Reaction("later", 3600)
MAYBE = Reaction("later", 5, ambiguous=True)

# Codes of our own for replies that carry none.
IP_BANNED = "IP_BANNED"
BACKEND_TIMEOUT = "BACKEND_TIMEOUT"
GATEWAY = "GATEWAY"
NOT_UNDERSTOOD = "NOT_UNDERSTOOD"

DUPLICATE_TODAY = ("143106", "143206")
TOO_MANY_OR_UNFINISHED = "41052"
CARD_EXISTS = "param.cardAlreadyExist"

REACTIONS: Mapping[str, Reaction] = {
    # our own
    IP_BANNED: BAN,
    BACKEND_TIMEOUT: MAYBE,
    GATEWAY: MAYBE,
    NOT_UNDERSTOOD: MAYBE,
    # the access token
    "40001": REFRESH,
    "40014": REFRESH,
    "42001": REFRESH,
    "InvalidAuthentication": REFRESH,
    # busy, throttled
    "-1": Reaction("later", 5, ambiguous=True),
    "15": MAYBE,
    "500": MAYBE,
    "400001": MAYBE,
    "90001": BAN,
    "90002": SECOND,
    "90003": MINUTE,
    "90004": MINUTE,
    "90005": MINUTE,
    "90006": MINUTE,
    "90018": SECOND,
    "90020": HOUR,
    "45009": HOUR,
    "41052": MINUTE,
    "60019": MINUTE,
    "143103": MINUTE,
    "143104": MINUTE,
    "143203": MINUTE,
    "143204": MINUTE,
    "410100": Reaction("later", 600),
    "660026": Reaction("later", 600),
    "Forbidden.AccessDenied.QpsLimitForApi": SECOND,
    "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi": SECOND,
    "Forbidden.AccessDenied.QpsLimitForSuitekeyAndOrgAndApi": SECOND,
    "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi": MINUTE,
    "Forbidden.AccessDenied.QpmLimitForSuitekeyAndOrgAndApi": MINUTE,
    "Forbidden.AccessDenied.ApiCountLimitForOrg": HOUR,
    "request.too.frequent": MINUTE,
    "send.too.fast": MINUTE,
    "send.byToken.tooFast": MINUTE,
    "too.many.people": MINUTE,
    "too.many.group": MINUTE,
    "toomuch.msg": MINUTE,
    "flowLimit": HOUR,
    "daily.call.limit": HOUR,
    "idempotencyProcessing": SECOND,
    "todo.taskCreate.lockError": SECOND,
    "todo.taskCreate.flowControlError": MINUTE,
    "todo.taskUpdate.flowControlError": MINUTE,
    "todo.taskCreate.systemError": MAYBE,
    "todo.taskUpdate.systemError": MAYBE,
    "todo.taskDelete.systemError": MAYBE,
    "systemError": MAYBE,
    "system.error": MAYBE,
    "system.busy": MAYBE,
    "systemBusy": MAYBE,
    "server.error": MAYBE,
    "unknownError": MAYBE,
    "sysErrror": MAYBE,
    "ServiceUnavailable": MAYBE,
    # what the administrator typed, or the address we call from
    "33001": CREDENTIALS,
    "40013": CREDENTIALS,
    "40056": CREDENTIALS,
    "40089": CREDENTIALS,
    "40096": CREDENTIALS,
    "50003": CREDENTIALS,
    "50005": CREDENTIALS,
    "60020": CREDENTIALS,
    "authFailed": CREDENTIALS,  # of Stream mode
    "invalidClientIdOrSecret": CREDENTIALS,
    "invalid.client": CREDENTIALS,
    "unauthorized.client": CREDENTIALS,
    "Forbidden.AccessDenied.IpNotInWhiteList": CREDENTIALS,
    # people and departments that we may not see, or that are gone
    "33012": RANGE,
    "40003": RANGE,
    "46004": RANGE,
    "50002": RANGE,
    "50004": RANGE,
    "60003": RANGE,
    "60121": RANGE,
    "invalidParameter.user.notFound": RANGE,
    "permissionDeny": RANGE,
    # sign-in codes
    "40029": CODE,
    "40078": CODE,
    "41007": CODE,
    "41026": CODE,
    "42007": CODE,
    "42008": CODE,
}


@dataclass(frozen=True)
class Reply:
    """A host's answer in one shape: `code` is empty on success; `data` is the whole JSON object."""

    code: str
    message: str
    data: dict[str, Any]


def normalise(answer: Answer) -> Reply:
    """Read the error of an answer in either dialect. Never takes an answer for success that is not surely one."""
    data = answer.json
    if data is None:
        return Reply(_code_of_no_json(answer), f"HTTP {answer.status}", {})
    if as_int(data.get("status")) == 1111 and "punish" in data:
        return Reply(IP_BANNED, "this server's address is banned for five minutes", {})
    if answer.status >= 300 or ("errcode" not in data and isinstance(data.get("code"), str)):
        return Reply(_word_code(answer.status, data), _text(data.get("message")) or _text(data.get("errmsg")), data)
    if "errcode" not in data:
        return Reply("", "", data)
    number = as_int(data["errcode"])
    if number is None:
        return Reply(NOT_UNDERSTOOD, "errcode is no number", data)
    if number == 88:
        return Reply(_inner_code(data), _text(data.get("sub_msg")) or _text(data.get("errmsg")), data)
    return Reply(str(number) if number else "", _text(data.get("errmsg")), data)


def _code_of_no_json(answer: Answer) -> str:
    if answer.status >= 500:
        return GATEWAY
    # The ban page of the firewall is HTML at whatever status; other bytes are a broken answer.
    return IP_BANNED if answer.body.lstrip()[:1] == b"<" else NOT_UNDERSTOOD


def _word_code(status: int, data: Mapping[str, Any]) -> str:
    code = data.get("code")
    if isinstance(code, str) and code:
        return code[:120]
    number = as_int(data.get("errcode"))
    if number:
        return str(number)
    return GATEWAY if status >= 500 else NOT_UNDERSTOOD


def _inner_code(data: Mapping[str, Any]) -> str:
    inner = _text(data.get("sub_code"))
    if not inner and isinstance(sub := data.get("sub_code"), int) and not isinstance(sub, bool):
        inner = str(sub)
    if not inner:
        _, _, rest = _text(data.get("errmsg")).partition("subcode=")
        inner = rest.split(",")[0].rstrip("]").strip()
    return inner[:120] or BACKEND_TIMEOUT


def reaction(code: str) -> Reaction:
    """Return what to do about `code`; a code that nobody wrote down is a plain refusal."""
    return REACTIONS.get(code, REFUSE)


def error(reply: Reply, *, write: bool = False, status: int = 200) -> HostError:
    """Return the exception for a failed reply. `write`: the call changes something, so a doubtful end is ambiguous."""
    made = _error(reply, write, status)
    made.told(_reason(reply), as_text(reply.data.get("request_id") or reply.data.get("requestid"), 64))
    return made


def _error(reply: Reply, write: bool, status: int) -> HostError:
    what = reaction(reply.code)
    if what is REFUSE and status >= 500:
        what = MAYBE
    reason = _reason(reply)
    if what.kind == "later":
        return TryLater(reason, after=what.after, code=reply.code, ambiguous=write and what.ambiguous)
    if what.kind == "refresh":
        # Refreshed once already: the host can hand the same token back, so asking on would only burn calls.
        return TryLater(reason, after=60, code=reply.code)
    kinds: dict[Kind, type[HostError]] = {"credentials": BadCredentials, "range": OutOfRange, "code": BadCode}
    return kinds.get(what.kind, Refused)(reason, code=reply.code)


def _reason(reply: Reply) -> str:
    """The host's own words, short; for a missing permission its name, which the administrator needs."""
    scopes = reply.data.get("accessdenieddetail")
    wanted = scopes.get("requiredScopes") if isinstance(scopes, dict) else None
    words = " ".join(reply.message.split())[:200] or "refused"
    return f"{words} {[str(one)[:80] for one in wanted[:5]]}" if isinstance(wanted, list) else words


# --- lenient reading: the pages print numbers and booleans as strings, the host sends them as they are -----------


def as_int(value: Any) -> int | None:
    """Return an integer given as int or as its decimal text; None for anything else, booleans included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if (
        isinstance(value, str)
        and len(value) < 25
        and value.removeprefix("-").isascii()
        and value.removeprefix("-").isdigit()
    ):
        return int(value)
    return None


def as_bool(value: Any) -> bool:
    """Return True for true and "true"; everything else, missing included, is False."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def as_text(value: Any, limit: int = 500) -> str:
    """Return a string value, or an integer's digits (ids come as either), cut to `limit` characters."""
    if isinstance(value, str):
        return value[:limit]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
