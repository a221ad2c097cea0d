"""Asking a host again: what became of one person or one department. Every event is only a hint to ask (复核)."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from wsapp import arrivals, clock, hosts, metrics, outbox
from wsapp.connectors.base import Connector, DepartmentInfo, HostEvent, OutOfRange, Person
from wsapp.crm.events.actions import record
from wsapp.crm.org import actions as org
from wsapp.crm.org import leavers, roster
from wsapp.crm.org.access import SESSION_IDLE_MOST
from wsapp.crm.org.models import ACTIVE, LEFT, ApiToken, Corp, LoginSession, Member, Membership
from wsapp.crm.org.queries import member_by_userid
from wsapp.db import corp_scope, current_corp, db, first, rows
from wsapp.outbox import Outbox

FRESH = timedelta(minutes=10)  # with a sweep each minute, nobody who left is in for 15 minutes
AFTER_BURST = timedelta(seconds=60)  # by then most events of a burst have come
AFTER_RANGE = timedelta(seconds=30)
MANY_CHECKS = 100
# Hints that only have the host asked. Two changes within a second may be told in the very same words, so that nobody
# can tell a repetition from a second change: asking once more is right for both.
ONLY_ASKED = frozenset({"member.changed", "department.changed"})


# --- hints ----------------------------------------------------------------------------------------------------------


def take_hint(connector: Connector, event: HostEvent) -> None:
    """An event about the directory: whoever it calls gone is out at once, all else is asked of the host again."""
    match event.kind:
        case "member.left" | "member.changed":
            for userid in event.userids:
                _hint_of_person(connector, event, userid)
        case "department.changed":
            for department_id in event.data.get("departments", ()):
                if department_id:
                    _put_in_line("department.check", {"department": department_id})
        case "range.changed":
            start_run("range", after=AFTER_RANGE)


def _hint_of_person(connector: Connector, event: HostEvent, userid: str) -> None:
    member = member_by_userid(userid, fold=connector.userid_case == "fold")
    if event.kind == "member.left":
        if member is None or not part(member):
            return
        if member.status != LEFT:
            return  # one of very many: the run over the whole directory will tell
    renamed_to = event.data.get("renamed_to", "")
    if userid == renamed_to:
        return  # looked up together with the old one
    if member is None and _waiting_checks() >= MANY_CHECKS:
        start_run("range", after=AFTER_RANGE)  # so many new faces: cheaper read as a whole
        return
    wanted = {"userid": member.userid if member else userid}
    if renamed_to:
        wanted["renamed_to"] = renamed_to
    _put_in_line("member.check", wanted)


def _put_in_line(kind: str, wanted: dict[str, str]) -> None:
    """Have the host asked, unless the same question waits already: one that has begun may have been too early."""
    name, value = next(iter(wanted.items()))
    same = sa.and_(_waiting(kind), Outbox.payload[name].as_string() == value)
    if len(wanted) > 1 or first(sa.select(Outbox.id).where(same).limit(1)) is None:
        outbox.enqueue(kind, wanted)


def _waiting(kind: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        Outbox.corp_id == current_corp(),
        Outbox.lane == outbox.HOST,
        Outbox.state == outbox.READY,
        Outbox.kind == kind,
    )


def _waiting_checks() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Outbox).where(_waiting("member.check"))) or 0


# --- one person ---------------------------------------------------------------------------------------------------


def check_member(corp: Corp, userid: str, *, renamed_to: str = "") -> None:
    """Look a person up at the host: gone or out of sight means shut out; back, changed or new is written down. Commits.

    `renamed_to` is the new userid that an event told: believed once the host knows that one and no longer the old.
    """
    connector = hosts.lines().of(corp)
    db.session.rollback()
    try:
        person = connector.person(userid)
    except OutOfRange:
        if renamed_to and _follow(corp, connector, userid, renamed_to):
            return
        _lost(corp, connector, userid)
        return
    if person.status == LEFT:
        _lost(corp, connector, userid)
    elif not _is_as_known(corp, connector, person):
        arrivals.write_person(corp, person)


def _lost(corp: Corp, connector: Connector, userid: str) -> None:
    with corp_scope(corp.id):
        member = member_by_userid(userid, fold=connector.userid_case == "fold")
        if member is not None:
            part(member)
        db.session.commit()


def _follow(corp: Corp, connector: Connector, userid: str, renamed_to: str) -> bool:
    """Give a member the new userid, if the host knows it and it is nobody else's here; says whether."""
    try:
        person = connector.person(renamed_to)
    except OutOfRange:
        return False
    fold = connector.userid_case == "fold"
    with corp_scope(corp.id):
        member = member_by_userid(userid, fold=fold)
        if member is None or member_by_userid(renamed_to, fold=fold) is not None:
            db.session.rollback()
            return False
        member.userid, member.userid_key = renamed_to, roster.key(renamed_to, fold=fold)
        db.session.commit()
    arrivals.write_person(corp, person)
    return True


