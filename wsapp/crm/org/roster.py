"""Writing down what a directory run reads: departments from the top down, people by the hundred.

Nothing is deleted. A department that the host has no more is marked; who is not found any more is a matter of
`wsapp.crm.org.leavers`.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.actions import (
    DepartmentFacts,
    PersonFacts,
    keep_department,
    keep_memberships,
    new_member,
    take_facts,
)
from wsapp.crm.org.directory import add_steps
from wsapp.crm.org.models import LEFT, Department, DirectoryRun, Member, Membership
from wsapp.db import db, first, rows

LOT = 200  # people in one transaction


# --- departments --------------------------------------------------------------------------------------------------


def keep_departments(run: DirectoryRun, infos: Sequence[DepartmentFacts]) -> list[str]:
    """Write departments down under their parents, and have their people read; returns those new to this run.

    A parent outside the visible range is left out, so that what is below begins a tree of its own.
    """
    by_id = {one.id: one for one in infos}
    kept: dict[str, Department] = {}
    fresh: list[str] = []
    for info in _from_the_top(by_id):
        known = kept.get(info.parent) or _known_department(info.parent)
        before = first(sa.select(Department.run_id).where(Department.id == info.id))
        department = keep_department(info, parent=known)
        kept[info.id] = department
        if before != run.id:
            department.run_id = run.id
            fresh.append(info.id)
        if not info.parent:
            run.top = info.id
    run.departments += len(fresh)
    add_steps(run, [("people", one) for one in fresh])
    db.session.flush()
    return fresh


def _from_the_top(by_id: dict[str, DepartmentFacts]) -> Iterator[DepartmentFacts]:
    """Yield each department after its parent, where that is among them, however wrongly they point at each other."""
    done: set[str] = set()
    for start in by_id:
        chain: list[str] = []
        current = start
        while current in by_id and current not in done:
            done.add(current)
            chain.append(current)
            current = by_id[current].parent
        yield from (by_id[one] for one in reversed(chain))


def _known_department(department_id: str) -> Department | None:
    if not department_id:
        return None
    found: Department | None = first(sa.select(Department).where(Department.id == department_id))
    return found


def was_seen(run: DirectoryRun, department_id: str) -> bool:
    """Say whether the run has written this department down already."""
    return first(sa.select(Department.run_id).where(Department.id == department_id)) == run.id


def mark_gone_departments(run: DirectoryRun) -> int:
    """Mark the departments that the run did not find; returns how many. What is above the visible ones stays."""
    seen = rows(sa.select(Department.path).where(Department.run_id == run.id))
    above = {part for path in seen for part in path.split("/") if part}
    lost = rows(
        sa.select(Department.id).where(
            Department.gone_at.is_(None),
            Department.checked_at < run.started_at,
            sa.or_(Department.run_id.is_(None), Department.run_id != run.id),
        )
    )
    gone = [one for one in lost if one not in above]
    for start in range(0, len(gone), LOT):
        change = sa.update(Department).where(Department.id.in_(gone[start : start + LOT])).values(gone_at=clock.now())
        db.session.execute(change.execution_options(synchronize_session=False))
    return len(gone)


def mark_department_gone(department_id: str) -> None:
    """The host has this department no more, or hides it: its records and the sight on its people stay."""
    department = _known_department(department_id)
    if department is not None and department.gone_at is None:
        department.gone_at = clock.now()


# --- people -------------------------------------------------------------------------------------------------------


def keep_people(
    run: DirectoryRun, people: Sequence[PersonFacts], *, asked: str, leads_everywhere: bool, fold: bool
) -> None:
    """Write down a lot of people (at most `LOT`) that the host listed for the department `asked`.

    With `leads_everywhere` each row names all departments that the person leads; else only whether they lead `asked`,
    and what is known of the others stays until those are read. Rows of people who have left are passed over.
    """
    here = {key(one.userid, fold=fold): one for one in people if one.status != LEFT}
    members: dict[str, Member] = {
        one.userid_key: one for one in rows(sa.select(Member).where(Member.userid_key.in_(here)))
    }
    memberships = _memberships([one.id for one in members.values()])
    departments = _known_ids({one for facts in here.values() for one in (*facts.departments, *facts.leads)})
    wanted: dict[str, tuple[list[str], set[str]]] = {}
    for userid_key, facts in here.items():
        if userid_key not in members:
            members[userid_key] = new_member(facts.userid, fold=fold)
            run.joined += 1
        member = members[userid_key]
        belongs = [one for one in facts.departments if one in departments]
        leads = departments.intersection(facts.leads)
        if not leads_everywhere:
            leads = _and_elsewhere(leads, memberships.get(member.id, {}), belongs, asked)
        _count(run, member)
        take_facts(member, facts, departments=belongs, administers=facts.is_admin or run.top in leads)
        wanted[userid_key] = belongs, set(leads)
    db.session.flush()  # new members before what refers to them
    for userid_key, (belongs, leads_now) in wanted.items():
        member = members[userid_key]
        keep_memberships(member, memberships.get(member.id, {}), belongs, leads_now)
    db.session.flush()


def _and_elsewhere(
    told: frozenset[str], present: dict[str, Membership], belongs: Sequence[str], asked: str
) -> frozenset[str]:
    """What somebody leads when the host spoke of one department only."""
    before = {one.department_id for one in present.values() if one.leads and one.department_id != asked}
    return frozenset((before | (told & {asked})) & set(belongs))


def key(userid: str, *, fold: bool) -> str:
    """Return the form of a userid by which members are told apart."""
    return userid.casefold() if fold else userid


def _memberships(member_ids: Sequence[str]) -> dict[str, dict[str, Membership]]:
    found: dict[str, dict[str, Membership]] = {}
    for one in rows(sa.select(Membership).where(Membership.member_id.in_(member_ids))):
        found.setdefault(one.member_id, {})[one.department_id] = one
    return found


def _known_ids(department_ids: set[str]) -> frozenset[str]:
    return frozenset(rows(sa.select(Department.id).where(Department.id.in_(department_ids))))


def _count(run: DirectoryRun, member: Member) -> None:
    if member.run_id == run.id:
        return  # met before, in another department
    run.people += 1
    if member.status == LEFT:
        run.returned += 1
    member.run_id = run.id


def was_met(run: DirectoryRun, userid: str, *, fold: bool) -> bool:
    """Say whether the run has written this person down already."""
    return first(sa.select(Member.run_id).where(Member.userid_key == key(userid, fold=fold))) == run.id


def mark_met(run: DirectoryRun, member: Member) -> None:
    """Count somebody whom the host was asked for alone."""
    if member.run_id != run.id:
        run.people += 1
        member.run_id = run.id
