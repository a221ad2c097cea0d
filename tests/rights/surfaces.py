"""Every place where records come out, and how to ask it which ones a person sees.

A surface takes a `Reader` and returns the positions (in the world's list of books) of what it shows. To add one: write
a function with `@surface(kind, *routes)`; the test of the route map fails until each route that shows records has one.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.rights.worlds import COMMON, HERE, Built, World, phone_of
from wsapp import clock
from wsapp.bots import answers
from wsapp.bots.sight import customers_called, customers_named_in
from wsapp.crm.bulk.actions import begin_bulk, go_on
from wsapp.crm.drafts.drafting import draft
from wsapp.crm.fields.access import reads
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.crm.reports.content import SECTIONS
from wsapp.crm.reports.models import WorkReport
from wsapp.crm.transfer.exports import may_export
from wsapp.crm.transfer.lists import count_rows, rows_of, table
from wsapp.crm.visits.nearby import customers_near
from wsapp.db import corp_scope, db
from wsapp.house import local_now

Seen = set[int]


@dataclass
class Reader:
    """Somebody who looks: with a session, a token, and the ids of what there is."""

    app: Flask
    world: World
    built: Built
    client: FlaskClient
    token: str

    def page(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.get_data(as_text=True)

    def opens(self, path: str) -> bool:
        answer = self.client.get(path)
        assert answer.status_code in (200, 404), (path, answer.status_code)
        return answer.status_code == 200

    def rest(self, path: str) -> Any:
        answer = self.client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {self.token}"})
        return answer.json if answer.status_code == 200 else None

    def items(self, path: str) -> list[Any]:
        found = self.rest(path)
        assert found is not None, path
        assert found["next_cursor"] is None
        items: list[Any] = found["items"]
        return items

    def me(self) -> Member:
        found = member(self.built.members[self.world.actor])
        assert found is not None
        return found


@dataclass(frozen=True)
class Surface:
    name: str
    kind: str  # what it shows: customer, follow_up, visit, task, message, event of a customer
    routes: tuple[str, ...]
    part: bool  # shows a part of what is seen (one's own, a page's worth): never more
    few: int  # asked about so many customers of a world only, for each costs a request; 0 for all
    ask: Callable[[Reader], Seen]


FEW = 3
SURFACES: list[Surface] = []


def surface(
    kind: str, *routes: str, part: bool = False, few: int = 0
) -> Callable[[Callable[[Reader], Seen]], Callable[[Reader], Seen]]:
    """Add a surface that shows `kind`; `routes` are the lines of the route map that it stands for."""

    def add(ask: Callable[[Reader], Seen]) -> Callable[[Reader], Seen]:
        SURFACES.append(Surface(ask.__name__, kind, routes, part, few, ask))
        return ask

    return add


def at(ids: list[str], found: Iterable[str]) -> Seen:
    """Return the positions of ids; an id of nobody's fails."""
    return {ids.index(one) for one in found}


def linked(page: str, folder: str) -> set[str]:
    """Return the ids to whose records a page links."""
    return set(re.findall(rf"/h5/{folder}/([a-z]0[0-9]{{18}})", page))


# --- REST ---------------------------------------------------------------------------------------------------------


@surface("customer", "GET /api/v1/customers")
def rest_list(reader: Reader) -> Seen:
    return at(reader.built.customers, (one["id"] for one in reader.items("/customers?limit=200")))


@surface("customer", "GET /api/v1/customers")
def rest_search_by_name(reader: Reader) -> Seen:
    return at(reader.built.customers, (one["id"] for one in reader.items(f"/customers?limit=200&q={COMMON}")))


@surface("customer", "GET /api/v1/customers")
def rest_search_by_phone(reader: Reader) -> Seen:
    return at(reader.built.customers, (one["id"] for one in reader.items("/customers?limit=200&q=1390000")))


@surface("customer", "GET /api/v1/customers")
def rest_filter_and_sort(reader: Reader) -> Seen:
    found = reader.items("/customers?limit=200&stage=new&level=A&sort=name")
    return at(reader.built.customers, (one["id"] for one in found))


@surface("customer", "GET /api/v1/customers")
def rest_pages(reader: Reader) -> Seen:
    """One by one: what a cursor goes past is not to be seen either."""
    found, cursor = set(), ""
    while True:
        page = reader.rest(f"/customers?limit=1{'&cursor=' + cursor if cursor else ''}")
        found |= at(reader.built.customers, (one["id"] for one in page["items"]))
        if not page["next_cursor"]:
            return found
        cursor = page["next_cursor"]


