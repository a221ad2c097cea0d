"""Every page that answers with HTML, and a book of records in which each of them has something to show."""

from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from tests.h5.conftest import Book
from tests.h5.test_pages import COMMON, records
from tests.security.shelf import write_shelf
from wsapp import clock, outbox
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.messages import task_card
from wsapp.crm.notifications.models import FAILED, Notification
from wsapp.crm.org.access import create_token
from wsapp.crm.org.models import Corp, Member
from wsapp.crm.tasks.actions import cancel_task, complete_task, create_task
from wsapp.crm.visits.actions import check_out
from wsapp.crm.visits.models import Visit
from wsapp.db import corp_scope, db
from wsapp.outbox import Outbox


@dataclass(frozen=True)
class World:
    """The book, what the console shows besides, and the ids of all that is written in `shelf.py`."""

    book: Book
    member: str
    done: str
    shelf: dict[str, str] = field(default_factory=dict)


def add_the_rest(app: Flask, cast: Cast, book: Book, owner: Member) -> World:
    """Add to the book whatever a page can show: messages, dead work, a fault, tokens, finished and cancelled tasks."""
    bob, guan, cha = (cast.member(key) for key in ("bob", "guan", "cha"))
    with app.app_context(), corp_scope(cast.corp_id):
        actor, boss, administrator, other = (db.session.merge(one) for one in (owner, bob, guan, cha))
        due_at = clock.now() + timedelta(hours=1)
        done = create_task({"title": "甲", "customer": book.customer, "due_at": due_at}, actor=actor)
        tell(actor, "task.due", task_card(done, kind="due", reader=actor), key="security", subject_id=done.id)
        complete_task(done, actor=actor, note="甲")
        cancel_task(create_task({"title": "甲", "customer": book.customer, "due_at": due_at}, actor=actor), actor=actor)
        check_out(
            db.session.execute(sa.select(Visit).where(Visit.id == book.visit)).scalar_one(), actor=actor, result="甲"
        )
        create_token(actor, scopes=["read"], days=1)
        outbox.enqueue("card.update", {"notification": "x"}, key="security")
        db.session.flush()
        shelf = write_shelf(book.customer, owner=actor, boss=boss, administrator=administrator, other=other)
        db.session.execute(
            sa.update(Outbox).where(Outbox.key == "security").values(state=outbox.DEAD, error="甲", attempts=3)
        )
        db.session.execute(
            sa.update(Notification).values(state=FAILED, reason="甲", host_code="1", settled_at=clock.now())
        )
        db.session.execute(sa.update(Corp).where(Corp.id == cast.corp_id).values(fault="甲"))
        db.session.commit()
        return World(book, owner.id, done.id, shelf)


