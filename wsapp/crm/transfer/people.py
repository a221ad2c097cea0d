"""Whom a cell means: by the host's userid, by name (with the department where two have it), or by phone."""

import re
from collections.abc import Iterable

import sqlalchemy as sa

from wsapp.crm.customers.clean import normal_phone
from wsapp.crm.org.models import ACTIVE, Department, Member, Membership
from wsapp.crm.org.rights import Sight
from wsapp.crm.transfer.cells import Unreadable
from wsapp.db import db
from wsapp.texts import _

BRACKETED = re.compile(r"(.+?)\s*[（(]\s*([^（()）]+?)\s*[)）]")


class People:
    """The active members whom `sight` covers, found by what people write. Read once for each batch."""

    def __init__(self, sight: Sight) -> None:
        wanted = sa.select(Member.id, Member.userid, Member.name, Member.phone, Member.main_department_id)
        wanted = wanted.where(Member.status == ACTIVE)
        if sight.people is not None:
            wanted = wanted.where(Member.id.in_(sorted(sight.people)))
        self.department: dict[str, str | None] = {}
        self._by_userid: dict[str, str] = {}
        self._by_phone: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = {}
        for row in db.session.execute(wanted):
            self.department[row.id] = row.main_department_id
            self._by_userid[row.userid.casefold()] = row.id
            self._by_name.setdefault(row.name, []).append(row.id)
            if number := _number(row.phone or ""):
                self._by_phone[number] = row.id
        self._departments: dict[str, set[str]] | None = None

    def named(self, text: str) -> str:
        """Return the id of the member whom a cell means. Raises Unreadable."""
        found = self._one(text.strip())
        if found is None:
            raise Unreadable(_("找不到“%(who)s”，或不在您可以导入的范围内", who=text[:60]))
        return found

    def _one(self, text: str) -> str | None:
        found = self._by_userid.get(text.casefold()) or self._by_phone.get(_number(text))
        if found is not None:
            return found
        same = self._by_name.get(text, [])
        if len(same) > 1:
            raise Unreadable(_("有 %(n)d 位成员叫“%(who)s”，请写成“姓名（部门）”或填账号", n=len(same), who=text[:60]))
        if same:
            return same[0]
        if told := BRACKETED.fullmatch(text):
            return self._told(told.group(1), told.group(2))
        return None

    def _told(self, name: str, more: str) -> str | None:
        """Return whom "姓名（账号）" or "姓名（部门）" means."""
        by_userid = self._by_userid.get(more.casefold())
        if by_userid is not None:
            return by_userid
        same = [one for one in self._by_name.get(name, ()) if more in self._departments_of(one)]
        return same[0] if len(same) == 1 else None

    def _departments_of(self, member_id: str) -> Iterable[str]:
        if self._departments is None:
            self._departments = {}
            joined = sa.and_(Department.id == Membership.department_id, Department.corp_id == Membership.corp_id)
            for row in db.session.execute(sa.select(Membership.member_id, Department.name).join(Department, joined)):
                self._departments.setdefault(row.member_id, set()).add(row.name)
        return self._departments.get(member_id, ())


def _number(text: str) -> str:
    """Return a telephone number in normal form, "" for what is none."""
    try:
        return normal_phone(text)
    except ValueError:
        return ""
