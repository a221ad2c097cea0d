"""Posting into groups: one worker at a time for a robot, few messages, merged when there are many.

A robot that posts more than the host's 20 a minute is blocked there, and a group that hears of everything singly stops
listening: ten posts in five minutes, then one a minute with everything that happened since.
"""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from wsapp import clock, hosts
from wsapp.connectors.base import Connector, HostError, TryLater
from wsapp.connectors.grouprobots import RobotGone
from wsapp.crm.groups.actions import opens_at, switch_robot
from wsapp.crm.groups.models import (
    DROPPED,
    FAILED,
    POSTED,
    SENDING,
    SENT,
    WAITING,
    GroupNote,
    GroupPost,
    GroupRobot,
)
from wsapp.db import db, first, new_id, rows
from wsapp.jobs.delivery import line_of_corp
from wsapp.jobs.runner import Desk, Later
from wsapp.leases import Claim
from wsapp.texts import _, speaking

SINGLY, WINDOW = 10, timedelta(minutes=5)
MERGED_EVERY = timedelta(minutes=1)
SPARE = 1  # posts a minute that we leave of what the host allows
MOST_MERGED = 100
LEASE = timedelta(seconds=60)
BUSY_PAUSE = 2.0
MAX_TRIES = 12


def post(claim: Claim, desk: Desk) -> None:
    """Say what a robot has to say, in one post; comes again while there is more."""
    robot = _take(claim.payload["robot"])
    if robot is None:
        return
    _corp, connector = line_of_corp()
    try:
        waiting = _post_one(robot, connector)
    finally:
        robot.busy_until = None
    if waiting is not None:
        raise Later("more to say, or not yet", after=waiting, counted=False)


def _take(robot_id: str) -> GroupRobot | None:
    """Borrow a robot for this worker, and commit; None when there is nothing to do with it."""
    now = clock.now()
    free = sa.or_(GroupRobot.busy_until.is_(None), GroupRobot.busy_until < now)
    statement = sa.update(GroupRobot).where(GroupRobot.id == robot_id, GroupRobot.enabled.is_(True), free)
    done = db.session.execute(statement.values(busy_until=now + LEASE).execution_options(synchronize_session=False))
    db.session.commit()
    found = sa.select(GroupRobot).where(GroupRobot.id == robot_id).execution_options(populate_existing=True)
    robot: GroupRobot | None = first(found)
    if robot is None or not robot.enabled:
        return None
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Later("another worker posts for this robot", after=BUSY_PAUSE, counted=False)
    return robot


def _post_one(robot: GroupRobot, connector: Connector) -> float | None:
    """Post one message. Returns None when nothing is left, else how many seconds later to come again."""
    found = first(sa.select(GroupPost).where(GroupPost.robot_id == robot.id, GroupPost.state == SENDING))
    if found is None:
        notes = _waiting(robot)
        if not notes:
            return None
        chosen, rest = _choose(robot, notes, connector)
        if not chosen:
            return rest
        found = _freeze(robot, chosen, connector)
    pause = _send(robot, found, connector)
    return pause if pause is not None else (0.0 if _waiting(robot) else None)


def _waiting(robot: GroupRobot) -> Sequence[GroupNote]:
    statement = sa.select(GroupNote).where(GroupNote.robot_id == robot.id, GroupNote.state == WAITING)
    return rows(statement.order_by(GroupNote.created_at, GroupNote.id).limit(MOST_MERGED))


def _choose(robot: GroupRobot, notes: Sequence[GroupNote], connector: Connector) -> tuple[Sequence[GroupNote], float]:
    """Which notes the next post is of; none and the seconds to wait when the robot has to be still for a while."""
    now = clock.now()
    since = now - WINDOW
    tried = sa.select(GroupPost.tried_at).where(GroupPost.robot_id == robot.id, GroupPost.tried_at > since)
    times = sorted(moment for moment in rows(tried) if moment is not None)
    last_minute = [moment for moment in times if moment > now - timedelta(minutes=1)]
    if connector.robot_minute and len(last_minute) >= connector.robot_minute - SPARE:
        return (), 60.0 - (now - last_minute[0]).total_seconds()
    tests = [note for note in notes if note.kind == "test"]
    if tests:
        return tests[:1], 0.0
    opens = opens_at(robot, now)
    if opens > now:
        return (), (opens - now).total_seconds()
    if len(times) + len(notes) <= SINGLY:
        return notes[:1], 0.0
    if times and now - times[-1] < MERGED_EVERY and len(times) >= SINGLY:
        return (), (MERGED_EVERY - (now - times[-1])).total_seconds()
    return notes, 0.0


def _freeze(robot: GroupRobot, notes: Sequence[GroupNote], connector: Connector) -> GroupPost:
    post_id = new_id()
    with speaking(robot.language):
        heading = _("%(count)d 条新动态", count=len(notes))
    messages = [hosts.message_of(note.message) for note in notes]
    body = connector.compose_post(messages, post_id, heading=heading).decode()
    made = GroupPost(
        id=post_id,
        robot_id=robot.id,
        notes=len(notes),
        body=body,
        state=SENDING,
        attempts=0,
        unknown=False,
        host_code="",
        reason="",
        created_at=clock.now(),
    )
    db.session.add(made)
    for note in notes:
        note.state, note.post_id = POSTED, post_id
    return made


def _send(robot: GroupRobot, made: GroupPost, connector: Connector) -> float | None:
    """Post the frozen bytes and write down how it ended; returns the seconds to wait before the next try, if any.

    The corp's breakers are left alone: a robot that is too fast, or gone, says nothing of the app.
    """
    address = hosts.open_robot_address(robot)
    made.attempts += 1
    made.tried_at = clock.now()
    db.session.commit()
    try:
        connector.post(address, made.body.encode())
    except TryLater as error:
        return _put_off(made, error)
    except HostError as error:
        _fail(robot, made, error)
        return None
    made.state, made.sent_at, made.host_code = SENT, clock.now(), ""
    made.reason = _("可能重复：上一次发送没有得到回应") if made.unknown else ""
    robot.fault = ""
    return None


def _put_off(made: GroupPost, error: TryLater) -> float | None:
    made.unknown = made.unknown or error.ambiguous
    made.host_code, made.reason = error.code[:60], error.reason[:300]
    if made.attempts >= MAX_TRIES:
        made.state = FAILED
        return None
    return max(error.after, min(600.0, 2.0**made.attempts))


def _fail(robot: GroupRobot, made: GroupPost, error: HostError) -> None:
    made.state, made.host_code, made.reason = FAILED, error.code[:60], error.reason[:300]
    robot.fault = f"{error.code} {error.reason}".strip()[:300]
    said = sa.update(GroupNote).where(GroupNote.post_id == made.id)
    db.session.execute(said.values(state=DROPPED).execution_options(synchronize_session=False))
    if isinstance(error, RobotGone):
        switch_robot(robot, on=False, actor=None, fault=robot.fault)
