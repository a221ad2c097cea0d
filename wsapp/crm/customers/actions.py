"""What people do with customers: create, change, hand over."""

import unicodedata
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from wsapp import clock
from wsapp.crm.customers.asks import demand_asks_left
from wsapp.crm.customers.clean import clean_line, clean_text, name_key, normal_phone
from wsapp.crm.customers.dedupe import Hit
from wsapp.crm.customers.dedupe_rules import COMPOSITES
from wsapp.crm.customers.families import would_turn_in_circles
from wsapp.crm.customers.filing import KEYED, write_keys
from wsapp.crm.customers.leads import await_response, respond
from wsapp.crm.customers.models import KINDS, LEVELS, STAGES, Customer
from wsapp.crm.customers.phones import phone_rows, set_phones
from wsapp.crm.customers.queries import demand_right, find_customer
from wsapp.crm.customers.related import custom_of, custom_of_new
from wsapp.crm.customers.stages import move_stage, refuse_step
from wsapp.crm.customers.tags import keep_new_tags, tidy_tags
from wsapp.crm.customers.telling import refuse_known, remember
from wsapp.crm.events.actions import record
from wsapp.crm.fields.access import demand_writable
from wsapp.crm.fields.values import keep_findable
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import may_see_member, member
from wsapp.crm.org.rights import demand
from wsapp.db import db, new_id
from wsapp.problems import Conflict, Duplicate, Forbidden, Invalid, NotFound, Stale
from wsapp.texts import _
from wsapp.versions import take_version

MAX_PHONES = 5
LINES = {
    "short_name": 60,
    "source": 60,
    "industry": 60,
    "size": 30,
    "province": 30,
    "city": 30,
    "district": 30,
    "address": 300,
    "website": 200,
}
FILED = ("name", "website", "credit_code")  # what a customer is filed by, see `dedupe`; and `phones`
FIELDS = ("name", *LINES, "credit_code", "note", "kind", "level", "stage", "phones", "tags", "location", "parent")


