"""Writing the index of a field anew: after it became filterable, or took another type, or came back."""

import sqlalchemy as sa

from wsapp import outbox
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.fields.models import CustomField, CustomValue
from wsapp.crm.fields.records import records_of
from wsapp.crm.fields.values import index_rows
from wsapp.crm.org.standing import changed
from wsapp.db import db, first, insert_rows

LOT = 500  # records


def index_lot(field_id: str, after: str) -> None:
    """Index one lot of the records that come after an id, and put the next one in line; after the last, lists can be
    filtered by the field."""
    row = first(sa.select(CustomField).where(CustomField.id == field_id))
    field = fields_of(row.object).get(row.key) if row else None
    records = records_of(row.object) if row else None
    if field is None or records is None or not (field.indexed or field.unique):
        return
    model = records.model
    # Held, so that a save at the same moment writes its own rows before or after these, never in between.
    lot = sa.select(model.id, model.custom).where(model.id > after).order_by(model.id).limit(LOT).with_for_update()
    found = db.session.execute(lot).all()
    ids = [one.id for one in found]
    mine = sa.delete(CustomValue).where(CustomValue.field_id == field_id, CustomValue.record_id.in_(ids))
    db.session.execute(mine.execution_options(synchronize_session=False))
    keys = [key for one in found for key in index_rows(field, one.id, (one.custom or {}).get(field.key))]
    insert_rows(CustomValue, keys, ignore=True)
    if len(found) == LOT:
        outbox.enqueue("fields.index", {"field": field_id, "after": ids[-1]})
    else:
        row.indexing = False
        db.session.flush()
        changed()
