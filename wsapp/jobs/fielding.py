"""Custom fields in the background: the index of a field is written anew, lot by lot."""

from wsapp.crm.fields.indexing import index_lot, settle
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim


def index(claim: Claim, desk: Desk) -> None:
    """A field became filterable or took another form: index the next lot of its records; at last, what was missed."""
    if claim.payload["after"] is None:
        settle(claim.payload["field"])
    else:
        index_lot(claim.payload["field"], claim.payload["after"])
