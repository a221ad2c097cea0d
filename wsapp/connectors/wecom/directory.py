"""WeCom's directory: the app's range in one call, a whole subtree in one, each department's people in one.

Pages: agent/get 90227, department/list 90208, user/list 90201 (direct members only: fetch_child is no longer known).
Contact sync (通讯录同步) would list 10,000 memberships a call, but neither names nor leaders.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING

from wsapp.connectors.directory import DepartmentLot, Directory, PeoplePage, VisibleRange
from wsapp.connectors.wecom import people

if TYPE_CHECKING:
    from wsapp.connectors.wecom.calls import Calls

MAX_LIST = 32 * 1024 * 1024  # bytes; the host has no pages here: a department of 30,000 comes as one answer


class WeComDirectory(Directory):
    """The host allows 10,000 calls a minute of one API."""

    directory_rate = 18
    calls: "Calls"

    @property
    @abstractmethod
    def agent_id(self) -> int: ...

    def visible_range(self) -> VisibleRange:
        """agent/get: departments and members of the app's range. (Tags are named there, too, but not their people.)"""
        agent = self.calls.get("agent/get", {"agentid": str(self.agent_id)}, proof="agentid", max_body=MAX_LIST)
        return VisibleRange(people.visible_roots(agent), people.visible_people(agent))

    def department_lot(self, department_id: str, *, is_root: bool) -> DepartmentLot:
        """department/list: the department and all below it at once."""
        found = self.calls.get("department/list", {"id": department_id}, proof="department", max_body=MAX_LIST)
        return DepartmentLot(tuple(people.department(row) for row in people.rows(found, "department")))

    def people_page(self, department_id: str, cursor: str) -> PeoplePage:
        """user/list: everybody in the department itself, with all departments and leaderships of each."""
        wanted = {"department_id": department_id}
        found = self.calls.get("user/list", wanted, proof="userlist", max_body=MAX_LIST)
        return PeoplePage(tuple(people.person(row) for row in people.rows(found, "userlist")))
