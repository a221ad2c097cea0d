"""Pools, who owned what and until when, and how much somebody has taken today."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.crm.customers.models import LEVELS
from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

CUSTOMERS, LEADS = "customer", "lead"
POOL_KINDS = (CUSTOMERS, LEADS)
# Fields of a customer that a pool may hide until it is claimed; phones are masked, the others left out.
HIDEABLE = ("phones", "address", "website", "note", "source", "industry", "tags")
HIDDEN_AT_FIRST = ["phones", "address", "website", "note"]
# What a pool may say otherwise than the corp's rules of the same name ("pool.daily_claims", …).
OWN_RULES = ("daily_claims", "holding", "cool_down", "entry_delay", "daily_views")
# What it may say otherwise than "recycle.no_follow", … of the customers that would fall into it; under "recycle".
OWN_RECYCLING = (
    "no_follow",
    *(f"no_follow_{level}" for level in LEVELS),
    "no_visit",
    "no_deal",
    "deal_grace",
    "new_days",
    "joined",
)

# How an ownership ended.
RELEASED, RECYCLED, ASSIGNED = "released", "recycled", "assigned"
DEAL, LEAVER, TRANSFER = "deal", "leaver", "transfer"
SORTING, TELLING = "sorting", "telling"  # states of a day's recycling, before DONE
OPEN, GRANTED, REFUSED, OVER = "open", "granted", "refused", "over"  # of a request to one's manager
KEEP, RELEASE = "keep", "release"  # what is asked for
RUNNING, DONE, UNDOING, UNDONE = "running", "done", "undoing", "undone"


class Pool(CorpScoped, Base):
    """A public pool (公海). Without `departments`, `people` and `roles` (their keys) it is for everybody; departments
    count with all below.

    `rules` holds what differs from the corp's rules, by the names of `OWN_RULES`, `level_holding` by level, `recycle`
    by the names of `OWN_RECYCLING`, and `draw` where people sign up for a draw instead of claiming. `ruled_at`: when it
    last changed what is recycled into it, or by which rules.
    With `is_default`, what its departments' people release goes here unless they say otherwise.
    """

    __tablename__ = "pool"

    name: Mapped[str] = mapped_column(sa.String(60))
    kind: Mapped[str] = mapped_column(sa.String(10), default="customer")
    departments: Mapped[list[str]] = mapped_column(Json, default=list)
    people: Mapped[list[str]] = mapped_column(Json, default=list)
    roles: Mapped[list[str]] = mapped_column(Json, default=list)
    managers: Mapped[list[str]] = mapped_column(Json, default=list)
    hidden: Mapped[list[str]] = mapped_column(Json, default=list)
    rules: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    position: Mapped[int] = mapped_column(default=0)
    is_default: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    ruled_at: Mapped[datetime | None] = mapped_column(Moment)


class Ownership(CorpScoped, Base):
    """Somebody's time as the owner of a customer. `until` is empty while it lasts; `pool_id` is where it came from.

    What began otherwise than by a claim or an assignment is written when it ends. `kept` says what the way into a pool
    ended, for whoever takes the customer out again: {"tasks": [id], "coworkers": [[member, may edit, since]]}.
    """

    __tablename__ = "ownership"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("owner_id", "member", ondelete="CASCADE"),
        sa.Index("ix_ownership_customer", "corp_id", "customer_id", "until"),
        sa.Index("ix_ownership_owner", "corp_id", "owner_id", "until"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    owner_id: Mapped[str] = mapped_column(sa.String(40))
    since: Mapped[datetime] = mapped_column(Moment)
    until: Mapped[datetime | None] = mapped_column(Moment)
    pool_id: Mapped[str | None] = mapped_column(sa.String(40))
    ending: Mapped[str] = mapped_column(sa.String(12), default="")
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    kept: Mapped[dict[str, Any] | None] = mapped_column(Json)


class PoolDay(CorpScoped, Base):
    """What somebody took from pools on one day of the corp's calendar; `id` is "<member>:<day>".

    Whoever claims changes this row first, so one person's claims wait for each other and no cap is passed.
    """

    __tablename__ = "pool_day"
    __table_args__ = (corp_key("member_id", "member", ondelete="CASCADE"),)

    member_id: Mapped[str] = mapped_column(sa.String(40))
    day: Mapped[date] = mapped_column(sa.Date)
    claims: Mapped[int] = mapped_column(default=0)
    views: Mapped[int] = mapped_column(default=0)


class PoolView(CorpScoped, Base):
    """Somebody looked at the details of a pool's customer on a day: to look again costs nothing."""

    __tablename__ = "pool_view"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "member_id", "day", "customer_id"),
        sa.Index("ix_pool_view_day", "corp_id", "day"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    customer_id: Mapped[str] = mapped_column(sa.String(40))
    day: Mapped[date] = mapped_column(sa.Date)


class Draw(CorpScoped, Base):
    """A draw (抽签) for a customer of a pool that draws: from the first who signs up until `ends_at`."""

    __tablename__ = "draw"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "customer_id", "is_open"),  # NULL once it is over
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    pool_id: Mapped[str] = mapped_column(sa.String(40))
    winner_id: Mapped[str | None] = mapped_column(sa.String(40))
    is_open: Mapped[bool | None] = mapped_column(default=True)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)


