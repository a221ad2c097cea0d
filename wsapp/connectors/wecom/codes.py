"""WeCom's return codes and what each of them means for us, as one table.

Source: developer.work.weixin.qq.com "全局错误码" (path 90313) and the pages of the calls themselves.
"""

from enum import Enum
from typing import NamedTuple

from wsapp.connectors.base import BadCode, BadCredentials, HostError, OutOfRange, Refused, TryLater


class Verdict(Enum):
    """What a return code asks of us."""

    OK = "ok"
    REFRESH = "refresh"  # the token is dead: fetch one, try once more
    LATER = "later"
    CREDENTIALS = "credentials"
    RANGE = "range"
    CODE = "code"
    CARD = "card"  # this card or its buttons are refused: a plainer message may pass
    REUSED = "reused"  # the task id is known to the host already: an earlier try arrived
    CONTENT = "content"  # this kind of message is refused: plain text may pass
    REFUSE = "refuse"


class Rule(NamedTuple):
    """One row of the table: the verdict, our own short wording, and for LATER the seconds to wait."""

    verdict: Verdict
    reason: str
    after: float = 5


MINUTE, HOUR = 60.0, 3600.0

CODES: dict[int, Rule] = {
    0: Rule(Verdict.OK, "ok"),
    -1: Rule(Verdict.LATER, "the host is busy", 5),
    6000: Rule(Verdict.LATER, "data version conflict", 5),
    # tokens
    40014: Rule(Verdict.REFRESH, "access token invalid"),
    42001: Rule(Verdict.REFRESH, "access token expired"),
    # credentials and the standing of the app
    40001: Rule(Verdict.CREDENTIALS, "app secret wrong or reset, or app disabled"),
    40013: Rule(Verdict.CREDENTIALS, "corp id wrong"),
    40056: Rule(Verdict.CREDENTIALS, "agent id wrong"),
    40091: Rule(Verdict.CREDENTIALS, "secret belongs to another corp"),
    45031: Rule(Verdict.CREDENTIALS, "secret too weak, must be reset"),
    48004: Rule(Verdict.CREDENTIALS, "authorisation of the app is gone"),
    48006: Rule(Verdict.CREDENTIALS, "permission withdrawn, the app was unused for long"),
    50003: Rule(Verdict.CREDENTIALS, "app disabled"),
    60020: Rule(Verdict.CREDENTIALS, "our IP is not among the corp's trusted IPs"),
    301002: Rule(Verdict.CREDENTIALS, "agent id and secret belong to different apps"),
    # too fast
    45009: Rule(Verdict.LATER, "rate limit", MINUTE),
    45033: Rule(Verdict.LATER, "too many calls at once", 10),
    45024: Rule(Verdict.LATER, "quota protection", HOUR),
    45026: Rule(Verdict.LATER, "quota protection", HOUR),
    # people
    40003: Rule(Verdict.RANGE, "userid unknown"),
    50002: Rule(Verdict.RANGE, "member outside the visible range"),
    60003: Rule(Verdict.RANGE, "department unknown"),
    60011: Rule(Verdict.RANGE, "no privilege for this member or department"),
    60021: Rule(Verdict.RANGE, "member outside the visible range"),
    60111: Rule(Verdict.RANGE, "userid not found or outside the visible range"),
    60123: Rule(Verdict.RANGE, "department unknown"),
    81013: Rule(Verdict.RANGE, "every recipient is outside the visible range"),
    # sign-in codes
    40029: Rule(Verdict.CODE, "sign-in code invalid, used or expired"),
    41008: Rule(Verdict.CODE, "sign-in code missing"),
    42003: Rule(Verdict.CODE, "sign-in code expired"),
    42022: Rule(Verdict.CODE, "sign-in code used"),
    # cards
    42014: Rule(Verdict.REUSED, "task id was used before"),
    43012: Rule(Verdict.CARD, "the app has no callback URL, so no buttons"),
    60140: Rule(Verdict.REFUSE, "response code used or expired"),
    # message bodies
    40008: Rule(Verdict.CONTENT, "message type refused"),
    40058: Rule(Verdict.CONTENT, "parameter refused"),
    40063: Rule(Verdict.CONTENT, "empty parameter"),
    41010: Rule(Verdict.CONTENT, "url missing"),
    41016: Rule(Verdict.CONTENT, "title missing"),
    41033: Rule(Verdict.CONTENT, "description missing"),
    45002: Rule(Verdict.CONTENT, "message too long"),
    45008: Rule(Verdict.CONTENT, "too many articles"),
    # the rest that we know how to name
    40007: Rule(Verdict.REFUSE, "media id invalid or expired"),
    40031: Rule(Verdict.REFUSE, "recipient list invalid"),
    40032: Rule(Verdict.REFUSE, "recipient list too long"),
    40033: Rule(Verdict.REFUSE, "illegal characters in the request"),
    40093: Rule(Verdict.REFUSE, "signature of the page refused"),
    41001: Rule(Verdict.REFUSE, "access token missing"),
    44004: Rule(Verdict.REFUSE, "text empty"),
    48001: Rule(Verdict.REFUSE, "no permission for this call"),
    48002: Rule(Verdict.REFUSE, "no permission for this call"),
    48005: Rule(Verdict.REFUSE, "this call is retired"),
    48009: Rule(Verdict.REFUSE, "contact sync may not read details from this IP"),
    50001: Rule(Verdict.REFUSE, "the sign-in domain is not among the app's trusted domains"),
    45001: Rule(Verdict.REFUSE, "the file is too large or too small"),
    42052: Rule(Verdict.REFUSE, "too late: the message is older than a day"),
    93000: Rule(Verdict.REFUSE, "the group robot was removed, or its address is wrong"),
    93004: Rule(Verdict.REFUSE, "the group robot is switched off"),
    93008: Rule(Verdict.REFUSE, "the group robot is not in the group"),
    82001: Rule(Verdict.REFUSE, "no recipients"),
    82002: Rule(Verdict.REFUSE, "too many departments"),
    82003: Rule(Verdict.REFUSE, "too many tags"),
    85005: Rule(Verdict.REFUSE, "domain ownership not verified"),
    91040: Rule(Verdict.REFUSE, "ticket type refused"),
}

