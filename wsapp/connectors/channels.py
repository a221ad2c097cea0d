"""What hosts can do with messages beyond sending a card, and the neutral parts that such messages are made of.

Each capability is a mix-in of `Connector` with a harmless default: a host that has none leaves it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from wsapp.connectors.errors import Refused

if TYPE_CHECKING:
    from wsapp.connectors.base import Receipt

FileKind = Literal["image", "file"]


@dataclass(frozen=True)
class Question:
    """A choice on a card: `options` are (id, text); with `many` several may be chosen."""

    key: str
    title: str
    options: tuple[tuple[str, str], ...]
    many: bool = False


@dataclass(frozen=True)
class Article:
    """One entry of a list with pictures. `url` is a page of ours; `picture` the address of one of our pictures."""

    title: str
    text: str = ""
    url: str = ""
    picture: str = ""


@dataclass(frozen=True)
class Attachment:
    """A picture or file that lies with the host already (see `Uploads.upload`)."""

    kind: FileKind
    media_id: str
    name: str = ""


class Uploads:
    """Hosts that take files for messages."""

    media_life: ClassVar[float | None] = None  # seconds that an uploaded file can be sent; None: for ever

    def upload(self, kind: FileKind, name: str, body: bytes) -> str:
        """Leave a picture or file with the host; returns its media id.

        Raises Refused (too large, of a kind that the host does not take, no permission), TryLater, BadCredentials.
        """
        raise Refused("this host takes no files", code="unsupported")


class Recalls:
    """Hosts that can take a message back."""

    recall_within: ClassVar[float] = 0  # seconds after sending; 0: never

    def may_recall(self, receipt: "Receipt") -> bool:
        """Say whether a message of this kind can be taken back at all, as far as its receipt tells."""
        return self.recall_within > 0 and bool(receipt.host_id)

    def recall(self, receipt: "Receipt") -> None:
        """Take a sent message out of the chats of everybody who has it.

        Raises Refused (too late, of a kind that cannot be taken back), TryLater, BadCredentials.
        """
        raise Refused("this host cannot take messages back", code="unsupported")


class Allowances:
    """Hosts that sell calls by the month. A meter is a name ("calls", "webhook") under which calls are counted."""

    meters: ClassVar[Mapping[str, str]] = {}  # meter → what it counts, for the console

    def meter_of(self, api: str) -> str:
        """Return the meter that a call to `api` (the label of the transport) counts on; empty where it is free."""
        return ""

    def allowance(self, meter: str) -> int:
        """Return how many calls a month the corp has on a meter; 0 where there is no limit."""
        return 0