@surface("customer", "GET /api/v1/customers/<customer_id>", few=FEW)
def rest_record(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.customers[:FEW]) if reader.rest(f"/customers/{one}") is not None}


@surface("customer_event", "GET /api/v1/events", "GET /api/v1/events/<event_id>")
def rest_timeline(reader: Reader) -> Seen:
    found = reader.items("/events?limit=200&kind=customer.created")
    return at(reader.built.customers, (one["customer"] for one in found))


@surface("follow_up", "GET /api/v1/follow-ups", "GET /api/v1/follow-ups/<follow_up_id>")
def rest_follow_ups(reader: Reader) -> Seen:
    return at(reader.built.follow_ups, (one["id"] for one in reader.items("/follow-ups?limit=200")))


@surface("follow_up", "GET /api/v1/follow-ups")
def rest_attachments(reader: Reader) -> Seen:
    found = reader.items("/follow-ups?limit=200")
    return at(reader.built.photos, (photo for one in found for photo in one["photos"]))


@surface("follow_up", "GET /api/v1/follow-ups")
def rest_search_in_follow_ups(reader: Reader) -> Seen:
    return at(reader.built.follow_ups, (one["id"] for one in reader.items("/follow-ups?limit=200&q=说了")))


@surface("visit", "GET /api/v1/visits", "GET /api/v1/visits/<visit_id>")
def rest_visits(reader: Reader) -> Seen:
    return at(reader.built.visits, (one["id"] for one in reader.items("/visits?limit=200")))


@surface("task", "GET /api/v1/tasks", "GET /api/v1/tasks/<task_id>")
def rest_tasks(reader: Reader) -> Seen:
    return at(reader.built.tasks, (one["id"] for one in reader.items("/tasks?limit=200")))


@surface("follow_up_event", "GET /api/v1/events")
def rest_events_of_follow_ups(reader: Reader) -> Seen:
    found = reader.items("/events?limit=200&kind=follow_up.logged")
    return at(reader.built.follow_ups, (one["subject"].partition("/")[2] for one in found))


@surface("message", "GET /api/v1/notifications", "GET /api/v1/notifications/<notification_id>")
def rest_notifications(reader: Reader) -> Seen:
    return at(reader.built.messages, (one["id"] for one in reader.items("/notifications?limit=200")))


# --- pages --------------------------------------------------------------------------------------------------------


@surface("customer", "GET /h5/customers", part=True)
def page_list(reader: Reader) -> Seen:
    return at(reader.built.customers, linked(reader.page("/h5/customers?scope=team"), "customers"))


@surface("customer", "GET /h5/customers", part=True)
def page_filter(reader: Reader) -> Seen:
    found = linked(reader.page("/h5/customers?scope=team&stage=new&level=A"), "customers")
    return at(reader.built.customers, found)


@surface("customer", "GET /h5/customers", part=True)
def page_list_search(reader: Reader) -> Seen:
    found = linked(reader.page(f"/h5/customers?scope=team&q={COMMON}"), "customers")
    return at(reader.built.customers, found)


@surface("customer", "GET /h5/customers/leaving", part=True)
def page_leaving(reader: Reader) -> Seen:
    return at(reader.built.customers, linked(reader.page("/h5/customers/leaving?scope=team"), "customers"))


@surface("customer", "GET /h5/customers/<key:customer_id>", few=FEW)
def page_record(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.customers[:FEW]) if reader.opens(f"/h5/customers/{one}")}


@surface("lead", "GET /h5/leads", part=True)
def page_leads(reader: Reader) -> Seen:
    return at(reader.built.customers, linked(reader.page("/h5/leads?scope=team&state=working"), "customers"))


@surface("customer", "GET /h5/contacts/<key:contact_id>", "GET /h5/contacts/<key:contact_id>/edit", few=FEW)
def page_contact(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.contacts[:FEW]) if reader.opens(f"/h5/contacts/{one}")}


@surface("customer", "GET /h5/customers/choose", part=True)
def page_choose(reader: Reader) -> Seen:
    page = reader.page("/h5/customers/choose?scope=team")
    return at(reader.built.customers, re.findall(r'name="ids" value="(c0[0-9]{18})"', page))


