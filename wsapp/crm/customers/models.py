"""Customers and their phone numbers."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

KINDS = ("company", "person")
LEVELS = ("A", "B", "C", "D")
STAGES = ("new", "contacted", "intent", "dealt", "lost")
LEADS = ("new", "working", "valid", "invalid", "converted")
GENDERS = ("", "male", "female")
CONTACT_ROLES = ("", "decides", "influences", "uses", "blocks")


class Customer(CorpScoped, Base):
    """A customer (客户): a company or person that we sell to. `version` counts edits, for the optimistic lock."""

    __tablename__ = "customer"
    __table_args__ = (
        corp_key("owner_id", "member"),
        corp_key("creator_id", "member"),
        corp_key("parent_id", "customer"),
        sa.Index("ix_customer_recent", "corp_id", "updated_at", "id"),
        sa.Index("ix_customer_created", "corp_id", "created_at", "id"),
        sa.Index("ix_customer_by_name", "corp_id", "name", "id"),
        sa.Index("ix_customer_owner_recent", "corp_id", "owner_id", "updated_at", "id"),
        sa.Index("ix_customer_owner_next", "corp_id", "owner_id", "next_follow_at", "id"),
        sa.Index("ix_customer_stage", "corp_id", "stage", "owner_id", "deleted_at"),  # enough to count from
        sa.Index("ix_customer_name", "corp_id", "name_key"),
        sa.Index("ix_customer_pool", "corp_id", "pool_id", "pooled_at", "id"),
        sa.Index("ix_customer_lead", "corp_id", "lead", "updated_at", "id"),
        sa.Index("ix_customer_parent", "corp_id", "parent_id"),
        sa.Index("ix_customer_keyed", "corp_id", "keyed"),
        sa.Index("ix_customer_place", "corp_id", "lat", "lng"),
    )

    name: Mapped[str] = mapped_column(sa.String(120))
    name_key: Mapped[str] = mapped_column(sa.String(120))  # normalised, for duplicates
    short_name: Mapped[str] = mapped_column(sa.String(60), default="")
    kind: Mapped[str] = mapped_column(sa.String(10), default="company")
    level: Mapped[str | None] = mapped_column(sa.String(1))
    stage: Mapped[str] = mapped_column(sa.String(12), default="new")
    source: Mapped[str] = mapped_column(sa.String(60), default="")
    industry: Mapped[str] = mapped_column(sa.String(60), default="")
    size: Mapped[str] = mapped_column(sa.String(30), default="")
    province: Mapped[str] = mapped_column(sa.String(30), default="")
    city: Mapped[str] = mapped_column(sa.String(30), default="")
    district: Mapped[str] = mapped_column(sa.String(30), default="")
    address: Mapped[str] = mapped_column(sa.String(300), default="")
    lat: Mapped[float | None]  # GCJ-02, as maps in China draw it
    lng: Mapped[float | None]
    place_accuracy: Mapped[float | None]  # metres
    place_source: Mapped[str] = mapped_column(sa.String(10), default="")  # "visit", "manual"
    website: Mapped[str] = mapped_column(sa.String(200), default="")
    credit_code: Mapped[str] = mapped_column(sa.String(18), default="")  # unified social credit code
    keyed: Mapped[int] = mapped_column(default=0, server_default="0")  # by which rules its keys were made, see filing
    merged_into_id: Mapped[str | None] = mapped_column(sa.String(40))  # the winner; then `deleted_at` is set, too
    tags: Mapped[list[str]] = mapped_column(Json, default=list)
    note: Mapped[str] = mapped_column(sa.String(1000), default="")
    owner_id: Mapped[str | None] = mapped_column(sa.String(40))
    department_id: Mapped[str | None] = mapped_column(sa.String(40))  # the owner's, when they became owner
    owned_since: Mapped[datetime | None] = mapped_column(Moment)  # claimed or assigned; else since created_at
    pool_id: Mapped[str | None] = mapped_column(sa.String(40))
    pooled_at: Mapped[datetime | None] = mapped_column(Moment)  # when it entered its pool
    rests_until: Mapped[date | None] = mapped_column(sa.Date)  # kept out of its pool's sight before this day
    clock_at: Mapped[datetime | None] = mapped_column(Moment)  # last follow-up that counts, if not last_followed_at
    parent_id: Mapped[str | None] = mapped_column(sa.String(40))
    creator_id: Mapped[str | None] = mapped_column(sa.String(40))
    custom: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    last_followed_at: Mapped[datetime | None] = mapped_column(Moment)
    next_follow_at: Mapped[datetime | None] = mapped_column(Moment)
    last_visited_at: Mapped[datetime | None] = mapped_column(Moment)
    last_deal_at: Mapped[datetime | None] = mapped_column(Moment)
    stage_since: Mapped[datetime | None] = mapped_column(Moment)  # None: since it was created
    lead: Mapped[str] = mapped_column(sa.String(10), default="")  # one of LEADS; "": never was a lead
    invalid_reason: Mapped[str] = mapped_column(sa.String(20), default="")
    respond_by: Mapped[datetime | None] = mapped_column(Moment)  # a lead's first response is due
    responded_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)

    # Not "selectin": SQLite answers (corp_id, customer_id) IN ((?, ?)) by reading all numbers of the corp.
    phone_rows: Mapped[list["CustomerPhone"]] = relationship(
        order_by="CustomerPhone.position", cascade="all, delete-orphan", lazy="immediate"
    )

    @property
    def phones(self) -> list[str]:
        return [row.number for row in self.phone_rows]

    @property
    def place(self) -> tuple[float, float] | None:
        return (self.lat, self.lng) if self.lat is not None and self.lng is not None else None


class CustomerPhone(CorpScoped, Base):
    """A phone number in normal form. Unique in the corp: that is what refuses the second of two simultaneous saves.

    `twin` is the row's own id where the corp's rule let a second customer have the number.
    """

    __tablename__ = "customer_phone"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "number", "twin"),
        sa.Index("ix_customer_phone_customer", "corp_id", "customer_id", "position"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    number: Mapped[str] = mapped_column(sa.String(24))
    twin: Mapped[str] = mapped_column(sa.String(40), default="", server_default="")
    position: Mapped[int] = mapped_column(default=0)


class PhoneReveal(CorpScoped, Base):
    """How many telephone numbers somebody had shown in full on a day of the corp's clock; `id` is "<member>:<day>"."""

    __tablename__ = "phone_reveal"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.Index("ix_phone_reveal_member", "corp_id", "member_id", "day"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    day: Mapped[date]
    count: Mapped[int] = mapped_column(default=0)


class Coworker(CorpScoped, Base):
    """A co-worker of a customer (协作人): somebody besides the owner who sees it, and edits it where `may_edit`."""

    __tablename__ = "coworker"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "customer_id", "member_id"),
        sa.Index("ix_coworker_member", "corp_id", "member_id", "customer_id"),
        sa.Index("ix_coworker_until", "corp_id", "until"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))
    may_edit: Mapped[bool] = mapped_column(default=False)
    since: Mapped[datetime] = mapped_column(Moment)
    until: Mapped[date | None] = mapped_column(sa.Date)  # the last day; None: for good


