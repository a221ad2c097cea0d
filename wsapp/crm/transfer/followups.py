"""Rows that become follow-ups, with their author and the time at which they really happened."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.clean import clean_line, clean_text, normal_phone
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.customers.queries import current_ids, visible_customers
from wsapp.crm.events.models import Event
from wsapp.crm.fields.values import new_values, number_all
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import sight
from wsapp.crm.search.building import index_follow_ups
from wsapp.crm.transfer.cells import Unreadable
from wsapp.crm.transfer.custom import CustomCells
from wsapp.crm.transfer.lines import CREATED, FAILED, Line
from wsapp.crm.transfer.models import FAIL, ImportJob
from wsapp.crm.transfer.people import People
from wsapp.db import db, new_id
from wsapp.lots import insert_lot
from wsapp.problems import Invalid
from wsapp.texts import _

MAX_TEXT = 3000
SLACK = timedelta(minutes=5)


class FollowUpLots:
    """Takes rows of one import, lot by lot. What is there already, or was in a row before, is not written twice."""

    def __init__(self, job: ImportJob, actor: Member) -> None:
        self.job, self.actor = job, actor
        self.people = People(sight(actor, "follow_up", "import"))
        self.custom = CustomCells("follow_up", actor, self.people)
        self.before: dict[tuple[Any, ...], int] = {}
        self.rows_before: dict[str, int] = {}
        self.now = clock.now()

    def take(self, lines: Sequence[Line]) -> None:
        """Decide on each row, and write unless this is a rehearsal."""
        self.now = clock.now()
        for line in lines:
            self._clean(line)
        _name_customers([line for line in lines if line.outcome != FAILED], self.actor)
        there = self._there([line for line in lines if line.outcome != FAILED])
        for line in lines:
            if line.outcome != FAILED:
                self._decide(line, there)
        if not self.job.dry_run:
            self._write([line for line in lines if line.outcome == CREATED])

    def forget(self, lines: Sequence[Line]) -> None:
        """Forget rows that were decided and could not be written."""
        numbers = {line.number for line in lines}
        self.before = {key: row for key, row in self.before.items() if row not in numbers}
        self.custom.forget(numbers)

    def _clean(self, line: Line) -> None:
        values = line.values
        text = clean_text(str(values.get("text") or ""))
        if not 1 <= len(text) <= MAX_TEXT:
            line.fail("text", _("请填写内容，最多 %(most)d 个字", most=MAX_TEXT))
        outcome = clean_line(str(values.get("outcome") or ""))
        if len(outcome) > 60:
            line.fail("outcome", _("最多 %(most)d 个字", most=60))
        happened_at = values.get("happened_at")
        if happened_at is None and "happened_at" not in line.errors:
            line.fail("happened_at", _("请填写跟进时间"))
        elif happened_at is not None and happened_at > self.now + SLACK:
            line.fail("happened_at", _("发生时间不能在将来"))
        author = self.actor.id
        if values.get("author"):
            try:
                author = self.people.named(values["author"])
            except Unreadable as error:
                line.fail("author", str(error))
        given = self.custom.read(line, values) if self.custom.fields else {}
        values |= {
            "given": given,
            "text": text,
            "outcome": outcome,
            "author": author,
            "kind": values.get("kind") or "phone",
        }

    def _there(self, lines: Sequence[Line]) -> set[tuple[Any, ...]]:
        ids = sorted({line.values["customer_id"] for line in lines if line.outcome != FAILED})
        if not ids:
            return set()
        wanted = sa.select(FollowUp.customer_id, FollowUp.author_id, FollowUp.happened_at, FollowUp.text)
        return {tuple(row) for row in db.session.execute(wanted.where(FollowUp.customer_id.in_(ids)))}

    def _decide(self, line: Line, there: set[tuple[Any, ...]]) -> None:
        values = line.values
        key = (values["customer_id"], values["author"], values["happened_at"], values["text"])
        told = line.fail if self.job.on_duplicate == FAIL else line.skip
        if key in self.before:
            told("text", _("与第 %(row)d 行重复", row=self.before[key]))
        elif key in there:
            told("text", _("已有同样的跟进"))
        elif self._takes_custom(line):
            line.outcome, line.record_id = CREATED, new_id()
            self.before[key] = line.number

    def _takes_custom(self, line: Line) -> bool:
        """Work out a new follow-up's custom values; False where they stand against it."""
        values, facts = line.values, {"kind": line.values["kind"]}
        values["custom"] = {}
        if not self.custom.fields:
            return True
        try:
            given = values["given"]
            values["custom"] = new_values("follow_up", given, actor=self.actor, facts=facts, numbered=False)
        except Invalid as problem:
            line.errors |= problem.fields
            line.outcome = FAILED
            return False
        self.custom.meet(line, values["custom"])
        return line.outcome != FAILED

    def _write(self, lines: Sequence[Line]) -> None:
        number_all("follow_up", [line.values["custom"] for line in lines])
        insert_lot(
            FollowUp,
            [
                {
                    "id": line.record_id,
                    "customer_id": line.values["customer_id"],
                    "author_id": line.values["author"],
                    "kind": line.values["kind"],
                    "text": line.values["text"],
                    "outcome": line.values["outcome"],
                    "custom": line.values["custom"],
                    "happened_at": line.values["happened_at"],
                    "created_at": self.now,
                    "version": 1,
                }
                for line in lines
            ],
        )
        self.custom.index_new((line.record_id, line.values["custom"]) for line in lines)
        self._move_last(lines)
        insert_lot(Event, [self._event(line) for line in lines])
        index_follow_ups([line.record_id for line in lines])

    def _move_last(self, lines: Sequence[Line]) -> None:
        """Move the customers' last dates forward, and note what they were with the newest row of each."""
        newest: dict[str, Line] = {}
        for line in lines:
            held = newest.get(line.values["customer_id"])
            if held is None or line.values["happened_at"] > held.values["happened_at"]:
                newest[line.values["customer_id"]] = line
        if not newest:
            return
        columns = sa.select(Customer.id, Customer.last_followed_at, Customer.clock_at)
        for row in db.session.execute(columns.where(Customer.id.in_(sorted(newest)))).all():
            line = newest[row.id]
            at = line.values["happened_at"]
            if row.last_followed_at is not None and row.last_followed_at >= at:
                continue
            line.before = {"last_followed_at": row.last_followed_at, "clock_at": row.clock_at}
            line.after = {"last_followed_at": at, "clock_at": None}
            db.session.execute(
                sa.update(Customer)
                .where(Customer.id == row.id)
                .values(**line.after)
                .execution_options(synchronize_session=False)
            )

    def _event(self, line: Line) -> dict[str, Any]:
        return {
            "kind": "follow_up.logged",
            "subject_type": "follow_up",
            "subject_id": line.record_id,
            "customer_id": line.values["customer_id"],
            "actor_id": line.values["author"],
            "at": line.values["happened_at"],
            "changes": {},
            "data": {
                "text": line.values["text"][:500],
                "follow_up_kind": line.values["kind"],
                "outcome": line.values["outcome"],
                "photos": 0,
                "import": self.job.id,
                "row": line.number,
            },
        }


