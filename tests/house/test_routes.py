"""Every route refuses whoever it is not for. Made from the route map: a route without a line here fails.

Each route is asked by an anonymous visitor, by a stranger of the same corp, by a seller and by the administrator of
another corp, each with a session and with an API token, with real ids of 阿丽's records in address, query and body.
Whatever the answer, it shows nothing of hers, and nothing of hers changes.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.cast import CORP, WECOM_AGENT, Cast
from wsapp import clock, outbox
from wsapp.bots.models import BotDraft
from wsapp.connecting import Draft
from wsapp.crm.appeals.work import offer_task
from wsapp.crm.bulk.actions import begin_bulk
from wsapp.crm.comments.actions import add_comment
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.leads import start_lead
from wsapp.crm.customers.models import Tag
from wsapp.crm.deletions.actions import delete
from wsapp.crm.deletions.runs import begin_run
from wsapp.crm.drafts.models import DraftAsk
from wsapp.crm.events.models import Event
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.groups.models import GroupRobot
from wsapp.crm.mirrors.models import TaskMirror
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.models import ACCEPTED, Notification
from wsapp.crm.org import access
from wsapp.crm.org.models import Corp, CorpDay, Department, LoginSession, Member
from wsapp.crm.org.role_actions import copy_role
from wsapp.crm.org.setups import begin_set_up
from wsapp.crm.org.standing import changed
from wsapp.crm.phrases.actions import add_phrase
from wsapp.crm.pools.models import Handover, OwnerRequest, Pool
from wsapp.crm.reports.actions import hand_in
from wsapp.crm.reports.queries import current
from wsapp.crm.search.views import save_view
from wsapp.crm.sharing.models import ShareRequest
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.transfer import exports
from wsapp.crm.transfer import imports as transfers
from wsapp.crm.transfer.results import write_result
from wsapp.crm.visits.actions import log_visit
from wsapp.crm.visits.plans import plan_visit
from wsapp.crm.watches.models import Watch
from wsapp.db import Base, corp_scope, db, every_corp
from wsapp.files import StoredFile
from wsapp.outbox import Outbox
from wsapp.vault import digest

ORIGIN = "http://127.0.0.1:8000"

PUBLIC = "anybody: shows nothing of any corp"
LINK = "whoever holds a signed link"
HOST = "the host, by its signature"
MEMBER = "a member's session"
ADMIN = "an administrator's session"
TOKEN = "an API token"

REFUSED = (403, 404)


@dataclass(frozen=True)
class Route:
    """Who a route is for, and what a stranger sends it. `{…}` are filled with ids of 阿丽's records."""

    guard: str
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    refused: tuple[int, ...] = REFUSED  # what a stranger gets for an address that names a record
    why: str = ""
    alone: bool = False  # hers alone: it refuses her administrator as well
    ids: dict[str, str] = field(default_factory=dict)  # parameter of the address → the record meant, if another
    repeats: tuple[str, ...] = ()  # what the asker sent and the answer may say again


DUE = "2030-01-01T09:00:00+08:00"
TASK = {"title": "打探", "due_at": DUE, "customer": "{customer}", "assignee": "ali"}
TASK_FORM = {"title": "打探", "due_at": "2030-01-01T09:00", "customer": "{customer}", "assignee": "{member}"}
CUSTOMER_FORM = {"name": "探子公司", "phones": "13911112222", "parent": "{customer}", "version": "1", "similar_ok": "1"}
PLAN_FORM = {
    "kind": "巡店",
    "starts_at": "2030-01-01T09:00",
    "ends_at": "2030-01-01T10:00",
    "participants": "{member}",
}
PLAN_BODY = {"kind": "巡店", "starts_at": DUE, "ends_at": "2030-01-01T10:00:00+08:00"}
VISIT_FORM = {"note": "路过", "no_fix_reason": "indoor", "photos": "{file}", "customer": "{customer}"}

