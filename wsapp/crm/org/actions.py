"""What happens to corps, members, their sessions and tokens."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import (
    ACTIVE,
    ADMIN,
    LEFT,
    SELLER,
    Corp,
    Department,
    HostToken,
    Member,
    Membership,
)
from wsapp.crm.org.queries import hold_corp, member_by_userid
from wsapp.crm.org.rights import forget_sights
from wsapp.db import db, first, new_id
from wsapp.problems import Forbidden, Invalid
from wsapp.texts import _


class PersonFacts(Protocol):
    """What a host tells of a person (see `wsapp.connectors.base.Person`)."""

    @property
    def userid(self) -> str: ...
    @property
    def unionid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def departments(self) -> Sequence[str]: ...
    @property
    def main_department(self) -> str: ...
    @property
    def leads(self) -> Sequence[str]: ...
    @property
    def manager(self) -> str: ...
    @property
    def position(self) -> str: ...
    @property
    def avatar(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def is_admin(self) -> bool: ...
    @property
    def status(self) -> str: ...


class DepartmentFacts(Protocol):
    """What a host tells of a department."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def parent(self) -> str: ...
    @property
    def order(self) -> int: ...


# --- corps --------------------------------------------------------------------------------------------------------


def connect_corp(host: str, host_corp_id: str, name: str, credentials: str) -> Corp:
    """Connect a corp, or give a connected one its new name and sealed credentials."""
    corp = first(sa.select(Corp).where(Corp.host == host, Corp.host_corp_id == host_corp_id))
    if corp is None:
        corp = Corp(host=host, host_corp_id=host_corp_id, created_at=clock.now(), enabled=True)
        db.session.add(corp)
    corp.name = name
    corp.credentials = credentials
    db.session.flush()
    return corp


def forget_host_tokens(corp: Corp) -> None:
    """Drop a corp's access tokens and tickets, with the count of refused ones: the next call fetches afresh."""
    db.session.execute(
        sa.delete(HostToken).where(HostToken.corp_id == corp.id).execution_options(synchronize_session=False)
    )


# --- departments and members --------------------------------------------------------------------------------------


def keep_department(facts: DepartmentFacts, *, parent: Department | None) -> Department:
    """Store a department under its parent; moving it moves the paths of everything below."""
    department = first(sa.select(Department).where(Department.id == facts.id))
    path = f"{parent.path if parent else '/'}{facts.id}/"
    if department is None:
        department = Department(id=facts.id, path=path)
        db.session.add(department)
    elif department.path != path:
        old = department.path
        db.session.execute(
            sa.update(Department)
            .where(Department.path.startswith(old, autoescape=True))
            .values(path=sa.literal(path) + sa.func.substr(Department.path, len(old) + 1))
            .execution_options(synchronize_session=False)
        )
    department.name = fitting(facts.name, 120)
    department.path = path
    department.parent_id = parent.id if parent else None
    department.sort = facts.order or department.sort or 0
    department.checked_at = clock.now()
    department.gone_at = None
    db.session.flush()
    return department


def keep_member(facts: PersonFacts, *, fold: bool, leads_root: bool) -> tuple[Member, bool]:
    """Create or refresh a member from what the host says; returns (member, whether new).

    Departments must be kept before. Whoever leads the root or administers the app at the host is administrator here,
    until an administrator decides otherwise.
    """
    member = member_by_userid(facts.userid, fold=fold)
    is_new = member is None
    if member is None:
        member = new_member(facts.userid, fold=fold)
    take_facts(member, facts, departments=facts.departments, administers=facts.is_admin or leads_root)
    db.session.flush()
    present = {
        one.department_id: one
        for one in db.session.scalars(sa.select(Membership).where(Membership.member_id == member.id))
    }
    keep_memberships(member, present, facts.departments, facts.leads)
    db.session.flush()
    return member, is_new


