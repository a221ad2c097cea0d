"""How often somebody may be told that a customer exists which they may not see (查重次数): so that nobody tries out
numbers one after the other. The same question within the hour counts once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import DuplicateAsk
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import rule
from wsapp.db import current_corp, db, first, insert_unless_there, is_postgresql
from wsapp.problems import TooMany
from wsapp.texts import _
from wsapp.vault import digest

HOUR = timedelta(hours=1)


def take_asks(actor: Member, asked: Sequence[str]) -> bool:
    """Count questions whose answer tells of something hidden; says whether it may be told. In the caller's transaction.

    Of several at once, no more are let through than there are.
    """
    if not asked:
        return True
    insert_unless_there(DuplicateAsk, {"corp_id": current_corp(), "id": actor.id, "told": {}})
    held = sa.select(DuplicateAsk).where(DuplicateAsk.id == actor.id).execution_options(populate_existing=True)
    row: DuplicateAsk = first(held.with_for_update() if is_postgresql() else held)
    told = _of_the_hour(row.told)
    fresh = {mark for mark in map(digest, asked) if mark not in told}
    if len(told) + len(fresh) > rule("duplicates.hourly_asks"):
        return False
    if fresh:
        row.told = told | dict.fromkeys(sorted(fresh), clock.now().isoformat())
        db.session.flush()
    return True


def demand_asks_left(actor: Member) -> None:
    """Raise TooMany when the actor has been told all that they may be told within the hour.

    Asked before a save or a check that would tell by its very answer, whatever that answer is.
    """
    told = db.session.scalar(sa.select(DuplicateAsk.told).where(DuplicateAsk.id == actor.id))
    if told and len(_of_the_hour(told)) >= rule("duplicates.hourly_asks"):
        raise too_many()


def too_many() -> TooMany:
    """Return the refusal of who asked too often."""
    return TooMany(_("您查到的他人客户太多，请一小时后再试，或请管理员代为查询"), after=int(HOUR.total_seconds()))


def _of_the_hour(told: Mapping[str, str]) -> dict[str, str]:
    since = clock.now() - HOUR
    return {mark: at for mark, at in told.items() if datetime.fromisoformat(at) > since}
