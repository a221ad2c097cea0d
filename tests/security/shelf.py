"""Records of every kind that the book knows besides the customer's own, so that each page has something to show."""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.bots.models import BotDraft
from wsapp.crm.appeals.answers import answer
from wsapp.crm.appeals.cards import REFUSE
from wsapp.crm.appeals.help import ask_for_help
from wsapp.crm.appeals.places import change_or_ask
from wsapp.crm.appeals.work import ask_for_time, offer_task
from wsapp.crm.bulk.actions import begin_bulk
from wsapp.crm.comments.actions import add_comment, like
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.coworkers import add_coworker
from wsapp.crm.customers.leads import start_lead
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.deletions.actions import delete
from wsapp.crm.deletions.runs import begin_run
from wsapp.crm.drafts.models import DraftAsk
from wsapp.crm.events.models import Event
from wsapp.crm.fields.definitions import add_field, delete_field
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.groups.models import GroupNote, GroupPost, GroupRobot
from wsapp.crm.mirrors.models import TaskMirror
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import CorpDay, DirectoryRun, Member, OwnershipFile
from wsapp.crm.org.role_actions import copy_role, give_roles, name_deputy
from wsapp.crm.org.rules import set_rules
from wsapp.crm.phrases.actions import add_phrase
from wsapp.crm.pools.actions import release_customer
from wsapp.crm.pools.draws import sign_up
from wsapp.crm.pools.extensions import ask_for_extension
from wsapp.crm.pools.keeping import rest_customer
from wsapp.crm.pools.models import Handover, RecycleRun
from wsapp.crm.pools.releases import release_or_ask
from wsapp.crm.pools.settings import make_pool
from wsapp.crm.reports.actions import change_report, hand_in
from wsapp.crm.search.views import save_view
from wsapp.crm.sharing.models import ShareRequest
from wsapp.crm.tasks.actions import create_task
from wsapp.crm.tasks.models import Task
from wsapp.crm.transfer import exports
from wsapp.crm.transfer import imports as transfers
from wsapp.crm.transfer.models import ExportJob, ImportBatch
from wsapp.crm.visits.models import Visit
from wsapp.crm.watches.models import Watch
from wsapp.db import db
from wsapp.doctor.models import CallbackHeard
from wsapp.files import StoredFile
from wsapp.house import local_now

OPTIONS = ["甲", "乙"]
COLUMNS = [
    {"key": "item", "label": "品名", "type": "text"},
    {"key": "wood", "label": "木种", "type": "single", "options": OPTIONS},
]
# Fields of customers: key → type, what else it is made of, a customer's value.
FIELDS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "part": ("heading", {}, None),
    "say": ("text", {"hint": "甲", "default": {"value": "甲"}, "indexed": True}, "甲"),
    "tale": ("long_text", {"default": {"value": "甲"}}, "甲"),
    "pick": ("single", {"options": OPTIONS, "default": {"value": "甲"}}, "甲"),
    "picks": ("multiple", {"options": OPTIONS}, OPTIONS),
    "path": ("cascading", {"options": ["甲/乙", "甲/丙"]}, "甲/乙"),
    "amount": ("number", {"unit": "甲"}, 7),
    "day": ("date", {}, "2026-01-31"),
    "line": ("phone", {}, "13711112222"),
    "post": ("mail", {}, "a@example.com"),
    "link": ("link", {}, "https://example.com/"),
    "place": ("address", {}, {"text": "甲"}),
    "number": ("serial", {"prefix": "甲"}, None),
    "lines": ("sub_table", {"columns": COLUMNS}, [{"item": "甲", "wood": "甲"}]),
    "total": ("formula", {"formula": 'say + "甲"'}, None),
    "shown": ("text", {"show_if": [{"field": "kind", "op": "eq", "value": "company"}]}, "甲"),
}


def write_shelf(
    customer_id: str, *, owner: Member, boss: Member, administrator: Member, other: Member
) -> dict[str, str]:
    """Write the records down; returns their ids by name. The caller commits."""
    customer = find_customer(customer_id, actor=owner)
    ids = _designs(administrator)
    ids |= _on_record(customer, owner, boss)
    ids |= _customers(customer, owner, administrator)
    ids |= _leaving(owner)
    ids |= _pools(owner, administrator)
    ids |= _requests(customer, owner, boss, other)
    ids |= _together(customer, owner, boss, other)
    ids |= _thrown_away(customer, owner, administrator)
    ids |= _transfers(owner, ids["lead"])
    ids |= _at_work(customer, owner, boss, administrator, ids["lead"])
    ids["role"] = copy_role("seller", name="甲", actor=administrator)
    give_roles(other, [ids["role"]], actor=administrator)
    _own_values(customer)
    db.session.flush()
    ids |= {name: _event(kind) for name, kind in EVENTS}
    ids["message"] = db.session.scalars(
        sa.select(Notification.id).where(Notification.recipient_id == owner.id).limit(1)
    ).one()
    return ids


