"""What REST takes and answers of planned visits and work reports."""

from typing import Literal

from pydantic import Field

from wsapp.api.schemas import Body, Id, Moment, Page, Path, Record, Time
from wsapp.api.schemas_in import VisitState
from wsapp.api.schemas_out import page_of

ReportKind = Literal["day", "week"]


class PlanPath(Path):
    plan_id: str


class ReportPath(Path):
    report_id: str


# --- bodies and filters -------------------------------------------------------------------------------------------


class PlanFields(Body):
    """What may be said of a planned visit. `kind` is one of the corp's types; `participants` are userids."""

    kind: str = Field("", max_length=80)
    purpose: str = Field("", max_length=1000)
    participants: list[Id] = Field([], max_length=100, description="Who goes along, by userid")


class PlanOfCustomer(PlanFields):
    """A new planned visit to the customer in the address, of the user's own."""

    kind: str = Field(max_length=80, description="One of the corp's types of visits")
    starts_at: Moment
    ends_at: Moment


class PlanNew(PlanOfCustomer):
    """A new planned visit of the user's own, with its customer."""

    customer: Id


class PlanChange(PlanFields):
    """The fields to change; what is left out stays."""

    starts_at: Moment | None = None
    ends_at: Moment | None = None


class PlanCancel(Body):
    """Why the visit is called off."""

    reason: str = Field(max_length=1000)


class PlanList(Page):
    """Filters of planned visits; sort: starts_at."""

    member: str = Field("", max_length=64, description="A userid: whose")
    state: VisitState | None = None
    starts_after: Moment | None = None
    starts_before: Moment | None = None


class AllPlans(PlanList):
    """Filters of /plans."""

    customer: str = Field("", max_length=64)


class ReportList(Page):
    """Filters of /reports; sort: sent_at."""

    author: str = Field("", max_length=64, description="A userid")
    kind: ReportKind | None = None
    day: str = Field("", max_length=10, description="A day, YYYY-MM-DD: of a week its Monday")


# --- answers ------------------------------------------------------------------------------------------------------


class PlanPoint(Record):
    """A point of the checklist."""

    text: str
    done: bool


class Plan(Record):
    """A planned visit; `left_at` is when the first of those who go set out, `reason` why it was called off."""

    id: str
    version: int
    customer: str
    member: str
    participants: list[str]
    kind: str
    purpose: str
    starts_at: Time
    ends_at: Time
    checklist: list[PlanPoint]
    state: VisitState
    left_at: Time | None
    reason: str
    created_at: Time


class ReportReader(Record):
    """To whom a report was handed: the manager, or a copy; and when they opened it."""

    member: str
    copied: bool
    read_at: Time | None


class Report(Record):
    """A work report. `day` is the day, or the Monday of the week; `figures` as far as the user may know them."""

    id: str
    version: int
    kind: ReportKind
    day: str
    author: str
    summary: str
    trouble: str
    outlook: str
    figures: dict[str, int]
    readers: list[ReportReader]
    sent_at: Time
    updated_at: Time


PlanPage = page_of(Plan)
ReportPage = page_of(Report)
