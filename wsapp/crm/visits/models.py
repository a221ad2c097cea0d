"""Visits, what is planned of them, and whether somebody lets their position be used."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key

IN, DONE = "in", "done"
PLANNED, ON_WAY, CANCELLED, MISSED = "planned", "on_way", "cancelled", "missed"
STATES = (PLANNED, ON_WAY, IN, DONE, CANCELLED, MISSED)
AHEAD = (PLANNED, ON_WAY)  # of plans: nobody is there yet


class Visit(CorpScoped, Base):
    """A visit (拜访): who was with which customer, when and where, and how far that can be trusted.

    Positions are GCJ-02. `distance` is metres to the customer's place, None when either is unknown.
    """

    __tablename__ = "visit"
    __table_args__ = (
        corp_key("customer_id", "customer"),
        corp_key("member_id", "member"),
        corp_key("plan_id", "visit_plan"),
        sa.Index("ix_visit_plan", "corp_id", "plan_id"),
        sa.Index("ix_visit_customer", "corp_id", "customer_id", "checked_in_at", "id"),
        sa.Index("ix_visit_member", "corp_id", "member_id", "checked_in_at", "id"),
        sa.Index("ix_visit_recent", "corp_id", "checked_in_at", "id"),
        sa.Index("ix_visit_open", "corp_id", "state", "checked_in_at"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))
    plan_id: Mapped[str | None] = mapped_column(sa.String(40))
    state: Mapped[str] = mapped_column(sa.String(10), default=IN)
    note: Mapped[str] = mapped_column(sa.Text, default="")
    result: Mapped[str] = mapped_column(sa.String(60), default="")
    checked_in_at: Mapped[datetime | None] = mapped_column(Moment)
    checked_out_at: Mapped[datetime | None] = mapped_column(Moment)
    closed_by_system: Mapped[bool] = mapped_column(default=False)  # forgot to check out
    lat: Mapped[float | None]
    lng: Mapped[float | None]
    accuracy: Mapped[float | None]  # metres
    fixed_at: Mapped[datetime | None] = mapped_column(Moment)  # when the device found the position
    place_name: Mapped[str] = mapped_column(sa.String(200), default="")
    distance: Mapped[float | None]
    trust: Mapped[str] = mapped_column(sa.String(10))
    no_fix_reason: Mapped[str] = mapped_column(sa.String(100), default="")
    next_at: Mapped[datetime | None] = mapped_column(Moment)
    custom: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    recorded_at: Mapped[datetime | None] = mapped_column(Moment)  # on a phone without network; came at `created_at`
    created_at: Mapped[datetime] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)


class VisitPlan(CorpScoped, Base):
    """A planned visit (拜访计划): when somebody means to be with a customer, for what, and what to look at there.

    `checklist` is [{"text", "done"}], taken from the type when the plan is made. The state is one of STATES.
    """

    __tablename__ = "visit_plan"
    __table_args__ = (
        corp_key("customer_id", "customer", ondelete="CASCADE"),
        corp_key("member_id", "member"),
        sa.Index("ix_visit_plan_member", "corp_id", "member_id", "starts_at", "id"),
        sa.Index("ix_visit_plan_customer", "corp_id", "customer_id", "starts_at"),
        sa.Index("ix_visit_plan_open", "corp_id", "state", "ends_at"),
    )

    customer_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))  # who goes, and made the plan
    kind: Mapped[str] = mapped_column(sa.String(40))  # one of `rules.visit_types` when it was made
    purpose: Mapped[str] = mapped_column(sa.String(200), default="")
    starts_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    checklist: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    state: Mapped[str] = mapped_column(sa.String(10), default=PLANNED)
    reason: Mapped[str] = mapped_column(sa.String(100), default="")  # why it was cancelled
    left_at: Mapped[datetime | None] = mapped_column(Moment)  # when the first of them set out
    created_at: Mapped[datetime] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(default=1)


class VisitParticipant(CorpScoped, Base):
    """That somebody goes along on a planned visit (同行人)."""

    __tablename__ = "visit_participant"
    __table_args__ = (
        corp_key("plan_id", "visit_plan", ondelete="CASCADE"),
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "plan_id", "member_id"),
        sa.Index("ix_visit_participant_member", "corp_id", "member_id", "plan_id"),
    )

    plan_id: Mapped[str] = mapped_column(sa.String(40))
    member_id: Mapped[str] = mapped_column(sa.String(40))


class LocationConsent(CorpScoped, Base):
    """What somebody (`id` is the member's) decided about the use of their position; no row: they were not asked yet."""

    __tablename__ = "location_consent"
    __table_args__ = (corp_key("id", "member", ondelete="CASCADE"),)

    given_at: Mapped[datetime | None] = mapped_column(Moment)
    withdrawn_at: Mapped[datetime | None] = mapped_column(Moment)  # set: refused, or taken back
    way: Mapped[str] = mapped_column(sa.String(10), default="page")  # by what door it was given: "page", "api"
