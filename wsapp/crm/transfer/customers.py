"""Rows that become customers: decided in lots, beside the ORM, with the same checks as a customer that is typed."""

from collections.abc import Mapping, Sequence
from typing import Any

from wsapp import clock
from wsapp.crm.customers import dedupe_rules
from wsapp.crm.customers.actions import MAX_PHONES, clean_customer
from wsapp.crm.customers.clean import clean_line, normal_phone
from wsapp.crm.customers.related import custom_of_new
from wsapp.crm.customers.stages import refuse_step
from wsapp.crm.customers.tags import MOST as MOST_TAGS
from wsapp.crm.customers.tags import keep_new_tags, new_among
from wsapp.crm.fields.conditions import FACTS
from wsapp.crm.fields.values import changed_values
from wsapp.crm.org.models import Member
from wsapp.crm.org.rights import sight
from wsapp.crm.transfer.cells import Unreadable
from wsapp.crm.transfer.custom import PREFIX, CustomCells
from wsapp.crm.transfer.customer_rows import write_changes, write_new
from wsapp.crm.transfer.headings import CONTACTS, columns_for
from wsapp.crm.transfer.lines import CREATED, FAILED, SKIPPED, UPDATED, Line
from wsapp.crm.transfer.models import ADD, FAIL, FILL, SKIP, ImportJob
from wsapp.crm.transfer.people import People
from wsapp.crm.transfer.there import CHANGEABLE, There
from wsapp.db import new_id
from wsapp.problems import Invalid
from wsapp.texts import _

EMPTY: tuple[Any, ...] = (None, "", [])
PARTS = ("name", "phones", "title")  # of a contact
NOT_OF_CUSTOMER = frozenset({"owner", *(f"contact{n}.{part}" for n in range(1, CONTACTS + 1) for part in PARTS)})


