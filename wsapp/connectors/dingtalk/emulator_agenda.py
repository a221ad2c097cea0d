"""What a person sees in their to-do list and calendar, for the phone."""

from typing import TYPE_CHECKING, Any

from wsapp.connectors.dingtalk.emulator_calendar import Entry
from wsapp.connectors.dingtalk.emulator_todos import Todo

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator


def agenda(emulator: "DingTalkEmulator", unionid: str) -> list[dict[str, Any]]:
    """Return a person's items, see `Emulator.agenda`."""
    ticks = bool(emulator.knobs["todos_tick"])
    todos = [_todo(one, ticks) for one in emulator.todos.of(unionid)]
    return todos + [_entry(one) for one in emulator.calendars.of(unionid)]


def _todo(todo: Todo, ticks: bool) -> dict[str, Any]:
    tick = ["reopen" if todo.done else "complete"] if ticks else []
    return {
        "list": "todo",
        "id": todo.id,
        "source": todo.source,
        "title": todo.subject,
        "at": todo.due / 1000,
        "all_day": False,
        "minutes": 0,
        "done": todo.done,
        "url": todo.url.get("appUrl", ""),
        "acts": [*tick, "delete"] if todo.done else [*tick, "move", "delete"],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    lasts = entry.ends() - entry.begins()
    return {
        "list": "entry",
        "id": entry.id,
        "source": entry.facts["description"].rpartition("#")[2],
        "title": entry.facts["summary"],
        "at": entry.begins(),
        "all_day": bool(entry.facts["isAllDay"]),
        "minutes": int(lasts // 60),
        "done": False,
        "url": entry.facts["description"].split("\n")[-1],
        "acts": ["move", "delete"],
    }
