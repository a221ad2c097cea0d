"""Two corps alike to the letter but for what a role does not read: whoever holds that role must not tell them apart.

The values of `LEFT` and `RIGHT` look the same when masked, so that one pair serves for hidden fields and masked ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp.crm.comments.models import Comment
from wsapp.crm.customers.clean import name_key
from wsapp.crm.customers.models import Contact, Customer, CustomerPhone
from wsapp.crm.deletions.models import Deletion, DeletionRun
from wsapp.crm.events.models import Event
from wsapp.crm.fields.access import RULED
from wsapp.crm.fields.models import CustomField
from wsapp.crm.fields.values import keep_findable
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import SELLER, Corp, Department, Member, Membership
from wsapp.crm.org.roles import ACTIONS, OBJECTS, Role
from wsapp.crm.pools.models import Pool
from wsapp.crm.reports.models import WorkReport
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.models import Visit, VisitPlan
from wsapp.db import corp_scope, db
from wsapp.files import StoredFile
from wsapp.hosts import open_credentials, seal_credentials

EARLY, LATE = timedelta(days=40), timedelta(days=2)
Values = Mapping[str, Mapping[str, Any]]

LEFT: Values = {
    "customer": {
        "short_name": "红杉居家老店",
        "kind": "company",
        "level": "A",
        "stage": "intent",
        "source": "展会现场登记",
        "industry": "家具零售门店",
        "size": "10-50",
        "province": "广东省",
        "city": "佛山市",
        "district": "顺德区",
        "address": "深圳龙岗坂田五和大道",
        "lat": 22.5,
        "lng": 114.0,
        "place_accuracy": 20.0,
        "place_source": "visit",
        "website": "www.alpha-jiaju.cn",
        "note": "老板说下月要换供应商",
        "tags": ["重点样板"],
        "parent_id": "c0000000000000000001",
        "last_followed_at": LATE,
        "last_visited_at": LATE,
        "next_follow_at": LATE,
    },
    "owner": {"owner_id": "m0000000000000000001"},
    "phones": {"customer": "13911110077", "contact": "13711110066"},
    "custom": {"secret": "暗号是长江七号"},
    "follow_up": {"text": "报价打了八五折成交", "outcome": "有意向再谈谈", "next_action": "下周送样板间册子"},
    "visit": {
        "note": "看到竞品正在装货",
        "result": "约好下周再来",
        "place_name": "龙岗大道东段",
        "lat": 22.5,
        "lng": 114.0,
        "accuracy": 20.0,
        "distance": 50.0,
        "trust": "near",
    },
    "task": {"note": "带上折扣审批单", "done_note": "对方已经签字了"},
    "photo": {"follow_up": "f0000000000000000000", "visit": "v0000000000000000000"},
}
RIGHT: Values = {
    "customer": {
        "short_name": "红杉木业新行",
        "kind": "person",
        "level": "C",
        "stage": "dealt",
        "source": "展会老客推荐",
        "industry": "家具批发工厂",
        "size": "500-1000",
        "province": "福建省",
        "city": "厦门市",
        "district": "思明区",
        "address": "深圳南山科苑南路",
        "lat": 24.5,
        "lng": 118.0,
        "place_accuracy": 900.0,
        "place_source": "manual",
        "website": "www.bravo-jiaju.cn",
        "note": "老板一直没有时间谈",
        "tags": ["沉睡大户"],
        "parent_id": "c0000000000000000002",
        "last_followed_at": EARLY,
        "last_visited_at": EARLY,
        "next_follow_at": -LATE,
    },
    "owner": {"owner_id": "m0000000000000000002"},
    "phones": {"customer": "13922220077", "contact": "13722220066"},
    "custom": {"secret": "暗号是黄河九号"},
    "follow_up": {"text": "报价被退回来重做了", "outcome": "有意外先放放", "next_action": "下周等对方的回音"},
    "visit": {
        "note": "看到仓库已经空了",
        "result": "约好年底再说",
        "place_name": "龙岗中心城内",
        "lat": 24.5,
        "lng": 118.0,
        "accuracy": 900.0,
        "distance": 7000.0,
        "trust": "far",
    },
    "task": {"note": "带上终止合作函", "done_note": "对方改天再签字"},
    "photo": {"follow_up": None, "visit": None},
}
NAME = "华星木业有限公司"


@dataclass(frozen=True)
class Twin:
    corp_id: int
    reader: str
    ids: Mapping[str, str]


def rules(how: str) -> dict[str, dict[str, str]]:
    """Return the rules of a role that does not read any field that can be ruled."""
    found = {obj: dict.fromkeys(fields, how) for obj, fields in RULED.items()}
    found["customer"]["custom.secret"] = how
    return found


def build(values: Values, fields: Mapping[str, Any], *, host_corp_id: str, now: datetime) -> Twin:
    """Write one twin down; `fields` are the rules of the reader's role, who may do everything else."""
    of_cast = open_credentials(db.session.scalars(sa.select(Corp).where(Corp.host == "wecom")).first())
    sealed = seal_credentials("wecom", host_corp_id, of_cast)
    corp = Corp(
        host="wecom", host_corp_id=host_corp_id, name="孪生企业", credentials=sealed, created_at=now, enabled=True
    )
    db.session.add(corp)
    db.session.flush()
    with corp_scope(corp.id):
        _people(fields, now)
        _book(values, now)
        _around(values, now)
        db.session.commit()
    return Twin(corp.id, _id("m", 0), IDS)


