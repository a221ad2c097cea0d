"""Every page that answers with HTML, and a book of records in which each of them has something to show."""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from tests.h5.conftest import Book
from tests.h5.test_pages import COMMON, records
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
    """The book, and what the console shows besides."""

    book: Book
    member: str
    done: str


def add_the_rest(app: Flask, cast: Cast, book: Book, owner: Member) -> World:
    """Add to the book whatever a page can show: messages, dead work, a fault, tokens, finished and cancelled tasks."""
    with app.app_context(), corp_scope(cast.corp_id):
        actor = db.session.merge(owner)
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
        db.session.execute(
            sa.update(Outbox).where(Outbox.key == "security").values(state=outbox.DEAD, error="甲", attempts=3)
        )
        db.session.execute(
            sa.update(Notification).values(state=FAILED, reason="甲", host_code="1", settled_at=clock.now())
        )
        db.session.execute(sa.update(Corp).where(Corp.id == cast.corp_id).values(fault="甲"))
        db.session.commit()
        return World(book, owner.id, done.id)


def pages_of(world: World) -> list[str]:
    """Return the address of every page, of owners and of administrators."""
    return [
        *COMMON,
        *records(world.book),
        f"/h5/tasks/{world.done}",
        f"/h5/team/{world.member}",
        "/h5/tasks?state=done&scope=team",
        "/admin/",
        "/admin/corps",
        "/admin/members",
        f"/admin/members/{world.member}",
        *(f"/admin/work?state={state}" for state in ("ready", "running", "dead", "done")),
        "/admin/deliveries",
        f"/admin/deliveries?person={world.member}&state=failed",
        "/admin/tokens",
        "/api/docs",
        "/signin/",
    ]
