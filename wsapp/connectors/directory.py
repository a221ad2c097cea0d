"""Reading a whole directory (通讯录) in as few calls as a host allows: the visible range, departments, people by page.

A walk is made of steps, each one call, so that whoever walks may stop after any of them and go on later.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from wsapp.connectors.base import DepartmentInfo, Person

EVERYTHING = ""  # the root of a host that tells its whole directory without asking for departments


@dataclass(frozen=True)
class VisibleRange:
    """What the administrator lets the app see (可见范围): root departments, and userids named one by one."""

    departments: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


@dataclass(frozen=True)
class DepartmentLot:
    """Departments of one answer. `unopened` are those whose own sub-departments are still to be asked for."""

    departments: "tuple[DepartmentInfo, ...]" = ()
    unopened: tuple[str, ...] = ()


@dataclass(frozen=True)
class PeoplePage:
    """One page of a department's direct members. `following` is the cursor of the next page, "" at the end.

    `leads_everywhere` says what `Person.leads` covers: every department of the person, or only the one asked for.
    """

    people: "tuple[Person, ...]" = ()
    following: str = ""
    leads_everywhere: bool = True


class Directory:
    """What a connector tells of the directory. The defaults fit a host whose simple methods tell everything."""

    directory_rate: ClassVar[float] = 10  # calls a second at most, below the host's limit for one API

    @abstractmethod
    def departments(self) -> "Iterator[DepartmentInfo]": ...

    @abstractmethod
    def members(self, department_id: str) -> "Iterator[Person]": ...

    def visible_range(self) -> VisibleRange:
        """Ask what the app may see. Raises TryLater, BadCredentials, Refused."""
        return VisibleRange((EVERYTHING,))

    def department_lot(self, department_id: str, *, is_root: bool) -> DepartmentLot:
        """Ask for what is below a department; of a visible root, the department itself comes first.

        Raises OutOfRange when the department is gone or no longer visible, TryLater, BadCredentials, Refused.
        """
        return DepartmentLot(tuple(self.departments()))

    def people_page(self, department_id: str, cursor: str) -> PeoplePage:
        """Ask for a page of direct members; `cursor` is "" for the first.

        Raises OutOfRange when the department is gone or no longer visible, TryLater, BadCredentials, Refused.
        """
        return PeoplePage(tuple(self.members(department_id)))