# 42015 … 42051 all name a field of a card. 42022 is a sign-in code.
CARD_FIELD_CODES = frozenset(range(42015, 42052)) - {42022}

GETTOKEN = "gettoken"
BARRED_SECONDS = HOUR  # after too many wrong secrets the host bars the IP for an hour


def rule(code: int) -> Rule:
    """Return the row for a return code; unknown codes are refusals, never repeated blindly."""
    if code in CARD_FIELD_CODES:
        return Rule(Verdict.CARD, "a field of the card was refused")
    return CODES.get(code) or Rule(Verdict.REFUSE, "refused with a code that we do not know")


class DeadToken(HostError):
    """The access token was refused; only the caller of one API call sees this."""


class CardRefused(Refused):
    """The host refuses this card or its buttons."""


class ContentRefused(Refused):
    """The host refuses this kind of message."""


class TaskIdReused(Refused):
    """The host has a card of this id: it arrived with an earlier try."""


ERRORS: dict[Verdict, type[HostError]] = {
    Verdict.REFRESH: DeadToken,
    Verdict.CREDENTIALS: BadCredentials,
    Verdict.RANGE: OutOfRange,
    Verdict.CODE: BadCode,
    Verdict.CARD: CardRefused,
    Verdict.REUSED: TaskIdReused,
    Verdict.CONTENT: ContentRefused,
    Verdict.REFUSE: Refused,
}


def error_for(code: int, api: str) -> HostError | None:
    """Return the error that a return code stands for, None for success."""
    found = rule(code)
    if found.verdict is Verdict.OK:
        return None
    if found.verdict is Verdict.LATER:
        after = BARRED_SECONDS if (api, code) == (GETTOKEN, 45009) else found.after
        return TryLater(found.reason, after=after, code=str(code))
    return ERRORS[found.verdict](found.reason, code=str(code))