class CustomerLots:
    """Takes rows of one import, lot by lot. `seen` are phones and names of rows before, for duplicates in the file."""

    def __init__(self, job: ImportJob, actor: Member) -> None:
        self.job, self.actor = job, actor
        self.people = People(sight(actor, "customer", "import"))
        self.edits = sight(actor, "customer", "edit")
        self.custom = CustomCells("customer", actor, self.people)
        self.allowed = {column.key for column in columns_for("customer", actor)} & set(job.mapping)
        self.contacts = sorted({int(key[7]) for key in self.allowed if key.startswith("contact")})
        self.rows_before: dict[str, int] = {}  # customer id → row that made it or met it
        self.phones_before: dict[str, str] = {}  # of this run, also where nothing is written
        self.names_before: dict[str, str] = {}
        self.codes_before: dict[str, str] = {}
        self.by_name = dedupe_rules.level("name") != dedupe_rules.OFF
        self.by_code = dedupe_rules.level("code") != dedupe_rules.OFF
        self.adds = job.on_duplicate == ADD and dedupe_rules.level("name") != dedupe_rules.BLOCK
        self.adds_reached = job.on_duplicate == ADD and dedupe_rules.level("contact") != dedupe_rules.BLOCK
        self.now = clock.now()

    def take(self, lines: Sequence[Line]) -> None:
        """Decide on each row, and write unless this is a rehearsal."""
        self.now = clock.now()
        for line in lines:
            if line.outcome != FAILED:
                self._clean(line)
        there = There(lines, self.actor)
        for line in lines:
            if line.outcome != FAILED:
                self._decide(line, there)
        if self.job.dry_run:
            return
        fresh = [line for line in lines if line.outcome == CREATED]
        changed = [line for line in lines if line.outcome == UPDATED]
        self._keep_tags([*fresh, *changed])
        departments = self.people.department
        write_new(fresh, self.job, actor=self.actor, departments=departments, custom=self.custom, now=self.now)
        write_changes(changed, self.job, actor=self.actor, now=self.now)

    def _keep_tags(self, lines: Sequence[Line]) -> None:
        """Put new tags on the corp's list; the first row remembers them, for when it is taken back."""
        tags = list(dict.fromkeys(tag for line in lines for tag in line.values.get("tags", ())))
        fresh = new_among(tags, actor=self.actor)
        if fresh:
            keep_new_tags(fresh, actor=self.actor)
            lines[0].new_tags = fresh

    def forget(self, lines: Sequence[Line]) -> None:
        """Forget rows that were decided and could not be written."""
        numbers, gone = {line.number for line in lines}, {line.record_id for line in lines}
        self.rows_before = {one: row for one, row in self.rows_before.items() if row not in numbers}
        self.phones_before = {number: one for number, one in self.phones_before.items() if one not in gone}
        self.names_before = {name: one for name, one in self.names_before.items() if one not in gone}
        self.codes_before = {code: one for code, one in self.codes_before.items() if one not in gone}
        self.custom.forget(numbers)

    # --- a row alone ----------------------------------------------------------------------------------------------

    def _clean(self, line: Line) -> None:
        typed = {key: value for key, value in line.values.items() if key in self.allowed}
        contacts = self._contacts(line, typed) if self.contacts else {}
        given = self.custom.read(line, typed) if self.custom.fields else {}
        owner_id, pool_id = self._owner(line, typed)
        moment = typed.pop("next_follow_at", None)
        if "note" in typed:
            typed["note"] = str(typed["note"])
        try:
            own = {key: typed[key] for key in typed if key not in NOT_OF_CUSTOMER and not key.startswith(PREFIX)}
            clean = clean_customer(own, whole=True)
            if clean.get("tags"):
                new_among(clean["tags"], actor=self.actor)  # may they? They are kept with the rows that are taken
        except Invalid as problem:
            for field, words in problem.fields.items():
                line.fail(field, words)
        if line.outcome == FAILED:
            return
        if moment is not None:
            clean["next_follow_at"] = moment
        line.values = {
            **clean,
            "owner_id": owner_id,
            "pool_id": pool_id,
            "contacts": list(contacts.values()),
            "reaches": {f"contact{n}.phones": one["phones"] for n, one in contacts.items()},
            "given": given,
        }

    def _owner(self, line: Line, typed: Mapping[str, Any]) -> tuple[str | None, str | None]:
        if typed.get("owner"):
            try:
                return self.people.named(typed["owner"]), None
            except Unreadable as error:
                line.fail("owner", str(error))
        return self.job.owner_id, self.job.pool_id if self.job.owner_id is None else None

    def _contacts(self, line: Line, typed: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for n in self.contacts:
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
            found[n] = {"name": name, "title": title[:60], "phones": phones, "is_primary": not found}
        return found

    # --- against the others ---------------------------------------------------------------------------------------

    def _decide(self, line: Line, there: There) -> None:
        field, found = self._met(line, there)
        if not found:
            self._create(line)
            return
        earlier = self.rows_before.get(found)
        old = there.customers.get(found)
        words = self._told(found, earlier, old, there)
        how = self.job.on_duplicate
        if how == FAIL:
            line.fail(field, words)
        elif how in (SKIP, ADD) or field.startswith("contact") or (earlier is not None and old is None):
            line.skip(field, words)  # of two rows of one file that mean the same, the first counts
        elif old is None or found not in there.visible or not self._may_edit(old):
            line.skip(field, words)
        else:
            self._merge(line, old, there)
        self.rows_before.setdefault(found, line.number)

    def _met(self, line: Line, there: There) -> tuple[str, str]:
        """Return the field by which a row means a customer who is there, and their id; nothing when it is new."""
        for number in line.values.get("phones", ()):
            if found := self.phones_before.get(number):
                return "phones", found
        met = there.met.get(line.number)
        if met and not (met[0] == "name" and self.adds):
            return met
        if self.by_code and (same := self.codes_before.get(line.values.get("credit_code") or "")):
            return "credit_code", same
        same = self.names_before.get(line.values["name_key"], "") if self.by_name and not self.adds else ""
        return ("name", same) if same else self._reached(line, there)

    def _reached(self, line: Line, there: There) -> tuple[str, str]:
        """Return who was there before the file and is reached by a number of the row through a contact. Among the rows
        of one file this tells nothing: somebody may be the contact of several firms."""
        at, found = there.reached.get(line.number, ("", ""))
        old = there.customers.get(found)
        if old is None or old.created_at >= self.job.created_at or self.adds_reached:
            return "", ""
        return at, found

    def _create(self, line: Line) -> None:
        """Make a row a new customer, unless its custom values stand against it."""
        values, actor = line.values, self.actor
        values["custom"] = {}
        if self.custom.fields:
            try:
                values["custom"] = custom_of_new(values["given"], values, None, actor=actor, numbered=False)
            except Invalid as problem:
                line.errors |= problem.fields
                line.outcome = FAILED
                return
            self.custom.meet(line, values["custom"])
            if line.outcome == FAILED:
                return
        line.outcome, line.record_id = CREATED, new_id()
        self.rows_before[line.record_id] = line.number
        for number in values.get("phones", ()):
            self.phones_before[number] = line.record_id
        self.names_before[values["name_key"]] = line.record_id
        if code := values.get("credit_code"):
            self.codes_before[code] = line.record_id

    def _told(self, found: str, earlier: int | None, old: Any, there: There) -> str:
        if earlier is not None:
            return _("与第 %(row)d 行重复", row=earlier)
        if old is not None and found in there.visible:
            return _("与已有客户“%(name)s”重复", name=old.name)
        return _("与已有客户重复，但您无权查看，请联系管理员")

    def _may_edit(self, old: Any) -> bool:
        return self.edits.covers(old.owner_id) or self.edits.covers_by_value(old)

    def _merge(self, line: Line, old: Any, there: There) -> None:
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
        try:
            self._merge_ruled(line, old, after)
        except Invalid as problem:
            line.errors |= problem.fields
            line.outcome = FAILED
        if line.outcome == FAILED:
            return
        phones = self._phones(line, there, old.id)
        if phones:
            after["phones"] = phones
        line.record_id, line.since = old.id, old.created_at
        if not after:
            line.outcome = SKIPPED
            line.errors["name"] = _("没有需要更新的内容")
            return
        before = {field: getattr(old, field) for field in after if field != "phones"}
        before |= {"version": old.version, "updated_at": old.updated_at}
        if phones:
            before["phone_rows"] = there.phone_rows.get(old.id, [])
        line.outcome, line.before, line.after = UPDATED, before, after

    def _merge_ruled(self, line: Line, old: Any, after: dict[str, Any]) -> None:
        """Say what a row changes where rules of the corp have a word: stage, custom values. Raises Invalid."""
        if "stage" in after:
            refuse_step(old.stage, after["stage"], actor=self.actor)
            after["stage_since"] = self.now
            if after["stage"] == "dealt":
                after["last_deal_at"] = self.now
        stored = dict(old.custom or {})
        fills = self.job.on_duplicate == FILL
        given = {key: value for key, value in line.values["given"].items() if not (fills and key in stored)}
        if not given:
            return
        facts = {name: after.get(name, getattr(old, name)) for name in FACTS["customer"]}
        custom = changed_values("customer", given, stored, actor=self.actor, facts=facts)
        if custom != stored:
            self.custom.meet(line, {key: value for key, value in custom.items() if stored.get(key) != value}, old.id)
            after["custom"] = custom

    def _phones(self, line: Line, there: There, customer_id: str) -> list[str]:
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
