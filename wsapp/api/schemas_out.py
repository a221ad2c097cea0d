"""What REST answers, one class a record, as `/api/v1/openapi.json` describes it."""

from typing import Any, Literal

from pydantic import Field, create_model

from wsapp.api.schemas import Record, Time
from wsapp.api.schemas_in import (
    DeliveryState,
    FreeDays,
    Kind,
    Level,
    MemberStatus,
    Priority,
    Repeat,
    Stage,
    TaskKind,
    TaskState,
    VisitState,
)


class Place(Record):
    lat: float
    lng: float


DuplicateLevel = Literal["block", "warn"]
Activity = Literal["week", "month", "older"]


class Warning_(Record):
    """Another customer that is alike; this one is written all the same. See /customers/duplicates."""

    field: str
    type: str
    level: DuplicateLevel
    message: str
    id: str | None
    name: str
    department: str
    activity: Activity
    owner: str | None
    deletion: str | None = Field(description="Of one in the recycle bin that the user may restore: its id there")


class Duplicates(Record):
    """Customers that are alike. Of one that the user may not see: no id, a masked name, and how lively it is."""

    items: list[Warning_]


class Customer(Record):
    """A customer. Userids name people."""

    id: str
    version: int
    name: str
    short_name: str
    kind: Kind
    level: Level | None
    stage: Stage
    source: str
    industry: str
    size: str
    phones: list[str]
    province: str
    city: str
    district: str
    address: str
    location: Place | None
    website: str
    credit_code: str
    note: str
    tags: list[str]
    owner: str | None
    pool: str | None
    parent: str | None
    department: str | None
    lead: str
    invalid_reason: str
    stage_since: Time | None
    last_deal_at: Time | None
    last_followed_at: Time | None
    last_visited_at: Time | None
    next_follow_at: Time | None
    custom: dict[str, Any]
    created_at: Time
    updated_at: Time


class CustomerWritten(Customer):
    """A customer as it was just written."""

    warnings: list[Warning_]


class Pool(Record):
    """A public pool: for `departments` (the host's own ids, with all below), holders of `roles` (their keys), and
    members that the console names; where nothing is named, for everybody.
    """

    id: str
    name: str
    kind: str
    departments: list[str]
    roles: list[str]
    is_default: bool


class Pooled(Record):
    """A customer in a pool, as those see it who may claim it: masked phone numbers, hidden fields empty."""

    id: str
    name: str
    kind: Kind
    level: Level | None
    stage: Stage
    source: str
    industry: str
    province: str
    city: str
    district: str
    address: str
    website: str
    note: str
    tags: list[str]
    phones: list[str]
    pooled_at: Time | None


class PhotoLink(Record):
    """How to fetch a photo: a signed link that ends within minutes."""

    id: str
    url: str
    content_type: str
    size: int


class Logged(Record):
    """What follow-ups and visits have alike: their photos, what is said about them, when they were written and came."""

    photos: list[str]
    photo_links: list[PhotoLink]
    mentions: list[str] = Field(description="Userids of colleagues who are named")
    comments: int
    likes: int
    recorded_at: Time
    received_at: Time
    created_at: Time


class Spot(Record):
    """Where a check-in was made, GCJ-02; accuracy in metres."""

    lat: float
    lng: float
    accuracy: float | None
    fixed_at: Time | None


class Visit(Logged):
    """A visit; `distance_m` is metres to the customer's place; recorded without network, it was received later."""

    id: str
    version: int
    customer: str
    member: str
    state: VisitState
    note: str
    custom: dict[str, Any]
    result: str
    checked_in_at: Time | None
    checked_out_at: Time | None
    location: Spot | None
    place_name: str
    distance_m: float | None
    trust: str
    no_fix_reason: str
    next_at: Time | None


class Notice(Record):
    """What was not taken over as it was sent, and why."""

    field: str
    type: Literal["no_consent"]
    message: str


class VisitWritten(Visit):
    """A check-in as it was just written; `warnings`, only where there is one: a position that was not kept."""

    warnings: list[Notice] = []


class Task(Record):
    """A task; `reminders` are minutes before it is due."""

    id: str
    version: int
    title: str
    note: str
    custom: dict[str, Any]
    kind: TaskKind
    customer: str | None
    assignee: str
    creator: str | None
    due_at: Time
    all_day: bool
    reminders: list[int]
    priority: Priority
    repeat: Repeat
    repeat_until: Time | None
    repeat_every: int
    repeat_days: list[int]
    repeat_times: int | None
    repeat_number: int
    repeat_free: FreeDays
    state: TaskState
    snoozed_until: Time | None
    done_at: Time | None
    done_by: str | None
    done_note: str
    created_at: Time
    updated_at: Time


class Member(Record):
    """A member."""

    userid: str
    name: str
    position: str
    departments: list[str]
    status: MemberStatus
    is_leader_of: list[str]


class Department(Record):
    """A department; `id` is the host's own."""

    id: str
    name: str
    parent: str | None
    leaders: list[str]


class File(Record):
    """An uploaded photo; `url` is signed and ends within minutes."""

    id: str
    url: str
    content_type: str
    size: int


class Event(Record):
    """Something that happened; `subject` is `<type>/<id>`, `changes` maps a field to [before, after].

    `via`: web, api, job, card, robot, callback or cli; `ip` is one's own, and everybody's for who reads the audit log.
    """

    id: str
    kind: str
    subject: str
    customer: str | None
    actor: str | None
    at: Time
    via: str
    ip: str
    reason: str
    changes: dict[str, list[Any]]


class Notification(Record):
    """A message to one person and what became of it."""

    id: str
    kind: str
    recipient: str
    subject: str | None
    title: str
    channel: str
    state: DeliveryState
    reason: str
    attempts: int
    host_code: str
    due_at: Time
    created_at: Time
    sent_at: Time | None
    settled_at: Time | None


class RowError(Record):
    """What is wrong with a row; rows are counted as in the sheet, whose heading is row 1."""

    row: int
    field: str
    message: str


class Import(Record):
    """An import on its way. `errors` are rows that could not be taken, `skipped_rows` those that are there already."""

    id: str
    object: str
    state: Literal["queued", "running", "done", "failed"]
    file_name: str
    on_duplicate: str
    dry_run: bool
    done: int
    total: int
    created: int
    updated: int
    skipped: int
    failed: int
    errors: list[RowError]
    skipped_rows: list[RowError]
    fault: str
    rolled_back: bool
    rolled_back_rows: int
    kept_rows: int
    result_url: str | None
    created_at: Time
    finished_at: Time | None


class Export(Record):
    """An export on its way. `approval`: whether it waits for somebody's consent, got it, or was refused."""

    id: str
    object: str
    format: str
    state: Literal["queued", "running", "done", "failed"]
    columns: list[str]
    approval: Literal["", "waiting", "given", "refused"]
    reason: str
    done: int
    total: int
    errors: list[RowError]
    fault: str
    result_url: str | None
    created_at: Time
    finished_at: Time | None
    expires_at: Time | None


def page_of(kind: type[Record]) -> Any:
    name = f"{kind.__name__}Page"
    return create_model(name, __base__=Record, items=(list[kind], ...), next_cursor=(str | None, ...))  # type: ignore[valid-type]


CustomerPage = page_of(Customer)
VisitPage = page_of(Visit)
TaskPage = page_of(Task)
MemberPage = page_of(Member)
DepartmentPage = page_of(Department)
EventPage = page_of(Event)
PoolPage = page_of(Pool)
PooledPage = page_of(Pooled)
NotificationPage = page_of(Notification)
