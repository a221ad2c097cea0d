"""The delivery ledger: one row for each message to one person, and everything that happened to it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

PLANNED = "planned"  # waits for its time
SUPPRESSED = "suppressed"  # will not be sent; `reason` says why
SENDING = "sending"  # a worker is at it, or the last try ended without an answer
ACCEPTED = "accepted"  # the host said yes
DELIVERED = "delivered"
DROPPED = "dropped"  # the host said yes and did not deliver
FAILED = "failed"
READ = "read"
ACTED = "acted"  # a button was pressed
STATES = (PLANNED, SUPPRESSED, SENDING, ACCEPTED, DELIVERED, DROPPED, FAILED, READ, ACTED)
RANK = {state: rank for rank, state in enumerate((PLANNED, SENDING, ACCEPTED, DELIVERED, READ, ACTED))}

QUIET, DIGEST = "quiet", "digest"

OF_THE_CORP = "corp"  # as a preference's id: what holds for everybody who chose nothing


class Notification(CorpScoped, Base):
    """A message to one person. `message` is the neutral card (see `messages.py`); `payload` the host's bytes, frozen
    before the first try and never changed, because the hosts recognise a repeat by its bytes."""

    __tablename__ = "notification"
    __table_args__ = (
        corp_key("recipient_id", "member"),
        sa.UniqueConstraint("corp_id", "key"),
        sa.UniqueConstraint("corp_id", "card"),
        sa.Index("ix_notification_recipient", "corp_id", "recipient_id", "due_at", "id"),
        sa.Index("ix_notification_subject", "corp_id", "subject_id", "state"),
        sa.Index("ix_notification_recent", "corp_id", "due_at", "id"),
        sa.Index("ix_notification_tried", "corp_id", "tried_at", "recipient_id"),
        sa.Index("ix_notification_pace", "corp_id", "recipient_id", "tried_at"),
    )

    kind: Mapped[str] = mapped_column(sa.String(30))
    key: Mapped[str] = mapped_column(sa.String(120))  # makes each occurrence one message
    recipient_id: Mapped[str] = mapped_column(sa.String(40))
    subject_id: Mapped[str | None] = mapped_column(sa.String(40))
    task_ids: Mapped[list[str]] = mapped_column(Json, default=list)  # what a bundle speaks of
    card: Mapped[str] = mapped_column(sa.String(64))
    message: Mapped[dict[str, Any]] = mapped_column(Json)
    channel: Mapped[str] = mapped_column(sa.String(30), default="")
    payload: Mapped[str | None] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(12), default=PLANNED)
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    attempts: Mapped[int] = mapped_column(default=0)
    unknown: Mapped[bool] = mapped_column(default=False)  # a try ended without an answer
    host_code: Mapped[str] = mapped_column(sa.String(60), default="")
    host_id: Mapped[str] = mapped_column(sa.String(200), default="")
    handle: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    shown: Mapped[str] = mapped_column(sa.String(200), default="")  # the state text that the card shows by now
    chosen: Mapped[bool] = mapped_column(default=False)  # a person chose the minute: no quiet hours, no digest
    held: Mapped[str] = mapped_column(sa.String(10), default="")  # why it waits until `due_at`: QUIET, DIGEST
    merged_into: Mapped[str | None] = mapped_column(sa.String(40))  # the one message that speaks of this one, too
    due_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    tried_at: Mapped[datetime | None] = mapped_column(Moment)  # the last try; the hosts' rates are counted by it
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)
    recalled_at: Mapped[datetime | None] = mapped_column(Moment)  # taken out of the chat again

    def advance(self, state: str) -> None:
        """Move forward along planned → … → acted, never back (a late "delivered" does not undo a press)."""
        if RANK.get(state, -1) > RANK.get(self.state, -1):
            self.state = state


class Preference(CorpScoped, Base):
    """What a member wants to hear and when; the row `OF_THE_CORP` is the administrators' word. See `preferences`."""

    __tablename__ = "preference"
    __table_args__ = (corp_key("member_id", "member", ondelete="CASCADE"),)

    member_id: Mapped[str | None] = mapped_column(sa.String(40))  # the id itself, None in the corp's row
    channels: Mapped[dict[str, bool]] = mapped_column(Json, default=dict)  # choice key → on, where it differs
    quiet_hours: Mapped[str | None] = mapped_column(sa.String(11))  # "21:00-08:00"; "" none; None as above
    quiet_days: Mapped[bool | None]  # whether free days are as quiet; None as above
    digest_after: Mapped[int | None]  # messages a day; 0 never; None as above
    updated_at: Mapped[datetime] = mapped_column(Moment)
