"""The emulated to-dos (待办): the API, the events that it fires (for the app's own calls, too), the person's taps."""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request

from wsapp.connectors.dingtalk.emulator_world import App, HostError

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

READ, WRITE = "Todo.Todo.Read", "Todo.Todo.Write"
PAGE = 20
MAX_URL, MAX_SUBJECT, MAX_NOTE, MAX_PEOPLE = 1024, 1024, 4096, 1000
KEPT_DONE = 180 * 86_400_000  # milliseconds that finished ones are listed for


@dataclass
class Todo:
    id: str
    app: App
    creator: str
    source: str
    subject: str
    description: str
    due: int
    url: dict[str, Any]
    executors: list[str]
    done: bool = False
    deleted: bool = False
    created: int = 0
    modified: int = 0
    modifier: str = ""
    history: list[str] = field(default_factory=list)  # who did what: "app update", "person done"

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "subject": self.subject,
            "description": self.description,
            "startTime": self.created,
            "dueTime": self.due,
            "finishTime": self.modified if self.done else 0,
            "done": self.done,
            "executorIds": self.executors,
            "participantIds": [],
            "detailUrl": self.url,
            "source": self.app.client_id,
            "sourceId": self.source,
            "createdTime": self.created,
            "modifiedTime": self.modified,
            "creatorId": self.creator,
            "modifierId": self.modifier,
            "bizTag": self.app.client_id,
            "isOnlyShowExecutor": True,
            "priority": 20,
        }

    def card(self) -> dict[str, Any]:
        found = self.row()
        names = ("subject", "dueTime", "detailUrl", "priority", "createdTime", "modifiedTime", "creatorId", "sourceId")
        return {"taskId": self.id, "isDone": self.done, "bizTag": self.app.client_id, "todoType": "TODO"} | {
            name: found[name] for name in names
        }


