"""The small interface that every host implements, and the neutral things that cross it.

Connectors know nothing of the CRM, of the database or of sessions: they get settings, a transport, a token
store and a clock, and speak in the plain types of this file.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from wsapp.connectors.channels import Allowances, Article, Attachment, Question, Recalls, Uploads
from wsapp.connectors.conversations import Conversations
from wsapp.connectors.directory import Directory
from wsapp.connectors.errors import BadCallback as BadCallback
from wsapp.connectors.errors import BadCode as BadCode
from wsapp.connectors.errors import BadCredentials as BadCredentials
from wsapp.connectors.errors import HostError as HostError
from wsapp.connectors.errors import NotAMember as NotAMember
from wsapp.connectors.errors import OutOfRange as OutOfRange
from wsapp.connectors.errors import Refused as Refused
from wsapp.connectors.errors import TryLater as TryLater
from wsapp.connectors.grouprobots import GroupRobots
from wsapp.connectors.setup import Account as Account
from wsapp.connectors.setup import CredentialField as CredentialField
from wsapp.connectors.setup import SetUp
from wsapp.connectors.streams import Streams
from wsapp.connectors.todos import KeepsCalendar, KeepsTodos

# --- what a corp hands to its connector -----------------------------------------------------------------------


class TokenStore(Protocol):
    """Access tokens and tickets, shared by all processes of an installation."""

    def get(self, kind: str, fetch: Callable[[], tuple[str, float]], *, stale: str = "") -> str:
        """Return the token of `kind`, fetching it once across all processes when it is missing, past 80 % of its
        life or equal to `stale` (a value that the host just refused). `fetch` returns (value, seconds of life).

        Raises BadCredentials without asking the host while the circuit is open after wrong secrets.
        """
        ...


@dataclass(frozen=True)
class Answer:
    """One HTTP answer of a host, read whole and bounded. `json` is None when the body is no JSON object."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: dict[str, Any] | None


class Transport(Protocol):
    """The bounded HTTP client of `wsapp.connectors.http`."""

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
        """Send one request. Raises TryLater when no complete answer arrived in `deadline` seconds (ambiguous when the
        request may have reached the host). `api` is a label for metrics and logs, never the URL. `max_body` bytes
        replace the transport's own bound for this answer."""
        ...


# --- people ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identity:
    """Who a sign-in code belongs to."""

    userid: str
    unionid: str = ""
    name: str = ""


@dataclass(frozen=True)
class Person:
    """A member (成员) as the host tells it. Empty strings where the host gives nothing: that is normal."""

    userid: str
    name: str
    departments: tuple[str, ...] = ()
    main_department: str = ""
    leads: tuple[str, ...] = ()
    manager: str = ""
    position: str = ""
    avatar: str = ""
    phone: str = ""
    email: str = ""
    unionid: str = ""
    is_admin: bool = False
    status: Literal["active", "disabled", "left"] = "active"


@dataclass(frozen=True)
class DepartmentInfo:
    """A department (部门) as the host tells it; `parent` is empty for the root."""

    id: str
    name: str
    parent: str = ""
    leaders: tuple[str, ...] = ()
    order: int = 0


# --- messages -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Button:
    """A button of a card. With `url` it opens that page, else pressing it calls back with `key`."""

    key: str
    text: str
    style: Literal["primary", "plain"] = "plain"
    url: str = ""


@dataclass(frozen=True)
class Message:
    """What the product wants to say, before any host's format. Texts are plain text, never markup.

    `card` is our own unique id of the card ([0-9a-z_-], at most 64), `lines` are (label, value) rows, `url` the page
    that opens on tap. `state` is set once the matter is settled: buttons are gone, the state stands instead.

    What else there is decides the host's format: a `figure` (number, what it counts) stands large; `questions` are
    answered on the card; `articles` make a list with pictures; an `attachment` is sent as such, its words go in the
    notice around it where the host has one. `form` says how it is meant: a "card" to look at and act upon, a "report"
    of many lines, a "note" of one sentence. `frugal`: the host's allowance runs low, so choose what costs least.
    """

    card: str
    title: str
    text: str = ""
    lines: tuple[tuple[str, str], ...] = ()
    url: str = ""
    buttons: tuple[Button, ...] = ()
    source: str = ""
    state: str = ""
    figure: tuple[str, str] = ("", "")
    questions: tuple[Question, ...] = ()
    articles: tuple[Article, ...] = ()
    attachment: Attachment | None = None
    form: Literal["card", "report", "note"] = "card"
    frugal: bool = False


@dataclass(frozen=True)
class Parcel:
    """A message in one host's format, frozen: the same bytes go out at every try (the hosts tell repeats by them)."""

    channel: str
    body: bytes
    to: tuple[str, ...]


@dataclass(frozen=True)
class Receipt:
    """What the host answered to a parcel. `handle` is what this connector needs for result look-up and card update
    (host message id, response code, …); it is stored as JSON and handed back unread."""

    host_id: str
    handle: dict[str, Any] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)  # userid → host code, known at once
    check_after: float | None = None  # seconds until `results` can tell more; None: nothing more will be known


@dataclass(frozen=True)
class Delivery:
    """What became of a message for one person."""

    state: Literal["pending", "delivered", "read", "dropped"]
    code: str = ""