@surface("customer", "GET /h5/customers", "GET /h5/customers/filter", part=True)
def page_view(reader: Reader) -> Seen:
    """A saved view of somebody else's is an address: it shows each reader their own."""
    found: Seen = set()
    for member_id in reader.built.members[:FEW]:
        found |= at(
            reader.built.customers, linked(reader.page(f"/h5/customers?scope=team&owner={member_id}"), "customers")
        )
    return found


@surface("customer", "GET /h5/customers/duplicates", part=True, few=FEW)
def page_duplicates(reader: Reader) -> Seen:
    found: Seen = set()
    for n in range(len(reader.world.books[:FEW])):
        page = reader.page(f"/h5/customers/duplicates?phones={phone_of(n)}")
        assert "已有相同电话的客户" in page
        found |= {m for m in range(len(reader.world.books)) if f"{COMMON}客户{m}号" in page}
    return found


@surface("pooled", "GET /h5/pool", part=True)
def page_pools(reader: Reader) -> Seen:
    found: Seen = set()
    for one in reader.built.pools:
        answer = reader.client.get(f"/h5/pool?pool={one}")
        assert answer.status_code in (200, 404)
        found |= at(reader.built.customers, linked(answer.get_data(as_text=True), "pool"))
    return found


@surface("pooled", "GET /h5/pool/<key:customer_id>", few=FEW)
def page_pooled(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.customers[:FEW]) if reader.opens(f"/h5/pool/{one}")}


@surface("binned", "GET /h5/bin", part=True)
def page_bin(reader: Reader) -> Seen:
    return at(reader.built.customers, linked(reader.page(f"/h5/bin?q={COMMON}"), "bin"))


@surface("binned", "GET /h5/bin/<key:deletion_id>", few=FEW)
def page_binned(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.customers[:FEW]) if reader.opens(f"/h5/bin/{one}")}


@surface("own_message", "GET /h5/me/messages", "GET /h5/me/messages/<key:notification_id>")
def page_messages(reader: Reader) -> Seen:
    return at(reader.built.messages, linked(reader.page("/h5/me/messages"), "me/messages"))


@surface("own_task", "GET /h5/", part=True)
def page_today(reader: Reader) -> Seen:
    return at(reader.built.tasks, linked(reader.page("/h5/"), "tasks"))


@surface("follow_up", "GET /h5/follow-ups/<key:follow_up_id>", few=FEW)
def page_follow_up(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.follow_ups[:FEW]) if reader.opens(f"/h5/follow-ups/{one}")}


@surface("follow_up", "GET /h5/comments/<key:comment_id>", part=True, few=FEW)
def page_comment(reader: Reader) -> Seen:
    """Only whoever wrote a comment changes it, and only while they see the record."""
    found: Seen = set()
    for n, one in enumerate(reader.built.comments[:FEW]):
        status = reader.client.get(f"/h5/comments/{one}").status_code
        assert status in (200, 403, 404), status  # 403: sees it, and is not its author
        found |= {n} if status != 404 else set()
    return found


@surface("follow_up", "GET /api/v1/follow-ups/<follow_up_id>/comments", few=FEW)
def rest_comments(reader: Reader) -> Seen:
    found: Seen = set()
    for one in reader.built.follow_ups[:FEW]:
        said = reader.rest(f"/follow-ups/{one}/comments")
        found |= at(reader.built.comments, (row["id"] for row in said["items"])) if said is not None else set()
    return found


@surface("visit", "GET /api/v1/visits/<visit_id>/comments", few=FEW)
def rest_comments_on_visits(reader: Reader) -> Seen:
    ids = reader.built.visits[:FEW]
    return {n for n, one in enumerate(ids) if reader.rest(f"/visits/{one}/comments") is not None}


@surface("visit", "GET /h5/team", "GET /h5/team/<key:member_id>", part=True)
def page_team(reader: Reader) -> Seen:
    found: Seen = set()
    for one in reader.built.members[:FEW]:
        answer = reader.client.get(f"/h5/team/{one}")
        assert answer.status_code in (200, 404)
        found |= at(reader.built.visits, linked(answer.get_data(as_text=True), "visits"))
    return found


@surface("visit", "GET /h5/board", "GET /h5/board/list", part=True)
def page_board_visits(reader: Reader) -> Seen:
    reader.page("/h5/board?span=week")
    return at(reader.built.visits, linked(reader.page("/h5/board/list?what=visits&span=week"), "visits"))


@surface("customer", "GET /h5/board/list", part=True)
def page_board_customers(reader: Reader) -> Seen:
    found = linked(reader.page("/h5/board/list?what=customers&span=week"), "customers")
    return at(reader.built.customers, found)


