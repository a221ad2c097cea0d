"""Small organisations by chance: departments, who belongs to and leads them, roles, deputies, customers, records.

A world is plain data. `reference.py` says what each person sees in it; `build` writes it down as a corp of its own.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from wsapp import clock
from wsapp.crm.comments.models import Comment
from wsapp.crm.customers.clean import name_key
from wsapp.crm.customers.models import Contact, Coworker, Customer, CustomerPhone
from wsapp.crm.deletions.models import Deletion
from wsapp.crm.events.models import Event
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.notifications.models import Notification
from wsapp.crm.org.models import ADMIN, SELLER, Corp, CorpRule, Department, Member, Membership
from wsapp.crm.org.roles import SCOPES, Delegation, Role
from wsapp.crm.pools.models import Pool
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.models import Visit, VisitPlan
from wsapp.db import corp_scope, db
from wsapp.files import StoredFile

OBJECTS = ("customer", "follow_up", "visit", "task")
BUILT_IN = ("director", "manager", "seller", "reader", "auditor")
DEEDS = ("edit", "transfer", "delete", "export")
HERE = (31.2304, 121.4737)  # where everybody of a world is a customer
SOURCES = ("", "展会", "转介绍", "官网")
COMMON = "同名"  # in every customer's name, so that a search finds all that the searcher sees


@dataclass(frozen=True)
class Person:
    departments: tuple[int, ...]
    leads: tuple[int, ...]
    roles: tuple[str, ...]
    is_admin: bool = False


@dataclass(frozen=True)
class Custom:
    """A role of the corp's own: object → scope of "see" (with departments for "chosen", sources for "value")."""

    scopes: dict[str, str]
    departments: tuple[int, ...]
    sources: tuple[str, ...]
    deeds: dict[str, str]  # action → scope with customers


@dataclass(frozen=True)
class Book:
    """A customer, and by whom its follow-up, visit and task are."""

    owner: int | None
    coworkers: tuple[int, ...]
    deleted: bool
    author: int
    visitor: int
    assignee: int
    creator: int  # of its task; of a deleted customer, who deleted it
    pool: int | None  # where it lies, if nobody owns it
    source: str


@dataclass(frozen=True)
class Place:
    """A public pool: for whom it is, everybody where nothing is named, and who manages it."""

    departments: tuple[int, ...]
    people: tuple[int, ...]
    roles: tuple[str, ...]
    managers: tuple[int, ...]


@dataclass(frozen=True)
class Away:
    absent: int
    deputy: int
    now: bool


@dataclass(frozen=True)
class World:
    parents: tuple[int | None, ...]  # of department i
    people: tuple[Person, ...]
    customs: tuple[Custom, ...]
    books: tuple[Book, ...]
    away: tuple[Away, ...]
    pools: tuple[Place, ...]
    actor: int


