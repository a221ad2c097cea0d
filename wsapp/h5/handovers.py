"""Many customers at once: dealing out of a pool, handing over what somebody had or a list shows, and how far it got."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp.crm.org.models import ACTIVE, Member
from wsapp.crm.org.queries import assignable_members, may_see_member, member, names
from wsapp.crm.org.rights import demand
from wsapp.crm.pools.actions import demand_owner_rights
from wsapp.crm.pools.belongings import MOST_HANDED, belongings_of, transferable
from wsapp.crm.pools.dealing import LOAD, TURN, WAYS, deal, loads
from wsapp.crm.pools.handovers import (
    MOST_DEALT,
    MOST_WEIGHT,
    customers_of,
    deal_out,
    find_handover,
    hand_over,
    hand_over_list,
    handovers_of,
    undo,
)
from wsapp.crm.pools.models import DEAL, DONE, LEAVER, RUNNING, UNDOING, UNDONE, Handover
from wsapp.crm.pools.queries import manages, pool_for
from wsapp.db import db
from wsapp.h5.bulk import narrowed_ids, own_arguments
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import arg, go, show
from wsapp.h5.rows import moment
from wsapp.problems import Conflict, Forbidden, Invalid, NotFound
from wsapp.texts import _, lazy
from wsapp.web import require_member

bp = Blueprint("handovers", __name__, url_prefix="/h5")
bp.before_request(require_member)


@bp.before_request
def _knows_owners() -> None:
    """All of these pages say who has how many, and change whose they are."""
    demand_owner_rights(g.member)


SWITCHES = ("way", "tasks", "stays")
STATES = {RUNNING: lazy("正在交接"), DONE: lazy("已完成"), UNDOING: lazy("正在撤销"), UNDONE: lazy("已撤销")}
PROPOSED = 5  # takers that are ticked at first: those with the fewest customers


def _people(but: str = "") -> list[Member]:
    return [one for one in assignable_members(g.member) if one.id != but]


def _read_takers() -> dict[str, int]:
    """Return the ticked members with their weights; what is no number counts as one that is refused."""
    found = {}
    for member_id in request.form.getlist("takers"):
        text = request.form.get(f"weight_{member_id}", "1").strip() or "1"
        found[member_id[:40]] = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    return found


def _rows_of(people: list[Member], ticked: dict[str, int]) -> list[dict[str, Any]]:
    held = loads([one.id for one in people])
    return [
        {
            "id": one.id,
            "name": one.name,
            "on": one.id in ticked,
            "weight": ticked.get(one.id) or 1,
            "held": held[one.id],
        }
        for one in people
    ]


# --- out of a pool ------------------------------------------------------------------------------------------------


@bp.get("/pool/deal")
def choose_deal() -> str:
    return _show_deal(Form({"count": "20", "way": TURN}), {})


def _show_deal(form: Form, ticked: dict[str, int]) -> str:
    pool = pool_for(arg("pool"), actor=g.member)
    if not manages(pool, g.member):
        raise Forbidden(_("只有公海管理员可以批量分配"))
    return show(
        "handovers/deal.html",
        counted=False,
        pool=pool,
        form=form,
        people=_rows_of(_people(), ticked),
        ways=list(WAYS.items()),
        most=MOST_DEALT,
        most_weight=MOST_WEIGHT,
        back=url_for("pool.index", pool=pool.id),
    )


@bp.post("/pool/deal")
def deal_pool() -> Any:
    """Deal those that are longest in the pool out to the ticked members, in the background."""
    form, takers = Form.read(("count", "way")), _read_takers()
    count = form.typed["count"]

    def act() -> str:
        number = int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0
        pool = pool_for(arg("pool"), actor=g.member)
        row = deal_out(pool, takers, way=form.typed["way"], count=number, actor=g.member)
        return url_for("handovers.page", handover_id=row.id)

    return save(form, act, again=lambda problem: _show_deal(form, takers), words=_("正在分配"))


# --- from somebody who left ---------------------------------------------------------------------------------------


@bp.get("/team/<key:member_id>/handover")
def choose_takers(member_id: str) -> str:
    """What somebody has, who may take it over, and how it would be divided."""
    leaver = _leaver(member_id)
    people = [one for one in _people(leaver.id) if one.status == ACTIVE]
    return _show_takers(leaver, Form({"way": LOAD, "tasks": "1"}), _proposed(people, leaver))


def _leaver(member_id: str) -> Member:
    found = member(member_id) if may_see_member(g.member, member_id) else None
    if found is None:
        raise NotFound(_("成员不存在或无权查看"))
    demand(g.member, "transfer", found.id)
    return found


def _proposed(people: list[Member], leaver: Member) -> dict[str, int]:
    """Return whom we would ask first: of the same department, with the fewest customers."""
    held = loads([one.id for one in people])
    there = [one for one in people if one.main_department_id == leaver.main_department_id] or people
    return {one.id: 1 for one in sorted(there, key=lambda one: (held[one.id], one.name))[:PROPOSED]}


def _show_takers(leaver: Member, form: Form, ticked: dict[str, int]) -> str:
    return _show_preview(
        form,
        ticked,
        customers_of(leaver),
        people=_people(leaver.id),
        title=_("交接客户"),
        sub=leaver.name,
        action=url_for("handovers.give", member_id=leaver.id),
        back=url_for("team.page", member_id=leaver.id),
        rest=_("其余待办转给您"),
        may_stay=leaver.status == ACTIVE,
    )


def _show_preview(
    form: Form, ticked: dict[str, int], customers: Sequence[str], *, people: list[Member], **page: Any
) -> str:
    """Show what goes along with the customers, the switches, and who would get how many."""
    known = [one.id for one in people if one.id in ticked]
    way = form.typed["way"] if form.typed["way"] in WAYS else LOAD
    weights = {one: max(1, ticked[one]) for one in known}
    plan = deal(customers, weights, way=way)[0] if weights else []
    share = Counter(taker for _customer, taker in plan)
    along = belongings_of(customers, actor=g.member)
    return show(
        "handovers/takers.html",
        counted=False,
        form=form,
        people=[{**one, "gets": share.get(one["id"], 0)} for one in _rows_of(people, ticked)],
        ways=list(WAYS.items()),
        most_weight=MOST_WEIGHT,
        figures=[
            (len(customers), _("客户"), "", False),
            (along.contacts, _("联系人"), "", False),
            (along.tasks, _("未完成的待办"), "", False),
            (along.records, _("跟进和拜访"), "", False),
        ],
        **page,
    )


@bp.post("/team/<key:member_id>/handover")
def give(member_id: str) -> Any:
    """Hand everything over, in the background; with `preview`, only show who would get how many."""
    form, takers = Form.read(SWITCHES), _read_takers()
    if request.form.get("preview"):
        return _show_takers(_leaver(member_id), form, takers)

    def act() -> str:
        row = hand_over(_leaver(member_id), takers, actor=g.member, **_chosen(form))
        return url_for("handovers.page", handover_id=row.id)

    return save(form, act, again=lambda problem: _show_takers(_leaver(member_id), form, takers), words=_("正在交接"))


def _chosen(form: Form) -> dict[str, Any]:
    typed = form.typed
    return {"way": typed["way"], "with_tasks": typed["tasks"] == "1", "stays": typed["stays"] == "1"}


# --- a list -------------------------------------------------------------------------------------------------------


@bp.get("/customers/handover")
def choose_for_list() -> str:
    """All customers of the list as it is narrowed that one may give away, who may take them, and what goes along."""
    return _show_list(Form({"way": LOAD, "tasks": "1", "stays": ""}), {})


def _listed(form: Form) -> list[str]:
    """Return the customers of the narrowed list that the actor may transfer; of too long a list none, and say so."""
    try:
        return transferable(narrowed_ids(MOST_HANDED + 1), actor=g.member)
    except Invalid as problem:
        form.errors.update(problem.fields)
        return []


def _show_list(form: Form, ticked: dict[str, int]) -> str:
    here = own_arguments()
    return _show_preview(
        form,
        ticked,
        _listed(form),
        people=_people(),
        title=_("批量转移"),
        sub=_("筛选出的全部客户，最多 %(most)d 个", most=MOST_HANDED),
        action=url_for("handovers.give_list", **here),
        back=url_for("bulk.choose", **here),
        rest="",
        may_stay=True,
    )


@bp.post("/customers/handover")
def give_list() -> Any:
    """Hand the list over, in the background; with `preview`, only show who would get how many."""
    form, takers = Form.read(SWITCHES), _read_takers()
    if request.form.get("preview"):
        return _show_list(form, takers)

    def act() -> str:
        row = hand_over_list(narrowed_ids(MOST_HANDED + 1), takers, actor=g.member, **_chosen(form))
        return url_for("handovers.page", handover_id=row.id)

    return save(form, act, again=lambda problem: _show_list(form, takers), words=_("正在转移"))


# --- how far it got -----------------------------------------------------------------------------------------------


@bp.get("/handovers")
def index() -> str:
    """What I dealt out and handed over, newest first: each can be undone for a week."""
    found = handovers_of(g.member)
    leavers = names([one.leaver_id for one in found])
    return show(
        "handovers/index.html",
        rows=[
            {
                "url": url_for("handovers.page", handover_id=one.id),
                "text": _title(one, leavers),
                "sub": moment(one.created_at),
                "value": str(STATES[one.state]),
            }
            for one in found
        ],
    )


def _title(row: Handover, people: Mapping[str, str]) -> str:
    if row.cause == LEAVER:
        return _("%(name)s 的客户交接", name=people.get(row.leaver_id or "", ""))
    return _("批量分配") if row.cause == DEAL else _("批量转移")


@bp.get("/handovers/<key:handover_id>")
def page(handover_id: str) -> str:
    row = find_handover(handover_id, actor=g.member)
    return show("handovers/page.html", counted=False, **_facts(row))


def _facts(row: Handover) -> dict[str, Any]:
    share = Counter(taker for customer, _before, _pool, taker, *_rest in row.moved if customer)
    known = names([*share, row.leaver_id])
    moved = sum(share.values())
    facts = [(_("状态"), str(STATES[row.state])), (_("已转移"), _("%(n)s 个客户", n=moved))]
    if row.state == DONE and moved < row.total:
        facts.append((_("未转移"), _("%(n)s 个，期间已被他人领取或转移", n=row.total - moved)))
    facts += [(known.get(one, ""), _("%(n)s 个客户", n=count)) for one, count in share.most_common()]
    return {
        "row": row,
        "title": _title(row, known),
        "facts": facts,
        "goes_on": row.state in (RUNNING, UNDOING),
        "undo_until": moment(row.undo_until) if row.state == DONE and row.undo_until else "",
    }


@bp.post("/handovers/<key:handover_id>/undo")
def take_back(handover_id: str) -> Any:
    """Put everything back where it was."""
    row = find_handover(handover_id, actor=g.member)
    try:
        undo(row, actor=g.member)
    except Conflict as problem:
        db.session.rollback()
        return go(url_for("handovers.page", handover_id=handover_id), problem.detail)
    db.session.commit()
    return go(url_for("handovers.page", handover_id=handover_id), _("正在撤销"))
