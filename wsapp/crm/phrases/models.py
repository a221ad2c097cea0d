"""The phrase table."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, corp_key


class Phrase(CorpScoped, Base):
    """A quick phrase of somebody's (常用语), with how often they used it.

    `is_own`: they wrote it; else it is one of the corp's (`log.phrases`), kept here for its count alone. `position` is
    where they put it; None: it stands behind those, the most used first.
    """

    __tablename__ = "phrase"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "member_id", "text"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    text: Mapped[str] = mapped_column(sa.String(100))
    is_own: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int | None]
    used: Mapped[int] = mapped_column(default=0)
