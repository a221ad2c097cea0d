"""The index: one entry for each record that can be found, and how Chinese characters sound; saved views of lists."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

CUSTOMER, CONTACT, FOLLOW_UP, TASK = "c", "k", "f", "t"  # what an entry is about

# On SQLite the grams stand in a full-text table by the entry's number: contentless, it knows nothing but grams.
FULL_TEXT = sa.table("fts_search", sa.column("rowid"), sa.column("grams"), sa.column("fts_search"))


class SearchEntry(CorpScoped, Base):
    """What can be searched of a record, whose id it bears. `sounds` is None until the worker has spelt the names."""

    __tablename__ = "search_entry"
    __table_args__ = (sa.Index("ix_search_entry_number", "number", unique=True),)

    kind: Mapped[str] = mapped_column(sa.String(1))
    words: Mapped[str] = mapped_column(sa.Text)  # squeezed, one line for each name
    phones: Mapped[str] = mapped_column(sa.Text, default="")  # digits, one line for each number
    sounds: Mapped[str | None] = mapped_column(sa.Text)  # folded pinyin and initials, one line for each reading
    number: Mapped[int | None] = mapped_column(sa.BigInteger)  # in the full-text table of SQLite
    grams: Mapped[list[str] | None] = mapped_column(postgresql.ARRAY(sa.Text()).with_variant(sa.Text(), "sqlite"))


class SearchReading(Base):
    """How a Chinese character sounds: its readings in folded pinyin, the commonest first, divided by spaces.

    Facts of the language, the same for every corp. Kept here so that no web process loads the dictionary.
    """

    __tablename__ = "search_reading"

    char: Mapped[str] = mapped_column(sa.String(1), primary_key=True)
    sounds: Mapped[str] = mapped_column(sa.String(60))


class SavedView(CorpScoped, Base):
    """A saved view (视图) of the customer list: a name for an address's query values. Shared ones everybody has."""

    __tablename__ = "saved_view"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.Index("ix_saved_view_member", "corp_id", "member_id", "created_at"),
        sa.Index("ix_saved_view_shared", "corp_id", "shared", "created_at"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[str] = mapped_column(sa.String(30))
    query: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    shared: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)


class DefaultView(CorpScoped, Base):
    """The view with which somebody's list opens. `id` is the member's: one for each."""

    __tablename__ = "default_view"
    __table_args__ = (
        corp_key("id", "member", ondelete="CASCADE"),
        corp_key("view_id", "saved_view", ondelete="CASCADE"),
    )

    view_id: Mapped[str] = mapped_column(sa.String(40))