EVENTS = (("changed", "customer.changed"), ("merged", "customer.merged"), ("designed", "field.added"))


def _event(kind: str) -> str:
    found: str = db.session.scalars(sa.select(Event.id).where(Event.kind == kind).limit(1)).one()
    return found


# --- fields -------------------------------------------------------------------------------------------------------


def _designs(administrator: Member) -> dict[str, str]:
    ids = {}
    for key, (kind, more, _value) in FIELDS.items():
        values = {"object": "customer", "key": key, "label": "甲", "type": kind, **more}
        ids[key] = add_field(values, actor=administrator).id
    for obj in ("contact", "follow_up", "visit", "task"):
        add_field({"object": obj, "key": "say", "label": "甲", "type": "text"}, actor=administrator)
    papers = {"object": "customer", "key": "papers", "label": "甲", "type": "file"}
    add_field(papers, actor=administrator)
    gone = add_field({"object": "customer", "key": "gone", "label": "甲", "type": "text"}, actor=administrator)
    delete_field(gone, actor=administrator)
    return ids


def _own_values(customer: Customer) -> None:
    """Give what there is values of the corp's own fields."""
    now = clock.now()
    paper = StoredFile(
        owner_id=customer.owner_id,
        record_id=customer.id,
        part="custom.papers",
        name="甲",
        content_type="application/pdf",
        created_at=now,
    )
    db.session.add(paper)
    db.session.flush()
    customer.custom = {**customer.custom, "number": "甲1", "papers": [paper.id]}
    for model in (FollowUp, Visit, Task):
        db.session.execute(sa.update(model).values(custom={"say": "甲"}))


# --- customers ----------------------------------------------------------------------------------------------------


def _on_record(customer: Customer, owner: Member, boss: Member) -> dict[str, str]:
    values = {
        "name": "陈志远",
        "title": "甲",
        "phones": ["13811112222"],
        "wechat": "甲",
        "mail": "b@example.com",
        "tags": ["重点"],
        "note": "甲",
        "custom": {"say": "甲"},
    }
    contact = add_contact(customer, values, actor=owner)
    add_coworker(customer, boss, may_edit=True, actor=owner)
    log_follow_up(customer, {"text": "甲", "outcome": "甲", "contact": contact.id}, actor=owner)
    own = {key: value for key, (_kind, _more, value) in FIELDS.items() if value is not None}
    change_customer(customer, {"note": "甲", "industry": "甲", "stage": "contacted", "custom": own}, actor=owner)
    return {"contact": contact.id}


def _customers(customer: Customer, owner: Member, administrator: Member) -> dict[str, str]:
    lead = create_customer({"name": "江门红木博览城", "source": "展会", "tags": ["重点"]}, actor=owner, as_lead=True)
    start_lead(lead, actor=owner)
    working = create_customer({"name": "东莞月牙湾酒店", "source": "展会"}, actor=owner, as_lead=True)
    start_lead(working, actor=owner)
    log_follow_up(working, {"text": "甲"}, actor=owner)
    create_customer({"name": "清远北江矿泉水", "parent": customer.id}, actor=owner)
    twin = create_customer({"name": "佛山天艺陶瓷装饰", "phones": ["13722220101"], "note": "甲"}, actor=owner)
    loser = create_customer({"name": "惠州恒信实业", "phones": ["13722220102"], "note": "乙"}, actor=owner)
    merge_customers(loser, customer, actor=administrator)
    return {"lead": lead.id, "twin": twin.id}


def _leaving(owner: Member) -> dict[str, str]:
    """Two that leave in a few days; for one of them an extension is asked."""
    ids = {}
    for name, called in (("leaving", "中山红木世家"), ("asked", "肇庆端砚文化")):
        one = create_customer({"name": called}, actor=owner)
        one.created_at = one.updated_at = clock.now() - timedelta(days=13)
        ids[name] = one.id
    db.session.flush()
    ids["extension"] = ask_for_extension(ids["asked"], actor=owner).id
    set_rules({"pool.release_approval": True})
    leaving = db.session.get_one(Customer, (owner.corp_id, ids["leaving"]))
    request = release_or_ask(leaving, actor=owner, reason="甲")
    assert request is not None
    ids["returning"] = request.id
    set_rules({"pool.release_approval": False})
    return ids