def clean_customer(values: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Check and normalise the given fields (`FIELDS`); with `whole`, a name is required.

    Raises Invalid naming every field that is wrong. Returns column values, plus `phones`.
    """
    clean: dict[str, Any] = {}
    errors: dict[str, str] = {}
    if whole or "name" in values:
        clean["name"] = clean_line(str(values.get("name") or ""))
        if not 2 <= len(clean["name"]) <= 120:
            errors["name"] = _("名称应为 2–120 个字")
        clean["name_key"] = name_key(clean["name"])
    for field, most in LINES.items():
        if field in values:
            clean[field] = clean_line(str(values[field] or ""))
            if len(clean[field]) > most:
                errors[field] = _("最多 %(most)d 个字", most=most)
    if "note" in values:
        clean["note"] = clean_text(str(values["note"] or ""))
        if len(clean["note"]) > 1000:
            errors["note"] = _("最多 %(most)d 个字", most=1000)
    _clean_choices(values, clean, errors)
    _clean_phones(values, clean, errors)
    _clean_code(values, clean, errors)
    _clean_tags(values, clean, errors)
    _clean_location(values, clean, errors)
    if errors:
        raise Invalid(errors)
    return clean


def _clean_choices(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    for field, choices, empty in (("kind", KINDS, "company"), ("level", LEVELS, None), ("stage", STAGES, "new")):
        if field in values:
            clean[field] = values[field] or empty
            if clean[field] not in (*choices, empty):
                errors[field] = _("请从列表中选择")


def _clean_phones(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    if "phones" not in values:
        return
    numbers: list[str] = []
    for text in values["phones"] or []:
        if not str(text).strip():
            continue
        try:
            number = normal_phone(str(text))
        except ValueError as error:
            errors["phones"] = str(error)
            return
        if number not in numbers:
            numbers.append(number)
    if len(numbers) > MAX_PHONES:
        errors["phones"] = _("最多 %(most)d 个电话", most=MAX_PHONES)
    clean["phones"] = numbers


def _clean_code(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    if "credit_code" not in values:
        return
    clean["credit_code"] = ""
    if not (typed := clean_line(str(values["credit_code"] or ""))):
        return
    from stdnum.cn import uscc  # not when a web process starts
    from stdnum.exceptions import ValidationError

    try:
        clean["credit_code"] = uscc.validate(unicodedata.normalize("NFKC", typed).upper())
    except ValidationError:
        errors["credit_code"] = _("统一社会信用代码应为 18 位数字和字母，请核对（末位是校验位）")


def _clean_tags(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    if "tags" in values:
        clean["tags"] = tidy_tags(values["tags"], errors)


def _clean_location(values: Mapping[str, Any], clean: dict[str, Any], errors: dict[str, str]) -> None:
    if "location" not in values:
        return
    location = values["location"]
    clean["lat"] = clean["lng"] = clean["place_accuracy"] = None
    clean["place_source"] = ""
    if not location:
        return
    try:
        lat, lng = float(location["lat"]), float(location["lng"])
    except (KeyError, TypeError, ValueError):
        errors["location"] = _("位置不正确")
        return
    if not (-90 <= lat <= 90 and -180 <= lng <= 180) or (lat == 0 and lng == 0):
        errors["location"] = _("位置不正确")
        return
    clean |= {"lat": lat, "lng": lng, "place_source": "manual"}


def create_customer(
    values: Mapping[str, Any], *, actor: Member, owner: Member | None = None, as_lead: bool = False
) -> Customer:
    """Create a customer (新建客户) owned by the actor, or by somebody of their team. `as_lead`: as a lead.

    Raises Invalid; Duplicate when a phone number is taken, also by a save at the same moment.
    """
    clean = clean_customer(values, whole=True)
    owner = owner or actor
    if not may_see_member(actor, owner.id):
        raise Forbidden(_("只能指定自己团队的负责人"))
    demand(actor, "create", owner.id)
    demand_writable(actor, [field for field in FIELDS if values.get(field)])
    keep_new_tags(clean.get("tags", ()), actor=actor)
    phones = clean.pop("phones", [])
    alike = _refuse_known({**clean, "phones": phones}, actor=actor)
    now = clock.now()
    parent_id = _parent(values, actor=actor)
    facts = {**clean, "lead": "new" if as_lead else ""}
    custom = custom_of_new(values.get("custom"), facts, parent_id, actor=actor)
    customer = Customer(
        **clean,
        custom=custom,
        id=new_id(),
        owner_id=owner.id,
        department_id=owner.main_department_id,
        creator_id=actor.id,
        parent_id=parent_id,
        created_at=now,
        updated_at=now,
        version=1,
    )
    customer.phone_rows = phone_rows(phones)
    db.session.add(customer)
    _flush(customer, {**clean, "phones": phones}, actor=actor)
    remember(customer, alike)
    keep_findable("customer", customer.id, custom)
    record("customer.created", customer, actor=actor, customer_id=customer.id, name=customer.name)
    if owner.id != actor.id:
        record("customer.assigned", customer, actor=actor, customer_id=customer.id, owner=owner.id, before=None)
    return customer


def _parent(values: Mapping[str, Any], *, actor: Member, own_id: str = "") -> str | None:
    parent_id = values.get("parent")
    if not parent_id:
        return None
    try:
        parent = find_customer(str(parent_id), actor=actor)
    except NotFound as error:
        raise Invalid({"parent": error.detail}) from None
    if own_id and would_turn_in_circles(own_id, parent.id):
        raise Invalid({"parent": _("上级客户不能是自己或自己的下级")})
    return parent.id


def _refuse_known(values: Mapping[str, Any], *, actor: Member, but: str = "") -> list[Hit]:
    """Raise Duplicate when somebody else's customer has what only one may have; TooMany for who has asked too often."""
    if values.get("phones") or values.get("credit_code"):
        demand_asks_left(actor)
    return refuse_known(values, actor=actor, but=but)


def _flush(customer: Customer, values: Mapping[str, Any], *, actor: Member, but: str = "") -> None:
    """Write, and file the customer anew where any of `values` asks for it.

    The unique keys' refusal (somebody saved the same number or code a moment ago) becomes a Duplicate.
    """
    is_filed = any(field in values for field in FILED)
    customer.keyed = KEYED if is_filed else customer.keyed
    try:
        with db.session.begin_nested():
            db.session.flush()
            if is_filed:
                write_keys(customer)
    except IntegrityError as error:
        taken = next((key for key in TAKEN if key in str(error.orig)), None)
        if taken is None:
            raise
        db.session.rollback()
        refuse_known(values, actor=actor, but=but)
        raise Duplicate({TAKEN[taken]: _("已有相同的客户，请核对")}) from None


TAKEN = {"number": "phones", "guard": "credit_code"}  # what the database's refusal names → field


def change_customer(
    customer: Customer, values: Mapping[str, Any], *, actor: Member, version: int | None = None
) -> Customer:
    """Change the given fields of a customer (修改客户).

    Raises Stale with the difference when it was changed since `version`; Invalid; Duplicate.
    """
    demand_right(customer, "edit", actor=actor)
    demand_writable(actor, [field for field in FIELDS if field in values])
    clean = clean_customer(values, whole=False)
    if "parent" in values:
        clean["parent_id"] = _parent(values, actor=actor, own_id=customer.id)
    phones = clean.pop("phones", None)
    changes = {
        field: [getattr(customer, field), value]
        for field, value in clean.items()
        if getattr(customer, field) != value and field != "name_key"
    }
    if phones is not None and phones != customer.phones:
        changes["phones"] = [customer.phones, phones]
    had, custom = custom_of(customer, values, clean, actor=actor)
    changes |= {
        f"custom.{key}": [had.get(key), custom.get(key)] for key in {**had, **custom} if had.get(key) != custom.get(key)
    }
    if version is not None and version != customer.version:
        raise Stale(
            _("该客户刚被他人修改，请核对后再保存"),
            record=customer,
            changes={field: (before, after) for field, (before, after) in changes.items()},
        )
    if not changes:
        return customer
    refuse_step(customer.stage, clean.get("stage", customer.stage), actor=actor)
    keep_new_tags(clean.get("tags", ()), actor=actor, had=customer.tags)
    _take_version(customer, changes)
    move_stage(customer, clean.pop("stage", customer.stage), actor=actor)
    filed = {field: after for field, (_before, after) in changes.items() if field in (*FILED, "phones")}
    fresh = {**filed, "phones": [one for one in filed.get("phones", ()) if one not in customer.phones]}
    alike = _refuse_known({**_context(customer, clean), **fresh}, actor=actor, but=customer.id) if filed else []
    if "phones" in changes:
        set_phones(customer, phones or [])
    for field, value in clean.items():
        setattr(customer, field, value)
    customer.custom = custom
    customer.updated_at = clock.now()
    _flush(customer, filed, actor=actor, but=customer.id)
    remember(customer, alike)
    keep_findable("customer", customer.id, custom, had)
    record("customer.changed", customer, actor=actor, customer_id=customer.id, changes=changes)
    return customer


def _context(customer: Customer, clean: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule on names looks at besides the name."""
    return {field: clean.get(field, getattr(customer, field)) for field in COMPOSITES}


def _take_version(customer: Customer, changes: dict[str, Any]) -> None:
    if not take_version(customer):
        raise Stale(
            _("该客户刚被他人修改，请核对后再保存"),
            record=customer,
            changes={field: (_value_now(customer, field), after) for field, (before, after) in changes.items()},
        )


def _value_now(customer: Customer, field: str) -> Any:
    section, _dot, key = field.partition(".")
    return customer.custom.get(key) if key else getattr(customer, section)


def assign_customer(customer: Customer, owner_id: str, *, actor: Member, beyond_team: bool = False) -> Customer:
    """Make somebody of the actor's team (`beyond_team`: of the corp) the owner (分配), out of a pool as well.

    Raises Invalid; Conflict when somebody else claimed or was given the customer meanwhile.
    """
    owner = member(owner_id)
    if owner is None or not owner.is_active or not (beyond_team or may_see_member(actor, owner.id)):
        raise Invalid({"owner": _("找不到这位成员，或不在您的团队中")})
    before = customer.owner_id
    if before == owner.id:
        return customer
    give_owner(customer, owner)
    record(
        "customer.assigned",
        customer,
        actor=actor,
        customer_id=customer.id,
        changes={"owner": [before, owner.id]},
        owner=owner.id,
        before=before,
    )
    return customer


def give_owner(customer: Customer, owner: Member | None, *, pool_id: str | None = None) -> None:
    """Let the customer change hands: to an owner, or (None) into a pool. Of several at the same moment one does it.

    Raises Conflict when the customer is not any more where the caller found it.
    """
    now = clock.now()
    moved = db.session.execute(
        sa.update(Customer)
        .where(
            Customer.id == customer.id,
            Customer.deleted_at.is_(None),
            Customer.owner_id.is_not_distinct_from(customer.owner_id),
            Customer.pool_id.is_not_distinct_from(customer.pool_id),
        )
        .values(
            owner_id=owner.id if owner else None,
            department_id=owner.main_department_id if owner else customer.department_id,
            owned_since=now if owner else None,
            pool_id=pool_id,
            pooled_at=now if pool_id else None,
            rests_until=None,
            updated_at=now,
            version=Customer.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict({"owner": _("该客户刚被他人领取或转移，请刷新后再试")})
    db.session.refresh(customer)
    await_response(customer)


def note_contact(
    customer: Customer, *, at: Any, next_at: Any = None, visited: bool = False, counts: bool = True
) -> None:
    """Move the customer's "last" and "next" dates after a follow-up or visit. Dates never move backwards.

    `counts` says whether the pool's clock begins anew with it; one that does not leaves `clock_at` where it was.
    """
    if not counts:
        before = customer.last_followed_at or customer.owned_since or customer.created_at
        customer.clock_at = customer.clock_at or min(before, clock.now())
    elif customer.clock_at is not None:
        latest = customer.last_followed_at is None or at >= customer.last_followed_at
        customer.clock_at = None if latest else max(customer.clock_at, at)
    if customer.last_followed_at is None or at > customer.last_followed_at:
        customer.last_followed_at = at
    if visited and (customer.last_visited_at is None or at > customer.last_visited_at):
        customer.last_visited_at = at
    if next_at is not None:
        customer.next_follow_at = next_at
    respond(customer, at=at)
    customer.updated_at = clock.now()
