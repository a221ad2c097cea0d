"""The chain of the audit log: whatever is done to it is found."""

import random
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from wsapp import clock
from wsapp.crm.audit.chain import LET_GO, Anchor, anchor, is_genuine, let_go, seal, verify
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.events.actions import record
from wsapp.crm.events.models import Event
from wsapp.crm.events.origin import comes_from
from wsapp.crm.org.models import Member
from wsapp.db import db

LENGTH = 40


@pytest.fixture
def actor(here: Flask, ali: Member) -> Member:
    return db.session.merge(ali)


@pytest.fixture
def customer(actor: Member) -> Customer:
    return create_customer({"name": "佛山市华星家具有限公司"}, actor=actor)


@pytest.fixture
def chain(actor: Member, customer: Customer) -> Anchor:
    """A chain of forty links and more, committed, with its anchor."""
    for number in range(LENGTH):
        record("customer.changed", customer, actor=actor, changes={"level": ["A", number]}, word="改" * (number % 7))
    db.session.commit()
    while seal(limit=16):
        pass
    db.session.commit()
    found = anchor("ww1")
    assert found is not None
    return found


def rows() -> list[Any]:
    found = sa.select(Event.id, Event.seq, Event.changes).where(Event.seq > 0).order_by(Event.seq)
    return list(db.session.execute(found).all())


def put(condition: Any, **values: Any) -> None:
    db.session.execute(sa.update(Event).where(condition).values(**values).execution_options(synchronize_session=False))


def test_a_whole_chain_holds_and_is_sealed_once(chain: Anchor) -> None:
    report = verify([chain])
    assert (report.bad, report.first, report.last) == (None, 1, chain.seq)
    assert report.count == chain.seq == len(rows()) > LENGTH
    assert seal() == 0
    assert is_genuine(chain)
    assert not is_genuine(Anchor("ww1", chain.seq, "0" * 64, chain.at, chain.signature))


def edit(found: list[Any], chance: random.Random) -> int:
    one = chance.choice(found)
    column, value = chance.choice(
        [
            ("changes", {"level": ["A", "x"]}),
            ("actor_id", None),
            ("kind", "customer.created"),
            ("subject_id", "x"),
            ("ip", "203.0.113.9"),
            ("at", clock.now() - timedelta(days=1)),
            ("reason", "因为"),
            ("data", {"word": "别的"}),
            ("request_id", "x"),
            ("via", "card"),
            ("mac", "f" * 64),
        ]
    )
    put(Event.id == one.id, **{column: value})
    return int(one.seq)


def remove(found: list[Any], chance: random.Random) -> int:
    one = chance.choice(found)
    db.session.execute(sa.delete(Event).where(Event.id == one.id).execution_options(synchronize_session=False))
    return int(one.seq)


def reorder(found: list[Any], chance: random.Random) -> int:
    one, other = sorted(chance.sample(found, 2), key=lambda row: row.seq)
    put(Event.id == one.id, seq=other.seq)
    put(Event.id == other.id, seq=one.seq)
    return int(one.seq)


def cut(found: list[Any], chance: random.Random) -> int:
    """Cut the tail, and set the end of the chain to fit: only the anchor knows better."""
    from wsapp.crm.audit.models import AuditChain

    where = chance.randrange(1, len(found))
    last = db.session.execute(sa.select(Event.seq, Event.mac).where(Event.id == found[where - 1].id)).one()
    gone = sa.delete(Event).where(Event.seq > last.seq)
    db.session.execute(gone.execution_options(synchronize_session=False))
    db.session.execute(
        sa.update(AuditChain).values(last_seq=last.seq, last_mac=last.mac).execution_options(synchronize_session=False)
    )
    return int(last.seq) + 1


def test_a_hundred_random_edits_removals_swaps_and_cuts_are_all_found(chain: Anchor) -> None:
    found, chance, missed = rows(), random.Random(57), []
    for number in range(100):
        attack = (edit, remove, reorder, cut)[number % 4]
        bad = attack(found, chance)
        report = verify([chain])
        if report.bad != bad:
            missed.append((attack.__name__, bad, report))
        db.session.rollback()
    assert missed == []
    assert verify([chain]).bad is None


def test_a_cut_head_is_found_although_the_beginning_was_set_to_fit(chain: Anchor) -> None:
    from wsapp.crm.audit.models import AuditChain

    tenth = db.session.execute(sa.select(Event.mac).where(Event.seq == 10)).scalar_one()
    head = sa.delete(Event).where(Event.seq.between(1, 10))
    db.session.execute(head.execution_options(synchronize_session=False))
    move = sa.update(AuditChain).values(first_seq=11, first_prev=tenth)
    db.session.execute(move.execution_options(synchronize_session=False))
    assert verify([chain]).why == "its beginning was moved"


def test_what_is_old_leaves_the_chain_from_its_beginning(chain: Anchor, customer: Customer) -> None:
    """What the timeline shows stays, without its origin; the rest goes. The chain that is left holds."""
    old = clock.now() - timedelta(days=1200)
    first_ids = [row.id for row in rows()[:10]]
    put(Event.id.in_(first_ids), at=old)
    assert let_go(clock.now() - timedelta(days=1096)) == 10
    left = db.session.execute(sa.select(Event.id, Event.seq, Event.customer_id).where(Event.id.in_(first_ids))).all()
    assert [(row.seq, row.customer_id) for row in left] == [(LET_GO, customer.id)]
    assert let_go(clock.now() - timedelta(days=1096)) == 0
    assert seal() == 0
    report = verify([chain])
    assert (report.bad, report.first, report.last) == (None, 11, chain.seq)


def test_an_event_says_where_it_came_from_and_hides_what_is_sensitive(actor: Member, customer: Customer) -> None:
    comes_from("api", "198.51.100.7")
    change_customer(customer, {"phones": ["13800138000"], "level": "A"}, actor=actor)
    db.session.flush()
    event = db.session.scalars(sa.select(Event).where(Event.kind == "customer.changed")).one()
    assert (event.via, event.ip) == ("api", "198.51.100.7")
    assert event.changes["level"] == [None, "A"]
    before, after = event.changes["phones"]
    assert before == []
    assert len(after) == 1
    assert after[0].startswith("#")
    assert "1380" not in str(event.changes)