def _pools(owner: Member, administrator: Member) -> dict[str, str]:
    pool = make_pool({"name": "甲", "departments": ["2"], "enabled": True}, actor=administrator)
    make_pool({"name": "乙", "people": [owner.id], "enabled": True, "hidden": ["note"]}, actor=administrator)
    ids = {"pool": pool.id}
    for name, called in (("pooled", "湛江港湾海产"), ("resting", "茂名荔枝果业")):
        facts = {"note": "甲", "address": "湛江市霞山区", "industry": "甲", "tags": ["重点"], "level": "B"}
        one = create_customer({"name": called, **facts}, actor=owner)
        release_customer(one, actor=administrator, reason="甲", pool_id=pool.id)
        ids[name] = one.id
    db.session.flush()
    drawing = make_pool({"name": "丙", "enabled": True, "draw": True}, actor=administrator)
    drawn = create_customer({"name": "阳江漠阳刀具"}, actor=administrator)
    release_customer(drawn, actor=administrator, reason="甲", pool_id=drawing.id)
    sign_up(drawn.id, actor=owner)
    ids |= {"drawing": drawing.id, "drawn": drawn.id}
    db.session.flush()
    rest_customer(ids["resting"], local_now().date() + timedelta(days=3), actor=administrator, reason="甲")
    return ids


def _requests(customer: Customer, owner: Member, boss: Member, other: Member) -> dict[str, str]:
    now = clock.now()
    share = ShareRequest(customer_id=customer.id, asker_id=other.id, owner_id=owner.id, reason="甲", created_at=now)
    db.session.add(share)
    name_deputy(boss, owner, starts_at=None, ends_at=now + timedelta(days=2), actor=boss)
    save_view("甲", {"q": "甲", "source": "展会"}, shared=False, actor=owner)
    save_view("乙", {"q": "甲"}, shared=True, actor=boss)
    db.session.flush()
    return {"share": share.id}


def _together(customer: Customer, owner: Member, boss: Member, other: Member) -> dict[str, str]:
    """What colleagues ask each other for and say."""
    now = clock.now()
    due = {"title": "甲", "customer": customer.id, "due_at": now - timedelta(days=2)}
    late = create_task(due, actor=owner)
    until = local_now().date() + timedelta(days=9)
    (asked,) = ask_for_help(customer.id, [other.id], actor=owner, note="甲", until=until)
    refused = offer_task(late.id, boss.id, actor=owner, note="甲")
    answer(refused, REFUSE, actor=boss, reason="甲")
    offer_task(late.id, boss.id, actor=owner, note="甲")
    delay = ask_for_time(late.id, now + timedelta(days=1), actor=owner, note="甲")
    move = change_or_ask(customer, {"location": {"lat": 23.1, "lng": 113.2}}, actor=owner)
    assert move is not None
    talk = log_follow_up(customer, {"text": "甲", "next_action": "甲", "mentions": [boss.id]}, actor=owner)
    comment = add_comment(talk, "甲", actor=owner, named=[boss.id])
    add_comment(talk, "甲", actor=boss)
    like(talk, on=True, actor=boss)
    add_phrase("甲", actor=owner)
    ids = {"late": late.id, "help": asked.id, "offer": refused.id, "delay": delay.id, "move": move.id}
    return {**ids, "talk": talk.id, "comment": comment.id}


def _thrown_away(customer: Customer, owner: Member, administrator: Member) -> dict[str, str]:
    thrown = log_follow_up(customer, {"text": "甲"}, actor=owner)
    delete("follow_up", thrown.id, actor=owner, reason="甲")
    due = clock.now() + timedelta(days=1)
    away = create_task({"title": "甲", "customer": customer.id, "due_at": due}, actor=owner)
    delete("task", away.id, actor=owner, reason="甲")
    gone = create_customer({"name": "韶关丹霞旅行社", "note": "甲", "tags": ["重点"]}, actor=owner)
    add_contact(gone, {"name": "甲", "tags": ["重点"]}, actor=owner)
    db.session.flush()
    gone_id = gone.id
    delete("customer", gone_id, actor=administrator, reason="甲")
    run = begin_run("follow_up", [thrown.id], typed="1", actor=owner, reason="甲")
    run.state, run.done, run.errors, run.ended_at = "done", 1, [[thrown.id, "甲"]], clock.now()
    return {"thrown": thrown.id, "away": away.id, "gone": gone_id, "run": run.id}


# --- work ---------------------------------------------------------------------------------------------------------


