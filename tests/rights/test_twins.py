"""Whoever does not read a field learns nothing of its values: on no page, in no answer, by no search, filter or sort.

Two corps differ in nothing but the values of such fields. Every reading route of the map is asked in both, and answers
the same. A route whose address holds a parameter without an id in `twins.IDS` fails.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.cast import WECOM_AGENT
from tests.rights import twins
from tests.rights.twins import LEFT, NAME, RIGHT, Twin
from wsapp import clock
from wsapp.bots import answers
from wsapp.bots.commands import ALONE
from wsapp.bots.sight import customers_called, customers_named_in
from wsapp.crm.events.models import Event
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.recipients import on_event
from wsapp.crm.org import access
from wsapp.crm.org.queries import member
from wsapp.crm.search import filters
from wsapp.crm.transfer.lists import count_rows, rows_of, table
from wsapp.crm.transfer.models import OBJECTS
from wsapp.db import corp_scope, db, rows

# Lists that are asked with every query below as well.
LISTS = (
    "/h5/customers",
    "/h5/customers/choose",
    "/h5/leads",
    "/h5/pool",
    "/h5/search",
    "/h5/bin",
    "/h5/visits",
    "/h5/tasks",
    "/api/v1/customers",
    "/api/v1/leads",
    "/api/v1/contacts",
    "/api/v1/follow-ups",
    "/api/v1/visits",
    "/api/v1/tasks",
    "/api/v1/deletions",
    "/api/v1/events",
    "/api/v1/pools/<pool_id>/customers",
)
# What the duplicate checks say of hidden customers is ruled by the corp, and told only so often: tests of duplicates.
# The last one asks the host, and knows no record.
NOT_ASKED = ("/h5/customers/duplicates", "/api/v1/customers/duplicates", "/h5/host-config")
# New with every answer, whatever it shows.
NOISE = re.compile(
    r'csrf-token" content="[^"]*"|name="(csrf_token|idempotency_key)" value="[^"]*"|nonce="[^"]*"'
    r'|"(?:token|who)":"[^"]*"'
    r'|name="(?:server-now|who)" content="[^"]*"|files/\w+\?[^"]*|上次使用 <time[^>]*>'
    r'|"request_id":\s*"[^"]*"|twin-(left|right)'
)


def queries() -> Iterator[dict[str, str]]:
    """Yield what a list can be asked for by a value of the left twin: each filter there is, words, and orders."""
    one = LEFT["customer"]
    found = {"stage": one["stage"], "level": one["level"], "tag": one["tags"][0], "custom.secret": "暗号是长江七号"}
    found |= {"region": one["city"], "next": "week", "last": "30", "source": one["source"], "industry": one["industry"]}
    found |= {name: one[name] for name in ("kind", "size", "address", "website", "note")}
    found |= {"phone": LEFT["phones"]["customer"], "visited": "30", "parent": "yes", "place": "yes"}
    found |= {"short_name": one["short_name"], "credit_code": "9144", "dealt": "never", "updated": "7"}
    found |= {"department": "1", "coworker": "m0000000000000000000", "creator": "m0000000000000000000"}
    found |= {"owner": LEFT["owner"]["owner_id"], "pool": twins.IDS["pool_id"]}
    assert {*filters._registered} <= {*found, "created"}, "a filter without a value here"
    for name, value in found.items():
        yield {name: str(value)}
    yield {"custom": '{"secret": "暗号是长江七号"}'}
    for sort in ("custom.secret", "-level", "last_followed_at"):
        yield {"sort": sort}
    number, other = LEFT["phones"].values()
    words = [number, number[3:7], other[3:7], one["short_name"], one["note"], one["address"], one["website"]]
    words += [LEFT["follow_up"]["text"], LEFT["visit"]["note"], LEFT["task"]["note"], "暗号是长江七号"]
    for text in words:
        yield {"q": text}


@pytest.fixture(params=["hidden", "masked"])
def pair(request: pytest.FixtureRequest, app: Flask) -> tuple[Twin, Twin]:
    app.config["API_RATE"] = "100000 per minute"
    now, fields = clock.now() - timedelta(minutes=10), twins.rules(request.param)
    with app.app_context():
        left = twins.build(LEFT, fields, host_corp_id="twin-left", now=now)
        return left, twins.build(RIGHT, fields, host_corp_id="twin-right", now=now)


class Door:
    """The pages and the REST answers of one twin, as its reader gets them."""

    def __init__(self, app: Flask, twin: Twin) -> None:
        self.twin, self.client = twin, app.test_client()
        self.client.environ_base |= {"HTTP_USER_AGENT": WECOM_AGENT, "HTTP_HOST": "127.0.0.1:8000"}
        with app.app_context(), corp_scope(twin.corp_id):
            reader = member(twin.reader)
            assert reader is not None
            self.token = access.create_token(reader, scopes=("read", "write"), days=1)
            session = access.open_session(reader, device="test")
            db.session.commit()
        with self.client.session_transaction() as cookie:
            cookie["corp"], cookie["token"] = twin.corp_id, session

    def says(self, rule: str, query: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return the status and the body of what a route answers, without what is new each time."""
        path = re.sub(r"<(?:.*:)?(\w+)>", lambda found: self.twin.ids[found.group(1)], rule)
        headers = {"Authorization": f"Bearer {self.token}"} if rule.startswith("/api/") else {}
        wide = {"scope": "team"} if rule.startswith("/h5/") else {}
        answer = self.client.get(path, query_string={**(query or {}), **wide}, headers=headers)
        return answer.status_code, NOISE.sub("", answer.get_data(as_text=True) + answer.headers.get("Location", ""))


