"""Mirrors and their hosts: one piece of work compares one task with its item at the host, and makes them one again.

    hold      one transaction: the mirror is leased to this try, what waited for it is in line anew from here on
    look      ask the host what it has, where something happened there or an earlier call ended in doubt
    merge     one transaction: the task follows what changed at the host, see `wsapp.crm.mirrors.merge`
    tell      the host gets what it does not have yet; marked as unsure in a commit of its own before the call

A killed worker leaves `unsure` behind and a lease that runs out: the next try asks the host before
it tells it anything, and looks for an item whose creation ended in doubt by its source.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.connectors.base import Connector, HostError, Identity, Refused
from wsapp.connectors.todos import EnoughForToday, HomeGone, HostItem, Keeper
from wsapp.crm.mirrors.actions import (
    ECHO_TIME,
    plan_member,
    put_in_line,
    to_look_at,
)
from wsapp.crm.mirrors.merge import Facts, is_as_wished, may_tell, note_told, settle_end, take_over, to_tell, wish
from wsapp.crm.mirrors.models import ASKING, GONE, LEAVING, OFF, REFUSED, THERE, TODO, WANTED, MirrorChoice, TaskMirror
from wsapp.crm.mirrors.queries import choice_of
from wsapp.crm.notifications.messages import link
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.tasks.models import Task
from wsapp.db import current_corp, db, first
from wsapp.house import local, local_now
from wsapp.jobs.delivery import line_of_corp
from wsapp.jobs.runner import Desk, Later
from wsapp.leases import Claim

LEASE = timedelta(seconds=120)  # longer than the few calls of one try can take
BUSY_PAUSE = 1.0
WINDOW = timedelta(days=1)  # around the entries that a look at a whole list is about


@dataclass(frozen=True)
class Held:
    """A mirror that this try has for itself, with all that talking to its host needs."""

    id: str
    lease: str
    keeper: Keeper
    owner: Identity
    desk: Desk


def sync(claim: Claim, desk: Desk) -> None:
    """Make one task and its item at the host one again."""
    held = _hold(claim.payload["mirror"], desk)
    if held is None:
        return
    with _releasing(held):
        mirror, task = _rows(held)
        settle_end(task, mirror)
        if mirror.state == LEAVING:
            _take_away(held)
        elif mirror.state in (WANTED, REFUSED) and not mirror.host_id:
            _put_there(held)
        elif mirror.host_id:
            _look(held)
            _tell(held)


def forget(claim: Claim, desk: Desk) -> None:
    """A deleted task's item leaves the host. One that is not there any more is nothing to complain of."""
    _corp, connector = line_of_corp()
    owner, keeper = member(claim.payload["member"]), keeper_of(connector, claim.payload["kind"])
    if owner is None or keeper is None:
        return
    identity = Identity(owner.userid, owner.unionid, owner.name)
    db.session.commit()
    with desk.calling(current_corp()):
        keeper.delete(identity, claim.payload["host_id"])


# --- holding ------------------------------------------------------------------------------------------------------


def _hold(mirror_id: str, desk: Desk) -> Held | None:
    """Lease a mirror; None when there is nothing to do with it. Raises Later while another try has it."""
    _corp, connector = line_of_corp()
    mirror = _locked(mirror_id)
    owner = member(mirror.member_id) if mirror else None
    keeper = keeper_of(connector, mirror.kind) if mirror else None
    if mirror is None:
        return None
    now = clock.wall()
    if mirror.lease and mirror.lease_until and mirror.lease_until > now:
        db.session.rollback()
        raise Later("another try has this mirror", after=desk.pace.wait(BUSY_PAUSE), counted=False)
    mirror.turn += 1
    if owner is None or keeper is None or mirror.state in (ASKING, OFF, GONE):
        return None
    mirror.lease, mirror.lease_until = secrets.token_hex(16), now + LEASE
    db.session.commit()
    return Held(mirror.id, mirror.lease, keeper, Identity(owner.userid, owner.unionid, owner.name), desk)


def keeper_of(connector: Connector, kind: str) -> Keeper | None:
    """Return the host's list of a kind, None where it has none."""
    return connector.todos() if kind == TODO else connector.calendar()


def _locked(mirror_id: str) -> TaskMirror | None:
    statement = sa.select(TaskMirror).where(TaskMirror.id == mirror_id).with_for_update(key_share=True)
    found: TaskMirror | None = first(statement.execution_options(populate_existing=True))
    return found


def _rows(held: Held) -> tuple[TaskMirror, Task]:
    """Return the mirror, locked, and its task, as they are now. Raises Later when the lease went to another try."""
    mirror = _locked(held.id)
    if mirror is None or mirror.lease != held.lease:
        db.session.rollback()
        raise Later("another try has this mirror", after=held.desk.pace.wait(BUSY_PAUSE), counted=False)
    fresh = sa.select(Task).where(Task.id == mirror.task_id).execution_options(populate_existing=True)
    return mirror, db.session.execute(fresh).scalar_one()


