"""What follows a message: asking what became of it, changing its card, fetching what people left with the host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from wsapp import clock, hosts, leases, logs, metrics, outbox, rechecks
from wsapp.connectors.base import Delivery, Receipt, Refused
from wsapp.crm.notifications.actions import as_data, may_take_back, tell
from wsapp.crm.notifications.messages import in_language_of, photo_card
from wsapp.crm.notifications.models import ACCEPTED, ACTED, DELIVERED, FAILED, READ, SUPPRESSED, Notification
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import CANCELLED, Task
from wsapp.db import current_corp, db, first
from wsapp.files import StoredFile, fill_photo, path_of, read_photo
from wsapp.jobs.delivery import call_each, drop, line_of_corp, locked, look_up_result, settle
from wsapp.jobs.runner import Desk, write_end
from wsapp.leases import Claim
from wsapp.problems import Invalid
from wsapp.texts import _

log = logs.get_logger()

UNREAD = (ACCEPTED, DELIVERED)
SENT_STATES = (ACCEPTED, DELIVERED, READ, ACTED)


@dataclass
class Question:
    """A message of which the host is asked what became of it. `end`: its answer by userid, or why there is none."""

    claim: Claim
    receipt: Receipt
    userid: str
    end: Mapping[str, Delivery] | Exception | None = None


def look_up(claims: Sequence[Claim], desk: Desk) -> None:
    """Ask the host what became of messages, and once more later while it does not say; settles the rows."""
    corp, connector = line_of_corp()
    questions = _questions(leases.held(claims))
    db.session.commit()
    call_each(questions, lambda one: connector.results(one.receipt, (one.userid,)), desk)
    if questions:
        settle(lambda: _write_answers(questions, desk, corp.host))


def _questions(claims: Sequence[Claim]) -> list[Question]:
    """Return what is to be asked; work on messages of which the end is known is finished."""
    asked = sa.select(
        Notification.id, Notification.state, Notification.host_id, Notification.handle, Member.userid
    ).join(Member, sa.and_(Member.corp_id == Notification.corp_id, Member.id == Notification.recipient_id))
    wanted = [one.payload["notification"] for one in claims]
    found = {row.id: row for row in db.session.execute(asked.where(Notification.id.in_(wanted)))}
    messages = [(one, found.get(one.payload["notification"])) for one in claims]
    if settled := [one for one, row in messages if row is None or row.state not in UNREAD]:
        leases.finish(*settled)
    return [
        Question(one, Receipt(row.host_id, row.handle), row.userid)
        for one, row in messages
        if row is not None and row.state in UNREAD
    ]


def _write_answers(questions: Sequence[Question], desk: Desk, host: str) -> None:
    held = {claim.id for claim in leases.held([one.claim for one in questions])}
    ours = [one for one in questions if one.claim.id in held]
    messages = locked([one.claim.payload["notification"] for one in ours])
    done: list[Claim] = []
    with outbox.together():
        for one in ours:
            message = messages[one.claim.payload["notification"]]
            match one.end:
                case None:
                    leases.give_back(one.claim)
                case Refused():
                    metrics.OUTBOX_SENT.labels(host, "no_result").inc()
                    _hold(message, one.end.code)
                    done.append(one.claim)
                case Exception():
                    write_end(one.claim, one.end, desk)
                case found:
                    _write_result(one.claim, message, found.get(one.userid) or Delivery("pending"), desk, host)
                    done.append(one.claim)
    if done:
        leases.finish(*done)


def _hold(message: Notification, code: str) -> None:
    """The host tells nothing more (too late, too many): the message stays accepted, the code says why."""
    if message.state == ACCEPTED:
        message.host_code = code[:60]


def _write_result(claim: Claim, message: Notification, delivery: Delivery, desk: Desk, host: str) -> None:
    match delivery.state:
        case "dropped":
            drop(message, delivery.code or "dropped", host)
        case "delivered":
            message.advance(DELIVERED)
            message.settled_at = message.settled_at or clock.now()
        case "read":
            message.advance(READ)
            message.settled_at = message.settled_at or clock.now()
    following = int(claim.payload["number"]) + 1
    if message.state == ACCEPTED and following < len(desk.pace.results):
        look_up_result(message, following, desk.pace.results[following])


def update_card(claim: Claim, desk: Desk) -> None:
    """Have a card that people hold show its present state. A host that no longer allows it does no harm."""
    message = _message(claim)
    if message is None or not message.host_id or message.state in (FAILED, SUPPRESSED):
        return
    userid = _userid(message)
    _corp, connector = line_of_corp()
    card, receipt = hosts.message_of(as_data(message)), Receipt(message.host_id, message.handle)
    db.session.commit()
    try:
        with desk.calling(current_corp()):
            connector.update_card(card, receipt, (userid,))
    except Refused as error:
        leases.finish(claim, note=f"the card stays as it was: {error}")
        in_time = may_take_back(message, within=connector.recall_within) and connector.may_recall(receipt)
        if in_time and message.state in UNREAD and _is_cancelled(message):
            outbox.enqueue("message.recall", {"notification": message.id}, key=f"recall:{message.id}")
        db.session.commit()


def _is_cancelled(message: Notification) -> bool:
    """Whether a message speaks of a task that was cancelled since: better none than one that cannot say so."""
    return first(sa.select(Task.state).where(Task.id == message.subject_id)) == CANCELLED


def recall(claim: Claim, desk: Desk) -> None:
    """Take a message out of the chat again. Where the host does not, the ledger says why."""
    message = _message(claim)
    if message is None or message.recalled_at or message.state not in SENT_STATES:
        return
    _corp, connector = line_of_corp()
    receipt = Receipt(message.host_id, message.handle)
    db.session.commit()
    try:
        with desk.calling(current_corp()):
            connector.recall(receipt)
    except Refused as error:
        message = locked([claim.payload["notification"]])[claim.payload["notification"]]
        message.reason = _("平台没有撤回：%(reason)s", reason=error.reason)[:300]
        return
    message = locked([claim.payload["notification"]])[claim.payload["notification"]]
    message.recalled_at, message.reason = clock.now(), _("已从会话中撤回")


def check_member(claim: Claim, desk: Desk) -> None:
    """Ask the host again about a person."""
    corp, _connector = line_of_corp()
    with desk.calling(current_corp()):
        rechecks.check_member(corp, claim.payload["userid"], renamed_to=claim.payload.get("renamed_to", ""))


def fetch_photo(claim: Claim, desk: Desk) -> None:
    """Fetch a photo that the host's script left with the host. One that is gone, or none, is marked as failed."""
    stored = _waiting_photo(claim)
    if stored is None:
        return
    media_id = stored.media_id or ""
    _corp, connector = line_of_corp()
    db.session.commit()
    try:
        with desk.calling(current_corp()):
            raw = connector.media(media_id)
    except Refused as error:
        mark_photo_failed(claim, str(error))
        return
    try:
        photo = read_photo(raw)  # before any transaction: it takes a while
    except Invalid as error:
        mark_photo_failed(claim, error.detail)
        return
    stored = _waiting_photo(claim)
    if stored is not None:
        fill_photo(stored, photo)


