"""Who works here, who leads whom, and therefore who may see whose records."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from wsapp.crm.org.models import ACTIVE, ADMIN, Corp, Department, HostStream, Member, Membership
from wsapp.crm.org.rights import sight
from wsapp.crm.org.roles import VALUE_FIELDS
from wsapp.db import current_corp, db, first, rows
from wsapp.kept import Kept, one_of

ROOT_DEPTH = 1


def corp_at_host(host: str, host_corp_id: str) -> Corp | None:
    """Return the corp that `host` knows under `host_corp_id`."""
    return first(sa.select(Corp).where(Corp.host == host, Corp.host_corp_id == host_corp_id))


def corps() -> Sequence[Corp]:
    """Return every connected corp of this installation, oldest first."""
    return rows(sa.select(Corp).order_by(Corp.id))


def hold_corp() -> Corp:
    """Return the corp, held until the transaction ends: whoever else holds it waits.

    The lock leaves foreign keys alone. Others go on writing rows of the corp, and two that have written some may both
    come to hold it without waiting for each other for ever.
    """
    held = sa.select(Corp).where(Corp.id == current_corp()).with_for_update(key_share=True)
    found: Corp = first(held.execution_options(populate_existing=True))
    return found


def member(member_id: str | None) -> Member | None:
    """Return a member of the current corp by our id."""
    return first(sa.select(Member).where(Member.id == member_id)) if member_id else None


def members(member_ids: Iterable[str]) -> dict[str, Member]:
    """Return members of the current corp by our ids, in one query."""
    wanted = sorted(set(member_ids))
    return {one.id: one for one in rows(sa.select(Member).where(Member.id.in_(wanted)))} if wanted else {}


def member_by_userid(userid: str, *, fold: bool) -> Member | None:
    """Return a member by the host's userid; `fold` where the host ignores case."""
    return first(sa.select(Member).where(Member.userid_key == (userid.casefold() if fold else userid)))


def led_department_ids(actor: Member) -> Sequence[str]:
    """Return the departments that the actor leads, without those below."""
    return rows(sa.select(Membership.department_id).where(Membership.member_id == actor.id, Membership.leads.is_(True)))


def team_ids(actor: Member, obj: str = "customer") -> frozenset[str] | None:
    """Return the ids of everybody whose `obj` the actor may see; None means the whole corp."""
    return sight(actor, obj).people


def _led_paths(actor: Member) -> Sequence[str]:
    return rows(
        sa.select(Department.path)
        .join(Membership, sa.and_(Membership.department_id == Department.id, Membership.corp_id == Department.corp_id))
        .where(Membership.member_id == actor.id, Membership.leads.is_(True))
    )


def leads_others(actor: Member) -> bool:
    """Say whether the actor has anybody's records to look after besides their own."""
    team = team_ids(actor)
    return team is None or len(team) > 1


def sees_others(actor: Member) -> bool:
    """Say whether the actor sees customers of others: their people's, or by what stands in a field."""
    return leads_others(actor) or bool(sight(actor).having)


class Viewer(Enum):
    """Stands for any actor of a kind, where a statement is kept for all of them (see `wsapp.kept`).

    The statement then takes what `viewer_values` returns as its parameters.
    """

    WHOLE = "sees the whole corp"
    TEAM = "sees their people"
    PICKED = "sees their people, and customers by what stands in their fields"
    SELF = "sees themselves"


VIEWER_ID = sa.bindparam("viewer", type_=sa.String)


VIEWER_SHARED = sa.bindparam("viewer_shared", type_=sa.String)


def viewer_of(actor: Member, obj: str = "customer") -> Viewer:
    """Return what stands for the actor in a kept statement about `obj`."""
    covered = sight(actor, obj)
    if covered.people is None:
        return Viewer.WHOLE
    if covered.having:
        return Viewer.PICKED
    return Viewer.SELF if covered.people == {actor.id} else Viewer.TEAM


def viewer_values(actor: Member, obj: str = "customer") -> dict[str, Any]:
    """Return the parameters of a kept statement about `obj` that say who the actor is."""
    found = sight(actor, obj)
    given = {
        "viewer": actor.id,
        "viewer_shared": actor.id if found.shared else "",  # nobody co-works who may not see what is shared
        "team": sorted(found.people or ()),
    }
    if found.having:
        by_field = found.values()
        given |= {f"having_{field}": by_field.get(field, []) for field in VALUE_FIELDS}
    return given


def within_team(
    column: InstrumentedAttribute[str | None] | InstrumentedAttribute[str],
    actor: Member | Viewer,
    obj: str = "customer",
    action: str = "see",
) -> sa.ColumnElement[bool]:
    """Return the condition that `column` (a member id) names somebody whose `obj` the actor may see (or `action`)."""
    if isinstance(actor, Viewer):
        return _within_team_of_any(column, actor)
    team = sight(actor, obj, action).people
    if team is None:
        return sa.true()
    return column == actor.id if team == {actor.id} else column.in_(sorted(team))


def _within_team_of_any(column: Any, viewer: Viewer) -> sa.ColumnElement[bool]:
    if viewer is Viewer.WHOLE:
        return sa.true()
    condition: sa.ColumnElement[bool] = column == VIEWER_ID if viewer is Viewer.SELF else one_of(column, "team")
    return condition