ROUTES: dict[str, Route] = {
    # --- everybody
    "GET /": Route(PUBLIC),
    "GET /<name>.txt": Route(PUBLIC),
    "GET /healthz": Route(PUBLIC),
    "GET /healthz/mark": Route(PUBLIC),
    "GET /readyz": Route(PUBLIC),
    "GET /metrics": Route(PUBLIC),
    "GET /static/<path:name>": Route(PUBLIC),
    "GET /api/docs": Route(PUBLIC),
    "GET /api/v1/openapi.json": Route(PUBLIC),
    "GET /signin/": Route(PUBLIC, query={"next": "/h5/customers/{customer}"}),
    "GET /signin/<host>/<corp_id>": Route(PUBLIC, query={"next": "/h5/customers/{customer}"}),
    "GET /signin/<host>/<corp_id>/return": Route(PUBLIC, query={"code": "x", "state": "y"}),
    "GET /signin/<host>/<corp_id>/web": Route(PUBLIC),
    "GET /signin/<host>/<corp_id>/web/return": Route(PUBLIC, query={"code": "x", "state": "y"}),
    "POST /signin/<host>/<corp_id>/code": Route(PUBLIC, body={"code": "x", "nonce": "y"}),
    "POST /signout": Route(PUBLIC),
    "GET /admin/first-run": Route(PUBLIC),
    "POST /admin/first-run": Route(PUBLIC, form={"code": "00000000"}),
    "GET /files/<key:file_id>": Route(LINK, refused=(401,)),
    # --- the hosts
    "GET /callbacks/<host>/<corp_id>": Route(HOST),
    "POST /callbacks/<host>/<corp_id>": Route(HOST, body={"encrypt": "x"}),
    "GET /callbacks/<host>/<corp_id>/<kind>": Route(HOST, query={"echostr": "x"}),
    "POST /callbacks/<host>/<corp_id>/<kind>": Route(HOST, body={"encrypt": "x"}),
    # --- pages
    "GET /h5/": Route(MEMBER),
    "GET /h5/customers": Route(MEMBER, query={"q": "华星", "owner": "{member}"}),
    "POST /h5/customers": Route(MEMBER, form=CUSTOMER_FORM),
    "GET /h5/customers/new": Route(MEMBER, query={"parent": "{customer}"}),
    "GET /h5/customers/<key:customer_id>": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>": Route(MEMBER, form=CUSTOMER_FORM),
    "GET /h5/customers/<key:customer_id>/contacts/new": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/contacts": Route(MEMBER, form={"name": "探", "phones": "13911113333"}),
    "GET /h5/contacts/<key:contact_id>": Route(MEMBER),
    "POST /h5/contacts/<key:contact_id>": Route(MEMBER, form={"name": "改名", "version": "1"}),
    "GET /h5/contacts/<key:contact_id>/edit": Route(MEMBER),
    "POST /h5/contacts/<key:contact_id>/phones/<int:position>": Route(MEMBER),
    "GET /h5/customers/<key:customer_id>/coworkers": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/coworkers": Route(MEMBER, form={"member": "{member}", "access": "edit"}),
    "POST /h5/customers/<key:customer_id>/coworkers/removal": Route(MEMBER, form={"member": "{member}"}),
    "GET /h5/customers/<key:customer_id>/help": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/help": Route(MEMBER, form={"people": "{member}", "note": "打探"}),
    "GET /h5/appeals": Route(MEMBER),
    "GET /h5/appeals/<key:appeal_id>": Route(MEMBER, alone=True),
    "POST /h5/appeals/<key:appeal_id>/answer": Route(MEMBER, form={"answer": "appeal_grant"}),
    "POST /h5/appeals/<key:appeal_id>/withdrawal": Route(MEMBER),
    "GET /h5/tasks/<key:task_id>/offer": Route(MEMBER, alone=True),
    "POST /h5/tasks/<key:task_id>/offer": Route(MEMBER, form={"person": "{member}", "anyway": "1"}),
    "GET /h5/tasks/<key:task_id>/delay": Route(MEMBER, alone=True),
    "POST /h5/tasks/<key:task_id>/delay": Route(MEMBER, form={"due_at": "2030-01-01T09:00", "note": "打探"}),
    "GET /h5/colleagues": Route(MEMBER, query={"q": "老"}),  # of one's own corp everybody
    "GET /h5/follow-ups/<key:follow_up_id>": Route(MEMBER),
    "GET /h5/follow-ups/<key:follow_up_id>/edit": Route(MEMBER),
    "POST /h5/follow-ups/<key:follow_up_id>": Route(MEMBER, form={"kind": "phone", "text": "探"}),
    "POST /h5/follow-ups/<key:record_id>/comments": Route(
        MEMBER, form={"comment": "打探"}, ids={"record": "{follow_up}"}
    ),
    "POST /h5/follow-ups/<key:record_id>/like": Route(MEMBER, form={"on": "1"}, ids={"record": "{follow_up}"}),
    "POST /h5/visits/<key:record_id>/comments": Route(MEMBER, form={"comment": "打探"}, ids={"record": "{visit}"}),
    "POST /h5/visits/<key:record_id>/like": Route(MEMBER, form={"on": "1"}, ids={"record": "{visit}"}),
    "POST /h5/visits/<key:visit_id>/customer-place": Route(MEMBER),
    "GET /h5/comments/<key:comment_id>": Route(MEMBER, alone=True),
    "POST /h5/comments/<key:comment_id>": Route(MEMBER, form={"comment": "打探"}),
    "POST /h5/comments/<key:comment_id>/removal": Route(MEMBER),
    "GET /h5/me/phrases": Route(MEMBER),
    "POST /h5/me/phrases": Route(MEMBER, form={"text": "打探"}),
    "POST /h5/me/phrases/<key:phrase_id>/move": Route(MEMBER, form={"up": "1"}),
    "POST /h5/me/phrases/<key:phrase_id>/removal": Route(MEMBER),
    "GET /h5/customers/<key:customer_id>/group": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/group": Route(MEMBER, form={"parent": "", "version": "1"}),
    "GET /h5/customers/<key:customer_id>/stages": Route(MEMBER),
    "GET /h5/customers/<key:customer_id>/visit-plans/new": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/visit-plans": Route(MEMBER, form=PLAN_FORM),
    "GET /h5/visits/plans": Route(MEMBER),
    "GET /h5/visits/plans/<key:plan_id>": Route(MEMBER),
    "GET /h5/follow-ups/drafts/<key:ask_id>": Route(MEMBER, alone=True),
    "GET /h5/visits/plans/<key:plan_id>/edit": Route(MEMBER, alone=True),
    "POST /h5/visits/plans/<key:plan_id>": Route(MEMBER, form=PLAN_FORM),
    "POST /h5/visits/plans/<key:plan_id>/departure": Route(MEMBER),
    "GET /h5/reports": Route(MEMBER, query={"whose": "to-me"}),
    "GET /h5/reports/new": Route(MEMBER, query={"kind": "week", "day": "2026-01-01"}),
    "POST /h5/reports": Route(MEMBER, form={"kind": "day", "summary": "打探"}),
    "GET /h5/reports/team": Route(MEMBER, query={"kind": "week"}),
    "GET /h5/reports/<key:report_id>": Route(MEMBER),
    "GET /h5/reports/<key:report_id>/edit": Route(MEMBER, alone=True),
    "POST /h5/reports/<key:report_id>": Route(MEMBER, form={"summary": "打探"}),
    "POST /h5/visits/plans/<key:plan_id>/checklist": Route(MEMBER, form={"done": "0"}),
    "POST /h5/visits/plans/<key:plan_id>/cancellation": Route(MEMBER, form={"reason": "打探"}),
    "GET /h5/nearby": Route(MEMBER, query={"lat": "22.54", "lng": "114.05", "km": "10"}),
    "GET /h5/route": Route(MEMBER, query={"stop": "{customer}"}),
    "GET /h5/me/location": Route(MEMBER),
    "GET /h5/sw.js": Route(PUBLIC),
    "GET /h5/offline": Route(MEMBER, query={"form": "visit", "customer": "{customer}"}),
    "GET /h5/offline/session": Route(MEMBER),
    "POST /h5/offline/entries": Route(
        MEMBER,
        form={
            **VISIT_FORM,
            "record": "visit",
            "idempotency_key": "打探的那一次保存",
            "recorded_at": "1",
            "sent_at": "1",
            "fix_age": "0",
        },
        refused=(401,),  # what does not say who recorded it
    ),
    "POST /h5/me/location/consent": Route(MEMBER, form={"next": "/h5/customers/{customer}"}),
    "POST /h5/me/location/withdrawal": Route(MEMBER, form={"erase": "1"}),
    "GET /h5/leads": Route(MEMBER, query={"state": "working", "scope": "team"}),
    "POST /h5/leads": Route(MEMBER, form={"name": "探子公司", "phones": "13911114444"}),
    "GET /h5/leads/new": Route(MEMBER),
    "POST /h5/leads/<key:customer_id>/state": Route(MEMBER, form={"state": "converted"}),
    "GET /h5/customers/<key:customer_id>/edit": Route(MEMBER),
    "GET /h5/customers/duplicates": Route(
        MEMBER, query={"phones": "138-0013-8000", "name": "佛山华星家具"}, repeats=("13800138000",)
    ),
    "GET /h5/customers/<key:customer_id>/merge": Route(MEMBER, query={"q": "华星"}),
    "GET /h5/customers/<key:customer_id>/merge/<key:other_id>": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/merge/<key:other_id>": Route(MEMBER, form={"version": "1"}),
    "POST /h5/customers/<key:customer_id>/merge/<key:loser_id>/undo": Route(MEMBER),
    "GET /h5/share-requests": Route(MEMBER),
    "POST /h5/share-requests": Route(MEMBER, form={"asked": "phones:13911119999"}),
    "GET /h5/share-requests/<key:request_id>": Route(MEMBER),
    "POST /h5/share-requests/<key:request_id>/answer": Route(MEMBER, form={"answer": "share_hand"}),
    "POST /h5/customers/<key:customer_id>/phones/<int:position>": Route(MEMBER),
    "GET /h5/customers/<key:customer_id>/why": Route(MEMBER),
    # Colleagues to choose a deputy from: who works here is no secret to whoever works here.
    "GET /h5/me/deputy": Route(MEMBER, repeats=("阿丽",)),
    "POST /h5/me/deputy": Route(MEMBER, form={"deputy": "ali", "ends_at": "2030-01-01T09:00"}, repeats=("阿丽",)),
    "GET /h5/customers/<key:customer_id>/follow-ups/new": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/follow-ups/draft": Route(MEMBER, form={"said": "周五再去"}),
    "GET /h5/follow-ups/new": Route(MEMBER),
    "POST /h5/follow-ups/new": Route(MEMBER, form={"said": "华星木业周五再去", "customer": "{customer}"}),
    "POST /h5/customers/<key:customer_id>/follow-ups": Route(MEMBER, form={"text": "探", "photos": "{file}"}),
    "GET /h5/customers/<key:customer_id>/visits/new": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/visits/draft": Route(MEMBER, form={"said": "周五再去"}),
    "POST /h5/customers/<key:customer_id>/visits": Route(MEMBER, form=VISIT_FORM),
    "GET /h5/customers/<key:customer_id>/assignment": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/assignment": Route(MEMBER, form={"owner": "{member}"}),
    "GET /h5/customers/<key:customer_id>/release": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/release": Route(MEMBER, form={"reason": "busy"}),
    "GET /h5/customers/leaving": Route(MEMBER, query={"scope": "team"}),
    "GET /h5/customers/<key:customer_id>/clock": Route(MEMBER),
    "GET /h5/customers/<key:customer_id>/watch": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/watch": Route(MEMBER, form={"on": "1"}),
    "POST /h5/tasks/<key:task_id>/watch": Route(MEMBER, form={"on": "1"}),
    "POST /h5/tasks/<key:task_id>/question": Route(MEMBER),
    "GET /h5/watches": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/extension": Route(MEMBER),
    "POST /h5/customers/<key:customer_id>/lock": Route(MEMBER, form={"locked": "1"}),
    "GET /h5/extensions": Route(MEMBER),
    "GET /h5/extensions/<key:request_id>": Route(MEMBER, ids={"request": "{extension}"}),
    "POST /h5/extensions/<key:request_id>/answer": Route(
        MEMBER, form={"answer": "clock_grant"}, ids={"request": "{extension}"}
    ),
    "GET /h5/pool": Route(MEMBER, query={"pool": "{pool}", "q": "华星"}),
    "GET /h5/pool/<key:customer_id>": Route(MEMBER, ids={"customer": "{pooled}"}),
    "POST /h5/pool/<key:customer_id>/claim": Route(MEMBER, ids={"customer": "{pooled}"}),
    "POST /h5/pool/<key:customer_id>/rest": Route(
        MEMBER, form={"until": "2030-01-01", "reason": "探"}, ids={"customer": "{pooled}"}
    ),
    "POST /h5/pool/<key:customer_id>/return": Route(MEMBER, ids={"customer": "{pooled}"}),
    "POST /h5/pool/claims": Route(MEMBER, query={"pool": "{pool}"}, form={"customers": "{pooled}"}),
    "GET /h5/pool/deal": Route(MEMBER, query={"pool": "{pool}"}),
    "POST /h5/pool/deal": Route(MEMBER, query={"pool": "{pool}"}, form={"count": "5", "takers": "{member}"}),
    "GET /h5/team/<key:member_id>/handover": Route(MEMBER),
    "POST /h5/team/<key:member_id>/handover": Route(MEMBER, form={"way": "load", "takers": "{member}"}),
    "GET /h5/customers/handover": Route(MEMBER, query={"owner": "{member}"}),
    "POST /h5/customers/handover": Route(MEMBER, form={"way": "load", "takers": "{member}"}),
    "GET /h5/handovers": Route(MEMBER),
    "GET /h5/handovers/<key:handover_id>": Route(MEMBER),
    "POST /h5/handovers/<key:handover_id>/undo": Route(MEMBER),
    "GET /h5/visits": Route(MEMBER, query={"whose": "team", "customer": "{customer}"}),
    "GET /h5/visits/new": Route(MEMBER, query={"customer": "{customer}"}),
    "GET /h5/visits/<key:visit_id>": Route(MEMBER),
    "POST /h5/visits/<key:visit_id>/photo-messages": Route(MEMBER),
    "POST /h5/visits/<key:visit_id>/check-out": Route(MEMBER, form={"result": "探"}),
    "GET /h5/tasks": Route(MEMBER, query={"whose": "team", "q": "报价"}),
    "POST /h5/tasks": Route(MEMBER, form=TASK_FORM),
    "GET /h5/tasks/new": Route(MEMBER, query={"customer": "{customer}"}),
    "GET /h5/tasks/<key:task_id>": Route(MEMBER),
    "POST /h5/tasks/<key:task_id>": Route(MEMBER, form={**TASK_FORM, "version": "1"}),
    "GET /h5/tasks/<key:task_id>/edit": Route(MEMBER),
    "POST /h5/tasks/<key:task_id>/completion": Route(MEMBER, form={"note": "探"}),
    "POST /h5/tasks/<key:task_id>/snooze": Route(MEMBER, form={"until": "1h"}),
    "POST /h5/tasks/<key:task_id>/assignment": Route(MEMBER, form={"assignee": "{member}"}),
    "POST /h5/tasks/<key:task_id>/cancellation": Route(MEMBER),
    "POST /h5/tasks/<key:task_id>/mirrors/<key:mirror_id>": Route(MEMBER, form={"answer": "off"}),
    "GET /h5/me/identity": Route(MEMBER, query={"next": "/h5/exports"}),
    "GET /h5/me/mirrors": Route(MEMBER),
    "POST /h5/me/mirrors": Route(MEMBER),
    "POST /h5/me/mirrors/look": Route(MEMBER),
    "GET /h5/customers/choose": Route(MEMBER, query={"owner": "{member}"}),
    "POST /h5/customers/bulk": Route(MEMBER, form={"ids": "{customer}", "action": "level", "level": "D"}),
    "GET /h5/bulk/<key:bulk_id>": Route(MEMBER, alone=True),
    "POST /h5/bulk/<key:bulk_id>/undo": Route(MEMBER, alone=True),
    "GET /h5/customers/filter": Route(MEMBER, query={"owner": "{member}"}),
    "POST /h5/customers/views": Route(MEMBER, form={"name": "探", "owner": "{member}"}),
    "POST /h5/customers/views/<key:view_id>/removal": Route(MEMBER, alone=True),
    "POST /h5/customers/views/<key:view_id>/default": Route(MEMBER, alone=True),
    "GET /h5/search": Route(MEMBER, query={"q": "1380013800"}),
    "POST /h5/search/recent/removal": Route(MEMBER),
    "GET /h5/team": Route(MEMBER),
    "GET /h5/board": Route(MEMBER, query={"span": "week"}),
    "GET /h5/board/feed": Route(MEMBER),
    "GET /h5/board/list": Route(MEMBER, query={"what": "follow_ups", "person": "{member}"}),
    "GET /h5/briefs/morning": Route(MEMBER),
    "GET /h5/briefs/evening": Route(MEMBER),
    "POST /h5/briefs/evening/rest": Route(MEMBER),
    "GET /h5/team/<key:member_id>": Route(MEMBER),
    "GET /h5/drafts/<key:draft_id>": Route(MEMBER, alone=True),
    "POST /h5/drafts/<key:draft_id>/answer": Route(MEMBER, form={"answer": "confirm"}, alone=True),
    "GET /h5/bin": Route(MEMBER, query={"q": "华星"}),
    "GET /h5/bin/<key:deletion_id>": Route(MEMBER),
    "POST /h5/bin/<key:deletion_id>/restoration": Route(MEMBER),
    "GET /h5/bin/new/<any(customer, contact, follow_up, visit, task):obj>/<key:record_id>": Route(MEMBER),
    "POST /h5/bin/new/<any(customer, contact, follow_up, visit, task):obj>/<key:record_id>": Route(MEMBER),
    "GET /h5/bin/runs/new": Route(MEMBER, query={"ids": "{customer}"}),
    "POST /h5/bin/runs": Route(MEMBER, form={"object": "customer", "ids": "{customer}", "typed": "1"}),
    "GET /h5/bin/runs/<key:run_id>": Route(MEMBER),
    "POST /h5/bin/runs/<key:run_id>/undo": Route(MEMBER),
    "GET /h5/me": Route(MEMBER),
    "POST /h5/me/corp": Route(MEMBER, form={"corp": CORP}),
    "POST /h5/me/language": Route(MEMBER, form={"language": "zh"}),
    "GET /h5/me/messages": Route(MEMBER),
    "GET /h5/me/messages/<key:notification_id>": Route(MEMBER, alone=True),
    "GET /h5/me/channels": Route(MEMBER),
    "POST /h5/me/channels": Route(MEMBER, form={"quiet": "off", "member": "{member}"}),
    "POST /h5/me/channels/test": Route(MEMBER, form={"member": "{member}"}),
    "POST /h5/me/devices/<key:session_id>/signout": Route(
        MEMBER, refused=(303,), why="says the same for any id, and ends one's own devices only"
    ),
    "GET /h5/host-config": Route(MEMBER, query={"url": "http://evil.example/h5/"}),
    "POST /h5/photos": Route(MEMBER),
    "GET /h5/imports": Route(MEMBER),
    "POST /h5/imports": Route(MEMBER, form={"object": "customer"}),
    "GET /h5/imports/templates/<name>": Route(MEMBER),
    "GET /h5/imports/<key:import_id>": Route(MEMBER),
    "POST /h5/imports/<key:import_id>": Route(MEMBER, form={"on_duplicate": "update", "owner": "{member}"}),
    "POST /h5/imports/<key:import_id>/confirmation": Route(MEMBER),
    "POST /h5/imports/<key:import_id>/rollback": Route(MEMBER),
    "GET /h5/imports/<key:import_id>/result": Route(MEMBER),
    "GET /h5/exports": Route(MEMBER, query={"q": "华星"}),
    "POST /h5/exports": Route(MEMBER, form={"object": "customer", "format": "csv", "whose": "team", "q": "华星"}),
    "GET /h5/exports/<key:export_id>": Route(MEMBER, alone=True),
    "GET /h5/exports/<key:export_id>/result": Route(MEMBER, alone=True),
    "GET /h5/exports/<key:export_id>/decision": Route(MEMBER),
    "POST /h5/exports/<key:export_id>/decision": Route(MEMBER, form={"answer": "yes"}),
    "GET /h5/probe": Route(MEMBER, query={"ticket": "x"}),
    "POST /h5/probe": Route(MEMBER, query={"ticket": "x"}, body={"worked": True}),
    # --- the console
    "GET /admin/": Route(ADMIN),
    "GET /admin/fields": Route(ADMIN),
    "POST /admin/fields": Route(ADMIN, form={"type": "text", "label": "探"}),
    "POST /admin/fields/preview": Route(ADMIN, form={"type": "text", "label": "探"}),
    "GET /admin/fields/new": Route(ADMIN, query={"type": "text"}),
    "GET /admin/fields/<key:field_id>": Route(ADMIN),
    "POST /admin/fields/<key:field_id>": Route(ADMIN, form={"type": "text", "label": "探"}),
    "POST /admin/fields/<key:field_id>/place": Route(ADMIN, form={"step": "up"}),
    "POST /admin/fields/<key:field_id>/deletion": Route(ADMIN),
    "POST /admin/fields/<key:field_id>/restoration": Route(ADMIN),
    "GET /admin/corps": Route(ADMIN),
    "POST /admin/corps": Route(ADMIN, form={"host": "wecom"}),
    "POST /admin/corps/file": Route(ADMIN, form={"file_name": "WW_verify_a.txt"}),
    "POST /admin/corps/switch": Route(ADMIN, form={"state": "on"}),
    "GET /admin/corps/set-ups/<key:set_up_id>": Route(ADMIN),
    "GET /admin/corps/set-ups/<key:set_up_id>/<step>": Route(ADMIN),
    "POST /admin/corps/set-ups/<key:set_up_id>/<step>": Route(ADMIN, form={"app_secret": "geraten"}),
    "POST /admin/corps/set-ups/<key:set_up_id>/<step>/check": Route(ADMIN, form={"app_secret": "geraten"}),
    "GET /admin/corps/set-ups/<key:set_up_id>/<step>/heard": Route(ADMIN),
    "POST /admin/corps/set-ups/<key:set_up_id>/<step>/renewal": Route(ADMIN),
    "POST /admin/corps/set-ups/<key:set_up_id>/<step>/file": Route(ADMIN, form={"file_name": "WW_verify_a.txt"}),
    "GET /admin/corps/set-ups/<key:set_up_id>/finish": Route(ADMIN),
    "POST /admin/corps/set-ups/<key:set_up_id>/administrator": Route(ADMIN),
    "GET /admin/corps/set-ups/<key:set_up_id>/test-message": Route(ADMIN),
    "POST /admin/corps/set-ups/<key:set_up_id>/test-message": Route(ADMIN),
    "POST /admin/corps/set-ups/<key:set_up_id>/end": Route(ADMIN),
    "GET /admin/members": Route(ADMIN, query={"q": "阿"}),
    "GET /admin/members/<member_id>": Route(ADMIN),
    "POST /admin/members/<member_id>/role": Route(ADMIN, form={"role": "admin"}),
    "POST /admin/members/<member_id>/roles": Route(ADMIN, form={"roles": "director"}),
    "POST /admin/members/<member_id>/deputy": Route(ADMIN, form={"deputy": "ali", "ends_at": "2030-01-01T09:00"}),
    "GET /admin/roles": Route(ADMIN),
    "POST /admin/roles": Route(ADMIN, form={"source": "seller", "name": "探子"}),
    "GET /admin/roles/<key>": Route(ADMIN),
    "GET /admin/roles/why": Route(ADMIN, query={"member": "ali", "customer": "{customer}"}),
    "POST /admin/roles/<key>": Route(ADMIN, form={"name": "探子"}),
    "POST /admin/roles/<key>/removal": Route(ADMIN),
    "POST /admin/members/<member_id>/sign-out": Route(ADMIN),
    "GET /admin/directory": Route(ADMIN),
    "GET /admin/directory/progress": Route(ADMIN),
    "POST /admin/directory/runs": Route(ADMIN),
    "POST /admin/directory/acceptance": Route(ADMIN),
    "GET /admin/work": Route(ADMIN, query={"state": "dead"}),
    "POST /admin/work/<int:work_id>/revival": Route(ADMIN),
    "GET /admin/deliveries": Route(ADMIN, query={"person": "{member}"}),
    "GET /admin/recycling": Route(ADMIN),
    "GET /admin/pools": Route(ADMIN),
    "POST /admin/pools": Route(ADMIN, form={"name": "探", "departments": "77", "enabled": "1"}),
    "GET /admin/pools/<key:pool_id>": Route(ADMIN),
    "POST /admin/pools/<key:pool_id>": Route(ADMIN, form={"name": "探", "departments": "77", "enabled": "1"}),
    "GET /admin/tags": Route(ADMIN),
    "GET /admin/workdays": Route(ADMIN),
    "POST /admin/workdays": Route(ADMIN, form={"day": "2026-12-24", "works": "0", "note": "探"}),
    "POST /admin/workdays/<day_id>/removal": Route(ADMIN),
    "POST /admin/tags": Route(ADMIN, form={"name": "探", "colour": "red"}),
    "POST /admin/tags/<key:tag_id>": Route(ADMIN, form={"name": "改名", "colour": "red"}),
    "POST /admin/tags/<key:tag_id>/removal": Route(ADMIN),
    "GET /admin/robots": Route(ADMIN),
    "POST /admin/robots": Route(ADMIN, form={"name": "探", "events": "customer.created", "department": "2"}),
    "POST /admin/robots/<key:robot_id>/test": Route(ADMIN),
    "POST /admin/robots/<key:robot_id>/switch": Route(ADMIN, form={"on": "0"}),
    "POST /admin/robots/<key:robot_id>/removal": Route(ADMIN),
    "GET /admin/deliveries/<key:notification_id>/recall": Route(ADMIN),
    "POST /admin/deliveries/<key:notification_id>/recall": Route(ADMIN),
    "GET /admin/notifications": Route(ADMIN),
    "POST /admin/notifications": Route(ADMIN, form={"quiet": "off", "digest_after": "0"}),
    "GET /admin/bin": Route(ADMIN, query={"q": "华星"}),
    "GET /admin/bin/<key:deletion_id>": Route(ADMIN),
    "POST /admin/bin/<key:deletion_id>/restoration": Route(ADMIN),
    "POST /admin/bin/<key:deletion_id>/purge": Route(ADMIN, form={"reason": "打扫"}),
    "GET /admin/audit": Route(ADMIN, query={"q": "{customer}"}),
    "GET /admin/audit/<key:event_id>": Route(ADMIN),
    "POST /admin/audit/export": Route(ADMIN, form={"q": "{customer}"}),
    "GET /admin/rules": Route(ADMIN),
    "POST /admin/rules": Route(ADMIN, form={"log.text": "200"}),
    "GET /admin/doctor": Route(ADMIN),
    "POST /admin/doctor/rounds": Route(ADMIN, form={"sends": "1"}),
    "GET /admin/tokens": Route(ADMIN),
    "POST /admin/tokens": Route(ADMIN, form={"scope": "read", "days": "30", "member": "{member}"}),
    "POST /admin/tokens/<token_id>/revocation": Route(ADMIN),
    # --- REST
    "GET /api/v1/customers": Route(TOKEN, query={"owner": "ali", "q": "华星"}),
    "POST /api/v1/customers": Route(TOKEN, body={"name": "探子公司", "parent": "{customer}", "owner": "ali"}),
    "GET /api/v1/customers/<customer_id>": Route(TOKEN),
    "GET /api/v1/customers/duplicates": Route(TOKEN, query={"phone": "138-0013-8000", "name": "佛山华星家具"}),
    "POST /api/v1/customers/<customer_id>/merge": Route(TOKEN, body={"into": "{other}"}),
    "DELETE /api/v1/customers/<customer_id>/merge": Route(TOKEN),
    "PATCH /api/v1/customers/<customer_id>": Route(TOKEN, body={"name": "改名"}),
    "GET /api/v1/customers/<customer_id>/contacts": Route(TOKEN, query={"q": "陈"}),
    "POST /api/v1/customers/<customer_id>/contacts": Route(TOKEN, body={"name": "探"}),
    "GET /api/v1/contacts": Route(TOKEN, query={"customer": "{customer}", "q": "陈"}),
    "POST /api/v1/contacts": Route(TOKEN, body={"name": "探", "customer": "{customer}"}),
    "GET /api/v1/contacts/<contact_id>": Route(TOKEN),
    "PATCH /api/v1/contacts/<contact_id>": Route(TOKEN, body={"name": "改名"}),
    "GET /api/v1/customers/<customer_id>/coworkers": Route(TOKEN),
    "POST /api/v1/customers/<customer_id>/coworkers": Route(TOKEN, body={"member": "cha", "access": "edit"}),
    "DELETE /api/v1/customers/<customer_id>/coworkers/<coworker_id>": Route(TOKEN),
    "GET /api/v1/customers/<customer_id>/stages": Route(TOKEN),
    "GET /api/v1/leads": Route(TOKEN, query={"q": "华星", "owner": "ali"}),
    "POST /api/v1/leads": Route(TOKEN, body={"name": "探子公司", "parent": "{customer}", "owner": "ali"}),
    "GET /api/v1/leads/<lead_id>": Route(TOKEN),
    "POST /api/v1/leads/<lead_id>/state": Route(TOKEN, body={"state": "converted"}),
    "POST /api/v1/customers/<customer_id>/assignment": Route(TOKEN, body={"owner": "cha"}),
    "POST /api/v1/customers/<customer_id>/claim": Route(TOKEN, body={}, ids={"customer": "{pooled}"}),
    "POST /api/v1/customers/<customer_id>/release": Route(TOKEN, body={"reason": "探"}),
    "GET /api/v1/pools": Route(TOKEN, query={"q": "机密"}),
    "GET /api/v1/pools/<pool_id>": Route(TOKEN),
    "GET /api/v1/pools/<pool_id>/customers": Route(TOKEN, query={"q": "华星"}),
    "GET /api/v1/follow-ups/<follow_up_id>/comments": Route(TOKEN),
    "POST /api/v1/follow-ups/<follow_up_id>/comments": Route(TOKEN, body={"text": "探"}),
    "POST /api/v1/follow-ups/<follow_up_id>/like": Route(TOKEN, body={}),
    "GET /api/v1/visits/<visit_id>/comments": Route(TOKEN),
    "POST /api/v1/visits/<visit_id>/comments": Route(TOKEN, body={"text": "探"}),
    "POST /api/v1/visits/<visit_id>/like": Route(TOKEN, body={}),
    "DELETE /api/v1/comments/<comment_id>": Route(TOKEN),
    "GET /api/v1/customers/<customer_id>/follow-ups": Route(TOKEN),
    "POST /api/v1/customers/<customer_id>/follow-ups": Route(TOKEN, body={"text": "探"}),
    "GET /api/v1/customers/<customer_id>/visits": Route(TOKEN),
    "POST /api/v1/customers/<customer_id>/visits": Route(TOKEN, body={"note": "探"}),
    "GET /api/v1/follow-ups": Route(TOKEN, query={"customer": "{customer}", "author": "ali"}),
    "POST /api/v1/follow-ups": Route(TOKEN, body={"customer": "{customer}", "text": "探", "photos": ["{file}"]}),
    "GET /api/v1/follow-ups/<follow_up_id>": Route(TOKEN),
    "PATCH /api/v1/follow-ups/<follow_up_id>": Route(TOKEN, body={"text": "更正"}),
    "GET /api/v1/plans": Route(TOKEN, query={"customer": "{customer}", "member": "ali"}),
    "POST /api/v1/plans": Route(TOKEN, body={"customer": "{customer}", **PLAN_BODY}),
    "GET /api/v1/plans/<plan_id>": Route(TOKEN),
    "PATCH /api/v1/plans/<plan_id>": Route(TOKEN, body={"purpose": "探"}),
    "POST /api/v1/plans/<plan_id>/departure": Route(TOKEN, body={}),
    "POST /api/v1/plans/<plan_id>/cancellation": Route(TOKEN, body={"reason": "探"}),
    "GET /api/v1/customers/<customer_id>/plans": Route(TOKEN),
    "POST /api/v1/customers/<customer_id>/plans": Route(TOKEN, body=PLAN_BODY),
    "GET /api/v1/reports": Route(TOKEN, query={"author": "ali"}),
    "GET /api/v1/reports/<report_id>": Route(TOKEN),
    "GET /api/v1/visits": Route(TOKEN, query={"customer": "{customer}", "member": "ali"}),
    "POST /api/v1/visits": Route(TOKEN, body={"customer": "{customer}", "photos": ["{file}"]}),
    "GET /api/v1/visits/<visit_id>": Route(TOKEN),
    "POST /api/v1/visits/<visit_id>/check-out": Route(TOKEN, body={}),
    "GET /api/v1/fields": Route(TOKEN),
    "POST /api/v1/fields": Route(TOKEN, body={"object": "customer", "key": "spied", "label": "探", "type": "text"}),
    "GET /api/v1/fields/<field_id>": Route(TOKEN),
    "PATCH /api/v1/fields/<field_id>": Route(TOKEN, body={"label": "探"}),
    "DELETE /api/v1/fields/<field_id>": Route(TOKEN),
    "GET /api/v1/tasks": Route(TOKEN, query={"assignee": "ali", "customer": "{customer}"}),
    "POST /api/v1/tasks": Route(TOKEN, body=TASK),
    "GET /api/v1/tasks/<task_id>": Route(TOKEN),
    "PATCH /api/v1/tasks/<task_id>": Route(TOKEN, body={"title": "改名"}),
    "POST /api/v1/tasks/<task_id>/assignment": Route(TOKEN, body={"assignee": "cha"}),
    "POST /api/v1/tasks/<task_id>/cancellation": Route(TOKEN, body={}),
    "POST /api/v1/tasks/<task_id>/completion": Route(TOKEN, body={}),
    "POST /api/v1/tasks/<task_id>/snooze": Route(TOKEN, body={"minutes": 5}),
    "GET /api/v1/members": Route(TOKEN, query={"q": "阿"}),
    "GET /api/v1/members/<member_id>": Route(TOKEN),
    "GET /api/v1/departments": Route(TOKEN, query={"q": "机密"}),
    "GET /api/v1/departments/<department_id>": Route(TOKEN),
    "POST /api/v1/files": Route(TOKEN),
    "GET /api/v1/files/<file_id>": Route(TOKEN),
    "POST /api/v1/imports": Route(TOKEN),
    "GET /api/v1/imports/<import_id>": Route(TOKEN),
    "GET /api/v1/imports/<import_id>/result": Route(TOKEN),
    "POST /api/v1/imports/<import_id>/rollback": Route(TOKEN),
    "POST /api/v1/exports": Route(TOKEN, body={"object": "customer", "filter": {"q": "华星", "owner": "ali"}}),
    "GET /api/v1/exports/<export_id>": Route(TOKEN, alone=True),
    "GET /api/v1/exports/<export_id>/result": Route(TOKEN, alone=True),
    "DELETE /api/v1/customers/<customer_id>": Route(TOKEN),
    "DELETE /api/v1/follow-ups/<follow_up_id>": Route(TOKEN),
    "DELETE /api/v1/visits/<visit_id>": Route(TOKEN),
    "DELETE /api/v1/tasks/<task_id>": Route(TOKEN),
    "GET /api/v1/deletions": Route(TOKEN, query={"q": "华星"}),
    "GET /api/v1/deletions/<deletion_id>": Route(TOKEN),
    "POST /api/v1/deletions/<deletion_id>/restoration": Route(TOKEN, body={}),
    "GET /api/v1/events": Route(TOKEN, query={"subject": "{customer}"}),
    "GET /api/v1/events/<event_id>": Route(TOKEN),
    "GET /api/v1/notifications": Route(TOKEN, query={"recipient": "ali"}),
    "GET /api/v1/notifications/<notification_id>": Route(TOKEN),
}