@surface("customer", "GET /h5/board/list", part=True)
def page_board_stage(reader: Reader) -> Seen:
    return at(reader.built.customers, linked(reader.page("/h5/board/list?what=stage&stage=new"), "customers"))


@surface("customer", "GET /h5/board/list", part=True)
def page_board_leaving(reader: Reader) -> Seen:
    return at(reader.built.customers, linked(reader.page("/h5/board/list?what=leaving"), "customers"))


@surface("task", "GET /h5/board/list", part=True)
def page_board_overdue(reader: Reader) -> Seen:
    return at(reader.built.tasks, linked(reader.page("/h5/board/list?what=overdue"), "tasks"))


@surface("visit", "GET /h5/board/feed", part=True)
def page_board_feed(reader: Reader) -> Seen:
    return at(reader.built.visits, linked(reader.page("/h5/board/feed"), "visits"))


@surface("own_task", "GET /h5/briefs/morning", "GET /h5/briefs/evening", part=True)
def page_briefs(reader: Reader) -> Seen:
    found = linked(reader.page("/h5/briefs/morning"), "tasks")
    return at(reader.built.tasks, {*found, *linked(reader.page("/h5/briefs/evening"), "tasks")})


@surface("visit", "GET /h5/visits", "GET /h5/visits/<key:visit_id>", part=True)
def page_visits(reader: Reader) -> Seen:
    return at(reader.built.visits, linked(reader.page("/h5/visits?scope=team"), "visits"))


@surface("task", "GET /h5/tasks", "GET /h5/tasks/<key:task_id>", part=True)
def page_tasks(reader: Reader) -> Seen:
    return at(reader.built.tasks, linked(reader.page("/h5/tasks?scope=team"), "tasks"))


@surface("customer", "GET /h5/search", part=True)
def page_search(reader: Reader) -> Seen:
    return at(reader.built.customers, linked(reader.page(f"/h5/search?q={COMMON}"), "customers"))


@surface("lead", "GET /api/v1/leads")
def rest_leads(reader: Reader) -> Seen:
    return at(reader.built.customers, (one["id"] for one in reader.items("/leads?limit=200")))


@surface("lead", "GET /api/v1/leads/<lead_id>", few=FEW)
def rest_lead(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.customers[:FEW]) if reader.rest(f"/leads/{one}") is not None}


@surface("customer", "GET /api/v1/contacts")
def rest_contacts(reader: Reader) -> Seen:
    return at(reader.built.contacts, (one["id"] for one in reader.items("/contacts?limit=200")))


@surface("customer", "GET /api/v1/contacts/<contact_id>", few=FEW)
def rest_contact(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.contacts[:FEW]) if reader.rest(f"/contacts/{one}") is not None}


@surface("follow_up", "GET /api/v1/files/<file_id>", few=FEW)
def rest_file(reader: Reader) -> Seen:
    return {n for n, one in enumerate(reader.built.photos[:FEW]) if reader.rest(f"/files/{one}") is not None}


@surface("binned", "GET /api/v1/deletions", "GET /api/v1/deletions/<deletion_id>")
def rest_bin(reader: Reader) -> Seen:
    return at(reader.built.customers, (one["id"] for one in reader.items(f"/deletions?limit=200&q={COMMON}")))


@surface("pooled", "GET /api/v1/pools", "GET /api/v1/pools/<pool_id>", "GET /api/v1/pools/<pool_id>/customers")
def rest_pools(reader: Reader) -> Seen:
    """What lies in each pool of the world that the reader is told of; of the others there is no way in."""
    listed = {one["id"] for one in reader.items("/pools?limit=200")}
    found: Seen = set()
    for one in reader.built.pools:
        inside = reader.rest(f"/pools/{one}/customers?limit=200&q={COMMON}")
        assert (inside is not None) == (one in listed), one
        found |= at(reader.built.customers, (row["id"] for row in inside["items"])) if inside else set()
    return found


@surface("customer", "GET /api/v1/customers/duplicates", few=FEW)
def rest_duplicates(reader: Reader) -> Seen:
    """A known number is always told of; by whose name and id, only to who sees that customer."""
    found: Seen = set()
    for n in range(len(reader.world.books[:FEW])):
        (told,) = reader.rest(f"/customers/duplicates?phone={phone_of(n)}")["items"]
        assert (told["id"] is None) == ("***" in told["name"]), told
        found |= at(reader.built.customers, [told["id"]]) if told["id"] else set()
    return found


