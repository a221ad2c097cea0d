"""The hosts' encrypted callbacks: verified, remembered, acted on in the database alone, acknowledged at once."""

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request

from wsapp import clock, hosts, logs, metrics, outbox
from wsapp.connectors.base import BadCallback, Callback, CallbackReply, CallbackRequest, Connector, HostEvent
from wsapp.crm.notifications.actions import as_data
from wsapp.crm.notifications.reminders import press
from wsapp.crm.org import actions as org
from wsapp.crm.org.models import LEFT, Corp, SeenCallback
from wsapp.crm.org.queries import corp_at_host, member_by_userid
from wsapp.db import corp_scope, db, dialect_insert

bp = Blueprint("callbacks", __name__, url_prefix="/callbacks")
log = logs.get_logger()

MAX_BODY = 64 * 1024
REFUSED = ("forbidden", 403)


@bp.route("/<host>/<corp_id>", methods=["GET", "POST"], defaults={"kind": ""})
@bp.route("/<host>/<corp_id>/<kind>", methods=["GET", "POST"])
def receive(host: str, corp_id: str, kind: str) -> Any:
    """Take a callback. Whatever is not beyond doubt from the host gets one uniform 403."""
    corp = _corp(host, corp_id)
    if corp is None:
        return REFUSED
    connector = hosts.lines().of(corp)
    db.session.rollback()
    if kind not in connector.callback_kinds:
        return REFUSED
    try:
        callback = connector.read_callback(_read_request(kind))
    except BadCallback as error:
        metrics.CALLBACKS.labels(host, "badsig").inc()
        log.info("callback refused", host=host, corp=corp.id, reason=error.reason)
        return REFUSED
    with corp_scope(corp.id), metrics.CALLBACK_SECONDS.labels(host).time():
        return _answer(_take(corp, connector, callback))


def _corp(host: str, corp_id: str) -> Corp | None:
    try:
        hosts.connector_class(host)
    except KeyError:
        return None
    corp = corp_at_host(host, corp_id)
    return corp if corp is not None and corp.enabled else None


def _read_request(kind: str) -> CallbackRequest:
    if (request.content_length or 0) > MAX_BODY:
        raise BadCallback("too large")
    body = request.stream.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise BadCallback("too large")
    return CallbackRequest(
        kind=kind,
        method=request.method,
        query=request.args.to_dict(flat=False),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )


def _answer(reply: CallbackReply) -> Response:
    return Response(reply.body, reply.status, content_type=reply.content_type)


def _take(corp: Corp, connector: Connector, callback: Callback) -> CallbackReply:
    """Act on a verified callback once; a replay gets the normal answer and has no effect."""
    fresh = request.method == "GET" or _first_sight(corp, f"c:{callback.digest}")
    metrics.CALLBACKS.labels(corp.host, "ok" if fresh else "replay").inc()
    reply = callback.reply
    for event in callback.events:
        if event.kind == "card.pressed":
            reply = _press(connector, callback, event, fresh=fresh and _first_sight(corp, f"e:{event.id}")) or reply
        elif fresh and _first_sight(corp, f"e:{event.id}"):
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
    done = press(event.card, event.userids[0], event.action, fold=connector.userid_case == "fold")
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


def _take_hint(corp: Corp, connector: Connector, event: HostEvent) -> None:
    """Callbacks are hints: access goes at once, everything else is asked of the host again."""
    if event.kind not in ("member.left", "member.changed"):
        return
    for userid in event.userids:
        member = member_by_userid(userid, fold=connector.userid_case == "fold")
        if member is None:
            continue
        if event.kind == "member.left":
            org.shut_out(member, LEFT)
            metrics.SESSIONS_REVOKED.labels("left").inc()
        outbox.enqueue("member.check", {"userid": member.userid}, key=f"hint:{event.id}:{member.id}")


def forget_callbacks(before: Any) -> int:
    """Drop remembered digests older than `before`; returns how many."""
    done = db.session.execute(
        sa.delete(SeenCallback).where(SeenCallback.seen_at < before).execution_options(synchronize_session=False)
    )
    return done.rowcount or 0  # type: ignore[attr-defined]