# What nobody but 阿丽's own people may read anywhere.
SECRETS = (
    "佛山市华星家具有限公司",
    "13800138000",
    "报价打八五折",
    "陈志远",
    "13811112222",
    "老板下月换供应商",
    "把报价单送过去",
    "催一催报价",
    "宿主返回 81013",
    "江门红木博览城",
    "机密事业部",
    "机密公海",
    "机密字段",
    "机密角色",
    "阿丽",
)


def routes_of(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield f"{method} {rule.rule}"


def test_every_route_has_a_line_here_and_every_line_a_route(app: Flask) -> None:
    assert set(routes_of(app)) == set(ROUTES)


# --- the world ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Ids of 阿丽's records, as the placeholders of the table and the parameters of addresses name them."""

    ids: dict[str, str]

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.format(**self.ids) if "{" in value else value
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        return {name: self.fill(one) for name, one in value.items()} if isinstance(value, dict) else value

    def path(self, line: str) -> str:
        rule = line.partition(" ")[2]
        hers = {**self.ids, **self.fill(ROUTES[line].ids)}
        names = {**hers, "host": "wecom", "corp_id": CORP, "kind": "app", "path:name": "vendor/manifest.json"}
        names |= {"step": "app", "name": "WW_verify_0123456789abcdef", "position": "0"}
        if rule.startswith("/api/"):
            names["member"] = "ali"

        def value(found: re.Match[str]) -> str:
            name = found.group(1)
            return names.get(name) or names[name.rpartition(":")[2].removesuffix("_id")]

        return re.sub(r"<([^>]+)>", value, rule)


@pytest.fixture
def world(app: Flask, cast: Cast, ali: Member, bob: Member, guan: Member) -> World:
    photo = _upload(app, cast.token(ali))
    with app.app_context(), corp_scope(cast.corp_id):
        owner, boss = db.session.merge(ali), db.session.merge(bob)
        ids = _write(owner, boss, photo)
        ids["set_up"] = _set_up(owner)
        ids |= _transfers(owner) | _designs(db.session.merge(guan))
        session_token, api_token = (
            access.open_session(owner, device="iPhone"),
            access.create_token(owner, scopes=["read"], days=9),
        )
        db.session.commit()
    ids |= {"session": digest(session_token)[:40], "token": digest(api_token)[:40], "file": photo}
    return World({**ids, "member": ali.id, "department": "77"})


def _set_up(owner: Member) -> str:
    """A set-up under way of the corp itself, with a secret typed."""
    row = begin_set_up("wecom", actor=owner, corp=db.session.get_one(Corp, owner.corp_id))
    Draft(row, typed={"app_secret": "老板下月换供应商"}).keep()
    return row.id


def _designs(administrator: Member) -> dict[str, str]:
    """A role and a field of the corp's own; the field is hidden from sellers."""
    key = copy_role("seller", name="机密角色", actor=administrator)
    values = {"object": "customer", "key": "secret", "label": "机密字段", "type": "text"}
    made = add_field(values, actor=administrator)
    rule_field("customer", "custom.secret", {"seller": "hidden"}, actor=administrator)
    return {"key": key, "field": made.id}


def _upload(app: Flask, token: str) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(buffer, "PNG")
    buffer.seek(0)
    client = app.test_client(use_cookies=False)
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post("/api/v1/files", data={"file": (buffer, "a.png")}, headers=headers)
    assert answer.status_code == 201
    return str(answer.get_json()["id"])


def _write(owner: Member, boss: Member, photo: str) -> dict[str, str]:
    now = clock.now()
    values = {"name": "佛山市华星家具有限公司", "phones": ["13800138000"]}
    customer = create_customer(values, actor=owner)
    start_lead(customer, actor=owner)
    contact = add_contact(customer, {"name": "陈志远", "tags": ["机密标签"], "phones": ["13811112222"]}, actor=owner)
    add_coworker(customer, boss, may_edit=False, actor=owner)
    visit = log_visit(customer, {"note": "老板下月换供应商"}, actor=owner, photos=[photo])
    window = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(hours=2)}
    plan = plan_visit(customer, {"kind": "巡店", "purpose": "老板下月换供应商", **window}, actor=owner)
    follow_up = log_follow_up(customer, {"text": "报价打八五折"}, actor=owner)
    ask = DraftAsk(member_id=owner.id, customer_id=customer.id, object="visit", sentence="换供应商", created_at=now)
    db.session.add(ask)
    report = hand_in({"kind": "day", "day": current("day"), "summary": "老板下月换供应商"}, actor=owner)
    task = create_task(
        {"title": "把报价单送过去", "due_at": now + timedelta(days=1), "customer": customer.id}, actor=boss
    )
    task.assignee_id = owner.id
    card = {"title": "催一催报价", "text": "", "lines": [], "url": "", "buttons": [], "source": "", "state": ""}
    tell(owner, "task.due", card, key="secret", subject_id=task.id)
    message = db.session.execute(sa.select(Notification).where(Notification.key == "secret")).scalar_one()
    message.state, message.host_id, message.sent_at = ACCEPTED, "m-1", now  # may be taken back
    db.session.add(Department(id="77", name="机密事业部", parent_id="1", path="/1/77/", sort=0, checked_at=now))
    pool = Pool(name="机密公海", departments=["2"], created_at=now, updated_at=now)
    handover = Handover(actor_id=owner.id, cause="deal", state="done", created_at=now)
    db.session.add_all([pool, handover])
    db.session.flush()
    pooled = create_customer({"name": "江门红木博览城"}, actor=owner)
    pooled.owner_id, pooled.pool_id, pooled.pooled_at = None, pool.id, now
    changed()
    dictated = BotDraft(
        member_id=owner.id,
        kind="log",
        content={"text": "老板要换供应商", "at": None, "is_day": False, "action": "", "customers": [customer.id]},
        created_at=now,
    )
    db.session.add(dictated)
    robot = GroupRobot(name="机密群", address="x", department_id=None, events=["customer.created"], created_at=now)
    db.session.add(robot)
    mirror = TaskMirror(task_id=task.id, member_id=owner.id, kind="todo", state="asking", created_at=now)
    db.session.add(mirror)
    gone = delete("follow_up", log_follow_up(customer, {"text": "报价打八五折"}, actor=owner).id, actor=owner)
    run = begin_run("follow_up", [gone.id], typed="1", actor=owner)
    outbox.enqueue("card.update", {})
    other = create_customer({"name": "中山红木世家"}, actor=owner)
    shared = ShareRequest(customer_id=other.id, asker_id=boss.id, owner_id=owner.id, created_at=now)
    db.session.add(shared)
    kept = OwnerRequest(customer_id=other.id, owner_id=owner.id, leaves_on=now.date(), created_at=now)
    db.session.add(kept)
    db.session.add(CorpDay(id="2030-05-04", works=False, note="老板生日厂休", updated_at=now))
    db.session.add(Watch(customer_id=customer.id, member_id=owner.id, since=now))
    comment = add_comment(follow_up, "老板下月换供应商", actor=owner, named=[boss.id])
    appeal = offer_task(task.id, boss.id, actor=owner, note="老板下月换供应商")
    phrase = add_phrase("老板下月换供应商", actor=owner)
    db.session.flush()
    work = db.session.execute(sa.select(Outbox).where(Outbox.kind == "card.update")).scalar_one()
    work.state, work.error = outbox.DEAD, "宿主返回 81013"
    db.session.flush()
    return {
        "deletion": gone.id,
        "run": run.id,
        "obj": "customer",
        "record": customer.id,
        "customer": customer.id,
        "contact": contact.id,
        "lead": customer.id,
        "coworker": "bob",
        "tag": db.session.scalars(sa.select(Tag.id)).one(),
        "visit": visit.id,
        "plan": plan.id,
        "report": report.id,
        "ask": ask.id,
        "follow_up": follow_up.id,
        "task": task.id,
        "mirror": mirror.id,
        "draft": dictated.id,
        "comment": comment.id,
        "appeal": appeal.id,
        "phrase": phrase.id,
        "bulk": begin_bulk([customer.id], "level", "A", actor=owner).id,
        "view": save_view("阿丽的视图", {"source": "展会"}, shared=False, actor=owner).id,
        "robot": robot.id,
        "pool": pool.id,
        "pooled": pooled.id,
        "handover": handover.id,
        "event": db.session.scalars(sa.select(Event.id).where(Event.subject_id == customer.id)).first(),
        "notification": db.session.scalars(sa.select(Notification.id).where(Notification.key == "secret")).one(),
        "work": str(work.id),
        "other": other.id,
        "loser": other.id,
        "request": shared.id,
        "extension": kept.id,
        "day": "2030-05-04",
    }