def send_photo(claim: Claim, desk: Desk) -> None:
    """Leave a photo of a record with the host and send it to the person who asked for it."""
    stored: StoredFile | None = first(sa.select(StoredFile).where(StoredFile.id == claim.payload["file"]))
    if stored is None or stored.state != "ready":
        return
    body, name = path_of(stored).read_bytes(), f"{stored.id}.jpg"
    _corp, connector = line_of_corp()
    db.session.commit()
    attachment = None
    try:
        with desk.calling(current_corp()):
            media_id = connector.upload("image", name, body)
        attachment = {"kind": "image", "media_id": media_id, "name": name}
    except Refused:
        log.warning("photo.refused", file=claim.payload["file"])  # the link goes out instead
    reader: Member = db.session.execute(sa.select(Member).where(Member.id == claim.payload["member"])).scalar_one()
    with in_language_of(reader):
        card = photo_card(claim.payload["path"], attachment)
    tell(reader, "photo.sent", card, key=f"photo:{claim.id}", chosen=True)


def mark_photo_failed(claim: Claim, reason: str) -> None:
    """What the page shows for a photo that never came."""
    if stored := _waiting_photo(claim):
        stored.state = "failed"


def _waiting_photo(claim: Claim) -> StoredFile | None:
    found: StoredFile | None = first(
        sa.select(StoredFile).where(StoredFile.id == claim.payload["file"], StoredFile.state == "waiting")
    )
    return found


def _message(claim: Claim) -> Notification | None:
    found: Notification | None = first(sa.select(Notification).where(Notification.id == claim.payload["notification"]))
    return found


def _userid(message: Notification) -> str:
    return str(first(sa.select(Member.userid).where(Member.id == message.recipient_id)))
