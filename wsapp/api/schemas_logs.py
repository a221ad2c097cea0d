"""What REST takes and answers of follow-ups."""

from typing import Any, Literal

from pydantic import Field

from wsapp.api.schemas import Body, Id, Moment, Path, Time
from wsapp.api.schemas_in import CustomList, Unseen
from wsapp.api.schemas_out import Logged, page_of

FollowUpKind = Literal["phone", "wechat", "visit", "mail", "meeting", "other"]


class FollowUpPath(Path):
    follow_up_id: str


class FollowUpFields(Body):
    """A new follow-up; `photos` are ids of the user's own uploads. A next date becomes a task."""

    text: str = Field(max_length=20_000)
    kind: FollowUpKind = "phone"
    outcome: str = Field("", max_length=200)
    happened_at: Moment | None = None
    next_at: Moment | None = None
    next_action: str = Field("", max_length=500)
    contact: Id | None = Field(None, description="Whom of the customer's contacts it was with")
    custom: dict[str, Any] = Field({}, description="Custom fields by key (see /fields)")
    photos: list[Id] = Field([], max_length=20)
    mentions: list[Id] | None = Field(None, max_length=50, description="Userids of colleagues who are named and told")
    unseen: Unseen | None = Field(None, description="What becomes of named colleagues who do not see the customer")


class FollowUpNew(FollowUpFields):
    """A new follow-up, with its customer."""

    customer: Id


class FollowUpChange(Body):
    """What to change of a follow-up; what is left out stays, and so do its times, photos and the next step."""

    text: str = Field("", max_length=20_000)
    kind: FollowUpKind = "phone"
    outcome: str = Field("", max_length=200)
    contact: Id | None = None
    custom: dict[str, Any] = {}
    mentions: list[Id] | None = Field(None, max_length=50, description="All who are named; only new ones are told")
    unseen: Unseen | None = None


class FollowUpList(CustomList):
    """Filters of follow-ups; sort: happened_at."""

    author: str = Field("", max_length=64, description="A userid")


class AllFollowUps(FollowUpList):
    """Filters of /follow-ups."""

    customer: str = Field("", max_length=64)


# --- answers ------------------------------------------------------------------------------------------------------


class FollowUp(Logged):
    """A follow-up; recorded on a phone without network, it was received later."""

    id: str
    version: int
    customer: str
    contact: str | None
    author: str
    kind: FollowUpKind
    text: str
    outcome: str
    happened_at: Time
    next_at: Time | None
    next_action: str
    custom: dict[str, Any]


FollowUpPage = page_of(FollowUp)
