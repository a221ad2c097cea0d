"""The mention table."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, corp_key


class Mention(CorpScoped, Base):
    """That somebody is named (@) in a follow-up, a visit or a comment: in one of them. It goes with that record."""

    __tablename__ = "mention"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        corp_key("follow_up_id", "follow_up", ondelete="CASCADE"),
        corp_key("visit_id", "visit", ondelete="CASCADE"),
        corp_key("comment_id", "comment", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "follow_up_id", "member_id"),
        sa.UniqueConstraint("corp_id", "visit_id", "member_id"),
        sa.UniqueConstraint("corp_id", "comment_id", "member_id"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    follow_up_id: Mapped[str | None] = mapped_column(sa.String(40))
    visit_id: Mapped[str | None] = mapped_column(sa.String(40))
    comment_id: Mapped[str | None] = mapped_column(sa.String(40))