def is_actor(column: Any, actor: Member | Viewer) -> sa.ColumnElement[bool]:
    """Return the condition that `column` (a member id) names the actor."""
    condition: sa.ColumnElement[bool] = column == (VIEWER_ID if isinstance(actor, Viewer) else actor.id)
    return condition


def may_see_member(actor: Member, member_id: str | None) -> bool:
    """Say whether the records of `member_id` are the actor's business."""
    team = team_ids(actor)
    return team is None or member_id in team


def manager_of(person: Member) -> Member | None:
    """Return whoever looks after a member: the direct manager at the host, else a leader of their department or above.

    Never the member themselves; None at the top.
    """
    if person.manager_userid:
        direct = first(sa.select(Member).where(Member.userid == person.manager_userid, Member.status == ACTIVE))
        if direct and direct.id != person.id:
            return direct
    home = person.main_department_id and first(
        sa.select(Department.path).where(Department.id == person.main_department_id)
    )
    if not home:
        return None
    upwards = [part for part in home.split("/") if part]
    leaders = db.session.execute(
        sa.select(Membership.department_id, Member)
        .join(Member, sa.and_(Member.id == Membership.member_id, Member.corp_id == Membership.corp_id))
        .where(
            Membership.department_id.in_(upwards),
            Membership.leads.is_(True),
            Member.id != person.id,
            Member.status == ACTIVE,
        )
        .order_by(Member.id)
    ).all()
    by_department = dict(reversed(leaders))  # of several leaders the first
    return next((by_department[one] for one in reversed(upwards) if one in by_department), None)


def visible_members(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the members whom the actor may look up: an administrator all, a leader their people."""
    return within_team(Member.id, actor)


def visible_departments(actor: Member) -> sa.ColumnElement[bool]:
    """Return the condition for the departments that the actor may look up: their own, those they lead and all below."""
    here = Department.gone_at.is_(None)
    if actor.role == ADMIN:
        return here
    belongs = sa.exists().where(
        Membership.corp_id == Department.corp_id,
        Membership.member_id == actor.id,
        Membership.department_id == Department.id,
    )
    below = (Department.path.startswith(path, autoescape=True) for path in _led_paths(actor))
    return sa.and_(here, sa.or_(belongs, *below))


def department_names(person: Member) -> Sequence[str]:
    """Return the names of a member's departments, the main one first."""
    found = db.session.execute(
        sa.select(Department.id, Department.name)
        .join(Membership, sa.and_(Membership.department_id == Department.id, Membership.corp_id == Department.corp_id))
        .where(Membership.member_id == person.id)
        .order_by(Department.path)
    ).all()
    return [row.name for row in sorted(found, key=lambda row: row.id != person.main_department_id)]


def assignable_members(actor: Member) -> Sequence[Member]:
    """Return the active members to whom the actor may hand work, by name: their team, and their own manager."""
    statement = sa.select(Member).where(Member.status == ACTIVE, within_team(Member.id, actor)).order_by(Member.name)
    return rows(statement.limit(500))


_NAMES = Kept(sa.select(Member.id, Member.name).where(one_of(Member.id, "ids")))


def names(member_ids: Sequence[str | None]) -> dict[str, str]:
    """Return the names of members by id, in one query."""
    wanted = sorted({one for one in member_ids if one})
    return dict(_NAMES.all(ids=wanted)) if wanted else {}


_PEOPLE = Kept(sa.select(Member.id, Member.name, Member.userid).where(one_of(Member.id, "ids")))


def people(member_ids: Sequence[str | None]) -> dict[str, tuple[str, str]]:
    """Return (name, the host's userid) of members by id, in one query."""
    wanted = sorted({one for one in member_ids if one})
    return {row.id: (row.name, row.userid) for row in _PEOPLE.all(ids=wanted)} if wanted else {}


def admin_names(limit: int = 3) -> Sequence[str]:
    """Return the names of this corp's administrators, for "ask …"."""
    return rows(
        sa.select(Member.name).where(Member.role == ADMIN, Member.status == ACTIVE).order_by(Member.name).limit(limit)
    )


def first_admin_userid() -> str:
    """Return the userid of the administrator of this corp who came first, empty when there is none."""
    wanted = sa.select(Member.userid).where(Member.role == ADMIN, Member.status == ACTIVE)
    return first(wanted.order_by(Member.created_at, Member.id).limit(1)) or ""


def administrators(limit: int = 50) -> Sequence[Member]:
    """Return this corp's active administrators, for what concerns them all."""
    return rows(sa.select(Member).where(Member.role == ADMIN, Member.status == ACTIVE).order_by(Member.id).limit(limit))


def has_admin() -> bool:
    """Say whether any member of the current corp is an active administrator."""
    return first(sa.select(Member.id).where(Member.role == ADMIN, Member.status == ACTIVE).limit(1)) is not None


def stream_of(corp_id: int) -> HostStream | None:
    """Return how a corp's stream is; None where no process ever took one up. Before `held_until` it is watched."""
    found: HostStream | None = first(sa.select(HostStream).where(HostStream.corp_id == corp_id))
    return found
