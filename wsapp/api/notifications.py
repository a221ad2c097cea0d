"""/notifications: the delivery ledger, what became of each message and why."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, reads, resource
from wsapp.api.lists import Named, Select, listed, one, text_of
from wsapp.api.schemas_in import NotificationList, NotificationPath
from wsapp.api.schemas_out import Notification as NotificationRecord
from wsapp.api.schemas_out import NotificationPage
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.queries import SORTS, visible_notifications

bp = resource("notifications", "Notifications: the delivery ledger")

COLUMNS = (
    Notification.id,
    Notification.kind,
    Notification.subject_id,
    Notification.message,
    Notification.channel,
    Notification.state,
    Notification.reason,
    Notification.attempts,
    Notification.host_code,
    Notification.due_at,
    Notification.created_at,
    Notification.sent_at,
    Notification.settled_at,
)
PLAIN = ("id", "kind", "recipient", "channel", "state", "reason", "attempts", "host_code")
MOMENTS = ("due_at", "created_at", "sent_at", "settled_at")


def _select(recipient: Named) -> Select:
    statement = sa.select(*COLUMNS, recipient.userid).select_from(Notification)
    return recipient.join(statement).where(visible_notifications(g.member))


def _show(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {field: getattr(row, field) for field in PLAIN}
        | {field: text_of(getattr(row, field)) for field in MOMENTS}
        | {"subject": row.subject_id, "title": row.message.get("title", "")}
        for row in found
    ]


@bp.get("/notifications", responses={200: NotificationPage})
@reads
def index(query: NotificationList) -> Answer:
    """List the messages to the user and, for leaders and administrators, to their people; latest due first."""
    recipient = Named(Notification.recipient_id, "recipient")
    statement = _select(recipient)
    if query.recipient:
        statement = statement.where(recipient.is_called(query.recipient))
    if query.state:
        statement = statement.where(Notification.state == query.state)
    if query.kind:
        statement = statement.where(Notification.kind == query.kind)
    if query.q.strip():
        statement = statement.where(Notification.reason.contains(query.q.strip(), autoescape=True))
    return listed(statement, query, sorts=SORTS, default="-due_at", id_column=Notification.id, show=_show)


@bp.get("/notifications/<notification_id>", responses={200: NotificationRecord})
@reads
def show(path: NotificationPath) -> Answer:
    """Return a message."""
    recipient = Named(Notification.recipient_id, "recipient")
    return Answer(one(_select(recipient).where(Notification.id == path.notification_id), show=_show))
