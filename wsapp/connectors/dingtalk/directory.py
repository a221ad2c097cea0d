"""DingTalk's directory: the range in one call, each department's sub-departments in one, people by the hundred.

Pages: auth/scopes, department/get, department/listsub, v2/user/list (open.dingtalk.com/document/orgapp). What listsub
leaves out (order, managers) is not asked for department by department: who leads stands in the rows of people.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsapp.connectors.base import DepartmentInfo, OutOfRange
from wsapp.connectors.dingtalk.codes import as_bool, as_dict, as_list, as_text
from wsapp.connectors.dingtalk.people import department_from, person_from
from wsapp.connectors.directory import DepartmentLot, Directory, PeoplePage, VisibleRange

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.calls import Calls

PAGE = 100  # the most that user/list takes
MAX_ID = 20  # digits


class DingTalkDirectory(Directory):
    """The host allows 20 calls a second of one API to all who use the app; half of it is ours."""

    directory_rate = 10
    calls: "Calls"

    def visible_range(self) -> VisibleRange:
        """auth/scopes: the contact range, departments and people."""
        scopes = as_dict(self.calls.oapi_get("/auth/scopes").get("auth_org_scopes"))
        departments = (as_text(one, MAX_ID) for one in as_list(scopes.get("authed_dept")))
        people = (as_text(one, 64) for one in as_list(scopes.get("authed_user")))
        return VisibleRange(_each_once(departments), _each_once(people))

    def department_lot(self, department_id: str, *, is_root: bool) -> DepartmentLot:
        """department/get for a visible root, department/listsub for what is right below any department."""
        if is_root:
            return DepartmentLot((self._named(department_id),), unopened=(department_id,))
        below = self.calls.oapi("/topapi/v2/department/listsub", {"dept_id": number_of(department_id)})
        rows = [as_dict(row) for row in as_list(below.get("result"))]
        found = tuple(department_from({"parent_id": department_id, **row}) for row in rows if row.get("dept_id"))
        return DepartmentLot(found, unopened=tuple(one.id for one in found))

    def _named(self, department_id: str) -> DepartmentInfo:
        body = {"dept_id": number_of(department_id), "language": "zh_CN"}
        return department_from(as_dict(self.calls.oapi("/topapi/v2/department/get", body).get("result")))

    def people_page(self, department_id: str, cursor: str) -> PeoplePage:
        """v2/user/list, 100 at a time. A row says only of the department asked for whether the person leads it."""
        start = int(cursor) if cursor.isascii() and cursor.isdigit() else 0
        body = {"dept_id": number_of(department_id), "cursor": start, "size": PAGE, "language": "zh_CN"}
        result = as_dict(self.calls.oapi("/topapi/v2/user/list", body).get("result"))
        people = tuple(person_from(as_dict(row), department_id) for row in as_list(result.get("list")))
        following = result.get("next_cursor")
        more = as_bool(result.get("has_more")) and isinstance(following, int) and following > start
        return PeoplePage(people, str(following) if more else "", leads_everywhere=False)


def number_of(department_id: str) -> int:
    """Return a department id as the host wants it. Raises OutOfRange for what cannot be one."""
    if not (department_id.isascii() and department_id.isdigit() and len(department_id) < MAX_ID):
        raise OutOfRange("no such department", code="60003")
    return int(department_id)


def _each_once(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in ids if one))
