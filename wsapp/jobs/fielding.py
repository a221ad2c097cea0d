"""Custom fields in the background: the index of a field is written anew, lot by lot."""

from wsapp.crm.fields.indexing import index_lot
from wsapp.jobs.runner import Desk
from wsapp.outbox import Claim


def index(claim: Claim, desk: Desk) -> None:
    """A field became filterable or took another form: index the next lot of its records."""
    index_lot(claim.payload["field"], claim.payload["after"])
