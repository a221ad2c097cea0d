"""What a corp's own fields are, and the narrow table by which records are found through them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

OBJECTS = ("customer", "contact", "follow_up", "visit", "task")
WHOLE = ("customer",)  # objects of which every record has a row for each indexed field, blank ones too
MAX_FIELDS, MAX_OPTIONS, MAX_INDEXED = 100, 200, 10  # of an object; of a field; of an object
LONGEST_KEY = 160  # characters of a value by which records are found and ordered
BLANK, FIRST = "\x01", "\x02"  # what the keys of records without a value begin with; before the first of any value
# Compared code point by code point in both databases, so that a beginning is a range of the index.
SORTED = sa.String(LONGEST_KEY).with_variant(sa.String(LONGEST_KEY, collation="C"), "postgresql")


class CustomField(CorpScoped, Base):
    """A field that the corp added to an object (自定义字段). Deleted, it hides for 30 days (`hidden_at`)."""

    __tablename__ = "custom_field"
    __table_args__ = (sa.UniqueConstraint("corp_id", "object", "key"),)

    object: Mapped[str] = mapped_column(sa.String(20))
    key: Mapped[str] = mapped_column(sa.String(40))
    label: Mapped[str] = mapped_column(sa.String(60))
    type: Mapped[str] = mapped_column(sa.String(20))
    options: Mapped[list[str]] = mapped_column(Json, default=list)
    settings: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)  # see `Field`
    required: Mapped[bool] = mapped_column(default=False)
    unique: Mapped[bool] = mapped_column(default=False)
    indexed: Mapped[bool] = mapped_column(default=False)
    indexing: Mapped[bool] = mapped_column(default=False)  # older records are still being written into the index
    blanks: Mapped[bool] = mapped_column(default=False)  # the index has a row of every record by now
    position: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    counter: Mapped[int] = mapped_column(default=0)  # of a serial number: the last one given
    hidden_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class CustomValue(CorpScoped, Base):
    """A record's value of a field that is filtered, sorted or unique. The value itself stands in the record.

    `sort_key` is text that compares as the values do (see `types.Kind.keys`); a record has one row for each of several
    choices, and of the objects in `WHOLE` a blank one where it has no value: so lists find what is not filled in, and
    read an order off the index. `unique_key` is set for unique fields alone: two records with one value are refused by
    the database.
    """

    __tablename__ = "custom_value"
    __table_args__ = (
        corp_key("field_id", "custom_field", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "field_id", "unique_key"),
        sa.Index("ix_custom_value_found", "corp_id", "field_id", "sort_key", "record_id"),
        # With the key, or SQLite, which prefers an index that holds all it asks for, takes the other one for a sort.
        sa.Index("ix_custom_value_record", "corp_id", "record_id", "field_id", "sort_key"),
    )

    field_id: Mapped[str] = mapped_column(sa.String(40))
    record_id: Mapped[str] = mapped_column(sa.String(40))
    sort_key: Mapped[str] = mapped_column(SORTED)
    unique_key: Mapped[str | None] = mapped_column(sa.String(64))


@dataclass(frozen=True)
class Field:
    """A field as it holds now: plain values, kept per process (`definitions.fields_of`).

    `settings` may hold: `hint`; `kinds` (only for customers of these kinds); `default` ({"value": …}, {"from": "user" |
    "department" | "today" | "parent"}); `min`, `max`, `decimals`, `currency`; `length`; `prefix` and `digits` (serial
    numbers); `formula`; `object` (relation); `columns` (sub-table: key, label, type, options, required); `show_if`,
    `require_if`, `readonly_if` (see `conditions`).
    """

    id: str
    object: str
    key: str
    label: str
    type: str
    options: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    required: bool = False
    unique: bool = False
    indexed: bool = False
    indexing: bool = False
    blanks: bool = False

    @property
    def blank(self) -> str:
        """The key of records without a value: before all others, and each field's own, for what PostgreSQL knows of how
        often a key comes, it knows of all fields together."""
        return f"{BLANK}{self.id}"

    @property
    def name(self) -> str:
        """What errors, forms and roles call it."""
        return f"custom.{self.key}"

    def number(self, name: str, default: float) -> float:
        """Return a setting that is a number."""
        value = self.settings.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else default