# --- callbacks ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CallbackRequest:
    """A callback as it arrived: `kind` is the tail of the address ("app", "contacts", "", "card"); `query` keeps
    repeated fields; header names are lower case."""

    kind: str
    method: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HostEvent:
    """A thing that happened at the host. A hint: whoever acts on it asks the host again.

    kinds: "card.pressed" (userid, card, action, data["response_code"]), "member.changed", "member.left" (userids),
    "department.changed" (data["departments"]), "range.changed", "robot.message" (see `conversations`), "other",
    "item.changed" (a to-do or calendar entry: data["list"] is "todo" or "entry", data["items"], data["home"]).
    `id` is the host's own event id or a hash of the plaintext, for de-duplication over days.
    """

    kind: str
    id: str
    userids: tuple[str, ...] = ()
    card: str = ""
    action: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Callback:
    """A verified callback: what happened, the digest that recognises a replay, and how to answer the host."""

    digest: str
    events: tuple[HostEvent, ...]
    reply: "CallbackReply"


@dataclass(frozen=True)
class CallbackReply:
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


# --- the interface --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SilentSignIn:
    """How a web view of this host signs in without a password.

    `redirect`: send the browser there; it comes back to the return address with code and state.
    Otherwise the page asks the host's script for a code with `script_config` and posts it.
    """

    redirect: str = ""
    script_config: dict[str, Any] = field(default_factory=dict)


class Connector(
    SetUp, Recalls, Uploads, Allowances, GroupRobots, KeepsTodos, KeepsCalendar, Directory, Streams, Conversations, ABC
):
    """One corp's line to its host. Cheap to make, safe to use from several threads."""

    host: ClassVar[str]
    label: ClassVar[str]
    user_agent: ClassVar[re.Pattern[str]]
    callback_kinds: ClassVar[tuple[str, ...]]
    base_keys: ClassVar[Mapping[str, str]]  # name of a base URL in [hosts.<host>] → default
    frame_origins: ClassVar[tuple[str, ...]]  # who may frame our pages
    userid_case: ClassVar[Literal["fold", "exact"]] = "exact"
    folder: ClassVar[Path]  # holds host.js, setup.md and fixtures/

    def __init__(
        self,
        account: Account,
        *,
        bases: Mapping[str, str],
        http: Transport,
        tokens: TokenStore,
        now: Callable[[], datetime],
        public_url: str,
    ) -> None:
        self.account = account
        self.bases = {**self.base_keys, **bases}
        self.http = http
        self.tokens = tokens
        self.now = now
        self.public_url = public_url

    # signing in
    @abstractmethod
    def silent_sign_in(self, back: str, state: str) -> SilentSignIn:
        """How to sign in inside the host's web view; `back` is our return address."""

    @abstractmethod
    def web_sign_in(self, back: str, state: str) -> str:
        """URL of the host's own sign-in page for an ordinary browser."""

    @abstractmethod
    def sign_in(self, code: str, *, web: bool = False) -> Identity:
        """Exchange a code of the silent (or, with `web`, of the browser) sign-in.

        Raises BadCode, NotAMember, TryLater, BadCredentials.
        """

    @abstractmethod
    def js_config(self, url: str) -> dict[str, Any]:
        """Signed parameters for the host's script on the page `url` (of our own origin: the caller has checked)."""

    # people
    @abstractmethod
    def person(self, userid: str) -> Person:
        """Ask the host for one member. Raises OutOfRange when outside the visible range or gone."""

    @abstractmethod
    def department(self, department_id: str) -> DepartmentInfo:
        """Ask the host for one department. Raises OutOfRange."""

    @abstractmethod
    def departments(self) -> Iterator[DepartmentInfo]:
        """Walk every visible department from each visible root."""

    @abstractmethod
    def members(self, department_id: str) -> Iterator[Person]:
        """Walk the direct members of one department."""

    # messages
    @abstractmethod
    def compose(self, message: Message, to: Sequence[str]) -> Parcel:
        """Put a message into the host's best card within the host's limits. Pure: same input, same bytes."""

    @abstractmethod
    def send(self, parcel: Parcel) -> Receipt:
        """Hand a parcel to the host. Raises TryLater (perhaps ambiguous), Refused, BadCredentials.

        Sending the same bytes again after an ambiguous end shows nothing twice: the host recognises them.
        """

    def results(self, receipt: Receipt, to: Sequence[str]) -> dict[str, Delivery]:
        """Ask the host what became of a parcel, person by person; empty where the host has no such answer."""
        return {}

    def update_card(self, message: Message, receipt: Receipt, to: Sequence[str]) -> None:
        """Show `message` (with its `state`) in place of a card sent earlier, for everybody who has it.

        Raises Refused when the host no longer allows it (72 h, used code): harmless, the link still works.
        """

    # callbacks
    @abstractmethod
    def read_callback(self, request: CallbackRequest) -> Callback:
        """Verify, decrypt and read a callback. Raises BadCallback for anything not beyond doubt from the host."""

    def answer_press(self, callback: Callback, message: Message) -> CallbackReply:
        """The answer to a card press that shows `message` at once, where the host takes one in the reply."""
        return callback.reply

    # devices
    def media(self, media_id: str) -> bytes:
        """Fetch a photo that the host's script uploaded to the host."""
        raise Refused("this host keeps no media for us")

    def quota(self) -> Mapping[str, int]:
        """Outgoing limits, to be kept to before the host refuses: "person_minute", "person_hour", "person_day" and
        "app_minute" messages, "app_second" calls of one kind (0: none)."""
        return {}


CLOCK_WINDOW = timedelta(seconds=300)


def fresh_timestamp(value: str, now: datetime, digits: Sequence[int] = (10, 13)) -> bool:
    """Say whether a callback's timestamp (seconds or milliseconds since 1970) is within the replay window.

    Its length must be one of `digits`: signatures over undelimited strings stay valid when digits move (T02).
    """
    if not (value.isascii() and value.isdigit() and len(value) in digits):
        return False
    seconds = int(value) / (1000 if len(value) == 13 else 1)
    return abs(now.timestamp() - seconds) <= CLOCK_WINDOW.total_seconds()
