"""Visits (拜访): checking in with place and photos, checking out, looking back."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, redirect, url_for
from werkzeug.wrappers import Response as BaseResponse

from wsapp import outbox
from wsapp.crm.appeals.places import move_to_visit
from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import find_customer, may_do, names_of, visible_customers
from wsapp.crm.drafts.drafting import draft
from wsapp.crm.fields.access import reads, shown, writes
from wsapp.crm.org.queries import leads_others, names
from wsapp.crm.phrases.actions import note_uses
from wsapp.crm.visits.actions import check_out, log_visit
from wsapp.crm.visits.consent import consent_of, consents
from wsapp.crm.visits.models import IN, Visit
from wsapp.crm.visits.plans import find_plan
from wsapp.crm.visits.queries import SORTS, at_the_same_time, find_visit
from wsapp.crm.visits.rules import limits
from wsapp.db import db, first
from wsapp.files import files_of
from wsapp.h5 import comments, mentions, ownfields, photos, phrases, rows, visit_lists, words
from wsapp.h5.forms import OFFLINE_LIFE, Form, save, soon
from wsapp.h5.pages import PAGE_SIZE, arg, choice, cursor, go, here_with, next_page, per_member, show
from wsapp.h5.saying import RATE, fill, said_here
from wsapp.house import local_now
from wsapp.paging import page as page_of
from wsapp.problems import Conflict, Forbidden, Invalid, Problem
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("visits", __name__, url_prefix="/h5")
bp.before_request(require_member)

PLACE = ("lat", "lng", "accuracy", "fixed_at", "coordinate")
TEXTS = ("note", "next_at", "next_action", "no_fix_reason", "set_place", "plan", *PLACE, *mentions.FIELDS)
LISTS = ("photos", *mentions.LISTS)


@bp.get("/visits")
def index() -> str:
    """My visits, or those that the team made and that were made to our customers, newest first."""
    leads = leads_others(g.member)
    whose = choice("scope", ("mine", "team"), "mine")
    statement = visit_lists.visit_list().where(visit_lists.visits_whose(whose, g.member))
    found, after = page_of(
        statement, sorts=SORTS, sort="-checked_in_at", id_column=Visit.id, limit=PAGE_SIZE, cursor=cursor()
    )
    tabs = [
        (here_with(scope="mine"), _("我的拜访"), whose == "mine", None),
        (here_with(scope="team"), _("团队") if leads else _("我的客户"), whose == "team", None),
    ]
    drawn = rows.visit_rows(found, viewer_id=g.member.id)
    return show("visits/index.html", visits=drawn, next_url=next_page(after), tabs=tabs)


# --- checking in --------------------------------------------------------------------------------------------------


@bp.get("/visits/new")
def start() -> BaseResponse:
    """Check in: at the customer named in the query, else choose one first."""
    customer_id = arg("customer")
    if customer_id:
        return redirect(url_for("visits.new", customer_id=find_customer(customer_id, actor=g.member).id))
    choose: dict[str, Any] = {"for": "visit"}
    return redirect(url_for("customers.index", **choose))


@bp.get("/customers/<key:customer_id>/visits/new")
def new(customer_id: str) -> str:
    customer = find_customer(customer_id, actor=g.member)
    plan_id = arg("plan")
    plan = find_plan(plan_id, actor=g.member) if plan_id else None
    return _show_new(customer, Form({"photos": [], "mentions": [], "set_place": "1", "plan": plan.id if plan else ""}))


@bp.post("/customers/<key:customer_id>/visits/draft")
@limiter.limit(RATE, key_func=per_member)
def draft_in(customer_id: str) -> Any:
    """Put what was said into the form, beside what was typed; nothing is saved."""
    customer = find_customer(customer_id, actor=g.member)
    form = Form.read(TEXTS, LISTS)
    ownfields.take(form, "visit")
    photos.take(form)
    if phrases.put(form, "note"):
        return _show_new(customer, form)
    sentence = said_here()
    if not sentence:
        form.errors["said"] = _("请先说一句或写一句")
        return _show_new(customer, form), 422
    made = draft(sentence, actor=g.member, now=local_now(), customer=customer)
    return _show_new(customer, form, fill(form, made, obj="visit"))


@bp.post("/customers/<key:customer_id>/visits")
def create(customer_id: str) -> Any:
    """Check in: where, with what photos, and what comes next."""
    form = Form.read(TEXTS, LISTS)

    def act() -> str:
        return log(customer_id, form)

    def again(problem: Problem | None) -> str:
        return _show_new(find_customer(customer_id, actor=g.member), form, problem=problem)

    find_customer(customer_id, actor=g.member)
    ownfields.take(form, "visit")
    if not photos.take(form):
        return again(None), 422
    return save(form, act, again=again, words=_("已签到"), life=OFFLINE_LIFE)


def log(customer_id: str, form: Form, **more: Any) -> str:
    """Check in with what the form holds, and `more` that the form does not say; returns the visit's address."""
    customer = find_customer(customer_id, actor=g.member)
    visit = log_visit(customer, _values(form) | more, actor=g.member, photos=form.typed["photos"])
    note_uses(form.typed["note"], actor=g.member)
    return url_for("visits.page", visit_id=visit.id)