def reading(app: Flask) -> list[str]:
    return sorted(
        one.rule
        for one in app.url_map.iter_rules()
        if "GET" in (one.methods or ()) and one.rule.startswith(("/h5/", "/api/v1/")) and one.rule not in NOT_ASKED
    )


def different(left: Door, right: Door, rule: str, query: Mapping[str, str] | None = None) -> str:
    """Return what differs between the twins' answers, nothing when they are alike."""
    (status, text), (other_status, other) = left.says(rule, query), right.says(rule, query)
    assert max(status, other_status) < 500, (rule, query)
    if (status, text) == (other_status, other):
        return ""
    pairs = zip(text.splitlines(), other.splitlines(), strict=False)
    found = next(((one[:200], two[:200]) for one, two in pairs if one != two), (status, other_status))
    return f"{rule} {dict(query or {})}: {found}"


def test_nothing_tells_the_twins_apart(app: Flask, pair: tuple[Twin, Twin]) -> None:
    left, right = (Door(app, twin) for twin in pair)
    told = [different(left, right, rule) for rule in reading(app)]
    told += [different(left, right, rule, query) for rule in LISTS for query in queries()]
    assert not any(told), "\n".join(filter(None, told))


def test_whoever_reads_the_fields_tells_them_apart(app: Flask) -> None:
    """Or the test above would prove nothing."""
    now = clock.now() - timedelta(minutes=10)
    with app.app_context():
        pair = [twins.build(values, {}, host_corp_id=f"twin-{n}", now=now) for n, values in enumerate((LEFT, RIGHT))]
    left, right = (Door(app, twin) for twin in pair)
    blind = [rule for rule in reading(app) if "<" in rule and not different(left, right, rule)]
    assert "/h5/customers/<key:customer_id>" not in blind
    shown = left.says("/h5/customers/<key:customer_id>")[1] + left.says("/api/v1/customers")[1]
    for name in ("address", "short_name", "source"):
        assert LEFT["customer"][name] in shown, name
    for rule in LISTS[4:6] + LISTS[8:12]:
        assert any(different(left, right, rule, query) for query in queries()), rule
    for rule in ("/h5/visits/<key:visit_id>", "/h5/tasks/<key:task_id>", "/api/v1/files/<file_id>", "/h5/bin"):
        assert different(left, right, rule), rule


# --- what is no page ----------------------------------------------------------------------------------------------


def told_elsewhere(twin: Twin) -> Iterator[Any]:
    """Yield what exports, the robot and cards tell the reader of a twin."""
    reader = member(twin.reader)
    assert reader is not None
    for obj in OBJECTS:
        asked: dict[str, str] = {"q": "13911110077"} if obj == "customer" else {"q": LEFT["follow_up"]["text"]}
        columns = table(obj, reader)
        yield [column.key for column in columns], list(rows_of(obj, {}, columns, actor=reader))
        yield count_rows(obj, asked, actor=reader)
    for name in ("stage", "level", "tag"):
        value = LEFT["customer"]["tags"][0] if name == "tag" else LEFT["customer"][name]
        yield count_rows("customer", {name: value}, actor=reader)
    assert {*ALONE.values()} == {"today", "team", "help"}, "a command without a case here"
    for name in (NAME, f"{NAME}0", "13911110077", "0077", LEFT["customer"]["short_name"]):
        yield answers.find(name, actor=reader, alone=False)
        yield [one.id for one in customers_called(name, actor=reader)]
        yield [one.id for one in customers_named_in(f"明天去拜访{name}谈价格", actor=reader)]
    yield answers.today(actor=reader)
    yield answers.team(actor=reader)


def test_nothing_else_tells_the_twins_apart(app: Flask, pair: tuple[Twin, Twin]) -> None:
    told = []
    for twin, name in zip(pair, ("twin-left", "twin-right"), strict=True):
        with app.app_context(), corp_scope(twin.corp_id):
            told.append([re.sub(name, "", str(one)) for one in told_elsewhere(twin)])
            db.session.rollback()
    assert told[0] == told[1]


def test_no_card_tells_the_twins_apart(app: Flask, pair: tuple[Twin, Twin]) -> None:
    """The reader is the seller's manager, has tasks of theirs, and hears of visits, tasks and customers by cards."""
    told = []
    for twin, name in zip(pair, ("twin-left", "twin-right"), strict=True):
        with app.app_context(), corp_scope(twin.corp_id):
            cards = list(cards_of(twin))
            told.append([re.sub(name, "", str(one)) for one in cards])
            db.session.rollback()
    assert len(told[0]) >= 4
    assert told[0] == told[1]


def cards_of(twin: Twin) -> Iterator[Any]:
    events = list(rows(sa.select(Event).order_by(Event.id)))
    base = {"customer_id": twin.ids["customer_id"], "actor_id": twin.ids["member_id"], "at": clock.now(), "changes": {}}
    for at, (kind, subject, data) in enumerate(
        (
            ("customer.assigned", "customer", {"owner": twin.reader}),
            ("customer.shared", "customer", {"member": twin.reader, "may_edit": True}),
            ("task.assigned", "task", {"assignee": twin.reader}),
            ("task.overdue", "task", {}),
        )
    ):
        event = Event(
            id=f"y{at:019d}", kind=kind, subject_type=subject, subject_id=twin.ids[f"{subject}_id"], data=data, **base
        )
        db.session.add(event)
        events.append(event)
    db.session.flush()
    for event in events:
        on_event(event)
    db.session.flush()
    for row in rows(sa.select(Notification).where(Notification.recipient_id == twin.reader).order_by(Notification.key)):
        yield row.kind, row.message
