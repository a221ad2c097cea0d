"""What a host can have checked about a corp's set-up, and what to tell an administrator about its error codes.

A connector names its checks; the doctor (`wsapp.doctor`) runs them and hands in what only the installation knows.
Texts are lazy: they are translated when they are shown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from flask_babel.speaklater import LazyString

from wsapp.texts import lazy

State = Literal["ok", "warn", "fail", "skip"]
Text: TypeAlias = str | LazyString


@dataclass(frozen=True)
class Result:
    """What one check found. `evidence` holds no secret; `fix` and `place` replace those of the check and the code.

    `mine` says that the code is this check's own matter, whatever the table says of it.
    """

    state: State
    evidence: Text = ""
    fix: Text = ""
    place: Text = ""
    code: str = ""
    mine: bool = False


@dataclass(frozen=True)
class Instruction:
    """What an administrator does about one of the host's codes, and where in the host's console.

    `check` names the check that proves what the code says: whichever check meets the code, that one is at fault.
    `serious` is false for codes that pass by themselves or do no harm.
    """

    fix: Text
    place: Text = ""
    check: str = ""
    serious: bool = True


@dataclass(frozen=True)
class Fetched:
    """What our own public address answered."""

    status: int
    headers: Mapping[str, str]  # lower-case names
    body: bytes


@dataclass(frozen=True)
class Heard:
    """What came in at one callback door: when the host was last verified, when somebody was last refused, and why."""

    verified_at: datetime | None = None
    refused_at: datetime | None = None
    reason: str = ""


class Fetch(Protocol):
    def __call__(
        self, path: str, *, params: Mapping[str, str] | None = None, data: bytes | None = None, content_type: str = ""
    ) -> Fetched:
        """Ask our own public address. Raises TryLater when nothing came back. With `data` it is a POST."""
        ...


@dataclass
class Ground:
    """What the installation hands to a check: who asks, the way to our own public address, what was heard."""

    me: str  # userid of the administrator who asks; empty: nobody is known yet
    fetch: Fetch
    once: Callable[[str, Callable[[], Any]], Any]  # (name, make): make it once in an examination, also its error
    renew: Callable[[str, Callable[[], tuple[str, float]]], str]  # have a token of this kind fetched anew, and kept
    heard: Mapping[str, Heard] = field(default_factory=dict)  # by the tail of the callback's address
    files: Mapping[str, str] = field(default_factory=dict)  # ownership files by name, as we serve them
    line: Text | None = None  # what is wrong with the line that the host keeps open; None: there is none, "": it is up
    line_heard_at: datetime | None = None  # when something last came over it


@dataclass(frozen=True)
class Check:
    """One question about the set-up. `needs` are the checks without which it proves nothing; `sends` says that a
    person sees it (a message), so that it is not asked each time a page opens."""

    key: str
    title: Text
    run: Callable[[Ground], Result]
    needs: tuple[str, ...] = ()
    place: Text = ""
    sends: bool = False


CODE = re.compile(r"-?[A-Za-z0-9_.]{1,80}")
OWN_NONCE = "wsappdoctor"  # how the nonces of callbacks that we send to ourselves begin: they prove nothing of the host

UNKNOWN = lazy("这个错误码不在本系统的对照表里。请按平台的原话和查询链接处理；联系我们时附上请求编号。")


class Checkable:
    """Mixed into a connector: without an own implementation nothing is checked beyond what holds for every host."""

    lookup_url: ClassVar[str] = ""  # of the host's page about a code, with {code}

    def checks(self) -> Sequence[Check]:
        """Return the checks of this host, in the order in which an administrator sets things up."""
        return ()

    @classmethod
    def instruction(cls, code: str) -> Instruction | None:
        """Return what to do about one of the host's codes; None for a code that nobody wrote down."""
        return None

    @classmethod
    def lookup(cls, code: str) -> str:
        """Return the address of the host's own page about a code, empty where it has none.

        What does not look like a code of a host makes no link: it came from outside.
        """
        return cls.lookup_url.format(code=code) if cls.lookup_url and CODE.fullmatch(code) else ""


def ok(evidence: Text = "") -> Result:
    return Result("ok", evidence)


def warn(evidence: Text, fix: Text = "", **more: Any) -> Result:
    return Result("warn", evidence, fix, **more)


def fail(evidence: Text, fix: Text = "", **more: Any) -> Result:
    return Result("fail", evidence, fix, **more)


def skip(evidence: Text) -> Result:
    return Result("skip", evidence)