class Todos:
    """All to-dos of one emulator."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.kept: dict[str, Todo] = {}

    def forget(self) -> None:
        self.kept.clear()

    def add_to(self, app: Flask) -> None:
        base = "/v1.0/todo/users/<unionid>"
        rules = (
            ("POST", "/tasks", WRITE, self.create),
            ("GET", "/tasks/<task_id>", READ, self.get),
            ("GET", "/tasks/sources/<source>", READ, self.by_source),
            ("PUT", "/tasks/<task_id>", WRITE, self.update),
            ("DELETE", "/tasks/<task_id>", WRITE, self.delete),
            ("POST", "/org/tasks/query", READ, self.query),
        )
        for method, tail, permission, act in rules:
            app.add_url_rule(base + tail, f"todo {method} {tail}", self._view(tail, permission, act), methods=[method])

    def _view(self, tail: str, permission: str, act: Any) -> Any:
        label = f"/v1.0/todo/users/*{tail.partition('<')[0]}"

        def view(unionid: str, **ids: str) -> Response:
            def handle(emulator: "DingTalkEmulator", app: App, body: dict[str, Any]) -> dict[str, Any]:
                with emulator.lock:
                    if emulator.world.by_unionid(app.corp, unionid) is None:
                        raise HostError("todo.user.paramError", "unionId is invalid")
                    found: dict[str, Any] = act(app, unionid, body, **ids)
                    return found

            return self.emulator.gate.new(label, handle, permission)

        return view

    # --- the API ---------------------------------------------------------------------------------------------

    def create(self, app: App, unionid: str, body: dict[str, Any]) -> dict[str, Any]:
        self._check(app, body, "todo.taskCreate.paramError", whole=True)
        source = str(body.get("sourceId") or "")
        if source and any(one.source == source and one.app is app for one in self.kept.values()):
            raise HostError("todo.taskCreate.paramError", "task exist")
        now = self._now()
        made = Todo(
            id=f"task{secrets.token_hex(8)}",
            app=app,
            creator=unionid,
            source=source,
            subject=body["subject"],
            description=str(body.get("description") or ""),
            due=int(body.get("dueTime") or 0),
            url=dict(body["detailUrl"]),
            executors=list(body.get("executorIds") or [unionid]),
            created=now,
            modified=now,
            modifier=unionid,
            history=["app create"],
        )
        self.kept[made.id] = made
        self._tell(made, "create")
        return made.row()

    def get(self, app: App, unionid: str, body: dict[str, Any], task_id: str) -> dict[str, Any]:
        return self._own(app, task_id, "todo.taskGet.paramError").row()

    def by_source(self, app: App, unionid: str, body: dict[str, Any], source: str) -> dict[str, Any]:
        mine = (one for one in self.kept.values() if one.app is app and one.source == source and not one.deleted)
        found = next(mine, None)
        if found is None:
            raise HostError("todo.taskGet.paramError", "task not exist")
        return found.row()

    def update(self, app: App, unionid: str, body: dict[str, Any], task_id: str) -> dict[str, Any]:
        found = self._own(app, task_id, "todo.taskUpdate.paramError")
        self._check(app, body, "todo.taskUpdate.paramError", whole=False)
        found.subject = body.get("subject", found.subject)
        found.description = body.get("description", found.description)
        found.due = int(body.get("dueTime", found.due))
        found.done = bool(body.get("done", found.done))
        found.executors = list(body.get("executorIds", found.executors))
        self._touch(found, "app update", request.args.get("operatorId", unionid))
        return {"result": True}

    def delete(self, app: App, unionid: str, body: dict[str, Any], task_id: str) -> dict[str, Any]:
        found = self._own(app, task_id, "todo.taskDelete.paramError")
        found.deleted = True
        self._touch(found, "app delete", unionid, "delete")
        return {"result": True, "requestId": secrets.token_hex(6)}

    def query(self, app: App, unionid: str, body: dict[str, Any]) -> dict[str, Any]:
        done, since = body.get("isDone"), self._now() - KEPT_DONE
        rows = [
            one
            for one in self.kept.values()
            if one.app is app
            and not one.deleted
            and unionid in one.executors
            and (done is None or one.done is bool(done))
            and (not one.done or one.modified >= since)
        ]
        start = int(body.get("nextToken") or 0)
        more = {"nextToken": str(start + PAGE)} if start + PAGE < len(rows) else {}
        return {"todoCards": [one.card() for one in rows[start : start + PAGE]], **more}

    def _check(self, app: App, body: dict[str, Any], code: str, *, whole: bool) -> None:
        subject, url = body.get("subject"), body.get("detailUrl") or {}
        if whole and (not isinstance(subject, str) or not subject):
            raise HostError(code, "subject is empty")
        if isinstance(subject, str) and len(subject) > MAX_SUBJECT:
            raise HostError(code, "subject is oversize")
        if len(str(body.get("description") or "")) > MAX_NOTE:
            raise HostError(code, "description is oversize")
        if whole and not all(isinstance(url.get(one), str) and url[one] for one in ("appUrl", "pcUrl")):
            raise HostError(code, "detailUrl is required")
        if any(len(str(one).encode()) > MAX_URL for one in url.values()):
            raise HostError(code, "detailUrl is oversize")
        if not isinstance(body.get("dueTime", 0), int) or body.get("dueTime", 0) < 0:
            raise HostError(code, "dueTime is invalid")
        people = body.get("executorIds") or []
        if len(people) > MAX_PEOPLE:
            raise HostError(code, "executors is oversize")
        if any(self.emulator.world.by_unionid(app.corp, one) is None for one in people):
            raise HostError(code, "executorIds is invalid")  # a userid is none

    def _own(self, app: App, task_id: str, code: str) -> Todo:
        found = self.kept.get(task_id)
        if found is None or found.deleted or found.app.corp is not app.corp:
            raise HostError(code, "task not exist")
        if found.app is not app:
            raise HostError(code, "task not belong to bizTag")
        return found

    # --- the person's phone ----------------------------------------------------------------------------------

    def of(self, unionid: str) -> list[Todo]:
        return [one for one in self.kept.values() if unionid in one.executors and not one.deleted]

    def act(self, unionid: str, task_id: str, act: str, at: float) -> bool:
        """The person ticks, unticks, moves or deletes; says whether there was such a to-do."""
        found = next((one for one in self.of(unionid) if one.id == task_id), None)
        if found is None:
            return False
        if act in ("complete", "reopen"):
            found.done = act == "complete"
        elif act == "move":
            found.due = int(at * 1000)
        elif act == "rename":
            found.subject += "（改）"
        elif act == "delete":
            found.deleted = True
        self._touch(found, f"person {act}", unionid, "delete" if act == "delete" else "update")
        return True

    def _touch(self, todo: Todo, what: str, who: str, kind: str = "update") -> None:
        todo.modified, todo.modifier = self._now(), who
        todo.history.append(what)
        self._tell(todo, kind)

    def _tell(self, todo: Todo, kind: str) -> None:
        people = list(dict.fromkeys([todo.creator, *todo.executors]))
        facts = {"taskId": todo.id, "bizTag": todo.app.client_id, "UnionIdList": people}
        self.emulator.events.emit(todo.app.corp, f"todo_task_{kind}", **facts)

    def _now(self) -> int:
        return int(self.emulator.clock.time() * 1000)
