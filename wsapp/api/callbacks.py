"""The hosts' encrypted callbacks: read and verified here, acted on by `wsapp.inbox`, acknowledged at once."""

from typing import Any

from flask import Blueprint, Response, request

from wsapp import hosts, inbox, logs, metrics
from wsapp.connectors.base import BadCallback, CallbackReply, CallbackRequest
from wsapp.connectors.checks import OWN_NONCE
from wsapp.crm.org.models import Corp
from wsapp.crm.org.queries import corp_at_host
from wsapp.db import corp_scope, db
from wsapp.doctor import heard

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
        _note(corp, kind, error.reason)
        return REFUSED
    _note(corp, kind)
    with corp_scope(corp.id), metrics.CALLBACK_SECONDS.labels(host).time():
        return _answer(inbox.take(corp, connector, callback, once=request.method != "GET"))


def _note(corp: Corp, kind: str, reason: str = "") -> None:
    """Tell the doctor who knocked; our own tests of the address do not count."""
    if not request.args.get("nonce", "").startswith(OWN_NONCE):
        corp_id = corp.id
        db.session.rollback()  # it is written apart, and must not wait for a transaction of our own
        with corp_scope(corp_id):
            heard.note(kind, reason)


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