def _transfers(owner: Member) -> dict[str, str]:
    """An import and an export of hers, both done."""
    bringing = transfers.receive(io.BytesIO("客户名称\n".encode() + b"AB\n"), "阿丽的客户.csv", most=1_000)
    job = transfers.draft(bringing, actor=owner)
    job.state = "done"
    write_result(job)
    made = exports.request_export(actor=owner, obj="customer", format="csv")
    _path, count = exports.make_file(made)
    exports.finish(made, count)
    db.session.flush()
    return {"import": job.id, "export": made.id}


UNIMPORTANT = {"seen_at", "used_at", "checked_at"}


def snapshot(app: Flask, corp_id: int, *, but: str = "") -> dict[tuple[str, str], dict[str, Any]]:
    """Return every row of a corp by (table, id); without what belongs to the member `but`."""
    found = {}
    with app.app_context(), every_corp():
        for mapper in Base.registry.mappers:
            kind = mapper.class_
            if not hasattr(kind, "corp_id") or "id" not in mapper.columns:
                continue
            for row in db.session.scalars(sa.select(kind).where(kind.corp_id == corp_id)):
                values = {one.key: getattr(row, one.key) for one in mapper.column_attrs if one.key not in UNIMPORTANT}
                if but and but in values.values():
                    continue
                found[kind.__tablename__, str(row.id)] = values
    return found