def _name_customers(lines: Sequence[Line], actor: Member) -> None:
    """Find the customer of each row, by id, phone or whole name, among those that the actor sees."""
    ids = {line.values["customer_id"] for line in lines if line.values.get("customer_id")}
    names = {clean_line(str(line.values["customer"])) for line in lines if line.values.get("customer")}
    numbers = {number for line in lines if (number := _number(line))}
    seen = visible_customers(actor)
    if moved := current_ids(ids):
        for line in lines:
            named = line.values.get("customer_id")
            line.values |= {"customer_id": moved[named]} if named in moved else {}
        ids |= set(moved.values())
    known = set(db.session.scalars(sa.select(Customer.id).where(Customer.id.in_(sorted(ids)), seen)))
    by_name: dict[str, list[str]] = {}
    for row in db.session.execute(sa.select(Customer.id, Customer.name).where(Customer.name.in_(sorted(names)), seen)):
        by_name.setdefault(row.name, []).append(row.id)
    joined = sa.and_(CustomerPhone.customer_id == Customer.id, CustomerPhone.corp_id == Customer.corp_id)
    having = sa.select(CustomerPhone.number, Customer.id).join(Customer, joined)
    having = having.where(CustomerPhone.number.in_(sorted(numbers)), seen)
    by_phone: dict[str, str] = {row.number: row.id for row in db.session.execute(having)}
    for line in lines:
        _name(line, known, by_phone, by_name)


def _name(line: Line, known: set[str], by_phone: dict[str, str], by_name: dict[str, list[str]]) -> None:
    wanted = line.values.get("customer_id")
    if wanted in known:
        return
    found = by_phone.get(_number(line))
    same = by_name.get(clean_line(str(line.values.get("customer") or "")), [])
    if found is None and len(same) > 1:
        line.fail("customer", _("有 %(n)d 位客户同名，请再填客户电话", n=len(same)))
        return
    found = found or (same[0] if same else None)
    if found is None:
        line.fail("customer", _("找不到这位客户，请填写完整的客户名称或电话"))
        return
    line.values["customer_id"] = found


def _number(line: Line) -> str:
    try:
        return normal_phone(str(line.values.get("customer_phone") or ""))
    except ValueError:
        return ""