# Pages of the shelf, of the owner and of the administrator. "{customer}" is the book's.
OWN = [
    "/h5/customers/{customer}/contacts/new",
    "/h5/customers/{customer}/coworkers",
    "/h5/customers/{customer}/group",
    "/h5/customers/{customer}/stages",
    "/h5/customers/{customer}/why",
    "/h5/customers/{customer}/release",
    "/h5/customers/{customer}/assignment",
    "/h5/customers/{customer}/clock",
    "/h5/customers/{customer}/merge",
    "/h5/customers/{customer}/merge?q=%E7%94%B2",
    "/h5/customers/{customer}/merge/{twin}",
    "/h5/customers/{lead}",
    "/h5/customers/{lead}/edit",
    "/h5/customers/{leaving}",
    "/h5/customers/{leaving}/clock",
    "/h5/customers/{asked}/clock",
    "/h5/customers/duplicates?name=%E5%8D%8E%E6%98%9F%E6%9C%A8%E4%B8%9A%E6%9C%89%E9%99%90%E5%85%AC%E5%8F%B8",
    "/h5/customers/leaving",
    "/h5/customers/leaving?scope=team",
    "/h5/customers/filter",
    "/h5/customers/filter?q=%E7%94%B2&source=%E5%B1%95%E4%BC%9A",
    "/h5/customers/choose",
    "/h5/customers?custom.say=%E7%94%B2",
    "/h5/contacts/{contact}",
    "/h5/contacts/{contact}/edit",
    "/h5/leads",
    "/h5/leads?state=working&scope=team",
    "/h5/leads/new",
    "/h5/pool",
    "/h5/pool?pool={pool}",
    "/h5/pool/{pooled}",
    "/h5/pool?pool={drawing}",
    "/h5/pool/{drawn}",
    "/h5/extensions",
    "/h5/extensions/{extension}",
    "/h5/extensions/{returning}",
    "/h5/share-requests",
    "/h5/share-requests/{share}",
    "/h5/appeals",
    "/h5/appeals/{help}",
    "/h5/appeals/{offer}",
    "/h5/appeals/{delay}",
    "/h5/appeals/{move}",
    "/h5/customers/{customer}/help",
    "/h5/tasks/{late}",
    "/h5/tasks/{late}/offer",
    "/h5/tasks/{late}/delay",
    "/h5/follow-ups/{talk}",
    "/h5/comments/{comment}",
    "/h5/me/phrases",
    "/h5/reports",
    "/h5/reports/{report}",
    "/h5/reports/{report}/edit",
    "/h5/reports/new?kind=week",
    "/h5/reports/team",
    "/h5/follow-ups/drafts/{ask}",
    "/h5/bulk/{bulk}",
    "/h5/bin",
    "/h5/bin/{thrown}",
    "/h5/bin/{away}",
    "/h5/bin/new/customer/{customer}",
    "/h5/bin/new/contact/{contact}",
    "/h5/bin/runs/new?ids={customer}&ids={lead}",
    "/h5/bin/runs/{run}",
    "/h5/imports",
    "/h5/imports/{draft}",
    "/h5/imports/{import}",
    "/h5/imports/{undone}",
    "/h5/imports/{broken}",
    "/h5/exports",
    "/h5/exports/{export}",
    "/h5/exports/{waiting}",
    "/h5/drafts/{dictated}",
    "/h5/me/deputy",
    "/h5/me/channels",
    "/h5/me/identity",
    "/h5/me/mirrors",
    "/h5/me/messages/{message}",
]
OFFICE = [
    "/h5/customers/{customer}",
    "/h5/customers/{customer}/merge",
    "/h5/pool?pool={pool}",
    "/h5/pool/{pooled}",
    "/h5/pool/{resting}",
    "/h5/pool/deal?pool={pool}",
    "/h5/customers/{pooled}/assignment",
    "/h5/team/{member}/handover",
    "/h5/handovers",
    "/h5/handovers/{handover}",
    "/h5/customers/handover?scope=team",
    "/h5/extensions/{extension}",
    "/h5/extensions/{returning}",
    "/h5/share-requests/{share}",
    "/h5/exports/{waiting}/decision",
    "/h5/bin",
    "/h5/customers/filter",
    "/admin/fields",
    "/admin/fields?object=contact",
    "/admin/fields/new?type=single",
    "/admin/fields/new?type=formula",
    "/admin/fields/{say}",
    "/admin/fields/{pick}",
    "/admin/fields/{lines}",
    "/admin/fields/{total}",
    "/admin/fields/{shown}",
    "/admin/roles",
    "/admin/roles/{role}",
    "/admin/roles/seller",
    "/admin/roles/why",
    "/admin/roles/why?member=ali&customer={customer}",
    "/admin/tags",
    "/admin/workdays",
    "/h5/watches",
    "/h5/follow-ups/new",
    "/admin/pools",
    "/admin/pools/{pool}",
    "/admin/rules",
    "/admin/recycling",
    "/admin/bin",
    "/admin/bin/{gone}",
    "/admin/audit",
    "/admin/audit?q={customer}",
    "/admin/audit/{changed}",
    "/admin/audit/{merged}",
    "/admin/audit/{designed}",
    "/admin/robots",
    "/admin/directory",
    "/admin/notifications",
    "/admin/doctor",
]


def pages_of(world: World) -> list[str]:
    """Return the address of every page, of owners and of administrators."""
    return [path for path, _office in all_pages(world)]


def all_pages(world: World) -> list[tuple[str, bool]]:
    """Return the address of every page, and whether it is the administrator's to look at."""
    names = {**world.shelf, "customer": world.book.customer, "member": world.member}
    mine = [
        *COMMON,
        *records(world.book),
        f"/h5/tasks/{world.done}",
        f"/h5/team/{world.member}",
        "/h5/tasks?state=done&scope=team",
        "/api/docs",
        "/signin/",
        *(path.format(**names) for path in OWN),
    ]
    theirs = [
        "/admin/",
        "/admin/corps",
        "/admin/members",
        f"/admin/members/{world.member}",
        *(f"/admin/work?state={state}" for state in ("ready", "running", "dead", "done")),
        "/admin/deliveries",
        f"/admin/deliveries?person={world.member}&state=failed",
        "/admin/tokens",
        *(path.format(**names) for path in OFFICE),
    ]
    return [*((path, False) for path in mine), *((path, True) for path in theirs)]
