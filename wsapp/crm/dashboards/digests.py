"""Digests (团队日报、周报): the figures of a team for whoever leads it, and for the group robots of its department.

What is out of order comes first. Where nothing happened, nothing is open and nothing is usual, nothing is sent.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp.crm.dashboards.briefs import there_now
from wsapp.crm.dashboards.digest_cards import Digest, digest_card
from wsapp.crm.dashboards.figures import (
    Scope,
    compared,
    days,
    idle,
    leaving_soon,
    overdue_by_person,
    same_days_before,
    scope_of,
    scope_of_department,
    weeks_before,
)
from wsapp.crm.dashboards.rounds import DAILY, WEEKLY
from wsapp.crm.groups.actions import say
from wsapp.crm.groups.models import GroupRobot
from wsapp.crm.groups.queries import DIGEST
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import in_language_of
from wsapp.crm.org.models import ACTIVE, ADMIN, Member, Membership
from wsapp.crm.org.queries import leads_others, names
from wsapp.crm.org.rights import roles_of
from wsapp.crm.org.roles import AUDITOR, READER
from wsapp.crm.pools.clocks import today
from wsapp.db import rows
from wsapp.texts import speaking

KINDS = {DAILY: "digest.daily", WEEKLY: "digest.weekly"}
LOT = 20  # readers in one transaction
LOOK_ON = (AUDITOR, READER)  # roles that see everything and lead nobody


def send_digests(one: str, after_id: str = "") -> str:
    """Send a round, DAILY or WEEKLY, to some of those who lead, behind the member `after_id`; the first lot goes to the
    group robots as well. Returns where to go on, "" when everybody was asked."""
    if not after_id and one == DAILY:
        _tell_groups()
    people = _readers(after_id)
    for reader in there_now(people):
        if is_reader(reader):
            _tell(reader, one)
    return people[-1].id if len(people) == LOT else ""


def is_reader(member: Member) -> bool:
    """Say whether a member gets digests: who looks after others, and does not only look on."""
    return leads_others(member) and not all(role.key in LOOK_ON for role in roles_of(member))


def _readers(after_id: str) -> Sequence[Member]:
    """Those who may look after others: who leads a department, or has a role that was given here."""
    leads = sa.exists().where(
        Membership.corp_id == Member.corp_id, Membership.member_id == Member.id, Membership.leads.is_(True)
    )
    given = sa.cast(Member.roles, sa.Text) != "[]"
    wanted = sa.select(Member).where(Member.status == ACTIVE, sa.or_(leads, Member.role == ADMIN, given))
    return rows(wanted.where(Member.id > after_id).order_by(Member.id).limit(LOT))


def _tell(reader: Member, one: str) -> None:
    found = digest(scope_of(reader), one, but=reader.id)
    if not found:
        return
    day = first_day(one)
    with in_language_of(reader):
        card = digest_card(found, one, day, in_group=False)
    tell(reader, KINDS[one], card, key=f"digest:{one}:{today()}:{reader.id}")


def _tell_groups() -> None:
    for robot in rows(sa.select(GroupRobot).where(GroupRobot.enabled.is_(True)).order_by(GroupRobot.id)):
        if DIGEST not in robot.events:
            continue
        found = digest(scope_of_department(robot.department_id), DAILY)
        if found:
            with speaking(robot.language):
                card = digest_card(found, DAILY, today(), in_group=True)
            say(robot, DIGEST, card, key=f"digest:{DAILY}:{today()}")


def first_day(one: str) -> date:
    """Return the day that today's digest is of, or the Monday of the week: the one before this."""
    return today() if one == DAILY else today() - timedelta(days=today().weekday() + 7)


def digest(scope: Scope, one: str, *, but: str = "") -> Digest:
    """Return the figures of today's digest, `but`: of everybody besides this member where people are named."""
    day = first_day(one)
    stretch, before = (days(day), same_days_before(day)) if one == DAILY else (days(day, 7), weeks_before(day))
    overdue = overdue_by_person(scope)
    called: dict[str, Any] = names(list(overdue))
    ranked = sorted(overdue.items(), key=lambda pair: (-pair[1], called.get(pair[0], "")))
    return Digest(
        compared(scope, stretch, before),
        {called.get(who, ""): count for who, count in ranked},
        len(leaving_soon(scope)),
        [person.name for person in idle(scope, stretch, day=today(), but=but)],
    )
