"""Group chats of an emulated host: who is in them, which robots post there, and what was said.

An organisation's description lists them:

    "groups": [{"id": …, "name": …, "members": [userid, …], "robots": [{"key": …, "name": …, "secret": …}]}]

and `POST /_emulator/groups {"corp", "id", "robot": key, "removed" | "disabled" | …}` changes a robot later on.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

if TYPE_CHECKING:
    from wsapp.connectors.emulator import Emulator

MAX_SAID = 5_000


@dataclass
class Robot:
    """A robot of one group. `keywords`: one of them must stand in each post, where the host knows that."""

    key: str
    name: str = "群机器人"
    secret: str = ""
    keywords: tuple[str, ...] = ()
    disabled: bool = False
    removed: bool = False
    times: deque[float] = field(default_factory=deque)  # of its posts within a minute
    blocked_until: float = 0.0


@dataclass
class Group:
    corp_id: str
    id: str
    name: str
    members: list[str]
    robots: dict[str, Robot] = field(default_factory=dict)
    said: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_SAID))


class Groups:
    """The groups of all organisations. Callers hold the emulator's lock."""

    def __init__(self, emulator: "Emulator") -> None:
        self.emulator = emulator
        self.groups: dict[tuple[str, str], Group] = {}
        self.number = 0

    def load(self, org: Mapping[str, Any]) -> None:
        """Take in the groups of an organisation's description; those of a known corp are replaced."""
        for corp in org["corps"]:
            corp_id = corp["corp_id"]
            self.groups = {key: one for key, one in self.groups.items() if key[0] != corp_id}
            for row in corp.get("groups", ()):
                robots = {one["key"]: Robot(**one) for one in row.get("robots", ())}
                group = Group(corp_id, str(row["id"]), row["name"], list(row.get("members", ())), robots)
                self.groups[corp_id, group.id] = group

    def forget(self) -> None:
        for group in self.groups.values():
            group.said.clear()
            for robot in group.robots.values():
                robot.times.clear()
                robot.blocked_until = 0.0

    def robot(self, key: str) -> tuple[Group, Robot] | None:
        found = ((group, group.robots[key]) for group in self.groups.values() if key in group.robots)
        return next(((group, robot) for group, robot in found if not robot.removed), None)

    def in_pace(self, robot: Robot, now: float, *, most: int, block: float = 0) -> bool:
        """Count one post; False beyond `most` within a minute, and then for `block` seconds."""
        while robot.times and robot.times[0] <= now - 60:
            robot.times.popleft()
        if now < robot.blocked_until:
            return False
        if most and len(robot.times) >= most:
            robot.blocked_until = now + block
            return False
        robot.times.append(now)
        return True

    def say(self, group: Group, who: str, kind: str, view: Mapping[str, Any]) -> dict[str, Any]:
        """Show a message in a group; returns it as data."""
        self.number += 1
        said = {
            "id": f"g{self.number}",
            "at": self.emulator.clock.time(),
            "kind": kind,
            "corp": group.corp_id,
            "group": group.name,
            "group_id": group.id,
            "source": who,
            "card": "",
            "title": "",
            "text": "",
            "lines": [],
            "buttons": [],
            "url": "",
            "state": "",
            "dropped": "",
            **view,
        }
        group.said.append(said)
        return said

    def of(self, user: str) -> list[dict[str, str]]:
        """The groups that a person is in."""
        return [
            {"id": group.id, "name": group.name}
            for group in self.groups.values()
            if user.lower() in {one.lower() for one in group.members}
        ]

    def items(self, user: str) -> list[dict[str, Any]]:
        """What one person sees in their groups; nothing of groups for nobody in particular."""
        return [
            {**said, "user": user}
            for group in self.groups.values()
            if user.lower() in {one.lower() for one in group.members}
            for said in group.said
        ]

    def all(self) -> Iterable[dict[str, Any]]:
        return [said for group in self.groups.values() for said in group.said]

    def add_to(self, app: Flask) -> None:
        @app.get("/_emulator/groups")
        def list_groups() -> Response:
            with self.emulator.lock:
                return jsonify({"items": list(self.all())})

        @app.post("/_emulator/groups")
        def change_robot() -> tuple[Response, int]:
            body = request.get_json(force=True)
            with self.emulator.lock:
                group = self.groups.get((str(body.get("corp")), str(body.get("id"))))
                robot = group.robots.get(str(body.get("robot"))) if group else None
                if robot is None:
                    return jsonify({"error": "no such robot"}), 404
                for name in ("disabled", "removed", "secret", "name"):
                    if name in body:
                        setattr(robot, name, body[name])
                if "keywords" in body:
                    robot.keywords = tuple(body["keywords"])
                return jsonify({"robot": robot.name}), 200
