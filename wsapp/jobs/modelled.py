"""Asking a language model about a sentence: one short call, no second try; if it fails, the rules' draft stays."""

from typing import Any

import sqlalchemy as sa

from wsapp.connectors.base import TryLater
from wsapp.connectors.http import HttpTransport, parse_object
from wsapp.crm.drafts.modelled import cleaned, is_on, is_too_late, question, settle
from wsapp.crm.drafts.models import WAITING, DraftAsk
from wsapp.db import current_corp, db, first
from wsapp.guard import GuardedTransport
from wsapp.house import house
from wsapp.jobs.breakers import Breakers
from wsapp.jobs.runner import Desk
from wsapp.leases import Claim
from wsapp.problems import NotFound

DEADLINE = 12.0  # seconds
MOST_BYTES = 64 * 1024  # of an answer
PATH = "/chat/completions"

_breakers = Breakers()  # of the model's service, by corp


def ask(claim: Claim, desk: Desk) -> None:
    """Ask the model and keep what it says; a service that keeps failing is left alone for a while."""
    found: DraftAsk | None = first(sa.select(DraftAsk).where(DraftAsk.id == claim.payload["ask"]))
    if found is None or found.state != WAITING:
        return
    ask_id, corp = found.id, current_corp() or 0
    if is_too_late(found) or not is_on() or _breakers.is_open(corp):
        settle(ask_id, None)
        return
    try:
        body = question(found, house().settings.drafts.model)
    except NotFound:
        settle(ask_id, None)
        return
    db.session.commit()
    answer = _call(body)
    if answer is None:
        _breakers.failed(corp, desk.pace.host_pause)
    else:
        _breakers.succeeded(corp)
    settle(ask_id, answer)


def _call(body: dict[str, Any]) -> dict[str, str] | None:
    settings = house().settings.drafts
    headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
    url = settings.base_url + PATH
    try:
        answer = _transport().request(
            "POST", url, json=body, headers=headers, api="drafts", deadline=DEADLINE, max_body=MOST_BYTES
        )
    except TryLater:
        return None
    return _said(answer.json) if answer.status == 200 else None


def _said(body: dict[str, Any] | None) -> dict[str, str] | None:
    """Return the fields in a completion, None where there is no JSON object in it."""
    try:
        content = (body or {})["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
    if not isinstance(content, str):
        return None
    begins, ends = content.find("{"), content.rfind("}")  # some put it into a fence
    said = parse_object(content[begins : ends + 1].encode()) if 0 <= begins < ends else None
    return None if said is None else cleaned(said)


def _transport() -> GuardedTransport:
    extra = house().extra
    if "drafts_transport" not in extra:
        extra["drafts_transport"] = GuardedTransport(HttpTransport(pool=4, max_body=MOST_BYTES))
    transport: GuardedTransport = extra["drafts_transport"]
    return transport