def _transfers(owner: Member, customer_id: str) -> dict[str, str]:
    now = clock.now()
    ids = {name: _import(owner, now, name, customer_id) for name in ("draft", "import", "undone", "broken")}
    made = exports.request_export(actor=owner, obj="customer", format="csv", filter={"q": "华星", "owner": owner.id})
    _path, count = exports.make_file(made)
    exports.finish(made, count)
    waiting = ExportJob(
        member_id=owner.id,
        object="customer",
        format="xlsx",
        filter={"q": "甲", "owner": owner.id, "stage": "intent", "level": "A"},
        columns=["name"],
        state="asking",
        total=3,
        reason="甲",
        created_at=now,
    )
    broken = ExportJob(member_id=owner.id, object="follow_up", format="csv", state="failed", fault="甲", created_at=now)
    db.session.add_all([waiting, broken])
    db.session.flush()
    return {**ids, "export": made.id, "waiting": waiting.id}


def _import(owner: Member, now: datetime, name: str, customer_id: str) -> str:
    text = "客户名称,甲\n云浮石材城,乙\n阳江刀具厂,乙\n"
    job = transfers.draft(transfers.receive(io.BytesIO(text.encode()), "甲.csv", most=1_000), actor=owner)
    if name != "draft":
        job.state, job.finished_at = {"import": "done", "undone": "undone", "broken": "failed"}[name], now
        job.failed = job.skipped = job.created = job.kept = 1
        job.fault = "甲" if name == "broken" else ""
        entries = list(_entries(customer_id))
        db.session.add(ImportBatch(job_id=job.id, number=1, entries=entries, at=now, undone=name == "undone"))
    db.session.flush()
    job_id: str = job.id
    return job_id


def _entries(customer_id: str) -> Iterator[dict[str, Any]]:
    yield {"row": 2, "outcome": "failed", "errors": [["name", "甲"], ["甲", "甲"]]}
    yield {"row": 3, "outcome": "skipped", "errors": [["name", "甲"]]}
    yield {"row": 4, "outcome": "created", "id": customer_id, "tags": ["甲"], "kept": "甲"}


def _at_work(customer: Customer, owner: Member, boss: Member, administrator: Member, lead_id: str) -> dict[str, str]:
    now = clock.now()
    bulk = begin_bulk([customer.id, lead_id], "tag", "甲", actor=owner)
    bulk.state, bulk.done = "done", 2
    bulk.changed, bulk.failed = [[customer.id, ["重点"], ["重点", "甲"]]], [[lead_id, "甲"]]
    moved = [[lead_id, owner.id, None, boss.id, []]]
    handover = Handover(
        actor_id=administrator.id, cause="leaver", leaver_id=owner.id, moved=moved, done=2, total=2, state="done"
    )
    handover.created_at, handover.undo_until = now, now + timedelta(days=1)
    dictated = BotDraft(
        member_id=owner.id,
        kind="log",
        content={"text": "甲", "at": None, "is_day": False, "action": "甲", "customers": [customer.id]},
        created_at=now,
    )
    robot = GroupRobot(name="甲", address="x", department_id=None, events=["customer.created"], fault="甲")
    robot.created_at = now
    db.session.add(robot)
    today = local_now().date()
    db.session.add(CorpDay(id=today.isoformat(), works=False, note="甲", updated_at=now))
    db.session.add(Watch(customer_id=customer.id, member_id=owner.id, since=now))
    db.session.flush()
    post = GroupPost(robot_id=robot.id, notes=1, body="x", state="failed", host_code="1", reason="甲", created_at=now)
    note = GroupNote(robot_id=robot.id, key="x", kind="customer.created", message={"title": "甲"}, created_at=now)
    run = DirectoryRun(cause="console", state="failed", stage="people", code="1", reason="甲", started_at=now)
    proof = OwnershipFile(name="WW_verify_0123456789abcdef.txt", owner_id=owner.corp_id, content="甲", created_at=now)
    db.session.add_all([post, note, run, proof, CallbackHeard(id="-", refused_at=now, reason="甲")])
    today = local_now().date()
    recycled = RecycleRun(id=str(today), day=today, state="done", started_at=now, ended_at=now)
    task = db.session.scalars(sa.select(Task).where(Task.assignee_id == owner.id).limit(1)).one()
    mirror = TaskMirror(task_id=task.id, member_id=owner.id, kind="todo", state="refused", code="甲", created_at=now)
    said = {"text": "甲", "next_action": "甲"}
    ask = DraftAsk(
        member_id=owner.id,
        customer_id=customer.id,
        object="follow_up",
        sentence="甲",
        state="done",
        answer=said,
        created_at=now,
    )
    db.session.add_all([handover, dictated, recycled, mirror, ask])
    db.session.flush()
    report = hand_in({"kind": "day", "day": today, "summary": "甲", "trouble": "甲", "outlook": "甲"}, actor=owner)
    change_report(report, {"summary": "乙"}, actor=owner)
    ids = {"bulk": bulk.id, "handover": handover.id, "dictated": dictated.id}
    return {**ids, "ask": ask.id, "report": report.id}
