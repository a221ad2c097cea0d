"""The team (团队), for whoever leads one: who did what today, and what is overdue."""

from flask import Blueprint, g, url_for

from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import department_names, leads_others, may_see_member, member
from wsapp.crm.org.rights import may
from wsapp.crm.visits.figures import todays_figures
from wsapp.crm.visits.models import Visit
from wsapp.crm.visits.queries import visible_visits
from wsapp.db import db
from wsapp.h5 import lists, rows, visit_lists
from wsapp.h5.pages import cursor, next_page, show
from wsapp.paging import page as page_of
from wsapp.problems import NotFound
from wsapp.texts import _
from wsapp.web import require_member

bp = Blueprint("team", __name__, url_prefix="/h5/team")
bp.before_request(require_member)

MEMBERS_EACH = 50
SHOWN = 20


@bp.get("")
def index() -> str:
    """The members whose records I may see, with today's figures."""
    found, after = page_of(
        lists.team_list(g.member),
        sorts=lists.MEMBER_SORTS,
        sort="name",
        id_column=Member.id,
        limit=MEMBERS_EACH,
        cursor=cursor(),
    )
    figures = todays_figures([row.id for row in found], actor=g.member)
    return show(
        "team/index.html",
        leads=leads_others(g.member),
        people=[_row(row, figures[row.id]) for row in found],
        next_url=next_page(after),
    )


def _row(row: Member, figures: tuple[int, int, int]) -> rows.Row:
    visits, logs, overdue = figures
    drawn: rows.Row = {
        "url": url_for("team.page", member_id=row.id),
        "icon": "me",
        "text": row.name,
        "sub": _("今天拜访 %(visits)s 次，跟进 %(logs)s 次", visits=visits, logs=logs),
    }
    if overdue:
        drawn["badge"] = ("overdue", _("逾期 %(n)s", n=overdue))
    return drawn


@bp.get("/<key:member_id>")
def page(member_id: str) -> str:
    """One member: today's figures, open tasks and visits."""
    person = member(member_id) if may_see_member(g.member, member_id) else None
    if person is None:
        raise NotFound(_("成员不存在或无权查看"))
    visits, logs, overdue = todays_figures([person.id], actor=g.member)[person.id]
    mine = visit_lists.visit_list().where(visit_lists.visits_whose("mine", person), visible_visits(g.member))
    tasks = lists.my_open_tasks(person)[:SHOWN] if may(g.member, "see", person.id, obj="task") else []
    recent = db.session.execute(mine.order_by(Visit.checked_in_at.desc(), Visit.id.desc()).limit(SHOWN)).all()
    return show(
        "team/page.html",
        person=person,
        may_hand_over=person.id != g.member.id and may(g.member, "transfer", person.id),
        departments=_("、").join(department_names(person)),
        figures=[
            (overdue, _("逾期待办"), "", overdue > 0),
            (visits, _("今天拜访"), "", False),
            (logs, _("今天跟进"), "", False),
        ],
        tasks=rows.task_rows(tasks, viewer_id=person.id),
        visits=rows.visit_rows(recent, viewer_id=person.id),
    )
