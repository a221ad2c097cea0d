"""What REST takes and answers of contacts, co-workers, leads and tags."""

from typing import Any, Literal

from pydantic import Field

from wsapp.api.schemas import Body, Id, Page, Path, Record, Time
from wsapp.api.schemas_in import CustomerNew, CustomList
from wsapp.api.schemas_out import Warning_, page_of

Gender = Literal["", "male", "female"]
ContactRole = Literal["", "decides", "influences", "uses", "blocks"]
LeadState = Literal["new", "working", "valid", "invalid", "converted"]


class ContactPath(Path):
    contact_id: str


class LeadPath(Path):
    lead_id: str = Field(description="The customer's id")


class CoworkerPath(Path):
    customer_id: str
    coworker_id: str = Field(description="The member's userid at the host")


# --- bodies and filters -------------------------------------------------------------------------------------------


class ContactFields(Body):
    """What may be said of a contact. `birthday` is "1988-05-03", or "05-03" where the year is not known."""

    gender: Gender = ""
    title: str = Field("", max_length=200)
    role: ContactRole = Field("", description="In decisions")
    phones: list[str] = Field([], max_length=20)
    wechat: str = Field("", max_length=200)
    mail: str = Field("", max_length=400)
    birthday: str | None = Field(None, max_length=20)
    is_primary: bool = False
    tags: list[str] = Field([], max_length=100)
    note: str = Field("", max_length=2000)
    external_userid: str = Field("", max_length=64)
    custom: dict[str, Any] = Field({}, description="Custom fields by key (see /fields)")


class ContactOfCustomer(ContactFields):
    """A new contact of the customer in the address."""

    name: str = Field(max_length=200)


class ContactNew(ContactOfCustomer):
    """A new contact, with its customer."""

    customer: Id


class ContactChange(ContactFields):
    """The fields to change; what is left out stays."""

    name: str = Field("", max_length=200)


class ContactList(CustomList):
    """Filters of a customer's contacts; sorts: updated_at, name."""

    role: ContactRole | None = None


class AllContacts(ContactList):
    """Filters of /contacts."""

    customer: str = Field("", max_length=64)


class CoworkerNew(Body):
    """Who is to co-work on the customer (a userid), and whether they may edit it."""

    member: Id
    access: Literal["read", "edit"] = "read"


class LeadNew(CustomerNew):
    """A new lead: a customer whose first response is due."""


class LeadList(Page):
    """Filters of /leads; sorts: updated_at, created_at, name, respond_by, score, source."""

    state: LeadState | None = None
    owner: str = Field("", max_length=64, description="A userid")


class LeadEnd(Body):
    """What becomes of a lead; `reason` where it is invalid, one of /leads' reasons."""

    state: Literal["working", "valid", "invalid", "converted"]
    reason: Literal["", "unreachable", "no_need", "wrong_number", "competitor", "no_budget", "repeated", "other"] = ""


# --- answers ------------------------------------------------------------------------------------------------------


class Contact(Record):
    """A contact."""

    id: str
    version: int
    customer: str
    name: str
    gender: Gender
    title: str
    role: ContactRole
    phones: list[str]
    wechat: str
    mail: str
    birthday: str | None
    is_primary: bool
    tags: list[str]
    note: str
    external_userid: str
    custom: dict[str, Any]
    created_at: Time
    updated_at: Time


class ContactWritten(Contact):
    """A contact as it was just written; `warnings`: other customers that are reached by its numbers."""

    warnings: list[Warning_]


class Coworker(Record):
    """A co-worker of a customer; `member` is a userid."""

    member: str
    name: str
    access: Literal["read", "edit"]
    since: Time
    until: str | None = Field(description="The last day (2026-12-01); null: for good")


class StageStep(Record):
    """A step of a customer's lifecycle; `seconds` is how long it was in `before`."""

    before: str
    after: str
    seconds: int
    at: Time
    actor: str | None


class Lead(Record):
    """A lead; `id` is its customer's."""

    id: str
    version: int
    name: str
    state: LeadState
    invalid_reason: str
    source: str
    stage: str
    owner: str | None
    score: int
    respond_by: Time | None
    responded_at: Time | None
    created_at: Time
    updated_at: Time


class LeadWritten(Lead):
    """A lead as it was just written; `warnings`: customers that are like it."""

    warnings: list[Warning_]


ContactPage = page_of(Contact)
CoworkerPage = page_of(Coworker)
StageStepPage = page_of(StageStep)
LeadPage = page_of(Lead)