def _people(fields: Mapping[str, Any], now: datetime) -> None:
    db.session.add(Department(id="1", name="总部", parent_id=None, path="/1/", checked_at=now))
    everything = dict.fromkeys(OBJECTS, dict.fromkeys(ACTIONS, "all"))
    db.session.add(
        Role(id=_id("r", 0), key="own0", name="渠道", grants=everything, fields=fields, created_at=now, updated_at=now)
    )
    for at, name in enumerate(("读者", "业务员", "新同事")):
        roles = ["own0"] if at == 0 else []
        db.session.add(
            Member(
                id=_id("m", at),
                userid=f"u{at}",
                userid_key=f"u{at}",
                name=name,
                role=SELLER,
                manager_userid="u0" if at else "",
                roles=roles,
                checked_at=now,
                created_at=now,
            )
        )
        db.session.add(Membership(id=_id("w", at), member_id=_id("m", at), department_id="1", leads=False))
    db.session.flush()


def _book(values: Values, now: datetime) -> None:
    """Four customers: the one whose fields differ, two that may be above it, and one like it in a pool."""
    db.session.add(
        CustomField(
            id=_id("d", 0),
            object="customer",
            key="secret",
            label="暗号",
            type="text",
            indexed=True,
            settings={},
            created_at=now,
            updated_at=now,
        )
    )
    db.session.add(Pool(id=_id("q", 0), name="公海", managers=[_id("m", 0)], created_at=now, updated_at=now))
    db.session.flush()
    plain = {"short_name": "", "tags": [], "custom": {}}
    differing = {
        name: now + value
        if isinstance(value, timedelta) and name.startswith("next")
        else now - value
        if isinstance(value, timedelta)
        else value
        for name, value in values["customer"].items()
    } | {"custom": dict(values["custom"]), "lead": "working", **values["owner"]}
    # In which pool it lies is no secret: the pool's own list says so to everybody who may open it.
    pooled = {**differing, "parent_id": None, "custom": {}, "owner_id": None, "pool_id": _id("q", 0), "pooled_at": now}
    for at, own in ((1, plain), (2, plain), (0, differing), (3, pooled)):
        name = f"{NAME}{at}"
        customer = Customer(
            **{"owner_id": _id("m", 1)} | own,
            id=_id("c", at),
            name=name,
            name_key=name_key(name),
            created_at=now - EARLY,
            updated_at=now,
        )
        if at == 0:
            customer.phone_rows = [CustomerPhone(id=_id("p", at), number=values["phones"]["customer"], position=0)]
        db.session.add(customer)
        db.session.flush()
    keep_findable("customer", _id("c", 0), differing["custom"])


