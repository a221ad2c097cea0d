"""What the doctor found, and how an error of a host becomes a finding."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wsapp import metrics
from wsapp.connectors.base import Connector, HostError
from wsapp.connectors.checks import UNKNOWN, Check, Instruction, Result, State, Text, fail, warn
from wsapp.logs import redact
from wsapp.texts import lazy, speaking

LANGUAGES = ("zh", "en")
SILENT = ("timeout", "connect_timeout", "unreachable", "connection_lost", "too_large", "not_json", "malformed")
MAX_EVIDENCE = 400


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. Texts are lazy; none holds a secret. `lookup` is the host's own page about `code`."""

    check: str
    title: Text
    state: State
    evidence: Text = ""
    fix: Text = ""
    place: Text = ""
    code: str = ""
    lookup: str = ""
    seconds: float = 0.0
    last_ok: datetime | None = None
    sends: bool = False
    mine: bool = False

    def as_data(self) -> dict[str, Any]:
        """Return what is stored and printed: texts in Chinese and English. Needs an app context."""
        texts = {"title": self.title, "evidence": self.evidence, "fix": self.fix, "place": self.place}
        data: dict[str, Any] = {"check": self.check, "state": self.state, "code": self.code, "lookup": self.lookup}
        for language in LANGUAGES:
            with speaking(language):
                data |= {f"{name}_{language}": clean(str(text)) for name, text in texts.items()}
        data["seconds"] = round(self.seconds, 2)
        data["last_ok"] = self.last_ok.isoformat() if self.last_ok else None
        return data


def clean(text: str) -> str:
    """Return a text without secrets, control characters and excess."""
    return redact("".join(char if char.isprintable() else " " for char in text))[:MAX_EVIDENCE]


def finding(check: Check, result: Result, kind: type[Connector] | None, seconds: float = 0.0) -> Finding:
    """Put a result into the words of its check; what the code's table says comes between the two."""
    told = kind.instruction(result.code) if kind and result.code else None
    if result.state not in ("fail", "warn"):
        return Finding(check.key, check.title, result.state, result.evidence, seconds=seconds, sends=check.sends)
    return Finding(
        check.key,
        check.title,
        result.state,
        result.evidence,
        fix=result.fix or (told.fix if told else UNKNOWN if result.code else ""),
        place=result.place or (told.place if told and told.place else check.place),
        code=result.code,
        lookup=kind.lookup(result.code) if kind and not told else "",
        seconds=seconds,
        sends=check.sends,
        mine=result.mine,
    )


def of_error(error: HostError, kind: type[Connector] | None, fault: str = "") -> Result:
    """Return the result that a host's error stands for. `fault` is what the host said before we stopped asking it."""
    if error.code == "breaker":
        code, _, words = fault.partition(" ")
        paused = lazy("平台此前返回 %(code)s：%(words)s；为免被封，系统暂停了重试", code=code or "?", words=words)
        return fail(paused, code=code)
    if _is_silence(error.code):
        return fail(lazy("平台没有给出可用的应答（%(code)s）", code=error.code), NO_ANSWER, code=error.code)
    told = kind.instruction(error.code) if kind else None
    if told is None and error.code:
        metrics.UNKNOWN_CODES.labels(kind.host if kind else "", metrics.bounded("unknown_code", error.code)).inc()
    said = _said(error, told)
    return fail(said, code=error.code) if told is None or told.serious else warn(said, code=error.code)


def _is_silence(code: str) -> bool:
    """Whether a code is our own word for an answer that did not come, or was none."""
    return code in SILENT or code.startswith("http_")


def _said(error: HostError, told: Instruction | None) -> Text:
    words = error.words or error.reason
    if not error.code:
        return words
    if told is None and error.request_id:
        more = {"code": error.code, "words": words, "number": error.request_id}
        return lazy("平台返回 %(code)s：%(words)s（请求编号 %(number)s）", **more)
    return lazy("平台返回 %(code)s：%(words)s", code=error.code, words=words)


NO_ANSWER = lazy("请检查服务器能否访问外网、防火墙与出口代理，稍后再试；若只有这一项如此，多半是平台一时的故障。")


def said_by_host(kind: type[Connector], code: str) -> Mapping[str, Text]:
    """Return what an administrator is shown for a code, in the console and the ledger: `fix`, `place`, `lookup`."""
    told = kind.instruction(code) if code else None
    if _is_silence(code):
        return {"fix": NO_ANSWER, "place": "", "lookup": ""}
    if told:
        return {"fix": told.fix, "place": told.place, "lookup": ""}
    return {"fix": UNKNOWN if code else "", "place": "", "lookup": kind.lookup(code)}