# What hangs on a customer by its address: found in the route map, so that a new one is asked as well.
OF_A_CUSTOMER = re.compile(r"(/h5|/api/v1)/customers/<(key:)?customer_id>/(?!assignment)[a-z/-]+")
SEES = (200, 302, 303, 403)  # 403: sees the customer but may not do this


def of_a_customer(app: Flask) -> list[str]:
    return sorted(
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and OF_A_CUSTOMER.fullmatch(rule.rule)
    )


@surface("customer", few=1)
def pages_of_a_customer(reader: Reader) -> Seen:
    """Each page and resource below the first customer of a world: all of them open, or none."""
    wanted, statuses = reader.built.customers[0], {}
    for rule in of_a_customer(reader.app):
        path = re.sub("<[^>]+>", wanted, rule)
        headers = {"Authorization": f"Bearer {reader.token}"} if path.startswith("/api/") else {}
        statuses[rule] = reader.client.get(path, headers=headers).status_code
    assert set(statuses.values()) <= {*SEES, 404}, statuses
    sees = {rule for rule, status in statuses.items() if status in SEES}
    assert sees in (set(), set(statuses)), statuses
    return {0} if sees else set()


@surface("assignable", "GET /h5/customers/<key:customer_id>/assignment", few=FEW)
def page_assignment(reader: Reader) -> Seen:
    """Whoever manages a pool gives away what lies in it; else it opens, or says no, to who sees the customer."""
    found: Seen = set()
    for n, one in enumerate(reader.built.customers[:FEW]):
        status = reader.client.get(f"/h5/customers/{one}/assignment").status_code
        assert status in (*SEES, 404), status
        found |= {n} if status in SEES else set()
    return found


# --- what leaves by file, what many are changed by ---


def taken_out(reader: Reader, obj: str, pattern: str) -> Seen:
    """Return what an export of all that the reader may take out has; it has as many rows as were counted."""
    with reader.app.app_context(), corp_scope(reader.built.corp_id):
        me = reader.me()
        if not may_export(me, obj):
            return set()
        lines = [" ".join(row) for row in rows_of(obj, {}, table(obj, me), actor=me)]
        assert count_rows(obj, {}, actor=me) == len(lines)
    return {int(found.group(1)) for line in lines if (found := re.search(pattern, line))}


@surface("exported", "POST /api/v1/exports", "POST /h5/exports")
def export_customer(reader: Reader) -> Seen:
    return taken_out(reader, "customer", rf"{COMMON}客户(\d)号")


@surface("exported_follow_up", "POST /api/v1/exports", "POST /h5/exports")
def export_follow_up(reader: Reader) -> Seen:
    return taken_out(reader, "follow_up", r"说了(\d)")


@surface("edited", "POST /h5/customers/bulk", few=FEW)
def bulk_change(reader: Reader) -> Seen:
    """Ask for a change of customers that one may see or not: those change that one may change, one by one, too."""
    with reader.app.app_context(), corp_scope(reader.built.corp_id):
        run = begin_bulk(reader.built.customers[:FEW], "level", "B", actor=reader.me())
        go_on(run.id)
        db.session.refresh(run)
        found = at(reader.built.customers, [one[0] for one in run.changed])
        db.session.rollback()
    return found


# --- around a place -----------------------------------------------------------------------------------------------


@surface("customer", "GET /h5/offline", part=True)
def page_kept_offline(reader: Reader) -> Seen:
    return at(reader.built.customers, re.findall(r'<option value="(c0[0-9]{18})"', reader.page("/h5/offline")))


@surface("customer", "GET /h5/nearby", part=True)
def near_me(reader: Reader) -> Seen:
    with reader.app.app_context(), corp_scope(reader.built.corp_id):
        me = reader.me()
        found = [one.id for one in customers_near(HERE, 1, actor=me)] if reads(me, "location") else []
    return at(reader.built.customers, found)


@surface("customer", "GET /h5/route", part=True, few=FEW)
def page_route(reader: Reader) -> Seen:
    stops = "&".join(f"stop={one}" for one in reader.built.customers[:FEW])
    return at(reader.built.customers, linked(reader.page(f"/h5/route?{stops}"), "customers"))


