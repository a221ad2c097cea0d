"""Rows that become customers: in lots, beside the ORM, with the same checks as a customer that is typed."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers import dedupe_rules
from wsapp.crm.customers.actions import MAX_PHONES, clean_customer
from wsapp.crm.customers.clean import clean_line, normal_phone
from wsapp.crm.customers.dedupe import known_among
from wsapp.crm.customers.models import Contact, Customer, CustomerPhone
from wsapp.crm.customers.queries import visible_customers
from wsapp.crm.customers.tags import MOST as MOST_TAGS
from wsapp.crm.customers.tags import keep_new_tags
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import sight
from wsapp.crm.search.building import index_contacts, index_customers
from wsapp.crm.transfer.cells import Unreadable
from wsapp.crm.transfer.headings import CONTACTS, columns_for
from wsapp.crm.transfer.lines import CREATED, FAILED, SKIPPED, UPDATED, Line
from wsapp.crm.transfer.models import FAIL, FILL, SKIP, ImportJob
from wsapp.crm.transfer.people import People
from wsapp.db import db, insert_rows, new_id
from wsapp.problems import Invalid
from wsapp.texts import _

# What a row may change of a customer who is there already; their name, owner and pool stay.
CHANGEABLE = (
    *("short_name", "kind", "level", "stage", "source", "industry", "size", "province", "city", "district"),
    *("address", "website", "credit_code", "note", "tags", "next_follow_at"),
)
EMPTY: tuple[Any, ...] = (None, "", [])
PARTS = ("name", "phones", "title")  # of a contact
NOT_OF_CUSTOMER = ("owner", *(f"contact{n}.{part}" for n in range(1, CONTACTS + 1) for part in PARTS))


class CustomerLots:
    """Takes rows of one import, lot by lot. `seen` are phones and names of rows before, for duplicates in the file."""

    def __init__(self, job: ImportJob, actor: Member) -> None:
        self.job, self.actor = job, actor
        self.people = People(sight(actor, "customer", "import"))
        self.edits = sight(actor, "customer", "edit")
        self.allowed = {column.key for column in columns_for("customer", actor)}
        self.rows_before: dict[str, int] = {}  # customer id → row that made it or met it
        self.phones_before: dict[str, str] = {}  # of this run, also where nothing is written
        self.names_before: dict[str, str] = {}
        self.by_name = dedupe_rules.level("name") != dedupe_rules.OFF
        self.now = clock.now()

    def take(self, lines: Sequence[Line]) -> None:
        """Decide on each row, and write unless this is a rehearsal."""
        self.now = clock.now()
        for line in lines:
            if line.outcome != FAILED:
                self._clean(line)
        there = _There(lines, self.actor)
        for line in lines:
            if line.outcome != FAILED:
                self._decide(line, there)
        if not self.job.dry_run:
            self._write(lines)

    def forget(self, lines: Sequence[Line]) -> None:
        """Forget rows that were decided and could not be written."""
        numbers, gone = {line.number for line in lines}, {line.record_id for line in lines}
        self.rows_before = {one: row for one, row in self.rows_before.items() if row not in numbers}
        self.phones_before = {number: one for number, one in self.phones_before.items() if one not in gone}
        self.names_before = {name: one for name, one in self.names_before.items() if one not in gone}

    # --- a row alone ----------------------------------------------------------------------------------------------

    def _clean(self, line: Line) -> None:
        typed = {key: value for key, value in line.values.items() if key in self.allowed}
        contacts = self._contacts(line, typed)
        owner_id, pool_id = self._owner(line, typed)
        moment = typed.pop("next_follow_at", None)
        if "note" in typed:
            typed["note"] = str(typed["note"])
        try:
            clean = clean_customer({key: typed[key] for key in typed if key not in NOT_OF_CUSTOMER}, whole=True)
            keep_new_tags(clean.get("tags", ()), actor=self.actor)
        except Invalid as problem:
            for field, words in problem.fields.items():
                line.fail(field, words)
        if line.outcome == FAILED:
            return
        if moment is not None:
            clean["next_follow_at"] = moment
        line.values = {**clean, "owner_id": owner_id, "pool_id": pool_id, "contacts": contacts}

    def _owner(self, line: Line, typed: Mapping[str, Any]) -> tuple[str | None, str | None]:
        if typed.get("owner"):
            try:
                return self.people.named(typed["owner"]), None
            except Unreadable as error:
                line.fail("owner", str(error))
        return self.job.owner_id, self.job.pool_id if self.job.owner_id is None else None

    def _contacts(self, line: Line, typed: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for n in range(1, CONTACTS + 1):
            name = clean_line(str(typed.get(f"contact{n}.name") or ""))
            title = clean_line(str(typed.get(f"contact{n}.title") or ""))
            numbers = typed.get(f"contact{n}.phones") or []
            if not (name or numbers or title):
                continue
            if not 1 <= len(name) <= 60:
                line.fail(f"contact{n}.name", _("请填写联系人姓名，最多 %(most)d 个字", most=60))
                continue
            try:
                phones = list(dict.fromkeys(normal_phone(str(number)) for number in numbers))[:MAX_PHONES]
            except ValueError as error:
                line.fail(f"contact{n}.phones", str(error))
                continue
            found.append({"name": name, "title": title[:60], "phones": phones, "is_primary": not found})
        return found

    # --- against the others ---------------------------------------------------------------------------------------

    def _decide(self, line: Line, there: "_There") -> None:
        field, found = self._met(line, there)
        if not found:
            line.outcome, line.record_id = CREATED, new_id()
            self._note(line)
            return
        earlier = self.rows_before.get(found)
        old = there.customers.get(found)
        words = self._told(found, earlier, old, there)
        how = self.job.on_duplicate
        if how == FAIL:
            line.fail(field, words)
        elif how == SKIP or (earlier is not None and old is None):
            line.skip(field, words)  # of two rows of one file that mean the same, the first counts
        elif old is None or found not in there.visible or not self._may_edit(old):
            line.skip(field, words)
        else:
            self._merge(line, old, there)
        self.rows_before.setdefault(found, line.number)

    def _met(self, line: Line, there: "_There") -> tuple[str, str]:
        """Return the field by which a row means a customer who is there, and their id; nothing when it is new."""
        for number in line.values.get("phones", ()):
            if found := self.phones_before.get(number):
                return "phones", found
        if line.number in there.met:
            return there.met[line.number]
        same = self.names_before.get(line.values["name_key"], "") if self.by_name else ""
        return ("name", same) if same else ("", "")

    def _note(self, line: Line) -> None:
        self.rows_before[line.record_id] = line.number
        for number in line.values.get("phones", ()):
            self.phones_before[number] = line.record_id
        self.names_before[line.values["name_key"]] = line.record_id

    def _told(self, found: str, earlier: int | None, old: Any, there: "_There") -> str:
        if earlier is not None:
            return _("与第 %(row)d 行重复", row=earlier)
        if old is not None and found in there.visible:
            return _("与已有客户“%(name)s”重复", name=old.name)
        return _("与已有客户重复，但您无权查看，请联系管理员")

    def _may_edit(self, old: Any) -> bool:
        return self.edits.people is None or old.owner_id in self.edits.people

    def _merge(self, line: Line, old: Any, there: "_There") -> None:
        """Say what a row changes of a customer: with "fill" what is empty, with "update" all that the row says."""
        after: dict[str, Any] = {}
        for field in CHANGEABLE:
            new = line.values.get(field)
            now = getattr(old, field)
            if new in EMPTY or new == now or (self.job.on_duplicate == FILL and now not in EMPTY):
                continue
            if field == "tags":
                new = list(dict.fromkeys([*(now or ()), *line.values["tags"]]))[:MOST_TAGS]
            if new != now:
                after[field] = new
        phones = self._phones(line, there, old.id)
        if phones:
            after["phones"] = phones
        line.record_id = old.id
        if not after:
            line.outcome = SKIPPED
            line.errors["name"] = _("没有需要更新的内容")
            return
        before = {field: getattr(old, field) for field in after if field != "phones"}
        before |= {"version": old.version, "updated_at": old.updated_at}
        if phones:
            before["phone_rows"] = there.phone_rows.get(old.id, [])
        line.outcome, line.before, line.after = UPDATED, before, after

    def _phones(self, line: Line, there: "_There", customer_id: str) -> list[str]:
        """Return all numbers of a customer with what a row adds; nothing when it adds none."""
        numbers = [one["number"] for one in there.phone_rows.get(customer_id, ())]
        fresh = [
            one
            for one in line.values.get("phones", ())
            if one not in numbers and one not in there.by_phone and one not in self.phones_before
        ]
        if not fresh or (numbers and self.job.on_duplicate == FILL):
            return []
        for number in fresh:
            self.phones_before[number] = customer_id
        return [*numbers, *fresh][:MAX_PHONES]

    # --- writing --------------------------------------------------------------------------------------------------

    def _write(self, lines: Sequence[Line]) -> None:
        fresh = [line for line in lines if line.outcome == CREATED]
        insert_rows(Customer, _alike([self._row(line) for line in fresh]))
        insert_rows(
            CustomerPhone,
            [
                {"customer_id": line.record_id, "number": number, "position": position}
                for line in fresh
                for position, number in enumerate(line.values.get("phones", ()))
            ],
        )
        people = list(itertools.chain.from_iterable(map(self._contact_rows, fresh)))
        insert_rows(Contact, people)
        changed = [line for line in lines if line.outcome == UPDATED]
        for line in changed:
            self._change(line)
        insert_rows(Event, [self._event(line) for line in (*fresh, *changed)])
        index_contacts([row["id"] for row in people])
        index_customers([line.record_id for line in (*fresh, *changed)])

    def _row(self, line: Line) -> dict[str, Any]:
        values = {key: value for key, value in line.values.items() if key not in ("phones", "contacts")}
        owner_id = values["owner_id"]
        return {
            **values,
            "id": line.record_id,
            "department_id": self.people.department.get(owner_id) if owner_id else None,
            "pooled_at": self.now if values["pool_id"] else None,
            "creator_id": self.actor.id,
            "created_at": self.now,
            "updated_at": self.now,
            "version": 1,
        }

    def _contact_rows(self, line: Line) -> list[dict[str, Any]]:
        stamps = {"creator_id": self.actor.id, "created_at": self.now, "updated_at": self.now}
        return [{"id": new_id(), "customer_id": line.record_id, **one, **stamps} for one in line.values["contacts"]]

    def _change(self, line: Line) -> None:
        assert line.before is not None
        assert line.after is not None
        phones = line.after.get("phones")
        values = {key: value for key, value in line.after.items() if key != "phones"}
        db.session.execute(
            sa.update(Customer)
            .where(Customer.id == line.record_id)
            .values(**values, **_to_file(values), updated_at=self.now, version=Customer.version + 1)
            .execution_options(synchronize_session=False)
        )
        if phones:
            had = [one["number"] for one in line.before["phone_rows"]]
            insert_rows(
                CustomerPhone,
                [
                    {"customer_id": line.record_id, "number": number, "position": position}
                    for position, number in enumerate(phones)
                    if number not in had
                ],
            )

    def _event(self, line: Line) -> dict[str, Any]:
        created = line.outcome == CREATED
        changes = {}
        if line.before is not None and line.after is not None:
            before = {"phones": [one["number"] for one in line.before.get("phone_rows", ())], **line.before}
            changes = {key: [_plain(before.get(key)), _plain(value)] for key, value in line.after.items()}
        data = {"import": self.job.id, "row": line.number}
        if created:
            data["name"] = line.values["name"]
        return {
            "kind": "customer.created" if created else "customer.changed",
            "subject_type": "customer",
            "subject_id": line.record_id,
            "customer_id": line.record_id,
            "actor_id": self.actor.id,
            "at": self.now,
            "changes": changes,
            "data": data,
        }


class _There:
    """The customers whom rows may mean: found by phone and by name, three statements a lot."""

    def __init__(self, lines: Sequence[Line], actor: Member) -> None:
        sound = [line for line in lines if line.outcome != FAILED]
        numbers = sorted({number for line in sound for number in line.values.get("phones", ())})
        self.by_phone: dict[str, str] = {}
        if numbers:
            wanted = sa.select(CustomerPhone.number, CustomerPhone.customer_id).where(CustomerPhone.number.in_(numbers))
            self.by_phone = {row.number: row.customer_id for row in db.session.execute(wanted)}
        found = known_among([line.values for line in sound])
        self.met = {line.number: one for line, one in zip(sound, found, strict=True) if one}
        ids = sorted({customer_id for _field, customer_id in self.met.values()} | set(self.by_phone.values()))
        self.customers: dict[str, Any] = {}
        self.visible: set[str] = set()
        self.phone_rows: dict[str, list[dict[str, Any]]] = {}
        if ids:
            self._read(ids, actor)

    def _read(self, ids: list[str], actor: Member) -> None:
        table = (getattr(Customer, name) for name in ("id", "name", "owner_id", "version", "updated_at", *CHANGEABLE))
        wanted = sa.select(*table).where(Customer.id.in_(ids), Customer.deleted_at.is_(None))
        self.customers = {row.id: row for row in db.session.execute(wanted)}
        seen = sa.select(Customer.id).where(Customer.id.in_(ids), visible_customers(actor))
        self.visible = set(db.session.scalars(seen))
        numbers = sa.select(
            CustomerPhone.id, CustomerPhone.customer_id, CustomerPhone.number, CustomerPhone.position
        ).where(CustomerPhone.customer_id.in_(ids))
        for row in db.session.execute(numbers.order_by(CustomerPhone.position)):
            kept = {"id": row.id, "number": row.number, "position": row.position}
            self.phone_rows.setdefault(row.customer_id, []).append(kept)


def _to_file(values: Mapping[str, Any]) -> dict[str, int]:
    """Have a customer filed anew for the duplicate check where what it is filed under changes."""
    return {"keyed": 0} if {"website", "credit_code"} & values.keys() else {}


def _alike(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give all rows the same columns, as one statement takes them: what a row does not say is its default."""
    names = dict.fromkeys(itertools.chain.from_iterable(rows))
    table = sa.inspect(Customer).local_table
    missing = {name: _default(table.c[name]) for name in names}
    return [{name: row[name] if name in row else missing[name]() for name in names} for row in rows]


def _default(column: Any) -> Any:
    if column.default is None:
        return lambda: None
    if column.default.is_callable:
        return lambda: column.default.arg(None)
    return lambda: column.default.arg


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
