"""Whom records name."""

from collections.abc import Sequence

import sqlalchemy as sa

from wsapp.crm.mentions.models import Mention
from wsapp.crm.org.models import Member
from wsapp.kept import Kept, one_of

_KEY = sa.func.coalesce(Mention.follow_up_id, Mention.visit_id, Mention.comment_id)
_NAMED = Kept(
    sa.select(_KEY.label("record"), Member.id, Member.name, Member.userid)
    .join(Member, sa.and_(Member.corp_id == Mention.corp_id, Member.id == Mention.member_id))
    .where(
        sa.or_(one_of(Mention.follow_up_id, "ids"), one_of(Mention.visit_id, "ids"), one_of(Mention.comment_id, "ids"))
    )
    .order_by(Member.name, Member.id)
)
Named = dict[str, list[tuple[str, str, str]]]


def named_in(record_ids: Sequence[str]) -> Named:
    """Return (id, name, userid) of who is named, by the id of the record, in one query."""
    found: Named = {}
    if record_ids:
        for row in _NAMED.all(ids=list(record_ids)):
            found.setdefault(row.record, []).append((row.id, row.name, row.userid))
    return found
