"""Sentences that a language model is asked about, for as long as their form is open."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

WAITING, DONE, FAILED = "waiting", "done", "failed"


class DraftAsk(CorpScoped, Base):
    """That a model is asked about a sentence; `answer` are the cleaned fields of what it said (see `modelled`).

    `object` is what the form writes, "follow_up" or "visit"; `with_text` says whether its text may be replaced.
    """

    __tablename__ = "draft_ask"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        sa.Index("ix_draft_ask_created", "corp_id", "created_at"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    customer_id: Mapped[str] = mapped_column(sa.String(40))
    object: Mapped[str] = mapped_column(sa.String(10))
    with_text: Mapped[bool] = mapped_column(default=True)
    sentence: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(8), default=WAITING)
    answer: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment)