def new_member(userid: str, *, fold: bool) -> Member:
    """Add a member of whom nothing is known yet but the userid; `fold` where the host ignores case."""
    key = userid.casefold() if fold else userid
    member = Member(id=new_id(), userid=userid, userid_key=key, created_at=clock.now(), role=SELLER, epoch=0)
    db.session.add(member)
    return member


def take_facts(member: Member, facts: PersonFacts, *, departments: Sequence[str], administers: bool) -> None:
    """Write down what the host says of a member; `departments` are those that are kept here.

    A userid that the host gave to somebody else (another unionid) starts anew: no session, token or role goes over.
    """
    if facts.unionid and member.unionid and facts.unionid != member.unionid:
        member.epoch += 1
        member.role_set_here = False
    member.unionid = facts.unionid or member.unionid or ""
    member.name = fitting(facts.name, 120) or member.name or facts.userid
    member.position = fitting(facts.position, 120)
    member.phone = fitting(facts.phone, 32) or member.phone or ""
    member.avatar = fitting(facts.avatar, 500) or member.avatar or ""
    member.manager_userid = facts.manager
    first_department = departments[0] if departments else None
    member.main_department_id = facts.main_department if facts.main_department in departments else first_department
    member.checked_at = clock.now()
    if not member.role_set_here:
        member.role = ADMIN if administers else SELLER
    _set_status(member, facts.status)


def fitting(text: str, length: int) -> str:
    """Return a host's text as a column takes it: people type anything there."""
    return text.replace("\0", "")[:length]


def keep_memberships(
    member: Member, present: dict[str, Membership], departments: Sequence[str], leads: Collection[str]
) -> None:
    """Let a member belong to exactly these departments, of which they lead some. `present` is used up.

    Flushed by the caller: a directory run writes hundreds at once.
    """
    for department_id in dict.fromkeys([*departments, *leads]):
        membership = present.pop(department_id, None)
        if membership is None:
            membership = Membership(member_id=member.id, department_id=department_id)
            db.session.add(membership)
        membership.leads = department_id in leads
    for gone in present.values():
        db.session.delete(gone)
    forget_sights(member)


def _set_status(member: Member, status: str) -> None:
    if member.status is not None and member.status != status and status != ACTIVE:
        shut_out(member, status)
    member.status = status
    if status == ACTIVE:
        member.left_at = None


def shut_out(member: Member, status: str) -> None:
    """Take a member's access away at once: status, and every session and token of before is dead."""
    member.status = status
    member.epoch = (member.epoch or 0) + 1
    if status == LEFT:
        member.left_at = clock.now()


def set_role(member: Member, role: str, *, actor: Member) -> None:
    """Make a member administrator or seller. The last administrator cannot be demoted."""
    _one_role_change_at_a_time(member, actor)
    if not actor.is_admin:
        raise Forbidden(_("只有管理员可以变更角色"))
    if role not in (SELLER, ADMIN):
        raise Invalid({"role": _("没有这个角色")})
    if member.role == ADMIN and role != ADMIN:
        others = first(
            sa.select(sa.func.count())
            .select_from(Member)
            .where(Member.role == ADMIN, Member.status == ACTIVE, Member.id != member.id)
        )
        if not others:
            raise Invalid({"role": _("至少要保留一名管理员")})
    member.role = role
    member.role_set_here = True
    member.epoch += 1  # a change of rights ends the sessions that were opened with the old ones


def _one_role_change_at_a_time(*people: Member) -> None:
    """Let the role changes of a corp wait for each other, or two administrators could demote one another at once."""
    hold_corp()
    for one in people:
        db.session.refresh(one)


def preferences(member: Member, values: Mapping[str, Any]) -> None:
    """Set the member's own preferences: `language` ("", "zh", "en")."""
    language = values.get("language", member.language)
    if language not in ("", "zh", "en"):
        raise Invalid({"language": _("不支持这种语言")})
    member.language = language
