"""Every answer of the host becomes one code and one reaction; nothing doubtful becomes a success."""

import json
from typing import Any

import pytest

from wsapp.connectors.base import Answer, BadCode, BadCredentials, HostError, OutOfRange, Refused, TryLater
from wsapp.connectors.dingtalk.codes import as_bool, as_int, as_text, error, normalise, reaction
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.http import parse_object

CASES = json.loads((DingTalkConnector.folder / "fixtures" / "error_envelopes.json").read_text(encoding="utf-8"))[
    "cases"
]

# id of the case → code, exception, seconds to wait
EXPECTED: dict[str, tuple[str, type[HostError] | None, float]] = {
    "legacy-ok": ("", None, 0),
    "legacy-bad-app-credentials": ("40096", BadCredentials, 0),
    "legacy-gettoken-param-missing": ("40035", Refused, 0),
    "legacy-bad-token": ("40014", TryLater, 60),
    "legacy-missing-token": ("40000", Refused, 0),
    "legacy-permission-missing": ("60011", Refused, 0),
    "legacy-unknown-method": ("22", Refused, 0),
    "legacy-ip-not-allowed": ("60020", BadCredentials, 0),
    "legacy-app-qps": ("90018", TryLater, 1),
    "legacy-global-qps-old-style": ("90002", TryLater, 1),
    "legacy-business-error": ("60121", OutOfRange, 0),
    "legacy-auth-code-used": ("40078", BadCode, 0),
    "legacy-monthly-quota": ("90020", TryLater, 3600),
    "legacy-backend-timeout": ("15", TryLater, 5),
    "legacy-backend-timeout-88": ("BACKEND_TIMEOUT", TryLater, 5),
    "ip-ban": ("IP_BANNED", TryLater, 300),
    "new-bad-app-credentials": ("invalidClientIdOrSecret", BadCredentials, 0),
    "new-bad-token": ("InvalidAuthentication", TryLater, 60),
    "new-missing-token-header": ("AuthenticationFailed.MissingParameter", Refused, 0),
    "new-permission-missing": ("Forbidden.AccessDenied.AccessTokenPermissionDenied", Refused, 0),
    "new-ip-not-allowed": ("Forbidden.AccessDenied.IpNotInWhiteList", BadCredentials, 0),
    "new-app-qps": ("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", TryLater, 1),
    "new-monthly-quota": ("Forbidden.AccessDenied.ApiCountLimitForOrg", TryLater, 3600),
    "new-gateway-timeout": ("ServiceUnavailable", TryLater, 5),
    "new-missing-v1-prefix": ("404", Refused, 0),
    "webhook-ok": ("", None, 0),
    "webhook-unknown-token": ("300005", Refused, 0),
    "webhook-too-fast": ("660026", TryLater, 600),
    "webhook-sign-mismatch": ("310000", Refused, 0),
}


def answer(body: Any, status: int = 200) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Answer(status, {}, raw, parse_object(raw))


def test_each_of_the_29_envelopes_is_expected() -> None:
    assert {case["id"] for case in CASES} == set(EXPECTED)
    assert len(CASES) == 29


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_envelopes(case: dict[str, Any]) -> None:
    code, kind, after = EXPECTED[case["id"]]
    reply = normalise(answer(case["body"], case["http"]))
    assert reply.code == code
    if kind is None:
        return
    raised = error(reply, write=True, status=case["http"])
    assert type(raised) is kind
    assert raised.code == code
    assert getattr(raised, "after", 0) == after


def test_a_missing_permission_is_named() -> None:
    case = next(one for one in CASES if one["id"] == "new-permission-missing")
    assert "Contact.User.Read" in error(normalise(answer(case["body"], 403)), status=403).reason


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"<html>deny</html>", 200, "IP_BANNED"),
        (b"<html>deny</html>", 403, "IP_BANNED"),
        (b"<html>bad gateway</html>", 502, "GATEWAY"),
        (b"", 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":0', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":0,"errcode":1}', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":NaN}', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":true}', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":false}', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":null}', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":"ok"}', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":0.0}', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":[0]}', 200, "NOT_UNDERSTOOD"),
        (b'["errcode",0]', 200, "NOT_UNDERSTOOD"),
        (b'{"errcode":0}', 302, "NOT_UNDERSTOOD"),
        (b'{"errcode":0}', 500, "GATEWAY"),
        (b'{"code":"systemError"}', 200, "systemError"),
        (b'{"errcode":"0","errmsg":"ok"}', 200, ""),
        (b'\xef\xbb\xbf{"errcode":0}', 200, ""),
        (b'{"errcode":"88","sub_code":90018}', 200, "90018"),
        (b'{"errcode":88,"errmsg":"ding talk error[subcode=60011,submsg=x]"}', 200, "60011"),
        (b'{"status":"1111","punish":"deny"}', 200, "IP_BANNED"),
    ],
)
def test_hostile_answers(body: bytes, status: int, code: str) -> None:
    assert normalise(answer(body, status)).code == code


def test_unknown_codes_are_refused_but_server_errors_are_tried_again() -> None:
    assert type(error(normalise(answer({"errcode": 987654}, 200)))) is Refused
    assert type(error(normalise(answer({"code": "never.seen"}, 400)), status=400)) is Refused
    raised = error(normalise(answer({"code": "never.seen"}, 500)), write=True, status=500)
    assert isinstance(raised, TryLater)
    assert raised.ambiguous


def test_only_a_write_is_ambiguous() -> None:
    reply = normalise(answer(b"", 502))
    assert error(reply, write=True, status=502).ambiguous  # type: ignore[attr-defined]
    assert not error(reply, write=False, status=502).ambiguous  # type: ignore[attr-defined]
    throttled = normalise(answer({"errcode": 88, "sub_code": "90018"}))
    assert not error(throttled, write=True).ambiguous  # type: ignore[attr-defined]


def test_every_reaction_has_a_known_kind() -> None:
    from wsapp.connectors.dingtalk.codes import REACTIONS

    assert {one.kind for one in REACTIONS.values()} == {"refresh", "later", "credentials", "range", "code"}
    assert reaction("not in the table").kind == "refuse"


def test_lenient_reading() -> None:
    assert [as_int(value) for value in (5, "5", "-5", True, "5x", "", None, 5.0, "٥")] == [
        5,
        5,
        -5,
        None,
        None,
        None,
        None,
        None,
        None,
    ]
    assert as_int(176343123456789512) == 176343123456789512
    assert [as_bool(value) for value in (True, "true", "True", 1, "1", None, False)] == [True] * 3 + [False] * 4
    assert [as_text(value) for value in ("a", 7, True, None, ["a"])] == ["a", "7", "", "", ""]
