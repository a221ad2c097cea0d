"""DingTalk's to-dos (待办任务): create-dingtalk-to-do-tasks, updates-dingtalk-to-do-tasks, delete-dingtalk-to-do-tasks,
query-to-do-list. Everybody is named by unionId; the person is creator and only executor of their own to-dos.

Every call counts against the organisation's month. `sourceId` makes a create safe to repeat ("task exist"). The host
tells of every change, ours included (todo_task_update …).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from wsapp.connectors.base import Identity, OutOfRange, Refused, TryLater
from wsapp.connectors.dingtalk.calls import Calls
from wsapp.connectors.dingtalk.codes import NOT_UNDERSTOOD, as_bool, as_dict, as_int, as_list, as_text
from wsapp.connectors.dingtalk.messages import cut, escape, one_line, own_url
from wsapp.connectors.todos import HostItem, Keeper

MAX_SUBJECT, MAX_NOTE = 1024, 4096  # characters
MAX_PAGES = 50
EXISTS = "task exist"  # the words of todo.taskCreate.paramError for a sourceId that was used
NOT_THERE = "task not exist"
NORMAL_PRIORITY = 20
FIELDS_OF = {"subject": "title", "description": "title", "dueTime": "at"}
LABELLED = ("/tasks", "/org/tasks/query")  # what metrics tell apart


class TodoList(Keeper):
    """The to-dos of one corp's people."""

    echoes = True

    def __init__(self, calls: Calls, public_url: str) -> None:
        self.calls = calls
        self.public_url = public_url

    def as_kept(self, item: HostItem) -> HostItem:
        """A to-do is due at a minute; one for a whole day, at the day's last."""
        title = cut(one_line(item.title), MAX_SUBJECT) or "…"
        at = item.at.replace(hour=23, minute=59) if item.all_day else item.at
        return replace(item, title=title, note=cut(escape(item.note), MAX_NOTE), at=at, all_day=False, minutes=0)

    def create(self, owner: Identity, home: str, item: HostItem) -> HostItem:
        """POST …/tasks. A repeat is told by its source, and the to-do of the first time is looked up."""
        me = union_id(owner)
        url = own_url(item.url, self.public_url)
        body = {
            **_fields(item),
            "sourceId": item.source,
            "creatorId": me,
            "executorIds": [me],
            "detailUrl": {"appUrl": url, "pcUrl": url},
            "isOnlyShowExecutor": True,
            "priority": NORMAL_PRIORITY,
            # The app's own card says it already: one thing to do, one message.
            "notifyConfigs": {"dingNotify": "0", "sendTodoApn": "false", "sendAssistantChat": "false"},
        }
        try:
            made = self._call("POST", me, "/tasks", body, operator=me, write=True)
        except Refused as error:
            found = self.find(owner, home, item) if EXISTS in error.reason else None
            if found is None:
                raise
            return found
        host_id = as_text(made.get("id"), 200)
        if not host_id:
            raise TryLater("the answer names no to-do", code=NOT_UNDERSTOOD, ambiguous=True)
        return replace(item, host_id=host_id)

    def read(self, owner: Identity, host_id: str) -> HostItem | None:
        """GET …/tasks/{taskId} (in the host's generated client, without a page of its own)."""
        return self._one(owner, f"/tasks/{_quoted(host_id)}")

    def find(self, owner: Identity, home: str, item: HostItem) -> HostItem | None:
        """GET …/tasks/sources/{sourceId} (in the host's generated client, without a page of its own)."""
        return self._one(owner, f"/tasks/sources/{_quoted(item.source)}")

    def change(self, owner: Identity, home: str, item: HostItem, fields: frozenset[str]) -> bool:
        """PUT …/tasks/{taskId}; the link cannot be changed. What is left out stays, a tick of theirs for one."""
        me = union_id(owner)
        body = {key: value for key, value in _fields(item).items() if FIELDS_OF[key] in fields}
        body |= {"done": item.done} if "done" in fields else {}
        tail = f"/tasks/{_quoted(item.host_id)}"
        return self._there(lambda: self._call("PUT", me, tail, body, operator=me, write=True))

    def delete(self, owner: Identity, host_id: str) -> None:
        me = union_id(owner)
        tail = f"/tasks/{_quoted(host_id)}"
        self._there(lambda: self._call("DELETE", me, tail, None, operator=me, write=True))

    def listed(self, owner: Identity, home: str, since: datetime, until: datetime) -> Iterator[HostItem]:
        """POST …/org/tasks/query: what is open, whenever it is due."""
        me = union_id(owner)
        body: dict[str, Any] = {"isDone": False, "roleTypes": [["executor"]]}
        for _page in range(MAX_PAGES):
            found = self._call("POST", me, "/org/tasks/query", body)
            for row in as_list(found.get("todoCards")):
                if item := _item(as_dict(row), "taskId", "isDone"):
                    yield item
            following = as_text(found.get("nextToken"), 500)
            if not following:
                return
            body["nextToken"] = following

    def _one(self, owner: Identity, tail: str) -> HostItem | None:
        me = union_id(owner)
        try:
            found = self._call("GET", me, tail, None)
        except Refused as error:
            if NOT_THERE in error.reason:
                return None
            raise
        item = _item(found, "id", "done")
        if item is None:
            raise TryLater("the answer is no to-do", code=NOT_UNDERSTOOD)
        return item

    def _there(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except Refused as error:
            if NOT_THERE in error.reason:
                return False
            raise
        return True

    def _call(
        self,
        method: str,
        me: str,
        tail: str,
        body: Mapping[str, Any] | None,
        *,
        operator: str = "",
        write: bool = False,
    ) -> dict[str, Any]:
        label = f"/v1.0/todo/users/*{tail if tail in LABELLED else LABELLED[0]}"
        params = {"operatorId": operator} if operator else None
        path = f"/v1.0/todo/users/{_quoted(me)}{tail}"
        return self.calls.api(method, path, body, write=write, label=label, params=params)


def union_id(owner: Identity) -> str:
    """Return how this API names a person. Raises OutOfRange while the unionId is not known."""
    if not owner.unionid:
        raise OutOfRange("the unionId of this person is not known yet", code="no_unionid")
    return owner.unionid


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _fields(item: HostItem) -> dict[str, Any]:
    return {"subject": item.title, "description": item.note, "dueTime": int(item.at.timestamp() * 1000)}


def _item(row: Mapping[str, Any], id_field: str, done_field: str) -> HostItem | None:
    host_id, due = as_text(row.get(id_field), 200), as_int(row.get("dueTime"))
    if not host_id:
        return None
    at = datetime.fromtimestamp((due or 0) // 60_000 * 60, UTC)  # to the minute
    return HostItem(
        title=as_text(row.get("subject"), MAX_SUBJECT),
        at=at,
        done=as_bool(row.get(done_field)),
        source=as_text(row.get("sourceId"), 200),
        host_id=host_id,
    )
