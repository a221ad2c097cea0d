"""Comments and likes."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Moment, corp_key


class Comment(CorpScoped, Base):
    """What somebody says about a follow-up or a visit (评论), one of the two. It goes with that record.

    `told`: those whom it concerns have heard of it.
    """

    __tablename__ = "comment"
    __table_args__ = (
        corp_key("follow_up_id", "follow_up", ondelete="CASCADE"),
        corp_key("visit_id", "visit", ondelete="CASCADE"),
        corp_key("author_id", "member"),
        sa.Index("ix_comment_follow_up", "corp_id", "follow_up_id", "id"),
        sa.Index("ix_comment_visit", "corp_id", "visit_id", "id"),
    )

    follow_up_id: Mapped[str | None] = mapped_column(sa.String(40))
    visit_id: Mapped[str | None] = mapped_column(sa.String(40))
    author_id: Mapped[str] = mapped_column(sa.String(40))
    text: Mapped[str] = mapped_column(sa.String(500))
    told: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)
    edited_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def record_id(self) -> str:
        found = self.follow_up_id or self.visit_id
        assert found is not None
        return found


class LogLike(CorpScoped, Base):
    """That somebody likes a follow-up or a visit (点赞), one of the two."""

    __tablename__ = "log_like"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        corp_key("follow_up_id", "follow_up", ondelete="CASCADE"),
        corp_key("visit_id", "visit", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "follow_up_id", "member_id"),
        sa.UniqueConstraint("corp_id", "visit_id", "member_id"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    follow_up_id: Mapped[str | None] = mapped_column(sa.String(40))
    visit_id: Mapped[str | None] = mapped_column(sa.String(40))
