"""Hosts that push over a connection which we open ourselves (长连接), so that no port of ours need be reachable."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from wsapp.connectors.errors import Refused

if TYPE_CHECKING:
    from wsapp.connectors.base import Callback, CallbackReply

T = TypeVar("T")


class NotKept(Exception):
    """What the host told could not be written down: it is not acknowledged, so that the host tells it again."""


class StreamPort(Protocol):
    """The product's end of a stream: where a connector hands over what arrives. Used from one event loop."""

    def opened(self) -> None:
        """The host took the connection; called again for each one that takes the place of another."""
        ...

    def refused(self, reason: str) -> None:
        """Something arrived that is not for this corp, or makes no sense; it has no effect."""
        ...

    async def ask(self, call: Callable[[], T]) -> T:
        """Run a blocking call to the host beside the event loop, and return or raise what it does."""
        ...

    async def take(self, callback: "Callback") -> "CallbackReply":
        """Write down what the host told and do what is to be done at once; committed when this returns.

        Returns the answer for the host. Raises NotKept: acknowledge nothing.
        """
        ...


class Streams:
    """What a connector may offer besides callbacks to an address: a stream, where its corp is set up for one."""

    @property
    def streams(self) -> bool:
        """Say whether this corp's events come over a stream."""
        return False

    async def listen(self, port: StreamPort) -> None:
        """Keep a stream open and hand over what arrives, until cancelled or until the connection ends.

        Raises TryLater when it ended or did not open (open it again after a while), BadCredentials, Refused.
        """
        raise Refused("this host opens no streams")
