"""What a simulated month deals with, and what happens in it, as plain data."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Deed:
    """Something that somebody does: who, to what (a number of the kind's own), and with what."""

    kind: str
    actor: str  # a userid
    subject: int = 0
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Task:
    number: int
    title: str
    assignee: str
    creator: str
    kind: str
    due: datetime
    all_day: bool = False
    before: tuple[int, ...] = (0,)  # minutes
    customer: int | None = None
    repeat: str = ""
    free: str = "keep"
    first_due: datetime | None = None  # of its series
    state: str = "open"
    done_at: datetime | None = None
    put_off: datetime | None = None
    pending: list[tuple[datetime, str]] = field(default_factory=list)
    rang: set[datetime] = field(default_factory=set)
    climbed: dict[datetime, tuple[int, date]] = field(default_factory=dict)  # due time → steps taken, the last on
    planned: int = 0  # the how manieth plan of a step it is: steps of one minute ring in this order
    asked_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.state == "open"


@dataclass
class Customer:
    number: int
    name: str
    owner: str | None
    level: str | None
    created: datetime
    owned: datetime | None = None
    followed: datetime | None = None
    visited: datetime | None = None
    told: tuple[str, datetime] | None = None  # of which silence its owner was told: (owner, last contact)
    former: str | None = None
    watchers: set[str] = field(default_factory=set)

    def last_contact(self) -> datetime:
        return max(one for one in (self.created, self.owned, self.followed, self.visited) if one is not None)


@dataclass
class Plan:
    number: int
    customer: int
    host: str  # userid of whoever goes
    along: tuple[str, ...]
    begins: datetime
    ends: datetime
    state: str = "planned"


@dataclass
class Visit:
    number: int
    customer: int
    member: str
    at: datetime
    is_open: bool = True


@dataclass(frozen=True)
class Message:
    """A message that somebody is to get: in which minute, of which kind, under which title."""

    userid: str
    minute: datetime
    kind: str
    title: str
    chosen: bool = False