def _values(form: Form) -> dict[str, Any]:
    typed = form.typed
    location = _location(form)
    if not location and not typed["no_fix_reason"] and consents(g.member):
        form.errors["location"] = _("请先定位；无法定位时请选择原因")
    values = {
        "note": typed["note"],
        "next_at": form.moment("next_at"),
        "next_action": typed["next_action"],
        "location": location,
        "no_fix_reason": str(words.NO_FIX_REASONS.get(typed["no_fix_reason"], typed["no_fix_reason"])),
        "set_place": bool(typed["set_place"]),
        "plan": typed["plan"],
        "custom": form.custom,
        **mentions.values(form),
    }
    form.demand_clean()
    return values


def _location(form: Form) -> dict[str, Any] | None:
    """Return the device's position as `log_visit` takes it, None when the form holds none."""
    typed = form.typed
    if not typed["lat"] and not typed["lng"]:
        return None
    location: dict[str, Any] = {name: typed[name] for name in PLACE if typed[name]}
    if typed["fixed_at"]:
        try:
            location["fixed_at"] = datetime.fromisoformat(typed["fixed_at"])
        except ValueError:
            location["fixed_at"] = None
        if location["fixed_at"] is None or location["fixed_at"].tzinfo is None:
            raise Invalid({"location": _("位置不正确，请重新定位")})
    return location


def _show_new(
    customer: Customer, form: Form, heard: dict[str, Any] | None = None, *, problem: Problem | None = None
) -> str:
    decided = consent_of(g.member)
    return show(
        "visits/new.html",
        counted=False,
        asked=decided is not None,
        consents=decided is not None and decided.withdrawn_at is None,
        here=url_for("visits.new", customer_id=customer.id, plan=form.typed.get("plan") or None),
        customer=customer,
        form=form,
        place={name: form.typed.get(name, "") for name in PLACE} if form.typed.get("lat") else None,
        heard=heard or {},
        mentions=mentions.drawn(form, problem),
        phrases=phrases.offered(),
        reasons=list(words.NO_FIX_REASONS.items()),
        soon=soon(),
        kept=photos.kept(form.typed["photos"]),
        custom=ownfields.drawn("visit", form, parent=customer.custom),
    )


# --- one visit ----------------------------------------------------------------------------------------------------


@bp.get("/visits/<key:visit_id>")
def page(visit_id: str) -> str:
    return draw(find_visit(visit_id, actor=g.member))


def draw(visit: Visit, form: Form | None = None, *, talk: Form | None = None, problem: Problem | None = None) -> str:
    """Show a visit; `form` is that of the check-out and `talk` that of a comment, as they were typed."""
    ending = form or Form({"mentions": [], "unseen": ""})
    pictures = files_of([visit.id])[visit.id] if reads(g.member, "photos", "visit") else []
    places = reads(g.member, "location", "visit")
    return show(
        "visits/page.html",
        visit=visit,
        customer=names_of([visit.customer_id])[visit.customer_id],
        visitor=names([visit.member_id]).get(visit.member_id, ""),
        facts=_facts(visit, places),
        plan_url=url_for("plans.page", plan_id=visit.plan_id) if visit.plan_id else "",
        overlaps=_overlaps(visit),
        **ownfields.shown("visit", visit.custom, {}),
        places=places,
        place_name=_seen(visit)["place_name"],
        distance=None if visit.distance is None else round(visit.distance),
        photos=photos.links(pictures),
        waiting=sum(1 for one in pictures if one.state == "waiting"),
        mine=visit.member_id == g.member.id and visit.state == IN,
        state=words.VISIT_STATES[visit.state],
        form=ending,
        mentions=mentions.drawn(ending, problem),
        may_move_place=_may_move_place(visit),
        **comments.panel(visit, talk or comments.begun(), problem),
    )