@contextmanager
def _releasing(held: Held) -> Iterator[None]:
    """Give the lease back, whatever happened. A refusal ends the try: the mirror says why."""
    refusal: Refused | None = None
    try:
        yield
    except Refused as error:
        db.session.rollback()
        refusal = error
    except BaseException:
        db.session.rollback()
        _release(held, None)
        db.session.commit()
        raise
    _release(held, refusal)  # committed with the end of the work


def _release(held: Held, refusal: Refused | None) -> None:
    mirror = _locked(held.id)
    if mirror is None or mirror.lease != held.lease:
        return
    mirror.lease, mirror.lease_until = None, None
    if refusal is not None:
        mirror.code, mirror.unsure = (refusal.code or "refused")[:120], False
        mirror.echoes = max(0, mirror.echoes - 1)
        if not mirror.host_id:
            mirror.state = GONE if mirror.state == LEAVING else REFUSED


@contextmanager
def _calling(held: Held) -> Iterator[None]:
    """A call to the host: no transaction is open, and the breakers learn how it went."""
    db.session.commit()
    with held.desk.calling(current_corp()):
        yield


# --- the steps ----------------------------------------------------------------------------------------------------


def _take_away(held: Held) -> None:
    mirror, task = _rows(held)
    host_id = mirror.host_id
    if not host_id and mirror.unsure:
        item, home = _item(held, task, mirror), _known_home(mirror)
        with _calling(held):
            found = held.keeper.find(held.owner, home, item)
        host_id = found.host_id if found else ""
    if host_id:
        with _calling(held):
            held.keeper.delete(held.owner, host_id)
    mirror, _task = _rows(held)
    mirror.state, mirror.unsure, mirror.synced_at = GONE, False, clock.now()


def _put_there(held: Held) -> None:
    """Create the item; one that an earlier try may have created is looked for first."""
    mirror, task = _rows(held)
    if not task.is_open and not mirror.unsure:
        mirror.state, mirror.is_current = GONE, None
        return
    home = _home(held)
    mirror, task = _rows(held)
    found = None
    if mirror.unsure:
        item = _item(held, task, mirror)
        with _calling(held):
            found = held.keeper.find(held.owner, home, item)
        mirror, task = _rows(held)
    if found is None:
        if not task.is_open or mirror.state not in (WANTED, REFUSED):
            mirror.state, mirror.is_current, mirror.unsure = GONE, None, False
            return
        item = _item(held, task, mirror)
        mirror.unsure, mirror.had, mirror.version = True, Facts.of(item).as_json(), task.version
        with _calling(held):
            found = _create(held, home, item)
        mirror, task = _rows(held)
    _note_created(held, mirror, task, found)


def _note_created(held: Held, mirror: TaskMirror, task: Task, found: HostItem) -> None:
    mirror.host_id, mirror.unsure, mirror.code, mirror.synced_at = found.host_id, False, "", clock.now()
    if mirror.state in (WANTED, REFUSED):
        mirror.state = THERE
    owner = member(mirror.member_id)
    wished = Facts.of(_item(held, task, mirror))
    if owner is not None and mirror.is_current:
        take_over(task, mirror, Facts.of(found), wished, member=owner)
    settle_end(task, mirror)
    if mirror.state == LEAVING or not is_as_wished(task, mirror, wished):
        put_in_line(mirror)


def _create(held: Held, home: str, item: HostItem) -> HostItem:
    try:
        return held.keeper.create(held.owner, home, item)
    except EnoughForToday as error:
        tomorrow = local_now().replace(hour=0, minute=5) + timedelta(days=1)
        wait = (tomorrow - local(clock.now())).total_seconds()
        raise Later(str(error), after=held.desk.pace.wait(wait), counted=False) from None
    except HomeGone as error:
        choice = _choice(held)
        if choice is not None and choice.home == home:
            choice.home = ""
            db.session.commit()
        raise Later(str(error), after=0, counted=True) from None


def _look(held: Held) -> None:
    """Ask the host where something happened there, or an earlier call ended in doubt; let the task follow."""
    mirror, task = _rows(held)
    overwrites = held.keeper.replaces_whole and _has_news(held, task, mirror)
    if not (mirror.wants_look or mirror.unsure or overwrites):
        return
    host_id, mirror.wants_look = mirror.host_id, False
    try:
        with _calling(held):
            found = held.keeper.read(held.owner, host_id)
    except HostError:
        _want_look_again(held)
        raise
    mirror, task = _rows(held)
    owner = member(mirror.member_id)
    if owner is not None and mirror.is_current:
        wished = Facts.of(_item(held, task, mirror))
        take_over(task, mirror, Facts.of(found) if found else None, wished, member=owner)
    mirror.synced_at = clock.now()


def _want_look_again(held: Held) -> None:
    db.session.rollback()
    mirror = _locked(held.id)
    if mirror is not None:
        mirror.wants_look = True
    db.session.commit()


