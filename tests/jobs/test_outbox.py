"""The outbox itself: once, borrowed, given back, shared out."""

from flask import Flask

from wsapp import outbox, worklist
from wsapp.db import db


def test_work_with_a_known_key_is_left_alone(here: Flask) -> None:
    assert outbox.enqueue("event", {"event": "x"}, key="k")
    assert not outbox.enqueue("event", {"event": "y"}, key="k")
    assert outbox.enqueue("event", {"event": "x"})
    db.session.commit()
    assert worklist.counts() == {"ready": 2}
