"""What REST takes: bodies and filters, one class each."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from wsapp.api.schemas import Body, Id, Moment, Page, Path, Query, one_of

Kind = Literal["company", "person"]
Level = Literal["A", "B", "C", "D"]
Stage = Literal["new", "contacted", "intent", "dealt", "lost"]
VisitState = Literal["planned", "on_way", "in", "done", "cancelled", "missed"]
TaskKind = Literal["follow_up", "visit", "call", "other"]
TaskState = Literal["open", "doing", "done", "cancelled"]
Repeat = Literal["", "daily", "weekly", "monthly"]
FreeDays = Literal["keep", "skip", "move"]
Priority = Literal["normal", "high"]
DeliveryState = Literal[
    "planned", "suppressed", "sending", "accepted", "delivered", "dropped", "failed", "read", "acted"
]
MemberStatus = Literal["active", "disabled", "left"]
Unseen = Literal["skip", "invite"]

# --- addresses ----------------------------------------------------------------------------------------------------


class CustomerPath(Path):
    customer_id: str


class VisitPath(Path):
    visit_id: str


class TaskPath(Path):
    task_id: str


class MemberPath(Path):
    member_id: str = Field(description="The member's userid at the host")


class DepartmentPath(Path):
    department_id: str


class FilePath(Path):
    file_id: str


class PoolPath(Path):
    pool_id: str


class ImportPath(Path):
    import_id: str


class ExportPath(Path):
    export_id: str


class EventPath(Path):
    event_id: str


class NotificationPath(Path):
    notification_id: str


# --- customers ----------------------------------------------------------------------------------------------------


class Point(Body):
    """A place on the map, GCJ-02."""

    lat: float = Field(ge=-90, le=90)
    lng: float = Field(ge=-180, le=180)


class CustomerFields(Body):
    """What may be said of a customer."""

    short_name: str = Field("", max_length=200)
    kind: Kind = "company"
    level: Level | None = None
    stage: Stage = "new"
    source: str = Field("", max_length=200)
    industry: str = Field("", max_length=200)
    size: str = Field("", max_length=200)
    province: str = Field("", max_length=200)
    city: str = Field("", max_length=200)
    district: str = Field("", max_length=200)
    address: str = Field("", max_length=1000)
    website: str = Field("", max_length=1000)
    credit_code: str = Field("", max_length=100, description="Unified social credit code, checked")
    note: str = Field("", max_length=5000)
    phones: list[str] = Field([], max_length=20)
    tags: list[str] = Field([], max_length=100)
    location: Point | None = None
    parent: Id | None = None
    custom: dict[str, Any] = Field({}, description="Custom fields by key (see /fields)")


class CustomerNew(CustomerFields):
    """A new customer. `owner` is a userid of the user's own team; left out, the user."""

    name: str = Field(max_length=1000)
    owner: Id | None = None


class CustomerChange(CustomerFields):
    """The fields to change; what is left out stays."""

    name: str = Field("", max_length=1000)


class DuplicateQuery(Query):
    """What to look for; at least one."""

    name: str = Field("", max_length=200)
    phone: str = Field("", max_length=60)
    credit_code: str = Field("", max_length=60)
    website: str = Field("", max_length=300)
    city: str = Field("", max_length=60)
    industry: str = Field("", max_length=60)
    address: str = Field("", max_length=300)
    customer: str = Field("", max_length=64, description="The customer that is being edited: left out of the answer")


class MergeInto(Body):
    """The customer that stays."""

    into: Id


class CustomerOwner(Body):
    """Who is to own the customer: a userid."""

    owner: Id


class CustomerRelease(Body):
    """Why the customer goes back to a pool, and to which: left out, the default one of the owner's department."""

    reason: str = Field(max_length=1000)
    pool: Id | None = None


class Nothing(Body):
    """No field at all."""


class CustomList(Page):
    """A list of records that carry custom fields."""

    custom: str = Field(
        "",
        max_length=4000,
        description="By indexed custom fields: a JSON object of values, or of {operator: value} with eq, in, gt, gte, "
        'lt, lte, starts, empty: `{"city": "Shanghai", "budget": {"gte": 10000}}`',
    )


class CustomerList(CustomList):
    """Filters of /customers; sorts: updated_at, created_at, name, custom.<key> of an indexed field."""

    sort: str = Field("", max_length=60, description="A field, with `-` before it for the other way round")

    owner: str = Field("", max_length=64, description="A userid")
    pool: str = Field("", max_length=64)
    stage: Stage | None = None
    level: Level | None = None
    tag: str = Field("", max_length=60)
    updated_since: Moment | None = None


# --- visits ---------------------------------------------------------------------------------------------------------


class Fix(Body):
    """A device's position: degrees, accuracy in metres, when the device found it."""

    lat: float = Field(ge=-90, le=90)
    lng: float = Field(ge=-180, le=180)
    accuracy: float | None = Field(None, ge=0)
    fixed_at: Moment | None = None
    coordinate: Literal["gcj02", "wgs84"] = "gcj02"