# --- asking -------------------------------------------------------------------------------------------------------


def ask(
    client: FlaskClient, world: World, line: str, *, token: str = "", csrf: bool = True, origin: str = ORIGIN
) -> TestResponse:
    """Send a route all that its line says, with a valid CSRF token where a form would carry one."""
    method, route = line.partition(" ")[0], ROUTES[line]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    more: dict[str, Any] = {"query_string": world.fill(route.query)}
    if method != "GET":
        headers["Origin"] = origin
        if route.body is not None:
            more["json"] = world.fill(route.body)
        elif line.endswith(("/files", "/photos")):
            more["data"] = {}
        else:
            more["data"] = world.fill(route.form)
        if csrf and route.guard in (MEMBER, ADMIN, PUBLIC):
            headers["X-CSRF-Token"] = csrf_of(client)
    return client.open(world.path(line), method=method, headers=headers, **more)


def csrf_of(client: FlaskClient) -> str:
    for page in ("/h5/me", "/signin/"):
        answer = client.get(page)
        found = re.search(r'name="csrf-token" content="([^"]+)"', answer.get_data(as_text=True))
        if found:
            return found.group(1)
    raise AssertionError("no page carries a CSRF token")


def names_a_record(line: str) -> bool:
    return bool(re.search(r"<(?:\w+:)?(?!host|corp_id|kind|name)\w+>", line))