@dataclass
class Built:
    """A world as it lies in the database: ids in the order of the world's own lists."""

    corp_id: int
    members: list[str] = field(default_factory=list)
    customers: list[str] = field(default_factory=list)
    follow_ups: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    visits: list[str] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    contacts: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw an organisation of up to five departments, six people and seven customers."""
    parents = tuple(None if at == 0 else draw(st.integers(0, at - 1)) for at in range(draw(st.integers(1, 5))))
    some = st.lists(st.integers(0, len(parents) - 1), max_size=2, unique=True).map(tuple)
    customs = tuple(draw(st.lists(_custom(some), max_size=2)))
    keys = [*BUILT_IN, *(f"own{at}" for at in range(len(customs)))]
    person = st.builds(
        Person,
        departments=some,
        leads=st.one_of(st.just(()), some),
        roles=st.lists(st.sampled_from(keys), max_size=2, unique=True).map(tuple),
        is_admin=st.integers(0, 11).map(lambda one: one == 0),
    )
    people = tuple(draw(st.lists(person, min_size=2, max_size=6)))
    who = st.integers(0, len(people) - 1)
    few = st.lists(who, max_size=1).map(tuple)
    held = st.lists(st.sampled_from(keys), max_size=1).map(tuple)
    places = draw(st.lists(st.builds(Place, departments=some, people=few, roles=held, managers=few), max_size=2))
    book = st.builds(
        Book,
        owner=st.one_of(who, who, who, st.none()),
        coworkers=st.lists(who, max_size=2, unique=True).map(tuple),
        deleted=st.integers(0, 7).map(lambda one: one == 0),
        author=who,
        visitor=who,
        assignee=who,
        creator=who,
        pool=st.sampled_from(range(len(places))) if places else st.none(),
        source=st.sampled_from(SOURCES),
    )
    away = st.builds(Away, absent=who, deputy=who, now=st.booleans()).filter(lambda one: one.absent != one.deputy)
    return World(
        parents,
        people,
        customs,
        tuple(draw(st.lists(book, min_size=1, max_size=7))),
        tuple(draw(st.lists(away, max_size=2))),
        tuple(places),
        draw(who),
    )


def _custom(some: Any) -> Any:
    of_any = [one for one in SCOPES if one != "value"]  # by the values of its fields only a customer is told
    scopes = st.fixed_dictionaries({obj: st.sampled_from(SCOPES if obj == "customer" else of_any) for obj in OBJECTS})
    sources = st.lists(st.sampled_from(SOURCES[1:]), min_size=1, max_size=2, unique=True).map(tuple)
    deeds = st.fixed_dictionaries({action: st.sampled_from(SCOPES) for action in DEEDS})
    return st.builds(Custom, scopes=scopes, departments=some, sources=sources, deeds=deeds)


# --- writing it down ----------------------------------------------------------------------------------------------


def build(world: World, name: str) -> Built:
    """Write a world down as a new corp, in one commit."""
    now = clock.now()
    corp = Corp(host="wecom", host_corp_id=name, name="随机企业", credentials="", created_at=now, enabled=True)
    db.session.add(corp)
    db.session.flush()
    built = Built(corp.id)
    with corp_scope(corp.id):
        _departments(world, now)
        _people(world, built, now)
        db.session.flush()
        _roles(world, built, now)
        db.session.add(CorpRule(id="recycle.no_follow", value=3, updated_at=now))  # so that lists of what leaves fill
        _pools(world, built, now)
        db.session.flush()
        customers = [_customer(book, at, built, now) for at, book in enumerate(world.books)]
        db.session.add_all(customers)
        db.session.flush()  # a statement for each table, not for each customer
        for at, (book, customer) in enumerate(zip(world.books, customers, strict=True)):
            _around(book, at, customer, built, now)
        db.session.flush()
        for at, book in enumerate(world.books):
            _comment(book, at, built, now)
        db.session.commit()
    return built


def path_of(world: World, department: int) -> str:
    parent = world.parents[department]
    return (path_of(world, parent) if parent is not None else "/") + f"{department + 1}/"


def _departments(world: World, now: Any) -> None:
    for at, parent in enumerate(world.parents):
        above = None if parent is None else str(parent + 1)
        row = Department(id=str(at + 1), name=f"部门{at}", parent_id=above, path=path_of(world, at), checked_at=now)
        db.session.add(row)


def _people(world: World, built: Built, now: Any) -> None:
    for at, person in enumerate(world.people):
        member = Member(
            id=_id("m", at),
            userid=f"u{at}",
            userid_key=f"u{at}",
            name=f"人员{at}",
            role=ADMIN if person.is_admin else SELLER,
            roles=list(person.roles),
            checked_at=now,
            created_at=now,
        )
        db.session.add(member)
        built.members.append(member.id)
        for department in dict.fromkeys((*person.departments, *person.leads)):
            leads = department in person.leads
            row = Membership(member_id=member.id, department_id=str(department + 1), leads=leads)
            db.session.add(row)


def _roles(world: World, built: Built, now: Any) -> None:
    for at, custom in enumerate(world.customs):
        grants: dict[str, Any] = {obj: {"see": _scope(custom, custom.scopes[obj])} for obj in OBJECTS}
        grants["customer"] |= {action: _scope(custom, custom.deeds[action]) for action in DEEDS}
        row = Role(key=f"own{at}", name=f"角色{at}", grants=grants, fields={}, created_at=now, updated_at=now)
        db.session.add(row)
    for one in world.away:
        ends = now + timedelta(days=1 if one.now else -1)
        absent, deputy = built.members[one.absent], built.members[one.deputy]
        starts = now - timedelta(days=2)
        db.session.add(Delegation(absent_id=absent, deputy_id=deputy, starts_at=starts, ends_at=ends, created_at=now))


def _pools(world: World, built: Built, now: Any) -> None:
    for at, pool in enumerate(world.pools):
        people, managers = ([built.members[one] for one in some] for some in (pool.people, pool.managers))
        departments = [str(one + 1) for one in pool.departments]
        row = Pool(id=_id("q", at), name=f"公海{at}", departments=departments, people=people, managers=managers)
        row.roles = list(pool.roles)
        row.created_at = row.updated_at = now
        db.session.add(row)
        built.pools.append(row.id)


def _scope(custom: Custom, scope: str) -> Any:
    if scope == "value":
        return {"scope": scope, "field": "source", "values": list(custom.sources)}
    return {"scope": scope, "departments": [str(one + 1) for one in custom.departments]} if scope == "chosen" else scope


def _customer(book: Book, at: int, built: Built, now: Any) -> Customer:
    name, members = f"{COMMON}客户{at}号", built.members
    customer = Customer(
        id=_id("c", at),
        name=name,
        name_key=name_key(name),
        stage="new",
        level="A",
        lat=HERE[0] + at / 10_000,
        lng=HERE[1],
        source=book.source,
        tags=[],
        custom={},
        owner_id=None if book.owner is None else members[book.owner],
        pool_id=built.pools[book.pool] if book.owner is None and book.pool is not None else None,
        pooled_at=now,
        lead="working" if is_lead(at) else "",
        creator_id=None,
        created_at=now,
        updated_at=now + timedelta(seconds=at),
        deleted_at=now if book.deleted else None,
    )
    customer.phone_rows = [CustomerPhone(id=_id("p", at), number=phone_of(at), position=0)]
    return customer


def _around(book: Book, at: int, customer: Customer, built: Built, now: Any) -> None:
    """Write down what hangs on a customer."""
    name, members = customer.name, built.members
    for one in book.coworkers:
        row = Coworker(customer_id=customer.id, member_id=members[one], since=now, may_edit=may_edit(at))
        db.session.add(row)
    contact = Contact(id=_id("k", at), customer_id=customer.id, name=f"联系人{at}", created_at=now, updated_at=now)
    db.session.add(contact)
    if book.deleted:
        deletion = Deletion(id=customer.id, object="customer", title=name, customer_id=customer.id, deleted_at=now)
        deletion.owner_id, deletion.actor_id, deletion.contents = customer.owner_id, members[book.creator], {}
        db.session.add(deletion)
    follow_up = FollowUp(
        id=_id("f", at), customer_id=customer.id, author_id=members[book.author], text=f"说了{at}", happened_at=now
    )
    follow_up.created_at = now
    visit = Visit(
        id=_id("v", at),
        customer_id=customer.id,
        member_id=members[book.visitor],
        note=f"去了{at}",
        checked_in_at=now,
        trust="no_fix",
        created_at=now,
    )
    task = Task(
        id=_id("t", at),
        title=f"{COMMON}待办{at}",
        customer_id=customer.id,
        assignee_id=members[book.assignee],
        creator_id=members[book.creator],
        due_at=now + timedelta(hours=1),
        created_at=now,
        updated_at=now,
    )
    photo = StoredFile(id=_id("x", at), owner_id=members[book.author], record_id=follow_up.id, created_at=now)
    message = Notification(
        id=_id("n", at),
        kind="task.assigned",
        key=f"world:{at}",
        card=f"card{built.corp_id}-{at}",
        recipient_id=members[book.assignee],
        subject_id=task.id,
        message={"title": name, "text": "", "lines": [], "url": "", "buttons": [], "source": "", "state": ""},
        state="accepted",
        due_at=now,
        created_at=now,
    )
    plan = VisitPlan(id=_id("w", at), customer_id=customer.id, member_id=members[book.visitor], kind="巡店")
    plan.starts_at, plan.ends_at, plan.created_at = now, now + timedelta(hours=1), now
    db.session.add_all([follow_up, visit, plan, task, photo, message])
    for kind, subject, actor in (
        ("customer.created", customer, None),
        ("follow_up.logged", follow_up, members[book.author]),
        ("visit.checked_in", visit, members[book.visitor]),
    ):
        _event(kind, subject, actor, customer.id, now)
    built.customers.append(customer.id)
    built.follow_ups.append(follow_up.id)
    built.visits.append(visit.id)
    built.plans.append(plan.id)
    built.tasks.append(task.id)
    built.photos.append(photo.id)
    built.contacts.append(contact.id)
    built.messages.append(message.id)


def _comment(book: Book, at: int, built: Built, now: Any) -> None:
    author_id = built.members[book.creator]
    row = Comment(id=_id("o", at), follow_up_id=built.follow_ups[at], author_id=author_id, text=f"评论{at}")
    row.created_at = now
    db.session.add(row)
    built.comments.append(row.id)


def _event(kind: str, subject: Any, actor: str | None, customer_id: str, now: Any) -> None:
    row = Event(
        kind=kind,
        subject_type=subject.__tablename__,
        subject_id=subject.id,
        customer_id=customer_id,
        actor_id=actor,
        at=now,
        changes={},
        data={},
    )
    db.session.add(row)


def is_lead(at: int) -> bool:
    """Say whether the customer `at` of any world is a lead."""
    return at % 2 == 1


def may_edit(at: int) -> bool:
    """Say whether the co-workers of the customer `at` of any world may change it."""
    return at % 2 == 0


def phone_of(at: int) -> str:
    """Return the number of the customer `at`; its middle must be shown to nobody whose role masks it."""
    return f"1390000{at:04d}"


def _id(kind: str, at: int) -> str:
    """Return a record's id, of the shape that addresses take. Ids repeat in every corp: the wall keeps them apart."""
    return f"{kind}{at:019d}"