class VisitFields(Body):
    """A check-in, now; `photos` are ids of the user's own uploads. A next date becomes a task."""

    note: str = Field("", max_length=20_000)
    location: Fix | None = None
    no_fix_reason: str = Field("", max_length=200)
    place_name: str = Field("", max_length=500)
    set_place: bool = Field(False, description="Let this position become the customer's, when it has none")
    next_at: Moment | None = None
    next_action: str = Field("", max_length=500)
    custom: dict[str, Any] = Field({}, description="Custom fields by key (see /fields)")
    photos: list[Id] = Field([], max_length=20)
    mentions: list[Id] | None = Field(None, max_length=50, description="Userids of colleagues who are named and told")
    unseen: Unseen | None = Field(None, description="What becomes of named colleagues who do not see the customer")


class VisitNew(VisitFields):
    """A check-in, with its customer."""

    customer: Id


class VisitEnd(Body):
    """What came of the visit."""

    result: str = Field("", max_length=200)
    note: str = Field("", max_length=20_000)


class VisitList(CustomList):
    """Filters of visits; sort: checked_in_at."""

    member: str = Field("", max_length=64, description="A userid")
    state: VisitState | None = None


class AllVisits(VisitList):
    """Filters of /visits."""

    customer: str = Field("", max_length=64)


# --- tasks --------------------------------------------------------------------------------------------------------


class TaskFields(Body):
    """What may be said of a task. `reminders` are minutes before it is due, at most three; `[]` means none."""

    note: str = Field("", max_length=5000)
    kind: TaskKind = "follow_up"
    customer: Id | None = None
    all_day: bool = False
    reminders: list[int] = Field([0], max_length=10)
    assignee: Id | None = None
    priority: Priority = "normal"
    repeat: Repeat | None = None
    custom: dict[str, Any] = Field({}, description="Custom fields by key (see /fields)")
    repeat_until: Moment | None = None
    repeat_every: int = Field(1, description="1-99: of so many days, weeks or months one")
    repeat_days: list[int] = Field(
        [], max_length=31, description="Weekly: 1 (Monday) to 7. Monthly: 1-31, -1 the last. Empty: the day it is due"
    )
    repeat_times: int | None = Field(None, description="1-999: how many tasks the series has at most")
    repeat_free: FreeDays = Field(
        "keep", description="On a free day: stay there, be left out, or wait for a working day"
    )


class TaskNew(TaskFields):
    """A new task. `assignee` is a userid of the user's team or their manager; left out, the user."""

    title: str = Field(max_length=1000)
    due_at: Moment


class TaskChange(TaskFields):
    """The fields to change; what is left out stays."""

    title: str = Field("", max_length=1000)
    due_at: Moment | None = None


class TaskDone(Body):
    """Finish a task."""

    note: str = Field("", max_length=2000)


class TaskSnooze(Body):
    """Remind again in so many minutes."""

    minutes: int = Field(ge=1, le=90 * 24 * 60)


class TaskAssignee(Body):
    """Who is to do it: a userid."""

    assignee: Id


class TaskCancel(Body):
    """Cancel a task, and with it the series of a repeating one."""

    reason: str = Field("", max_length=2000)


class TaskList(CustomList):
    """Filters of /tasks; sorts: due_at, created_at, updated_at."""

    assignee: str = Field("", max_length=64, description="A userid")
    state: TaskState | None = None
    due_before: Moment | None = None
    customer: str = Field("", max_length=64)


# --- the rest -----------------------------------------------------------------------------------------------------


class MemberList(Page):
    """Filters of /members; sort: name."""

    department: str = Field("", max_length=64)
    status: MemberStatus | None = None


class DepartmentList(Page):
    """Filters of /departments; sort: name."""


class PoolList(Page):
    """Filters of /pools; sorts: position, name."""


class PooledList(Page):
    """Filters of a pool's customers; sorts: pooled_at, name."""

    level: Level | None = None


class ExportFilter(Body):
    """How a list is narrowed: as its own filters are named. `author` and `customer` are those of follow-ups."""

    q: str = Field("", max_length=60)
    owner: str = Field("", max_length=64, description="A userid")
    pool: str = Field("", max_length=64)
    stage: Stage | None = None
    level: Level | None = None
    tag: str = Field("", max_length=60)
    updated_since: Moment | None = None
    author: str = Field("", max_length=64, description="A userid")
    customer: str = Field("", max_length=64)


class ExportNew(Body):
    """A list as a file."""

    object: Annotated[Literal["customer", "follow_up"], BeforeValidator(one_of)]
    format: Literal["xlsx", "csv"] = "xlsx"
    filter: ExportFilter | None = None
    columns: list[str] = Field(
        [], max_length=200, description="Keys in their order, custom fields as `custom.<key>`; none: all"
    )


class EventList(Page):
    """Filters of /events; sort: at."""

    subject: str = Field("", max_length=80, description="A record's id, or its type and id: `task/…`")
    kind: str = Field("", max_length=40)


class NotificationList(Page):
    """Filters of /notifications; sort: due_at."""

    state: DeliveryState | None = None
    kind: str = Field("", max_length=40)
    recipient: str = Field("", max_length=64, description="A userid")
