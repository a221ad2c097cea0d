"""Writing rows that were decided: new customers with all that is theirs, and changes of old ones; a lot at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from wsapp import logs
from wsapp.crm.customers.filing import code_key
from wsapp.crm.customers.models import Contact, Customer, CustomerKey, CustomerPhone, StageChange
from wsapp.crm.events.actions import guarded
from wsapp.crm.events.models import Event
from wsapp.crm.events.origin import origin
from wsapp.crm.fields.indexing import reindex
from wsapp.crm.fields.values import number_all
from wsapp.crm.org.models import Member
from wsapp.crm.search.building import index_customers, index_new, index_soon, lines_text, names_text
from wsapp.crm.search.models import CONTACT, CUSTOMER
from wsapp.crm.search.store import Text
from wsapp.crm.transfer.custom import CustomCells
from wsapp.crm.transfer.lines import Line
from wsapp.crm.transfer.models import ImportJob
from wsapp.db import db, insert_rows, new_id
from wsapp.lots import insert_lot

FOUND_AT_ONCE = 1_000  # rows: what a larger import brings is found when the worker has come to it, seconds later
NOT_OF_ROW = ("phones", "contacts", "reaches", "given")  # of a line's values, what is no column of a customer
ASIDE = ("phones", "custom")  # of a change, what is told by itself


def write_new(
    lines: Sequence[Line],
    job: ImportJob,
    *,
    actor: Member,
    departments: Mapping[str, str | None],
    custom: CustomCells,
    now: datetime,
) -> None:
    """Insert the customers of new rows with numbers, contacts, keys, events and what they are found by."""
    if not lines:
        return
    number_all("customer", [line.values["custom"] for line in lines])
    insert_lot(Customer, [_row(line, actor, departments, now) for line in lines])
    insert_lot(
        CustomerPhone,
        [
            {"customer_id": line.record_id, "number": number, "position": position}
            for line in lines
            for position, number in enumerate(line.values.get("phones", ()))
        ],
    )
    people = {line.record_id: _contacts(line, actor, now) for line in lines if line.values["contacts"]}
    everybody = [person for persons in people.values() for person in persons]
    insert_lot(Contact, everybody)
    codes = ((line.record_id, line.values.get("credit_code")) for line in lines)
    insert_lot(CustomerKey, [code_key(customer_id, code) for customer_id, code in codes if code])
    custom.index_new((line.record_id, line.values["custom"]) for line in lines)
    insert_lot(Event, _events(lines, job, actor, now))
    if job.total > FOUND_AT_ONCE:
        index_soon(CONTACT, [one["id"] for one in everybody])
        index_soon(CUSTOMER, [line.record_id for line in lines])
        return
    index_new(CONTACT, [_text(one["id"], [one["name"]], one["phones"]) for one in everybody])
    index_new(CUSTOMER, [_found_by(line, people.get(line.record_id, ())) for line in lines])


def write_changes(lines: Sequence[Line], job: ImportJob, *, actor: Member, now: datetime) -> None:
    """Change the customers whom rows mean."""
    if not lines:
        return
    for line in lines:
        _change(line, actor, now)
    insert_lot(Event, _events(lines, job, actor, now))
    ids = [line.record_id for line in lines]
    reindex("customer", ids)
    index_customers(ids)


def _row(line: Line, actor: Member, departments: Mapping[str, str | None], now: datetime) -> dict[str, Any]:
    values = {key: value for key, value in line.values.items() if key not in NOT_OF_ROW}
    owner_id = values["owner_id"]
    return {
        **values,
        "id": line.record_id,
        "department_id": departments.get(owner_id) if owner_id else None,
        "pooled_at": now if values["pool_id"] else None,
        "creator_id": actor.id,
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }


def _contacts(line: Line, actor: Member, now: datetime) -> list[dict[str, Any]]:
    stamps = {"creator_id": actor.id, "created_at": now, "updated_at": now}
    return [{"id": new_id(), "customer_id": line.record_id, **one, **stamps} for one in line.values["contacts"]]


def _found_by(line: Line, people: Sequence[Mapping[str, Any]]) -> Text:
    numbers = [*line.values.get("phones", ()), *(number for person in people for number in person["phones"])]
    names = [line.values["name"], line.values.get("short_name", ""), *(person["name"] for person in people)]
    return _text(line.record_id, names, numbers)


def _text(record_id: str, names: Sequence[str], numbers: Sequence[str]) -> Text:
    return Text(record_id, names_text(*names), lines_text(numbers))


def _change(line: Line, actor: Member, now: datetime) -> None:
    assert line.before is not None
    assert line.after is not None
    phones = line.after.get("phones")
    values = {key: value for key, value in line.after.items() if key != "phones"}
    db.session.execute(
        sa.update(Customer)
        .where(Customer.id == line.record_id)
        .values(**values, **_to_file(values), updated_at=now, version=Customer.version + 1)
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
    if "stage" in line.after:
        _note_stage(line, line.before, line.after, actor, now)


def _note_stage(line: Line, before: Mapping[str, Any], after: Mapping[str, Any], actor: Member, now: datetime) -> None:
    since = before["stage_since"] or line.since
    seconds = max(0, int((now - since).total_seconds())) if since else 0
    step = {"customer_id": line.record_id, "before": before["stage"], "after": after["stage"], "at": now}
    insert_rows(StageChange, [{**step, "seconds": seconds, "actor_id": actor.id}])


def _to_file(values: Mapping[str, Any]) -> dict[str, int]:
    """Have a customer filed anew for the duplicate check where what it is filed under changes."""
    return {"keyed": 0} if {"website", "credit_code"} & values.keys() else {}


# --- events -------------------------------------------------------------------------------------------------------


def _events(lines: Sequence[Line], job: ImportJob, actor: Member, now: datetime) -> list[dict[str, Any]]:
    come = {"via": origin().via, "request_id": logs.current_request_id()[:64]}
    return [
        {
            "kind": "customer.created" if line.before is None else "customer.changed",
            "subject_type": "customer",
            "subject_id": line.record_id,
            "customer_id": line.record_id,
            "actor_id": actor.id,
            "at": now,
            "changes": guarded(_changes(line)),
            "data": {"import": job.id, "row": line.number, **({} if line.before else {"name": line.values["name"]})},
            **come,
        }
        for line in lines
    ]


def _changes(line: Line) -> dict[str, list[Any]]:
    if line.before is None or line.after is None:
        return {}
    before, after = line.before, line.after
    found = {key: [_plain(before.get(key)), _plain(value)] for key, value in after.items() if key not in ASIDE}
    found.pop("stage_since", None)
    found.pop("last_deal_at", None)
    if "phones" in after:
        found["phones"] = [[one["number"] for one in before["phone_rows"]], after["phones"]]
    had, has = before.get("custom") or {}, after.get("custom") or {}
    keys = {**had, **has} if "custom" in after else {}
    return found | {f"custom.{key}": [had.get(key), has.get(key)] for key in keys if had.get(key) != has.get(key)}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
