"""The inbox of the hosts: what they told us is remembered, acted on in the database alone, and acknowledged.

Both ways in end here: the callbacks over HTTP (`wsapp.api.callbacks`) and the line that a host keeps open
(`wsapp.jobs.streams`). The caller has verified that the callback is from the host, opened the corp's scope and not
begun a transaction; it acknowledges after `take` returned, which has committed by then.
"""

from wsapp import clock, hosts, metrics, outbox, rechecks
from wsapp.bots import drafts, talk
from wsapp.connectors.base import Callback, CallbackReply, Connector, HostEvent
from wsapp.crm.appeals import answers as appeals
from wsapp.crm.dashboards import briefs
from wsapp.crm.mirrors import actions as mirrors
from wsapp.crm.notifications import escalations, visit_cards
from wsapp.crm.notifications.actions import as_data
from wsapp.crm.notifications.reminders import press
from wsapp.crm.org.models import Corp, SeenCallback
from wsapp.crm.pools import answers
from wsapp.crm.sharing import actions as sharing
from wsapp.db import db, dialect_insert
from wsapp.doctor import proofs

# Whose card it is says the first that knows it.
PRESSES = (
    press,
    escalations.press,
    drafts.press,
    sharing.press,
    answers.press,
    briefs.press,
    visit_cards.press,
    appeals.press,
)


def take(corp: Corp, connector: Connector, callback: Callback, *, once: bool = True) -> CallbackReply:
    """Act on a verified callback once; a replay gets the normal answer and has no effect. Commits.

    `once=False` is for a host's question after our address, which may come again unchanged.
    """
    fresh = not once or _first_sight(corp, f"c:{callback.digest}")
    metrics.CALLBACKS.labels(corp.host, "ok" if fresh else "replay").inc()
    reply = callback.reply
    for event in callback.events:
        if event.kind == "card.pressed":
            reply = _press(connector, callback, event, fresh=fresh and _first_sight(corp, f"e:{event.id}")) or reply
        elif fresh and (event.kind in rechecks.ONLY_ASKED or _first_sight(corp, f"e:{event.id}")):
            _take_hint(corp, connector, event)
    db.session.commit()
    return reply


def _first_sight(corp: Corp, digest: str) -> bool:
    """Remember a digest; says whether it is new. Two processes at once: one gets True."""
    statement = dialect_insert(SeenCallback).values(corp_id=corp.id, digest=digest[:80], seen_at=clock.now())
    done = db.session.execute(statement.on_conflict_do_nothing())
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def _press(connector: Connector, callback: Callback, event: HostEvent, *, fresh: bool) -> CallbackReply | None:
    """Do what the button says; a repeated press only shows the present state."""
    if not fresh or not event.userids:
        return None
    fold = connector.userid_case == "fold"
    pressed = (event.card, event.userids[0], event.action)
    if event.card.startswith(proofs.CARD):
        return _settle_test_card(connector, callback, event)
    done = next(filter(None, (one(*pressed, fold=fold) for one in PRESSES)), None)
    if done is None:
        return None
    notification = done.notification
    if code := event.data.get("response_code"):
        notification.handle = {**notification.handle, "response_code": code}
    if not notification.shown:
        return None  # still open, and not theirs to finish: the card stays as it is
    reply = connector.answer_press(callback, hosts.message_of(as_data(notification)))
    if reply is callback.reply:
        # The host takes no new card in its answer: it is updated right after the commit.
        outbox.enqueue("card.update", {"notification": notification.id, "state": notification.shown})
    return reply


def _settle_test_card(connector: Connector, callback: Callback, event: HostEvent) -> CallbackReply:
    """The doctor's own card was pressed: the round trip is proven, the card says so."""
    proofs.note_press(type(connector))
    reply = connector.answer_press(callback, proofs.settled(event.card))
    if reply is callback.reply and (code := event.data.get("response_code")):
        outbox.enqueue("doctor.card", {"card": event.card, "userid": event.userids[0], "code": code})
    return reply


def _take_hint(corp: Corp, connector: Connector, event: HostEvent) -> None:
    """Callbacks are hints: access goes at once, everything else is asked of the host again."""
    if event.kind == "robot.message":
        talk.hear(event)
    if event.kind == "item.changed":
        mirrors.heard_of(event.data["list"], event.data.get("items", ()))
        mirrors.heard_of_home(event.data.get("home", ""))
    rechecks.take_hint(connector, event)
