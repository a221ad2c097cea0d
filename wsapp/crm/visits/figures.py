"""The figures of a day, member by member: visits, follow-ups and what is overdue."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import team_ids
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import are_overdue, start_of_today
from wsapp.crm.visits.models import Visit
from wsapp.db import db


def todays_figures(member_ids: Sequence[str], *, actor: Member) -> dict[str, tuple[int, int, int]]:
    """Return (visits today, follow-ups today, overdue tasks) of members by id, in three statements.

    Of somebody whose records of a kind the actor does not see, there are none.
    """
    today = start_of_today()
    visits = _per_member(Visit.member_id, _seen(member_ids, actor, "visit"), Visit.checked_in_at >= today)
    logs = _per_member(FollowUp.author_id, _seen(member_ids, actor, "follow_up"), FollowUp.happened_at >= today)
    overdue = _per_member(Task.assignee_id, _seen(member_ids, actor, "task"), are_overdue())
    return {one: (visits.get(one, 0), logs.get(one, 0), overdue.get(one, 0)) for one in member_ids}


def _seen(member_ids: Sequence[str], actor: Member, obj: str) -> Sequence[str]:
    team = team_ids(actor, obj)
    return member_ids if team is None else [one for one in member_ids if one in team]


def _per_member(column: Any, member_ids: Sequence[str], condition: sa.ColumnElement[bool]) -> dict[str, int]:
    if not member_ids:
        return {}
    statement = sa.select(column, sa.func.count()).where(column.in_(member_ids), condition).group_by(column)
    return {row[0]: row[1] for row in db.session.execute(statement)}
