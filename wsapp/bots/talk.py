"""A message to the robot: put in line when it comes in, understood and answered by a job.

    HostEvent "robot.message"  →  outbox "robot.message"  →  the answer: where it was said, if the host has such a thing
                                                             (`Connector.answers_in_place`), else to the person

A confirmation always goes to the person alone: nobody else in a group is to press it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wsapp import outbox
from wsapp.bots import answers, drafts
from wsapp.bots.commands import Command, understand
from wsapp.connectors.base import HostEvent
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import Card, in_language_of
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member_by_userid
from wsapp.db import current_corp
from wsapp.house import house, local_now
from wsapp.texts import _
from wsapp.vault import digest

ANSWER_KIND = "bot.answer"  # in the ledger
MAX_TEXT = 5000
_SEALED = "robot.reply"


@dataclass(frozen=True)
class Spoken:
    """What somebody said to the robot. `reply` is what the connector needs to answer in place."""

    id: str
    userid: str
    text: str
    in_group: bool
    reply: Mapping[str, Any]


def hear(event: HostEvent) -> None:
    """Put a message to the robot in line for an answer, once, in the caller's transaction."""
    spoken_id = digest(event.id)[:32]
    payload = {
        "id": spoken_id,
        "userid": event.userids[0] if event.userids else "",
        "text": str(event.data.get("text") or "")[:MAX_TEXT],
        "in_group": bool(event.data.get("group")),
        "reply": seal_reply(event.data.get("reply") or {}),
    }
    outbox.enqueue("robot.message", payload, key=f"robot:{current_corp()}:{spoken_id}")


def seal_reply(reply: Mapping[str, Any]) -> str:
    """Seal what answers in place: it lets anybody write into the conversation."""
    return house().vault.seal(json.dumps(dict(reply)), corp=str(current_corp()), field=_SEALED) if reply else ""


def open_reply(sealed: str) -> dict[str, Any]:
    """Open what `seal_reply` sealed."""
    opened: dict[str, Any] = (
        json.loads(house().vault.open(sealed, corp=str(current_corp()), field=_SEALED)) if sealed else {}
    )
    return opened


def read_spoken(payload: Mapping[str, Any]) -> Spoken:
    """Return what was said out of the outbox row that `hear` made."""
    return Spoken(payload["id"], payload["userid"], payload["text"], payload["in_group"], open_reply(payload["reply"]))


def answer(spoken: Spoken, *, fold: bool, in_place: bool) -> Card | None:
    """Do what was said, and return the card that answers where it was said; None when the person is told otherwise.

    Puts what goes to the person alone into the ledger, in the caller's transaction.
    """
    asker = member_by_userid(spoken.userid, fold=fold) if spoken.userid else None
    if asker is None or not asker.is_active:
        return answers.stranger()
    with in_language_of(asker):
        said = _answer(understand(spoken.text, local_now()), spoken, asker)
    if said is None:
        return None
    said = answers.for_group(said) if spoken.in_group else said
    if in_place:
        return said
    tell_answer(asker, said, spoken.id)
    return None


def _answer(command: Command, spoken: Spoken, asker: Member) -> Card | None:
    match command.verb:
        case "find":
            return answers.find(command.name, actor=asker, alone=not spoken.in_group)
        case "today":
            return answers.today(actor=asker)
        case "team":
            return answers.team(actor=asker)
        case "log" | "remind":
            return _ask_to_confirm(command, spoken, asker)
    return answers.help_card()


def _ask_to_confirm(command: Command, spoken: Spoken, asker: Member) -> Card | None:
    kept, asks = drafts.draft(command, actor=asker)
    if kept is None:
        return asks
    tell(asker, drafts.CONFIRM_KIND, asks, key=f"bot:{spoken.id}:confirm", subject_id=kept.id, chosen=True)
    if not spoken.in_group:
        return None
    text = _("内容和确认按钮已发到与您的单聊，确认后写入。")
    return answers.card(_("请在单聊里确认"), text=text, path=f"/h5/drafts/{kept.id}")


def tell_answer(asker: Member, said: Card, spoken_id: str) -> None:
    """Send an answer to the person through the ledger: now, whatever the hour, for they asked."""
    tell(asker, ANSWER_KIND, said, key=f"bot:{spoken_id}", chosen=True)
