"""What people do with robots, and how notes come into line."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.events.actions import record
from wsapp.crm.groups.models import DROPPED, WAITING, GroupNote, GroupPost, GroupRobot
from wsapp.crm.groups.phones import without_phones
from wsapp.crm.groups.queries import EVENTS, MAX_ROBOTS, count_robots
from wsapp.crm.notifications.hours import after, hours_of
from wsapp.crm.notifications.messages import Card, link
from wsapp.crm.org.models import Department, Member
from wsapp.db import current_corp, db, dialect_insert, first, new_id
from wsapp.house import local
from wsapp.problems import Invalid
from wsapp.texts import _, speaking

MAX_NAME = 60
LANGUAGES = ("zh", "en")


def add_robot(values: Mapping[str, Any], *, robot_id: str, address: str, actor: Member) -> GroupRobot:
    """Add a robot; `address` is sealed under `robot_id`. `values`: name, department, events, hours, language.

    Raises Invalid.
    """
    errors: dict[str, str] = {}
    name = " ".join(str(values.get("name", "")).split())
    if not 0 < len(name) <= MAX_NAME:
        errors["name"] = _("请填写名称，不超过 %(most)d 个字", most=MAX_NAME)
    events = [one for one in EVENTS if one in values.get("events", ())]
    if not events:
        errors["events"] = _("请至少选择一项动态")
    hours = str(values.get("hours", "")).strip()
    try:
        hours_of(hours)
    except ValueError:
        errors["hours"] = _("请按 08:00-21:00 的格式填写，留空表示全天")
    department = values.get("department") or None
    if department and first(sa.select(Department.id).where(Department.id == department)) is None:
        errors["department"] = _("请从列表中选择")
    language = values.get("language") or "zh"
    if language not in LANGUAGES:
        errors["language"] = _("请从列表中选择")
    if count_robots() >= MAX_ROBOTS:
        errors["name"] = _("最多 %(most)d 个群机器人", most=MAX_ROBOTS)
    if errors:
        raise Invalid(errors)
    robot = GroupRobot(
        id=robot_id,
        name=name,
        address=address,
        department_id=department,
        events=events,
        hours=hours,
        language=language,
        enabled=True,
        fault="",
        created_at=clock.now(),
    )
    db.session.add(robot)
    db.session.flush()
    record("robot.added", robot, actor=actor, name=name, events=events)
    return robot


def switch_robot(robot: GroupRobot, *, on: bool, actor: Member | None, fault: str = "") -> None:
    """Switch a robot on or off; whatever it had not said yet is dropped when it goes off."""
    if robot.enabled == on:
        return
    robot.enabled, robot.fault = on, fault[:300]
    if not on:
        waiting = sa.update(GroupNote).where(GroupNote.robot_id == robot.id, GroupNote.state == WAITING)
        db.session.execute(waiting.values(state=DROPPED).execution_options(synchronize_session=False))
    record("robot.switched", robot, actor=actor, name=robot.name, on=on, reason=fault[:300])


def remove_robot(robot: GroupRobot, *, actor: Member) -> None:
    """Remove a robot, its address, and what it posted."""
    record("robot.removed", robot, actor=actor, name=robot.name)
    db.session.delete(robot)


def try_out(robot: GroupRobot, *, actor: Member) -> None:
    """Have a robot say something at once, whatever its hours."""
    with speaking(robot.language):
        card: Card = {
            "title": _("测试消息 %(time)s", time=f"{local(clock.now()):%H:%M:%S}"),
            "text": _("%(who)s 在管理后台发来的测试，看到它说明群机器人可用。", who=actor.name),
            "lines": [],
            "url": link("/h5/"),
        }
    say(robot, "test", card, key=f"test:{new_id()}")


def say(robot: GroupRobot, kind: str, card: Card, *, key: str) -> bool:
    """Put a note in line for a robot, once for each `key`; says whether it is new. Nobody's phone number is in it."""
    note_id, now = new_id(), clock.now()
    values = {
        "corp_id": current_corp(),
        "id": note_id,
        "robot_id": robot.id,
        "key": key[:120],
        "kind": kind,
        "message": {**without_phones(card), "card": f"g{note_id}"},
        "state": WAITING,
        "created_at": now,
    }
    statement = dialect_insert(GroupNote).values(**values)
    statement = statement.on_conflict_do_nothing(index_elements=["corp_id", "robot_id", "key"])
    done = db.session.execute(statement, execution_options={"stamped": True})
    if done.rowcount != 1:  # type: ignore[attr-defined]
        return False
    due_at = now if kind == "test" else opens_at(robot, now)
    outbox.enqueue("group.post", {"robot": robot.id}, key=f"group:{note_id}", due_at=due_at)
    return True


def forget_posts(before: datetime) -> None:
    """Throw away what robots of the current corp said before that moment."""
    for kind in (GroupNote, GroupPost):
        old = sa.delete(kind).where(kind.created_at < before)
        db.session.execute(old.execution_options(synchronize_session=False))


def opens_at(robot: GroupRobot, moment: datetime) -> datetime:
    """Return `moment`, or when the robot's hours begin again."""
    hours = hours_of(robot.hours)
    return after((hours[1], hours[0]), moment) if hours else moment