@surface("visit", "GET /h5/visits/plans/<key:plan_id>", few=FEW)
def page_plan(reader: Reader) -> Seen:
    """Whoever sees the visits of somebody, or to a customer, sees those that are planned, too."""
    return {n for n, one in enumerate(reader.built.plans[:FEW]) if reader.opens(f"/h5/visits/plans/{one}")}


# --- the robot, duplicates ----------------------------------------------------------------------------------------


@surface("customer")
def robot_find(reader: Reader) -> Seen:
    with reader.app.app_context(), corp_scope(reader.built.corp_id):
        me = reader.me()
        found = {one.id for n in range(len(reader.world.books)) for one in customers_called(f"户{n}号", actor=me)}
    return at(reader.built.customers, found)


@surface("customer")
def robot_sentence(reader: Reader) -> Seen:
    with reader.app.app_context(), corp_scope(reader.built.corp_id):
        me, found = reader.me(), set()
        for n in range(len(reader.world.books)):
            found |= {one.id for one in customers_named_in(f"{COMMON}客户{n}号", actor=me)}
    return at(reader.built.customers, found)


@surface("customer", "POST /h5/follow-ups/new", part=True)
def said(reader: Reader) -> Seen:
    """Whom a sentence may be about."""
    with reader.app.app_context(), corp_scope(reader.built.corp_id):
        me, found = reader.me(), set()
        for n in range(len(reader.world.books)):
            made = draft(f"给{COMMON}客户{n}号发了报价", actor=me, now=local_now())
            found |= {one.id for one in (made.customer, *made.choices) if one is not None}
    return at(reader.built.customers, found)


@surface("customer", "POST /api/v1/customers", few=FEW)
def duplicate_check(reader: Reader) -> Seen:
    """A known telephone number is always refused; the other customer's name is told only to who sees it."""
    found = set()
    for n in range(len(reader.world.books[:FEW])):
        body = {"name": "完全不同的公司", "phones": [phone_of(n)]}
        headers = {"Authorization": f"Bearer {reader.token}"}
        answer = reader.client.post("/api/v1/customers", json=body, headers=headers)
        assert answer.status_code in (403, 409), answer.json
        if answer.status_code == 403:
            return NOT_ASKED
        if f"{COMMON}客户{n}号" in answer.get_data(as_text=True):
            found.add(n)
    return found


@surface("own_task", part=True)
def robot_today(reader: Reader) -> Seen:
    with reader.app.app_context(), corp_scope(reader.built.corp_id):
        said = str(answers.today(actor=reader.me()))
    return {n for n in range(len(reader.world.books)) if f"{COMMON}待办{n}" in said}


NOT_ASKED: Seen = {-1}  # the reader may create no customer and so asks nothing


@surface("visit", "GET /api/v1/plans", "GET /api/v1/plans/<plan_id>", "GET /api/v1/customers/<customer_id>/plans")
def rest_plans(reader: Reader) -> Seen:
    return at(reader.built.plans, (one["id"] for one in reader.items("/plans?limit=200")))


# --- work reports -------------------------------------------------------------------------------------------------


def told_in_a_report(reader: Reader, section: str, ids: list[str], folder: str) -> Seen:
    """Write a report of the reader's own that holds all records of the world, and return those that its page names."""
    built, report_id = reader.built, "wr" + section[:3] + reader.built.members[reader.world.actor][-15:]
    with reader.app.app_context(), corp_scope(built.corp_id):
        now = clock.now()
        day = date(2020, 1, 1 + SECTIONS.index(section))
        me = reader.me().id
        known = sa.delete(WorkReport).where(WorkReport.member_id == me, WorkReport.day == day)
        db.session.execute(known)
        values = {"figures": {section: len(ids)}, "items": {section: ids}, "sent_at": now, "updated_at": now}
        db.session.add(WorkReport(id=report_id, member_id=me, kind="day", day=day, summary="忙", **values))
        db.session.commit()
    return at(ids, linked(reader.page(f"/h5/reports/{report_id}"), folder))


@surface("visit", "GET /h5/reports/<key:report_id>")
def page_report_visits(reader: Reader) -> Seen:
    return told_in_a_report(reader, "visits", reader.built.visits, "visits")


@surface("task", "GET /h5/reports/<key:report_id>")
def page_report_tasks(reader: Reader) -> Seen:
    return told_in_a_report(reader, "tasks", reader.built.tasks, "tasks")


@surface("customer", "GET /h5/reports/<key:report_id>")
def page_report_customers(reader: Reader) -> Seen:
    return told_in_a_report(reader, "customers", reader.built.customers, "customers")
