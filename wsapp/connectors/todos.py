"""To-dos and calendar entries at a host: the neutral things that cross the line, and what a host may offer.

A host keeps up to two lists for a person: to-dos (待办), which can be ticked, and a calendar (日程), which cannot. Both
are a `Keeper`; which of them a host has, its connector says (`KeepsTodos`, `KeepsCalendar`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from wsapp.connectors.errors import HostError

if TYPE_CHECKING:
    from wsapp.connectors.base import Identity


class EnoughForToday(HostError):
    """The host takes no more new items for this person today; other people and other calls are not concerned."""


@dataclass(frozen=True)
class HostItem:
    """One to-do or calendar entry, as we want it or as the host has it.

    `at`: when a to-do is due, or when an entry begins; to the minute, aware; with `all_day` any moment of the day on
    the wall clock here. `minutes`: how long an entry lasts (0: as usual). `done` is known of to-dos only. `source` is
    our own unique id, by which the item is found again; `url` opens the record. `host_id` is the host's.
    """

    title: str
    at: datetime
    all_day: bool = False
    minutes: int = 0
    done: bool = False
    note: str = ""
    url: str = ""
    source: str = ""
    host_id: str = ""


class Keeper(ABC):
    """One kind of list at a host. Every method may raise TryLater (perhaps ambiguous), Refused, OutOfRange,
    BadCredentials."""

    echoes: ClassVar[bool] = False  # the host tells us of our own changes, too
    replaces_whole: ClassVar[bool] = False  # a change replaces the whole item: look first, or theirs is overwritten
    needs_home: ClassVar[bool] = False  # items live in a place of the app's own, see `home`

    @abstractmethod
    def as_kept(self, item: HostItem) -> HostItem:
        """Return an item as the host will have it: texts made harmless and cut, what it has no place for left out."""

    def home(self, owner: "Identity") -> str:
        """Make the place at the host that this person's items live in, where the host wants one; returns its id."""
        return ""

    @abstractmethod
    def create(self, owner: "Identity", home: str, item: HostItem) -> HostItem:
        """Create an item and return it as the host has it: where the host knew its source, that is an older one.

        Raises EnoughForToday, HomeGone.
        """

    @abstractmethod
    def read(self, owner: "Identity", host_id: str) -> HostItem | None:
        """Return an item as the host has it now, None when it is not there (any more)."""

    @abstractmethod
    def find(self, owner: "Identity", home: str, item: HostItem) -> HostItem | None:
        """Look for an item by its source, after a create that ended in doubt."""

    @abstractmethod
    def change(self, owner: "Identity", home: str, item: HostItem, fields: frozenset[str]) -> bool:
        """Give the host's item `item.host_id` the named fields of `item` ("title", "at", "all_day", "minutes", "done"),
        and no others where the host lets us; False when it is not there any more."""

    @abstractmethod
    def delete(self, owner: "Identity", host_id: str) -> None:
        """Take an item away; one that is gone already is fine."""

    @abstractmethod
    def listed(self, owner: "Identity", home: str, since: datetime, until: datetime) -> Iterator[HostItem]:
        """Walk a person's items of ours that are not done, at least those between the two moments, in few calls."""


class HomeGone(HostError):
    """The place that this person's items lived in is gone: make another one."""


class KeepsTodos:
    """A host that may keep to-dos for its people."""

    def todos(self) -> Keeper | None:
        """Return the list of to-dos, None where the host has none for us."""
        return None


class KeepsCalendar:
    """A host that may keep a calendar for its people."""

    def calendar(self) -> Keeper | None:
        """Return the calendar, None where the host has none for us."""
        return None
