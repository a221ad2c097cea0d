"""What owners ask their managers for: to keep a customer for longer, or to give it back. Asking, and who may answer."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import administrators, manager_of
from wsapp.crm.org.rights import may
from wsapp.crm.pools.clocks import ANSWER_IN
from wsapp.crm.pools.models import KEEP, OPEN, OVER, RELEASE, OwnerRequest
from wsapp.db import current_corp, db, first, insert_unless_there, new_id, rows
from wsapp.problems import Conflict, Invalid, NotFound
from wsapp.texts import _

# Kinds of messages, by what is asked for.
ASKED = {KEEP: "extension.asked", RELEASE: "release.asked"}
ANSWERED = {KEEP: "extension.answered", RELEASE: "release.answered"}


def reader_of(actor: Member) -> Member:
    """Return who answers the actor's requests: their manager, at the top another administrator. Raises Invalid."""
    reader = manager_of(actor) or next((one for one in administrators() if one.id != actor.id), None)
    if reader is None:
        raise Invalid({"": _("没有可以审批的主管，请联系管理员")})
    return reader


def write_request(
    customer: Customer,
    reader: Member,
    *,
    actor: Member,
    wish: str,
    leaves_on: date | None = None,
    pool_id: str | None = None,
    reason: str = "",
) -> OwnerRequest:
    """Write a request of the owner's (`actor`) down. Raises Conflict when one about the customer is open."""
    _lapse(customer)
    request_id = new_id()
    values = {
        "corp_id": current_corp(),
        "id": request_id,
        "customer_id": customer.id,
        "owner_id": actor.id,
        "manager_id": reader.id,
        "wish": wish,
        "leaves_on": leaves_on,
        "pool_id": pool_id,
        "reason": reason,
        "state": OPEN,
        "is_open": True,
        "created_at": clock.now(),
    }
    if not insert_unless_there(OwnerRequest, values):
        raise Conflict({"": _("您已经申请过，请等待主管答复")})
    found = request_by_id(request_id)
    assert found is not None
    return found


def _lapse(customer: Customer) -> None:
    """End what nobody answered in time, or an earlier owner asked, so that it can be asked again."""
    stale = sa.update(OwnerRequest).where(
        OwnerRequest.customer_id == customer.id,
        OwnerRequest.state == OPEN,
        sa.or_(OwnerRequest.created_at <= clock.now() - ANSWER_IN, OwnerRequest.owner_id != customer.owner_id),
    )
    ended = stale.values(state=OVER, is_open=None, decided_at=clock.now())
    db.session.execute(ended.execution_options(synchronize_session=False))


def request_by_id(request_id: str) -> OwnerRequest | None:
    """Return a request, whoever asks; None where there is none."""
    found: OwnerRequest | None = first(sa.select(OwnerRequest).where(OwnerRequest.id == request_id))
    return found


def find_request(request_id: str, *, actor: Member) -> OwnerRequest:
    """Return a request that the actor made or may answer; raises NotFound for all others."""
    request = request_by_id(request_id)
    if request is None or (request.owner_id != actor.id and not may_decide(request, actor=actor)):
        raise NotFound(_("申请不存在或与您无关"))
    return request


def requests_of(actor: Member, limit: int = 50) -> Sequence[OwnerRequest]:
    """Return what the actor asked for and what they were asked, the newest first."""
    theirs = sa.or_(OwnerRequest.owner_id == actor.id, OwnerRequest.manager_id == actor.id)
    newest = sa.select(OwnerRequest).where(theirs)
    return rows(newest.order_by(OwnerRequest.created_at.desc(), OwnerRequest.id.desc()).limit(limit))


def may_decide(request: OwnerRequest, *, actor: Member) -> bool:
    """Say whether it is the actor's to answer: who was asked, or whoever may give the owner's customers away."""
    if actor.id == request.owner_id:
        return False
    return actor.id == request.manager_id or may(actor, "transfer", request.owner_id)