class DrawEntry(CorpScoped, Base):
    """Somebody signed up for a draw."""

    __tablename__ = "draw_entry"
    __table_args__ = (
        corp_key("draw_id", "draw", ondelete="CASCADE"),
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "draw_id", "member_id"),
    )

    draw_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(Moment)


class Handover(CorpScoped, Base):
    """Many customers that change their owner in the background (批量分配、离职交接、批量转移), and how far it got.

    `plan` lists [customer, new owner]; `done` of `total` were tried. `with_tasks`: open tasks go along; `stays`: the
    former owner becomes a reading co-worker. `moved` lists what it takes to put each back: [customer or None, owner
    before, pool before, new owner, tasks along with it, whether the former owner stayed]; which is possible until
    `undo_until`.
    `credits` says who is next in turn, so that the next deal goes on there.
    """

    __tablename__ = "handover"
    __table_args__ = (
        corp_key("actor_id", "member", ondelete="CASCADE"),
        sa.Index("ix_handover_recent", "corp_id", "actor_id", "created_at"),
    )

    actor_id: Mapped[str] = mapped_column(sa.String(40))
    cause: Mapped[str] = mapped_column(sa.String(12))  # DEAL, LEAVER, TRANSFER
    leaver_id: Mapped[str | None] = mapped_column(sa.String(40))
    with_tasks: Mapped[bool] = mapped_column(default=True)
    stays: Mapped[bool] = mapped_column(default=False)
    plan: Mapped[list[Any]] = mapped_column(Json, default=list)
    moved: Mapped[list[Any]] = mapped_column(Json, default=list)
    credits: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(sa.String(10), default=RUNNING)
    created_at: Mapped[datetime] = mapped_column(Moment)
    undo_until: Mapped[datetime | None] = mapped_column(Moment)


class Silence(CorpScoped, Base):
    """That an owner was told of a customer whom nobody follows up (长期未跟进); `id` is the customer's.

    `until` is the end of the last day that counted as contact then: the same silence is told of once.
    """

    __tablename__ = "silence"
    __table_args__ = (
        corp_key("id", "customer", ondelete="CASCADE"),
        corp_key("owner_id", "member", ondelete="CASCADE"),
    )

    owner_id: Mapped[str] = mapped_column(sa.String(40))
    until: Mapped[datetime] = mapped_column(Moment)
    told_on: Mapped[date] = mapped_column(sa.Date)


class OwnerClock(CorpScoped, Base):
    """What holds for a customer's clock (回收倒计时) besides its dates; `id` is the customer's.

    It speaks of one ownership alone, that of `owner_id` since `since`: of any other it says nothing. `warned_for` is
    the day of which the owner was warned, `warned_days` how many days before at the latest, `told` whether that message
    is written. `kept_until`: an extension that was granted.
    """

    __tablename__ = "owner_clock"
    __table_args__ = (
        corp_key("id", "customer", ondelete="CASCADE"),
        corp_key("owner_id", "member", ondelete="CASCADE"),
        sa.Index("ix_owner_clock_untold", "corp_id", "told", "owner_id"),
        sa.Index("ix_owner_clock_owner", "corp_id", "owner_id"),
    )

    owner_id: Mapped[str] = mapped_column(sa.String(40))
    since: Mapped[datetime] = mapped_column(Moment)
    locked_at: Mapped[datetime | None] = mapped_column(Moment)
    kept_until: Mapped[date | None] = mapped_column(sa.Date)
    warned_for: Mapped[date | None] = mapped_column(sa.Date)
    warned_days: Mapped[int | None]
    warned_on: Mapped[date | None] = mapped_column(sa.Date)
    told: Mapped[bool] = mapped_column(default=False)


class RecycleRun(CorpScoped, Base):
    """A day's recycling; `id` is the day. `after` is the customer (or owner) where it has got to, and goes on."""

    __tablename__ = "recycle_run"

    day: Mapped[date] = mapped_column(sa.Date)
    state: Mapped[str] = mapped_column(sa.String(10))  # SORTING, TELLING, DONE
    after: Mapped[str] = mapped_column(sa.String(40), default="")
    passes: Mapped[int] = mapped_column(default=1)  # how often it was begun on this day
    moved: Mapped[int] = mapped_column(default=0)
    warned: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class OwnerRequest(CorpScoped, Base):
    """An owner asks their manager to keep a customer for longer (申请延期), or to give it back (申请退回).

    `leaves_on` is the day on which one to KEEP would have left. One to RELEASE says why and into which pool (None: the
    default one). `manager_id` is who was asked. open, granted (then `kept_until`), refused; over: nothing was left to
    decide.
    """

    __tablename__ = "owner_request"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("owner_id", "member", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "customer_id", "is_open"),  # NULL once it is settled
        sa.Index("ix_owner_request_owner", "corp_id", "owner_id", "created_at"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    owner_id: Mapped[str] = mapped_column(sa.String(40))
    manager_id: Mapped[str | None] = mapped_column(sa.String(40))
    decider_id: Mapped[str | None] = mapped_column(sa.String(40))
    wish: Mapped[str] = mapped_column(sa.String(10), default="keep")
    leaves_on: Mapped[date | None] = mapped_column(sa.Date)
    pool_id: Mapped[str | None] = mapped_column(sa.String(40))
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    kept_until: Mapped[date | None] = mapped_column(sa.Date)
    state: Mapped[str] = mapped_column(sa.String(10), default="open")
    is_open: Mapped[bool | None] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