def _around(values: Values, now: datetime) -> None:
    """What hangs on the customer, and the events and the bin that tell of it."""
    moments = {"created_at": now, "customer_id": _id("c", 0)}
    seller, photo = _id("m", 1), values["photo"]
    contact = Contact(
        id=_id("k", 0),
        name="陈志远",
        phones=[values["phones"]["contact"]],
        updated_at=now,
        creator_id=seller,
        **moments,
    )
    follow_up = FollowUp(id=_id("f", 0), author_id=seller, happened_at=now, **values["follow_up"], **moments)
    visit = Visit(
        id=_id("v", 0), member_id=seller, state="done", checked_in_at=now, checked_out_at=now,
        **values["visit"], **moments,
    )  # fmt: skip
    window = {"starts_at": now, "ends_at": now + timedelta(hours=1), "created_at": now}
    about = {"customer_id": visit.customer_id, "member_id": seller, "kind": "上门拜访"}
    plan = VisitPlan(id=_id("w", 0), purpose="验货", state="planned", **about, **window)
    said = values["follow_up"]["text"][:500]  # a comment may quote what it speaks of
    items = {"visits": [visit.id], "follow_ups": [follow_up.id], "tasks": [_id("t", 1)], "customers": [_id("c", 0)]}
    counted = {name: len(ids) for name, ids in items.items()} | {"far" if visit.trust == "far" else "verified": 1}
    report = WorkReport(
        id=_id("y", 0), member_id=seller, kind="day", day=now.date(), summary="忙", figures=counted, items=items,
        sent_at=now, updated_at=now,
    )  # fmt: skip
    db.session.add_all([contact, follow_up, visit, plan, report])
    db.session.flush()
    comment = Comment(id=_id("o", 0), follow_up_id=follow_up.id, author_id=_id("m", 0), text=said, created_at=now)
    db.session.add(comment)
    for at, ended in ((0, None), (1, now)):
        db.session.add(
            Task(
                id=_id("t", at),
                title="回访",
                assignee_id=_id("m", 0),
                creator_id=seller,
                due_at=now + LATE,
                updated_at=now,
                state="done" if ended else "open",
                done_at=ended,
                done_by=seller if ended else None,
                note=values["task"]["note"],
                done_note=values["task"]["done_note"] if ended else "",
                **moments,
            )
        )
    db.session.flush()
    for at, obj in enumerate(("follow_up", "visit")):
        db.session.add(StoredFile(id=_id("x", at), owner_id=seller, record_id=photo[obj], created_at=now))
    text, note = values["follow_up"]["text"], values["visit"]["note"]
    for at, (obj, title) in enumerate((("follow_up", text), ("visit", note))):
        db.session.add(
            Deletion(
                id=_id("g", at),
                object=obj,
                title=title,
                customer_id=_id("c", 0),
                owner_id=seller,
                actor_id=seller,
                contents={obj: []},
                deleted_at=now,
            )
        )
    db.session.add(
        DeletionRun(id=_id("n", 0), object="visit", ids=[_id("v", 0)], actor_id=_id("m", 0), total=1, created_at=now)
    )
    _events(values, now)


def _events(values: Values, now: datetime) -> None:
    fields = {name: [None, value] for name, value in values["customer"].items() if not isinstance(value, timedelta)} | {
        "phones": [[], [values["phones"]["customer"]]],
        "custom.secret": [None, values["custom"]["secret"]],
    }
    seen = values["visit"]
    arrival = {"text": seen["note"], "trust": seen["trust"], "distance": seen["distance"]}
    told: tuple[tuple[str, str, str, Mapping[str, Any], Mapping[str, Any]], ...] = (
        ("customer.created", "customer", _id("c", 0), {}, {"name": NAME}),
        ("customer.changed", "customer", _id("c", 0), fields, {}),
        ("contact.changed", "contact", _id("k", 0), {"phones": [[], [values["phones"]["contact"]]]}, {}),
        ("follow_up.logged", "follow_up", _id("f", 0), {}, {"follow_up_kind": "phone"}),
        (
            "visit.checked_in",
            "visit",
            _id("v", 0),
            {},
            arrival,
        ),
        ("visit.checked_out", "visit", _id("v", 0), {}, {"result": seen["result"], "minutes": 3}),
        ("task.changed", "task", _id("t", 0), {"note": ["", values["task"]["note"]]}, {"title": "回访"}),
        ("task.done", "task", _id("t", 1), {}, {"title": "回访", "note": values["task"]["done_note"]}),
    )
    for at, (kind, subject, subject_id, changes, data) in enumerate(told):
        db.session.add(
            Event(
                id=_id("e", at),
                kind=kind,
                subject_type=subject,
                subject_id=subject_id,
                customer_id=_id("c", 0),
                actor_id=_id("m", 1),
                at=now - timedelta(minutes=at),
                changes=dict(changes),
                data=dict(data),
            )
        )


def _id(kind: str, at: int) -> str:
    return f"{kind}{at:019d}"


# A parameter of an address → the id that is asked for there.
IDS: Mapping[str, str] = {
    "customer_id": _id("c", 0),
    "other_id": _id("c", 1),
    "lead_id": _id("c", 0),
    "record_id": _id("c", 0),
    "obj": "customer",
    "contact_id": _id("k", 0),
    "follow_up_id": _id("f", 0),
    "comment_id": _id("o", 0),
    "visit_id": _id("v", 0),
    "plan_id": _id("w", 0),
    "report_id": _id("y", 0),
    "task_id": _id("t", 0),
    "event_id": _id("e", 1),
    "file_id": _id("x", 0),
    "deletion_id": _id("g", 0),
    "run_id": _id("n", 0),
    "member_id": _id("m", 1),
    "department_id": "1",
    "pool_id": _id("q", 0),
    "field_id": _id("d", 0),
    "name": "customer.xlsx",
    # Of one's own, and with nothing in them but what a page above has shown; their doors: tests/house/test_routes.py.
    **dict.fromkeys(
        (
            "ask_id",
            "import_id",
            "export_id",
            "bulk_id",
            "draft_id",
            "request_id",
            "appeal_id",
            "handover_id",
            "notification_id",
        ),
        _id("z", 0),
    ),
}
