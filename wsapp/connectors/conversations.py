"""Answering where the app's robot was spoken to: a capability that only some hosts have.

A host event "robot.message" carries in its data: "text", "group" (whether others read along), "conversation" and
"reply", which is what `answer_in_place` needs and nobody else reads.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wsapp.connectors.errors import Refused

if TYPE_CHECKING:
    from wsapp.connectors.base import Message


class Conversations:
    """Mix-in of connectors. Without it, answers go to the person as any message does."""

    def answers_in_place(self, reply: Mapping[str, Any]) -> bool:
        """Say whether the conversation of a message to the robot can be answered in."""
        return False

    def answer_in_place(self, message: "Message", reply: Mapping[str, Any], userid: str) -> None:
        """Write `message` into the conversation of a message to the robot, calling `userid` where others read along.

        Links of the message's buttons stand in it; buttons that call back do not. Raises Refused when it is too late
        or the host wants none, TryLater.
        """
        raise Refused("this host takes no answer in place", code="unsupported")