def _tell(held: Held) -> None:
    """Give the host what it does not have yet."""
    mirror, task = _rows(held)
    settle_end(task, mirror)
    if mirror.state == LEAVING:
        put_in_line(mirror)
        return
    if mirror.state in (ASKING, GONE) or not mirror.is_current:
        return
    if not _has_news(held, task, mirror):
        return
    item, version = _item(held, task, mirror), task.version
    wished = Facts.of(item)
    fields = to_tell(task, mirror, wished)
    mirror.unsure, home = True, _known_home(mirror)
    if held.keeper.echoes:
        mirror.echoes, mirror.echoes_until = mirror.echoes + 1, clock.now() + ECHO_TIME
    with _calling(held):
        is_there = held.keeper.change(held.owner, home, item, fields)
    mirror, task = _rows(held)
    mirror.synced_at = clock.now()
    if is_there:
        note_told(mirror, version, wished)
        if task.version != version:
            put_in_line(mirror)
        return
    mirror.echoes = 0
    owner = member(mirror.member_id)
    if owner is not None:
        take_over(task, mirror, None, wished, member=owner)


def _has_news(held: Held, task: Task, mirror: TaskMirror) -> bool:
    """Say whether the host is to be told anything."""
    wished = Facts.of(_item(held, task, mirror))
    return not is_as_wished(task, mirror, wished) and may_tell(task, mirror)


def _item(held: Held, task: Task, mirror: TaskMirror) -> HostItem:
    wished = HostItem(**wish(task, mirror), url=link(f"/h5/tasks/{task.id}"))
    return held.keeper.as_kept(wished)


# --- the calendar that a person's entries live in -----------------------------------------------------------------


def _choice(held: Held) -> MirrorChoice | None:
    mirror = _locked(held.id)
    return choice_of(mirror.member_id) if mirror else None


def _known_home(mirror: TaskMirror) -> str:
    choice = choice_of(mirror.member_id)
    return choice.home if choice and mirror.kind != TODO else ""


def _home(held: Held) -> str:
    """Return the person's calendar, made at the first entry by one process while the others wait."""
    choice = _choice(held)
    if not held.keeper.needs_home or choice is None or choice.home:
        return choice.home if choice and held.keeper.needs_home else ""
    choice = db.session.execute(
        sa.select(MirrorChoice)
        .where(MirrorChoice.id == choice.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one()
    now = clock.wall()
    if choice.home:
        return choice.home
    if choice.lease and choice.lease_until and choice.lease_until > now:
        raise Later("another try makes the calendar", after=held.desk.pace.wait(BUSY_PAUSE), counted=False)
    lease, choice_id = secrets.token_hex(16), choice.id
    choice.lease, choice.lease_until = lease, now + LEASE
    home = ""
    try:
        with _calling(held):
            home = held.keeper.home(held.owner)
    finally:
        db.session.rollback()
        mine = sa.update(MirrorChoice).where(MirrorChoice.id == choice_id, MirrorChoice.lease == lease)
        changes = {"lease": None, "lease_until": None, **({"home": home} if home else {})}
        db.session.execute(mine.values(**changes).execution_options(synchronize_session=False))
        db.session.commit()
    return home


# --- many at once -------------------------------------------------------------------------------------------------


def follow_choice(claim: Claim, desk: Desk) -> None:
    """A member switched a list on or off."""
    owner = member(claim.payload["member"])
    if owner is not None:
        plan_member(owner)


def look_at_list(claim: Claim, desk: Desk) -> None:
    """Ask the host for all of a member's items of a kind, in few calls, and have those looked at that differ."""
    owner, kind = member(claim.payload["member"]), claim.payload["kind"]
    _corp, connector = line_of_corp()
    keeper = keeper_of(connector, kind)
    mirrors = list(to_look_at(owner.id, kind)) if owner else []
    if owner is None or keeper is None or not mirrors:
        return
    there = [one for one in mirrors if one.host_id]
    for one in mirrors:
        if not one.host_id:
            put_in_line(one)
    found = _whole_list(keeper, owner, there, desk) if there else {}
    for mirror in to_look_at(owner.id, kind):
        if mirror.host_id and _differs(mirror, found.get(mirror.host_id)):
            put_in_line(mirror, look=True)


def _whole_list(keeper: Keeper, owner: Member, there: list[TaskMirror], desk: Desk) -> dict[str, HostItem]:
    choice = choice_of(owner.id)
    home = choice.home if choice and keeper.needs_home else ""
    moments = [Facts.read(one.had).at for one in there if one.had] or [clock.now()]
    who = Identity(owner.userid, owner.unionid, owner.name)
    db.session.commit()
    with desk.calling(current_corp()):
        listed = keeper.listed(who, home, min(moments) - WINDOW, max(moments) + WINDOW)
        return {one.host_id: one for one in listed}


def _differs(mirror: TaskMirror, item: HostItem | None) -> bool:
    """Say whether an item needs a look of its own. A list holds what is not done; what is done may be missing."""
    had = Facts.read(mirror.had) if mirror.had else None
    if item is None or had is None or mirror.unsure:
        return item is not None or had is None or not had.done or mirror.unsure
    return Facts.of(item) != had