def _overlaps(visit: Visit) -> list[rows.Row]:
    """Other visits of the same person at the same time, as links."""
    found = at_the_same_time(visit, actor=g.member)
    called = names_of([one.customer_id for one in found]) if found else {}
    return [
        {
            "url": url_for("visits.page", visit_id=one.id),
            "icon": "alert",
            "text": called.get(one.customer_id, ""),
            "sub": " – ".join(rows.moment(at) for at in (one.checked_in_at, one.checked_out_at) if at),
        }
        for one in found
    ]


def _seen(visit: Visit) -> dict[str, str]:
    """Return the texts of a visit as whoever looks may read them; hidden ones are empty."""
    texts = {name: getattr(visit, name) for name in ("place_name", "note", "result")}
    return dict.fromkeys(texts, "") | shown(g.member, texts, "visit")


def _facts(visit: Visit, places: bool) -> list[tuple[str, str]]:
    seen = _seen(visit)
    accuracy = visit.accuracy if places else None
    out = rows.moment(visit.checked_out_at) if visit.checked_out_at else ""
    if visit.closed_by_system:
        out = _("%(at)s（忘记签退，系统自动签退）", at=out)
    return [
        (_("签到"), rows.moment(visit.checked_in_at) if visit.checked_in_at else ""),
        (_("离线记录"), rows.came(visit)),
        (_("签退"), out),
        (_("地点"), seen["place_name"]),
        (_("定位精度"), _("约 %(n)s 米", n=round(accuracy)) if accuracy is not None else ""),
        (_("未定位原因"), visit.no_fix_reason if places else ""),
        (_("内容"), seen["note"]),
        (_("结果"), seen["result"]),
        (_("下次跟进"), rows.moment(visit.next_at) if visit.next_at else ""),
    ]


@bp.post("/visits/<key:visit_id>/photo-messages")
@limiter.limit("10 per minute")
def send_photos(visit_id: str) -> Any:
    """Send a visit's photos into one's own chat, from where they can be saved and passed on."""
    visit = find_visit(visit_id, actor=g.member)
    path = url_for("visits.page", visit_id=visit.id)
    for one in files_of([visit.id])[visit.id] if reads(g.member, "photos", "visit") else ():
        if one.state == "ready":
            outbox.enqueue("photo.send", {"file": one.id, "member": g.member.id, "path": path})
    db.session.commit()
    return go(path, _("照片正在发往您的会话"))


@bp.post("/visits/<key:visit_id>/check-out")
def leave(visit_id: str) -> Any:
    """Check out with a result; done twice, it happens once."""
    form = Form.read(("result", "note", *mentions.FIELDS), mentions.LISTS)

    def act() -> str:
        visit = find_visit(visit_id, actor=g.member)
        said = {"result": form.typed["result"], "note": form.typed["note"]}
        check_out(visit, actor=g.member, **said, values=mentions.values(form))
        return url_for("visits.page", visit_id=visit_id)

    def again(problem: Problem | None) -> str:
        return draw(find_visit(visit_id, actor=g.member), form, problem=problem)

    return save(form, act, again=again, words=_("已签退"))


# --- its position as the customer's -------------------------------------------------------------------------------


def _may_move_place(visit: Visit) -> bool:
    """Say whether the reader may take the visit's position as its customer's place: it is off the present one."""
    if visit.lat is None or visit.distance is None or visit.distance <= limits().verified:
        return False
    if not (writes(g.member, "location") and reads(g.member, "location", "visit")):
        return False
    customer = first(sa.select(Customer).where(Customer.id == visit.customer_id, visible_customers(g.member)))
    return customer is not None and may_do(customer, "edit", actor=g.member)


@bp.post("/visits/<key:visit_id>/customer-place")
def move_place(visit_id: str) -> Any:
    """Take the visit's position as the customer's place; far off, a leader is asked first."""
    visit = find_visit(visit_id, actor=g.member)
    back = url_for("visits.page", visit_id=visit_id)
    try:
        asked = move_to_visit(visit, actor=g.member)
    except (Invalid, Conflict, Forbidden) as problem:
        db.session.rollback()
        return go(back, problem.detail)
    db.session.commit()
    return go(back, _("已申请修改客户位置，等待主管同意") if asked else _("客户位置已修改"))
