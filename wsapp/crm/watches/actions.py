"""What people do to watch a customer or a task, and to stop."""

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Task
from wsapp.crm.watches.models import Watch
from wsapp.crm.watches.queries import MOST_SHOWN, is_watching, of
from wsapp.db import db, first, new_id
from wsapp.problems import Invalid
from wsapp.texts import _

MOST = MOST_SHOWN  # records that one person watches


def watch(record: Customer | Task, *, actor: Member) -> bool:
    """Watch a record (关注) that the actor may see; says whether they did not yet. Raises Invalid beyond the limit."""
    if is_watching(record, actor):
        return False
    count = first(sa.select(sa.func.count()).select_from(Watch).where(Watch.member_id == actor.id))
    if count >= MOST:
        raise Invalid({"": _("最多关注 %(most)d 条记录", most=MOST)})
    which = {"customer_id": record.id} if isinstance(record, Customer) else {"task_id": record.id}
    db.session.add(Watch(id=new_id(), member_id=actor.id, since=clock.now(), **which))
    db.session.flush()
    return True


def unwatch(record: Customer | Task, *, actor: Member) -> bool:
    """Stop watching a record (取消关注); says whether the actor did watch it."""
    gone = sa.delete(Watch).where(of(record), Watch.member_id == actor.id)
    done = db.session.execute(gone.execution_options(synchronize_session=False))
    return bool(done.rowcount)  # type: ignore[attr-defined]
