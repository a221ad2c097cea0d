"""Colleagues who press at the same moment: one outcome, on either database."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.appeals.answers import answer
from wsapp.crm.appeals.asking import appeal_by_id, withdraw
from wsapp.crm.appeals.cards import GRANT, REFUSE
from wsapp.crm.appeals.models import OPEN, Appeal
from wsapp.crm.appeals.work import offer_task
from wsapp.crm.comments.actions import add_comment
from wsapp.crm.comments.queries import find_log
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.events.models import Event
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.comment_cards import tell_of_comments
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.db import corp_scope, db
from wsapp.problems import Conflict, Problem

EACH = 4


def at_once(app: Flask, cast: Cast, deeds: list[Callable[[], None]]) -> None:
    together = threading.Barrier(len(deeds))
    failed: list[Exception] = []

    def run(deed: Callable[[], None]) -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            together.wait(30)
            try:
                deed()
                db.session.commit()
            except (Problem, sa.exc.SQLAlchemyError) as error:
                db.session.rollback()
                failed.append(error)

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


@pytest.fixture
def task_id(app: Flask, cast: Cast, ali: Member) -> str:
    with app.app_context(), corp_scope(cast.corp_id):
        made = create_task({"title": "送样品", "due_at": clock.now() + timedelta(hours=2)}, actor=db.session.merge(ali))
        db.session.commit()
        return made.id


def test_of_many_answers_and_a_withdrawal_one_counts(
    app: Flask, cast: Cast, task_id: str, ali: Member, bob: Member
) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        appeal_id = offer_task(task_id, bob.id, actor=db.session.merge(ali)).id
        db.session.commit()
    counted: list[str] = []

    def press(action: str) -> Callable[[], None]:
        def deed() -> None:
            appeal = appeal_by_id(appeal_id)
            assert appeal is not None
            if action == "withdraw":
                did = withdraw(appeal, actor=db.session.merge(ali))
            else:
                did = answer(appeal, action, actor=db.session.merge(bob))
            counted.extend([action] if did else [])

        return deed

    at_once(app, cast, [press(action) for action in (GRANT, REFUSE, "withdraw") for _each in range(EACH // 2)])
    assert len(counted) == 1
    with app.app_context(), corp_scope(cast.corp_id):
        task, appeal = db.session.scalars(sa.select(Task)).one(), db.session.scalars(sa.select(Appeal)).one()
        assert task.assignee_id == (bob.id if counted == [GRANT] else ali.id)
        assert appeal.state == {GRANT: "granted", REFUSE: "refused", "withdraw": "withdrawn"}[counted[0]]
        answered = sa.select(sa.func.count()).select_from(Event).where(Event.kind == "appeal.answered")
        assert db.session.scalar(answered) == (0 if counted == ["withdraw"] else 1)


def test_of_many_offers_of_one_task_one_stands(
    app: Flask, cast: Cast, task_id: str, ali: Member, bob: Member, guan: Member
) -> None:
    refused: list[str] = []

    def offer(person_id: str) -> Callable[[], None]:
        def deed() -> None:
            try:
                offer_task(task_id, person_id, actor=db.session.merge(ali))
            except Conflict:
                refused.append(person_id)

        return deed

    at_once(app, cast, [offer(one.id) for one in (bob, guan) for _each in range(EACH // 2)])
    assert len(refused) == EACH - 1
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalars(sa.select(Appeal.state)).all() == [OPEN]
        told = sa.select(sa.func.count()).select_from(Notification).where(Notification.kind == "offer.asked")
        assert db.session.scalar(told) == 1


def test_two_workers_tell_of_comments_once(app: Flask, cast: Cast, ali: Member, bob: Member) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        customer = create_customer({"name": "佛山市华星家具有限公司"}, actor=db.session.merge(ali))
        log_id = log_follow_up(customer, {"text": "谈了价格"}, actor=db.session.merge(ali)).id
        add_comment(find_log("follow_up", log_id, actor=db.session.merge(bob)), "多少钱？", actor=db.session.merge(bob))
        db.session.commit()
    at_once(app, cast, [lambda: tell_of_comments("follow_up", log_id)] * EACH)
    with app.app_context(), corp_scope(cast.corp_id):
        told = sa.select(Notification.recipient_id).where(Notification.kind == "comment.added")
        assert db.session.scalars(told).all() == [ali.id]