def _is_as_known(corp: Corp, connector: Connector, person: Person) -> bool:
    """Write down a person whose departments and rights are as we know them: that needs no further call. Commits."""
    with corp_scope(corp.id):
        member = member_by_userid(person.userid, fold=connector.userid_case == "fold")
        if member is None or member.status == LEFT or (member.is_admin != person.is_admin and not member.role_set_here):
            db.session.rollback()
            return False
        present = rows(sa.select(Membership).where(Membership.member_id == member.id))
        belongs = [one.department_id for one in present]
        led = {one.department_id for one in present if one.leads}
        same = set(belongs) == set(person.departments) and led == set(person.leads)
        if same:
            org.take_facts(member, person, departments=person.departments, administers=member.is_admin)
            db.session.commit()
        else:
            db.session.rollback()
        return same


def part(member: Member) -> bool:
    """End the access of a member whom the host no longer shows, and tell who must hear of it; False: it was known."""
    match leavers.let_go(member):
        case "known":
            return False
        case "left":
            record("member.left", member, actor=None, name=member.name)
        case "burst":
            record("directory.held", member, actor=None, limit=leavers.burst_limit())
            start_run("burst", after=AFTER_BURST)
    metrics.SESSIONS_REVOKED.labels("left").inc()
    return True


def start_run(cause: str, *, after: timedelta) -> None:
    """Have the whole directory read soon; many wishes in one minute are one."""
    due_at = clock.now() + after
    key = f"directory.start:{current_corp()}:{due_at:%Y-%m-%dT%H:%M}"
    outbox.enqueue("directory.start", {"cause": cause}, key=key, due_at=due_at)


# --- one department -----------------------------------------------------------------------------------------------


def check_department(corp: Corp, department_id: str) -> None:
    """Look a department up at the host with what is above it; who leads it is asked person by person. Commits."""
    connector = hosts.lines().of(corp)
    db.session.rollback()
    infos = arrivals.department_chains(connector, [department_id])
    with corp_scope(corp.id):
        if department_id not in infos:
            roster.mark_department_gone(department_id)
        else:
            arrivals.keep_departments(infos)
            for userid in _to_be_asked(infos[department_id], fold=connector.userid_case == "fold"):
                outbox.enqueue("member.check", {"userid": userid})
        db.session.commit()


def _to_be_asked(info: DepartmentInfo, *, fold: bool) -> Sequence[str]:
    """Who leads the department here or there, but not on both sides."""
    statement = (
        sa.select(Member.userid)
        .join(Membership, sa.and_(Membership.member_id == Member.id, Membership.corp_id == Member.corp_id))
        .where(Membership.department_id == info.id, Membership.leads.is_(True))
    )
    here = {roster.key(one, fold=fold): one for one in rows(statement)}
    there = {roster.key(one, fold=fold): one for one in info.leaders}
    return [(here.get(one) or there[one]) for one in sorted(here.keys() ^ there.keys())]


# --- everybody who is signed in -----------------------------------------------------------------------------------


def _is_due() -> tuple[sa.ColumnElement[bool], ...]:
    """Active members with a live session or a token in use, of whom the host was not asked for a while."""
    now = clock.now()
    session = sa.exists().where(
        LoginSession.corp_id == Member.corp_id,
        LoginSession.member_id == Member.id,
        LoginSession.epoch == Member.epoch,
        LoginSession.ends_at > now,
        LoginSession.seen_at > now - SESSION_IDLE_MOST,
    )
    token = sa.exists().where(
        ApiToken.corp_id == Member.corp_id,
        ApiToken.member_id == Member.id,
        ApiToken.epoch == Member.epoch,
        ApiToken.expires_at > now,
        sa.or_(ApiToken.used_at > now - SESSION_IDLE_MOST, ApiToken.created_at > now - SESSION_IDLE_MOST),
    )
    return (Member.status == ACTIVE, Member.checked_at < now - FRESH, sa.or_(session, token))


def anybody_due() -> bool:
    """Say whether the host should be asked about somebody who is signed in."""
    return first(sa.select(Member.id).where(*_is_due()).limit(1)) is not None


def due(limit: int) -> Sequence[str]:
    """Return the userids of some who are signed in, longest not asked for first."""
    return rows(sa.select(Member.userid).where(*_is_due()).order_by(Member.checked_at).limit(limit))
