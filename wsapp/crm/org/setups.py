"""Corps being set up, the files that prove our domain to their hosts, and switching corps off and on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import ACTIVE, ADMIN, Corp, CorpSetUp, Member, OwnershipFile
from wsapp.crm.org.queries import has_admin, hold_corp
from wsapp.crm.org.rights import forget_sights
from wsapp.db import corp_scope, db, first, new_id, rows
from wsapp.problems import Forbidden, Invalid
from wsapp.texts import _

MAX_FILE = 200  # characters; the hosts' own files have about twenty
MOST_OPEN = 20  # set-ups that one owner has under way


# --- set-ups ------------------------------------------------------------------------------------------------------


def begin_set_up(host: str, *, actor: Member | None, corp: Corp | None = None) -> CorpSetUp:
    """Begin to connect a corp, or to change a connected one. Without an `actor`: the holder of the one-time code."""
    now = clock.now()
    row = CorpSetUp(
        id=new_id(),
        host=host,
        sealed="",
        connected_id=corp.id if corp else None,
        owner_id=actor.corp_id if actor else None,
        created_at=now,
        touched_at=now,
    )
    if len(open_set_ups(actor)) >= MOST_OPEN:
        raise Invalid({"host": _("未完成的接入太多了，请先继续或放弃已有的")})
    db.session.add(row)
    return row


def set_up_for(
    set_up_id: str, *, actor: Member | None, holds_code: bool, connected_here: bool = False
) -> CorpSetUp | None:
    """Return a set-up that this person may go on with, else None (see `open_set_ups`).

    `connected_here`: this browser connected its corp, so whoever signs in to that corp in it may go on, too.
    """
    row = first(sa.select(CorpSetUp).where(CorpSetUp.id == set_up_id))
    return row if row is not None and _may_go_on(row, actor, holds_code, connected_here) else None


def _may_go_on(row: CorpSetUp, actor: Member | None, holds_code: bool, connected_here: bool = False) -> bool:
    """An administrator of the connected corp always; who began it, as long as that corp has no administrator."""
    if actor is not None and actor.is_admin and row.connected_id == actor.corp_id:
        return True
    began = actor is not None and actor.is_admin and row.owner_id == actor.corp_id
    arrived = connected_here and actor is not None and row.connected_id == actor.corp_id
    if not began and not arrived and not (holds_code and row.owner_id is None):
        return False
    return row.connected_id is None or not administered(row.connected_id)


def administered(corp_id: int) -> bool:
    """Say whether a corp has an active administrator."""
    with corp_scope(corp_id):
        return has_admin()


def open_set_ups(actor: Member | None, *, holds_code: bool = True) -> Sequence[CorpSetUp]:
    """Return the set-ups under way that this person may go on with, newest first."""
    owner = CorpSetUp.owner_id == actor.corp_id if actor else CorpSetUp.owner_id.is_(None)
    mine = sa.or_(owner, CorpSetUp.connected_id == actor.corp_id) if actor else owner
    found = rows(sa.select(CorpSetUp).where(mine).order_by(CorpSetUp.touched_at.desc(), CorpSetUp.id).limit(50))
    return [one for one in found if _may_go_on(one, actor, holds_code)]


def end_set_up(row: CorpSetUp) -> None:
    """Finish or give up a set-up: what was typed is gone; a connected corp stays connected."""
    db.session.delete(row)


def forget_set_ups(before: datetime) -> None:
    """Drop set-ups that nobody went on with since `before`."""
    db.session.execute(
        sa.delete(CorpSetUp).where(CorpSetUp.touched_at < before).execution_options(synchronize_session=False)
    )


def forget_former(now: datetime) -> None:
    """Drop replaced secrets whose time is over."""
    db.session.execute(
        sa.update(Corp)
        .where(Corp.former_until <= now)
        .values(former=None, former_until=None)
        .execution_options(synchronize_session=False)
    )


def take_over(corp: Corp, member: Member) -> None:
    """Make whoever connected a corp its administrator: only while it has none.

    The caller has made sure that this browser connected the corp, with its secret.
    """
    hold_corp()
    if member.corp_id != corp.id or not member.is_active or has_admin():
        raise Forbidden(_("这个企业已经有管理员了"))
    member.role = ADMIN
    member.role_set_here = True
    forget_sights(member)


# --- corps --------------------------------------------------------------------------------------------------------


def switch_corp(corp: Corp, enabled: bool) -> None:
    """Switch a corp off (nobody signs in, nothing is sent, callbacks are refused) or on again."""
    corp.enabled = enabled


def active_members(corp: Corp) -> int:
    """Return how many people use the app in a corp."""
    with corp_scope(corp.id):
        counted: Any = db.session.scalar(sa.select(sa.func.count()).select_from(Member).where(Member.status == ACTIVE))
        return int(counted or 0)


# --- ownership files ----------------------------------------------------------------------------------------------


def keep_ownership_file(corp: Corp, name: str, content: str) -> None:
    """Store the file that proves our domain to a corp's host; its own former one of that name is replaced."""
    found = db.session.get(OwnershipFile, name)
    if found is None:
        found = OwnershipFile(name=name, owner_id=corp.id, created_at=clock.now())
        db.session.add(found)
    if found.owner_id != corp.id:
        raise Invalid({"file": _("这个校验文件属于本系统中的另一家企业")})
    found.content = content


def ownership_file(name: str) -> OwnershipFile | None:
    """Return a stored ownership file by its name."""
    return db.session.get(OwnershipFile, name)


def ownership_files(corp: Corp) -> Sequence[OwnershipFile]:
    """Return a corp's ownership files."""
    return rows(sa.select(OwnershipFile).where(OwnershipFile.owner_id == corp.id).order_by(OwnershipFile.name))
