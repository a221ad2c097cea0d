"""Lists and single records from one statement of columns: paging, joined userids, photos with their links."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import g
from sqlalchemy.orm import aliased

from wsapp import files
from wsapp.api.base import Answer, userid_key
from wsapp.api.schemas import Page
from wsapp.crm.org.models import Member
from wsapp.db import db
from wsapp.paging import Sorts, page
from wsapp.problems import NotFound
from wsapp.texts import _
from wsapp.web import own_origin

Select = Any  # a select of columns: its row's type says nothing that is used here
Show = Callable[[Sequence[Any]], list[dict[str, Any]]]


def listed(statement: Select, query: Page, *, sorts: Sorts, default: str, id_column: Any, show: Show) -> Answer:
    """Return a page of a list. Raises Invalid for a bad sort or cursor."""
    found, cursor = page(
        statement,
        sorts=sorts,
        sort=query.sort or default,
        id_column=id_column,
        limit=query.limit,
        cursor=query.cursor,
    )
    return Answer({"items": show(found), "next_cursor": cursor})


def one(statement: Select, *, show: Show) -> dict[str, Any]:
    """Return the one record of a statement. Raises NotFound."""
    found = db.session.execute(statement).all()
    if not found:
        raise NotFound(_("记录不存在或无权查看"))
    return show(found[:1])[0]


def text_of(moment: datetime | None) -> str | None:
    """Return a moment in RFC 3339 form."""
    return moment.isoformat() if moment is not None else None


class Named:
    """A member joined to a statement for their userid: `Named(Task.assignee_id, "assignee")`."""

    def __init__(self, column: Any, label: str) -> None:
        self.member = aliased(Member)
        self.column = column
        self.label = label

    @property
    def userid(self) -> Any:
        return self.member.userid.label(self.label)

    def join(self, statement: Select) -> Select:
        same_corp = self.member.corp_id == self.column.class_.corp_id
        return statement.outerjoin(self.member, sa.and_(self.member.id == self.column, same_corp))

    def is_called(self, userid: str) -> sa.ColumnElement[bool]:
        """Return the condition that this is the member with a userid."""
        return self.member.userid_key == userid_key(userid)


def userids(member_ids: Sequence[str | None]) -> dict[str, str]:
    """Return the userids of members by id, in one query."""
    wanted = sorted({one for one in member_ids if one})
    if not wanted:
        return {}
    found = db.session.execute(sa.select(Member.id, Member.userid).where(Member.id.in_(wanted)))
    return {row.id: row.userid for row in found}


# --- photos -------------------------------------------------------------------------------------------------------


def photos_of(record_ids: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    """Return `photos` and `photo_links` of records by id, in one query."""
    found = files.files_of(record_ids)
    return {
        record_id: {"photos": [one.id for one in stored], "photo_links": [file_link(one) for one in stored]}
        for record_id, stored in found.items()
    }


def file_link(stored: files.StoredFile) -> dict[str, Any]:
    """Return how this token's member fetches a file: a link that is theirs alone and ends within minutes."""
    query = files.link_query(stored.corp_id, stored.id, g.member.id, g.member.epoch)
    url = f"{own_origin()}/files/{stored.id}?{urlencode(query)}"
    return {"id": stored.id, "url": url, "content_type": stored.content_type, "size": stored.size}