class Contact(CorpScoped, Base):
    """A contact (联系人): a person at a customer. It goes with its customer, and is seen by whoever sees that."""

    __tablename__ = "contact"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("creator_id", "member"),
        sa.Index("ix_contact_customer", "corp_id", "customer_id"),
        sa.Index("ix_contact_recent", "corp_id", "updated_at", "id"),
        sa.Index("ix_contact_birth_day", "corp_id", "birth_day"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[str] = mapped_column(sa.String(60))
    gender: Mapped[str] = mapped_column(sa.String(6), default="")
    title: Mapped[str] = mapped_column(sa.String(60), default="")
    role: Mapped[str] = mapped_column(sa.String(12), default="")  # in decisions
    phones: Mapped[list[str]] = mapped_column(Json, default=list)
    wechat: Mapped[str] = mapped_column(sa.String(60), default="")
    mail: Mapped[str] = mapped_column(sa.String(120), default="")
    birth_day: Mapped[str] = mapped_column(sa.String(5), default="")  # "MM-DD"
    birth_year: Mapped[int | None]
    is_primary: Mapped[bool] = mapped_column(default=False)
    tags: Mapped[list[str]] = mapped_column(Json, default=list)
    note: Mapped[str] = mapped_column(sa.String(500), default="")
    external_userid: Mapped[str] = mapped_column(sa.String(64), default="")
    custom: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    creator_id: Mapped[str | None] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)

    @property
    def birthday(self) -> str | None:
        """The day as people and REST write it: "1988-05-03", without its year "05-03"."""
        if not self.birth_day:
            return None
        return f"{self.birth_year}-{self.birth_day}" if self.birth_year else self.birth_day


