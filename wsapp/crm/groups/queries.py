"""Which robots there are, and which of them tell of whose work."""

from collections.abc import Sequence

import sqlalchemy as sa

from wsapp.crm.groups.models import GroupRobot
from wsapp.crm.org.models import Department, Membership
from wsapp.db import db, first, rows
from wsapp.problems import NotFound
from wsapp.texts import _

DIGEST = "digest.daily"
EVENTS = ("visit.checked_in", "customer.created", "task.overdue", DIGEST)  # what robots can tell of
MAX_ROBOTS = 50


def robots() -> Sequence[GroupRobot]:
    """Return the corp's robots, oldest first."""
    return rows(sa.select(GroupRobot).order_by(GroupRobot.created_at, GroupRobot.id))


def count_robots() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(GroupRobot)) or 0


def find_robot(robot_id: str) -> GroupRobot:
    """Return a robot of this corp; raises NotFound."""
    found: GroupRobot | None = first(sa.select(GroupRobot).where(GroupRobot.id == robot_id))
    if found is None:
        raise NotFound(_("没有这个群机器人，可能已被移除"))
    return found


def robots_for(event: str, person_id: str) -> list[GroupRobot]:
    """Return the robots that tell of an event in the work of a person: of everybody's, or of a department of theirs."""
    live = [one for one in rows(sa.select(GroupRobot).where(GroupRobot.enabled.is_(True))) if event in one.events]
    if not any(one.department_id for one in live):
        return live
    same = sa.and_(Membership.department_id == Department.id, Membership.corp_id == Department.corp_id)
    paths = rows(sa.select(Department.path).join(Membership, same).where(Membership.member_id == person_id))
    above = {part for path in paths for part in path.split("/")}
    return [one for one in live if one.department_id is None or one.department_id in above]