def assert_tells_nothing(answer: TestResponse, route: Route) -> None:
    text = answer.get_data(as_text=True) + str(answer.headers)
    told = [secret for secret in SECRETS if secret in text and secret not in route.repeats]
    assert not told, told
    assert answer.status_code < 500


def browser(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = WECOM_AGENT
    client.environ_base["HTTP_HOST"] = "127.0.0.1:8000"
    return client


def test_anonymous_visitors_get_nothing(app: Flask, cast: Cast, world: World, subtests: pytest.Subtests) -> None:
    before = snapshot(app, cast.corp_id)
    for line, route in ROUTES.items():
        with subtests.test(line):
            answer = ask(browser(app), world, line)
            assert_tells_nothing(answer, route)
            if route.guard == TOKEN or route.guard == LINK:
                assert answer.status_code == 401
            elif route.guard == HOST:
                assert answer.status_code == 403
            elif route.guard in (MEMBER, ADMIN) and line.startswith("GET"):
                assert answer.status_code == 302
                assert answer.location.startswith("/signin/")
            elif route.guard in (MEMBER, ADMIN):
                assert answer.status_code in (401, 403)
    assert snapshot(app, cast.corp_id) == before


@pytest.mark.parametrize("who", ["cha", "ivy", "an"])
def test_strangers_get_nothing_with_a_session(
    app: Flask, cast: Cast, world: World, sign_in: Callable[..., FlaskClient], who: str, subtests: pytest.Subtests
) -> None:
    stranger = cast.member(who)
    before = snapshot(app, cast.corp_id, but=stranger.id)
    for line, route in ROUTES.items():
        with subtests.test(line):
            answer = ask(sign_in(stranger), world, line)
            assert_tells_nothing(answer, route)
            if route.guard == TOKEN:
                assert answer.status_code == 401
            elif route.guard == ADMIN and who != "an":
                assert answer.status_code == 403
            elif route.guard in (MEMBER, ADMIN, LINK) and names_a_record(line):
                assert answer.status_code in route.refused, answer.status_code
    after = snapshot(app, cast.corp_id, but=stranger.id)
    assert {key: after.get(key) for key in before} == before
    fresh = {key: after[key] for key in after.keys() - before.keys()}
    assert who == "cha" or not fresh  # a seller of the same corp may write records of their own
    hers = {one for one in world.ids.values() if len(one) > 15}
    assert not [key for key, values in fresh.items() if hers & {str(value) for value in values.values()}]


@pytest.mark.parametrize("who", ["cha", "ivy", "an"])
def test_strangers_get_nothing_with_a_token(
    app: Flask, cast: Cast, world: World, who: str, subtests: pytest.Subtests
) -> None:
    stranger, token = cast.member(who), cast.token(cast.member(who))
    before = snapshot(app, cast.corp_id, but=stranger.id)
    for line, route in ROUTES.items():
        with subtests.test(line):
            answer = ask(browser(app), world, line, token=token)
            assert_tells_nothing(answer, route)
            if route.guard == TOKEN and names_a_record(line):
                assert answer.status_code == 404
            elif route.guard in (MEMBER, ADMIN):
                assert answer.status_code in (302, 401, 403)
    after = snapshot(app, cast.corp_id, but=stranger.id)
    assert {key: after.get(key) for key in before} == before


def test_a_form_without_its_token_or_from_another_site_does_nothing(
    app: Flask,
    cast: Cast,
    world: World,
    sign_in: Callable[..., FlaskClient],
    ali: Member,
    guan: Member,
    subtests: pytest.Subtests,
) -> None:
    clients = {MEMBER: sign_in(ali), ADMIN: sign_in(guan), PUBLIC: sign_in(ali)}
    before = snapshot(app, cast.corp_id)
    tried = 0
    for line, route in ROUTES.items():
        if line.startswith("GET") or route.guard not in clients or line.endswith("/code"):
            continue
        with subtests.test(line):
            bare = ask(clients[route.guard], world, line, csrf=False)
            assert bare.status_code == 400
            for origin in ("http://evil.example", "null", "http://127.0.0.1:8000.evil.example"):
                foreign = ask(clients[route.guard], world, line, origin=origin)
                assert foreign.status_code == 403
        tried += 1
    assert tried >= 20
    assert snapshot(app, cast.corp_id) == before


def test_the_sign_in_code_is_taken_from_our_own_pages_only(app: Flask, world: World) -> None:
    line = "POST /signin/<host>/<corp_id>/code"
    for origin in ("http://evil.example", "null", ""):
        assert ask(browser(app), world, line, origin=origin).status_code == 403


def test_the_snapshot_sees_changes(app: Flask, cast: Cast, world: World) -> None:
    before = snapshot(app, cast.corp_id)
    with app.app_context(), corp_scope(cast.corp_id):
        db.session.get_one(StoredFile, (cast.corp_id, world.ids["file"])).size += 1
        db.session.delete(db.session.get_one(LoginSession, (cast.corp_id, world.ids["session"])))
        db.session.commit()
    after = snapshot(app, cast.corp_id)
    assert after.keys() < before.keys()
    assert len([key for key in after if after[key] != before[key]]) == 1


def test_her_own_people_do_reach_her_records(
    app: Flask,
    cast: Cast,
    world: World,
    sign_in: Callable[..., FlaskClient],
    ali: Member,
    guan: Member,
    subtests: pytest.Subtests,
) -> None:
    """So that the refusals above are for the stranger, not for a misspelt address."""
    token, hers = cast.token(guan), cast.token(ali)
    for line, route in ROUTES.items():
        if not line.startswith("GET") or not names_a_record(line) or route.guard == LINK:
            continue
        with subtests.test(line):
            if route.alone:
                other = ask(sign_in(guan), world, line, token=token if route.guard == TOKEN else "")
                assert other.status_code in route.refused
            client = sign_in(ali if route.alone else guan)
            mine = hers if route.alone else token
            answer = ask(client, world, line, token=mine if route.guard == TOKEN else "")
            assert answer.status_code == 200, answer.status_code