class StageChange(CorpScoped, Base):
    """A customer went from one lifecycle stage to the next: `seconds` is how long it was in `before`."""

    __tablename__ = "stage_change"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        sa.Index("ix_stage_change_customer", "corp_id", "customer_id", "at"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    before: Mapped[str] = mapped_column(sa.String(12))
    after: Mapped[str] = mapped_column(sa.String(12))
    seconds: Mapped[int] = mapped_column(sa.BigInteger)
    actor_id: Mapped[str | None] = mapped_column(sa.String(40))
    at: Mapped[datetime] = mapped_column(Moment)


class Tag(CorpScoped, Base):
    """A tag of the corp's list (标签). Records hold tags by name."""

    __tablename__ = "tag"
    __table_args__ = (sa.UniqueConstraint("corp_id", "name"),)

    name: Mapped[str] = mapped_column(sa.String(20))
    colour: Mapped[str] = mapped_column(sa.String(10), default="grey")
    created_at: Mapped[datetime] = mapped_column(Moment)


class CustomerKey(CorpScoped, Base):
    """Something by which a customer is known again (查重键), in normal form and with its kind before it, see `filing`.

    `guard` repeats the value where no second customer may have it: that refuses the second of two simultaneous saves.
    """

    __tablename__ = "customer_key"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "guard"),
        sa.Index("ix_customer_key_value", "corp_id", "value", "customer_id"),
        sa.Index("ix_customer_key_customer", "corp_id", "customer_id"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    value: Mapped[str] = mapped_column(sa.String(200))
    guard: Mapped[str | None] = mapped_column(sa.String(200))


class BinnedKey(CorpScoped, Base):
    """Something by which a customer in the recycle bin is known again, see `binned`; `facts` is what may be told."""

    __tablename__ = "binned_key"
    __table_args__ = (
        sa.Index("ix_binned_key_value", "corp_id", "value"),
        sa.Index("ix_binned_key_record", "corp_id", "record_id"),
    )

    record_id: Mapped[str] = mapped_column(sa.String(40))
    value: Mapped[str] = mapped_column(sa.String(200))
    facts: Mapped[dict[str, Any]] = mapped_column(Json)


class DuplicateAsk(CorpScoped, Base):
    """When somebody was last told of customers that they may not see; `id` is the member's.

    `told` maps the digest of what they asked for to when (RFC 3339), for an hour.
    """

    __tablename__ = "duplicate_ask"
    __table_args__ = (corp_key("id", "member", ondelete="CASCADE"),)

    told: Mapped[dict[str, str]] = mapped_column(Json, default=dict)


class CustomerMerge(CorpScoped, Base):
    """One customer was merged into another (合并): the loser's id is an alias of the winner's.

    While `until` lasts it can be undone; `kept` is what that needs, see `merge.py`. After that the loser is gone, and
    only the alias stays (`unmerge.forget_losers`): no foreign keys, for it outlives the one and waits for the other
    while that lies in the recycle bin.
    """

    __tablename__ = "customer_merge"
    __table_args__ = (
        corp_key("actor_id", "member"),
        sa.Index("ix_customer_merge_winner", "corp_id", "winner_id", "at"),
        sa.Index("ix_customer_merge_loser", "corp_id", "loser_id", "at"),
    )

    winner_id: Mapped[str] = mapped_column(sa.String(40))
    loser_id: Mapped[str] = mapped_column(sa.String(40))
    actor_id: Mapped[str | None] = mapped_column(sa.String(40))
    at: Mapped[datetime] = mapped_column(Moment)
    until: Mapped[datetime] = mapped_column(Moment)
    undone_at: Mapped[datetime | None] = mapped_column(Moment)
    kept: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
