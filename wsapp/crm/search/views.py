"""Saved views (视图): a name for a narrowed list, one's own or shared with the whole corp."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.clean import clean_line
from wsapp.crm.org.models import ADMIN, Member
from wsapp.crm.org.queries import leads_others
from wsapp.crm.org.standing import changed, standing
from wsapp.crm.search.models import DefaultView, SavedView
from wsapp.db import db, first, new_id, rows
from wsapp.problems import Invalid, NotFound
from wsapp.texts import _

MOST = 30  # of one person, product.md 2.6
LONGEST_NAME = 30
LONGEST_VALUE = 200
MOST_VALUES = 20


def views_of(actor: Member) -> Sequence[SavedView]:
    """Return the actor's own views and those that others share, oldest first."""
    mine = sa.or_(SavedView.member_id == actor.id, SavedView.shared)
    return rows(sa.select(SavedView).where(mine).order_by(SavedView.created_at, SavedView.id).limit(10 * MOST))


def save_view(name: str, query: Mapping[str, str], *, shared: bool, actor: Member) -> SavedView:
    """Give a name to a narrowed list. It holds what to ask for, never what was found: each reader sees their own.

    Raises Invalid, also for sharing by somebody who leads nobody.
    """
    if shared and not may_share(actor):
        raise Invalid({"shared": _("只有主管和管理员可以共享视图")})
    bare = clean_line(name)
    if not 1 <= len(bare) <= LONGEST_NAME:
        raise Invalid({"name": _("名称应为 1–%(most)d 个字", most=LONGEST_NAME)})
    own = sa.select(sa.func.count()).select_from(SavedView).where(SavedView.member_id == actor.id)
    if (db.session.scalar(own) or 0) >= MOST:
        raise Invalid({"name": _("最多保存 %(most)d 个视图，请先删除不用的", most=MOST)})
    kept = {key[:60]: value[:LONGEST_VALUE] for key, value in list(query.items())[:MOST_VALUES] if value}
    view = SavedView(id=new_id(), member_id=actor.id, name=bare, query=kept, shared=shared, created_at=clock.now())
    db.session.add(view)
    db.session.flush()
    return view


def remove_view(view_id: str, *, actor: Member) -> None:
    """Forget a view of one's own; an administrator forgets any shared one. Raises NotFound."""
    may = SavedView.member_id == actor.id
    if actor.role == ADMIN:
        may = sa.or_(may, SavedView.shared)
    view = first(sa.select(SavedView).where(SavedView.id == view_id, may))
    if view is None:
        raise NotFound(_("视图不存在或无权删除"))
    db.session.delete(view)
    db.session.flush()
    changed()


def may_share(actor: Member) -> bool:
    """Say whether the actor may give a view to everybody: managers and administrators."""
    return actor.role == ADMIN or leads_others(actor)


# --- with which the list opens ------------------------------------------------------------------------------------


def default_view(actor: Member) -> tuple[str, dict[str, str]] | None:
    """Return the id and the query of the view with which the actor's list opens; None: it opens as it is."""
    return standing("default views", _read_defaults).get(actor.id)


def _read_defaults() -> dict[str, tuple[str, dict[str, str]]]:
    same = sa.and_(SavedView.corp_id == DefaultView.corp_id, SavedView.id == DefaultView.view_id)
    mine = sa.or_(SavedView.member_id == DefaultView.id, SavedView.shared)
    found = sa.select(DefaultView.id, SavedView.id.label("view_id"), SavedView.query).join(SavedView, same).where(mine)
    return {row.id: (row.view_id, row.query) for row in db.session.execute(found)}


def open_with(view_id: str, *, actor: Member) -> None:
    """Have the actor's list open with a view that they have; with "", as it is. Raises NotFound."""
    if view_id and view_id not in {one.id for one in views_of(actor)}:
        raise NotFound(_("视图不存在或无权查看"))
    gone = sa.delete(DefaultView).where(DefaultView.id == actor.id)
    db.session.execute(gone.execution_options(synchronize_session=False))
    if view_id:
        db.session.add(DefaultView(id=actor.id, view_id=view_id))
        db.session.flush()
    changed()
