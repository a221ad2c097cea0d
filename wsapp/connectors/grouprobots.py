"""Group robots (群机器人): posting into a group chat through an address that the group's owner hands out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from wsapp.connectors.errors import Refused

if TYPE_CHECKING:
    from wsapp.connectors.base import CredentialField, Message


@dataclass(frozen=True)
class RobotAddress:
    """Where a robot posts, taken apart and checked: the host's own key, never a URL, so that we post nowhere else.

    `secret` signs the posts where the host does that.
    """

    kind: str
    key: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def values(self) -> dict[str, str]:
        return {"kind": self.kind, "key": self.key, "secret": self.secret}


class RobotGone(Refused):
    """The robot was removed or switched off at the host, or its address or signature is wrong: post no more."""


class GroupRobots:
    """Hosts whose groups have robots."""

    robot_fields: ClassVar[tuple["CredentialField", ...]] = ()  # what the administrator pastes; empty: none here
    robot_minute: ClassVar[int] = 0  # posts a minute that one robot may make

    def robot_address(self, values: Mapping[str, str]) -> RobotAddress:
        """Take apart what the administrator pasted, by the keys of `robot_fields`.

        Raises Refused when it is no address of this host; `code` is then the key of the field that is wrong.
        """
        raise Refused("this host has no group robots", code="unsupported")

    def compose_post(self, messages: "Sequence[Message]", post_id: str, *, heading: str = "") -> bytes:
        """Put one message, or several merged under `heading`, into one post within the host's limits. Pure.

        `post_id` makes a repeat recognisable where the host can tell repeats.
        """
        raise Refused("this host has no group robots", code="unsupported")

    def post(self, address: RobotAddress, body: bytes) -> Mapping[str, Any]:
        """Post into the group; returns the host's handle of the post, perhaps empty.

        Raises TryLater (too fast, busy, perhaps ambiguous), RobotGone, Refused (content refused). BadCredentials only
        where the app itself posts: a robot's own wrong secret is RobotGone.
        """
        raise Refused("this host has no group robots", code="unsupported")
