"""What people say to the robot: answered in a job, where it was said when the host lets us, else by a message."""

from typing import Any

from wsapp import hosts, leases, outbox
from wsapp.bots import answers, talk
from wsapp.connectors.base import Connector, Message, Refused
from wsapp.crm.org.queries import member_by_userid
from wsapp.db import current_corp, db
from wsapp.jobs.delivery import line_of_corp
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def answer(claim: Claim, desk: Desk) -> None:
    """Understand what was said and do it; the answer goes out in work of its own."""
    _corp, connector = line_of_corp()
    spoken = talk.read_spoken(claim.payload)
    in_place = connector.answers_in_place(spoken.reply)
    card = talk.answer(spoken, fold=_folds(connector), in_place=in_place)
    if card is None:
        return
    payload = {"id": spoken.id, "userid": spoken.userid, "card": card, "reply": claim.payload["reply"]}
    outbox.enqueue("robot.reply", payload, key=f"robot.reply:{current_corp()}:{spoken.id}")


def reply(claim: Claim, desk: Desk) -> None:
    """Say an answer where the question was asked. When that is no longer possible, the person gets it as a message."""
    _corp, connector = line_of_corp()
    said = claim.payload
    message = hosts.message_of({**said["card"], "card": f"r{said['id']}"})
    where = talk.open_reply(said["reply"])
    db.session.commit()
    try:
        with desk.calling(current_corp()):
            _say(connector, message, where, said["userid"])
    except Refused as error:
        _fall_back(claim, connector, said, error)


def _say(connector: Connector, message: Message, where: dict[str, Any], userid: str) -> None:
    """In the conversation; to somebody who is not (yet) one of our members as a message without a ledger row."""
    if where:
        connector.answer_in_place(message, where, userid)
    elif userid:
        connector.send(connector.compose(message, (userid,)))


def _fall_back(claim: Claim, connector: Connector, said: dict[str, Any], error: Refused) -> None:
    asker = member_by_userid(said["userid"], fold=_folds(connector)) if said["userid"] else None
    if asker is not None and asker.is_active:
        talk.tell_answer(asker, answers.for_group(said["card"]), said["id"])
        return
    leases.finish(claim, note=f"could not be answered: {error}")
    db.session.commit()


def _folds(connector: Connector) -> bool:
    return connector.userid_case == "fold"
