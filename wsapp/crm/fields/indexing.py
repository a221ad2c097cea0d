"""Writing the index of custom fields anew: of a field that became filterable, took another form or came back; and of
records that changed beside the usual way."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock, outbox
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.formulas import with_results
from wsapp.crm.fields.models import WHOLE, CustomField, CustomValue, Field
from wsapp.crm.fields.records import Records, records_of
from wsapp.crm.fields.values import found_by
from wsapp.crm.org.standing import changed
from wsapp.db import db, first, insert_rows

LOT = 500  # records
# After a run: whoever began to save before the field was there has long finished.
SETTLED_AFTER = timedelta(minutes=2)


def index_lot(field_id: str, after: str) -> None:
    """Index one lot of the records that come after an id, and put the next one in line; after the last, lists can be
    filtered by the field."""
    row = first(sa.select(CustomField).where(CustomField.id == field_id))
    field = fields_of(row.object).get(row.key) if row else None
    records = records_of(row.object) if row else None
    if field is None or records is None or not (field.indexed or field.unique):
        return
    model = records.model
    ids = _write(records, sa.select(model.id).where(model.id > after).order_by(model.id).limit(LOT), {field.key: field})
    if len(ids) == LOT:
        outbox.enqueue("fields.index", {"field": field_id, "after": ids[-1]})
    else:
        row.indexing = False
        if field.indexed and row.object in WHOLE:
            outbox.enqueue("fields.index", {"field": field_id, "after": None}, due_at=clock.now() + SETTLED_AFTER)
        db.session.flush()
        changed()


def settle(field_id: str) -> None:
    """Give a blank row to the last records that have none; from then on lists go by the index alone."""
    row = first(sa.select(CustomField).where(CustomField.id == field_id))
    field = fields_of(row.object).get(row.key) if row else None
    records = records_of(row.object) if row else None
    if field is None or records is None or not field.indexed or field.indexing:
        return
    model = records.model
    same = (CustomValue.corp_id == model.corp_id, CustomValue.record_id == model.id)
    there = sa.exists().where(*same, CustomValue.field_id == field.id)
    ids = _write(records, sa.select(model.id).where(~there).order_by(model.id).limit(LOT), {field.key: field})
    if len(ids) == LOT:
        outbox.enqueue("fields.index", {"field": field_id, "after": None})
        return
    row.blanks = True
    db.session.flush()
    changed()


def reindex(obj: str, record_ids: Sequence[str]) -> None:
    """Write all that records are found by anew: after a restore, a merge, or an import. A unique value that another
    record has by now is left out."""
    records, fields = records_of(obj), fields_of(obj)
    wanted = {key: field for key, field in fields.items() if field.indexed or field.unique}
    if records is None or not wanted:
        return
    for start in range(0, len(record_ids), LOT):
        some = list(record_ids[start : start + LOT])
        _write(records, sa.select(records.model.id).where(records.model.id.in_(some)), wanted)


def _write(records: Records, wanted: Any, fields: Mapping[str, Field]) -> list[str]:
    """Write the index of the wanted records by the fields; returns their ids in order."""
    # Held, so that a save at the same moment writes its own rows before or after these, never in between.
    model = records.model
    found = db.session.execute(wanted.add_columns(model.custom).with_for_update()).all()
    ids = [one.id for one in found]
    mine = [CustomValue.field_id.in_([field.id for field in fields.values()]), CustomValue.record_id.in_(ids)]
    db.session.execute(sa.delete(CustomValue).where(*mine).execution_options(synchronize_session=False))
    every = fields_of(next(iter(fields.values())).object)
    keys = []
    for one in found:
        values = with_results(every, one.custom or {})
        for field in fields.values():
            keys += found_by(field, one.id, values.get(field.key))
    insert_rows(CustomValue, keys, ignore=True)
    return ids
