"""/members and /departments: who works here, as far as the user may see."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import g

from wsapp.api.base import Answer, reads, resource, userid_key
from wsapp.api.lists import Select, listed, one
from wsapp.api.schemas_in import DepartmentList, DepartmentPath, MemberList, MemberPath
from wsapp.api.schemas_out import Department as DepartmentRecord
from wsapp.api.schemas_out import DepartmentPage, MemberPage
from wsapp.api.schemas_out import Member as MemberRecord
from wsapp.crm.org.models import Department, Member, Membership
from wsapp.crm.org.queries import visible_departments, visible_members
from wsapp.db import db

bp = resource("members", "Members and departments, as far as the user may see them")

MEMBER_SORTS = {"name": (Member.name, False), "-name": (Member.name, True)}
DEPARTMENT_SORTS = {"name": (Department.name, False), "-name": (Department.name, True)}


def _members() -> Select:
    columns = (Member.id, Member.userid, Member.name, Member.position, Member.status)
    return sa.select(*columns).where(visible_members(g.member))


def _show_members(found: Sequence[Any]) -> list[dict[str, Any]]:
    statement = (
        sa.select(Membership.member_id, Membership.department_id, Membership.leads)
        .where(Membership.member_id.in_([row.id for row in found]))
        .order_by(Membership.department_id)
    )
    belongs = db.session.execute(statement).all() if found else []
    return [
        {
            "userid": row.userid,
            "name": row.name,
            "position": row.position,
            "departments": [one.department_id for one in belongs if one.member_id == row.id],
            "status": row.status,
            "is_leader_of": [one.department_id for one in belongs if one.member_id == row.id and one.leads],
        }
        for row in found
    ]


@bp.get("/members", responses={200: MemberPage})
@reads
def index(query: MemberList) -> Answer:
    """List the members whom the user may see: an administrator all, a leader their departments, others themselves."""
    statement = _members()
    if query.department:
        inside = sa.exists().where(
            Membership.corp_id == Member.corp_id,
            Membership.member_id == Member.id,
            Membership.department_id == query.department,
        )
        statement = statement.where(inside)
    if query.status:
        statement = statement.where(Member.status == query.status)
    if query.q.strip():
        statement = statement.where(Member.name.contains(query.q.strip(), autoescape=True))
    return listed(statement, query, sorts=MEMBER_SORTS, default="name", id_column=Member.id, show=_show_members)


@bp.get("/members/<member_id>", responses={200: MemberRecord})
@reads
def show(path: MemberPath) -> Answer:
    """Return a member by userid."""
    return Answer(one(_members().where(Member.userid_key == userid_key(path.member_id)), show=_show_members))


def _departments() -> Select:
    return sa.select(Department.id, Department.name, Department.parent_id).where(visible_departments(g.member))


def _show_departments(found: Sequence[Any]) -> list[dict[str, Any]]:
    statement = (
        sa.select(Membership.department_id, Member.userid)
        .join(Member, sa.and_(Member.id == Membership.member_id, Member.corp_id == Membership.corp_id))
        .where(Membership.department_id.in_([row.id for row in found]), Membership.leads.is_(True))
        .order_by(Member.userid)
    )
    leaders = db.session.execute(statement).all() if found else []
    return [
        {
            "id": row.id,
            "name": row.name,
            "parent": row.parent_id,
            "leaders": [leader.userid for leader in leaders if leader.department_id == row.id],
        }
        for row in found
    ]


@bp.get("/departments", responses={200: DepartmentPage})
@reads
def departments(query: DepartmentList) -> Answer:
    """List the departments that the user may see: their own, those they lead and all below; an administrator all."""
    statement = _departments()
    if query.q.strip():
        statement = statement.where(Department.name.contains(query.q.strip(), autoescape=True))
    return listed(
        statement, query, sorts=DEPARTMENT_SORTS, default="name", id_column=Department.id, show=_show_departments
    )


@bp.get("/departments/<department_id>", responses={200: DepartmentRecord})
@reads
def department(path: DepartmentPath) -> Answer:
    """Return a department."""
    return Answer(one(_departments().where(Department.id == path.department_id), show=_show_departments))
