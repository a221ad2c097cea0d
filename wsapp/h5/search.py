"""Search (搜索): one box over customers, contacts, follow-ups and tasks; a few of each."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g, session, url_for
from markupsafe import Markup, escape

from wsapp.crm.customers.models import Customer
from wsapp.crm.customers.queries import SORTS
from wsapp.crm.org.queries import sees_others
from wsapp.crm.search import box
from wsapp.crm.search.queries import is_enough, matching
from wsapp.h5 import lists, rows
from wsapp.h5.pages import arg, go, per_member, show
from wsapp.paging import page as page_of
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("search", __name__, url_prefix="/h5")
bp.before_request(require_member)

EACH = 5
RATE = "60 per minute"
RECENT_MOST = 8
RECENT = "searched"  # in the session's cookie: [member's id, queries]


@bp.get("/search")
@limiter.limit(RATE, key_func=per_member)
def page() -> str:
    """What a query finds, in groups; without one, what was searched lately."""
    text = arg("q")
    if not is_enough(text):
        return show("search/page.html", q=text, enough=False, recent=_recent())
    customers, more, is_guess = _customers(text)
    contacts, follow_ups = _contacts(text), _follow_ups(text)
    tasks = rows.task_rows(lists.tasks_like(g.member, text, EACH), viewer_id=g.member.id)
    found = bool(customers or contacts or follow_ups or tasks)
    if found:
        _remember(text)
    return show(
        "search/page.html",
        q=text,
        enough=True,
        found=found,
        customers=customers,
        more=more,
        scope="team" if sees_others(g.member) else None,
        is_guess=is_guess,
        contacts=contacts,
        follow_ups=follow_ups,
        tasks=tasks,
    )


def _customers(text: str) -> tuple[list[Markup], bool, bool]:
    """Return the rows of customers, whether there are more, and whether they are but guessed at."""
    found, more = _page(matching(text, actor=g.member))
    is_guess = not found
    if is_guess:
        found, more = _page(box.nearly(text, actor=g.member))
    drawn = rows.customer_rows(found, owners=True)
    marked = [_with_mark(row, one.name, text) for row, one in zip(drawn, found, strict=True)]
    return marked, more and not is_guess, is_guess


def _page(condition: Any) -> tuple[Sequence[Any], bool]:
    statement = lists.customer_list(g.member, mine=False).where(condition)
    found, after = page_of(statement, sorts=SORTS, sort="-updated_at", id_column=Customer.id, limit=EACH)
    return found, after is not None


def _with_mark(row: Markup, name: str, text: str) -> Markup:
    """Mark in a drawn row what was searched of the name. Rows are kept as drawn, without marks."""
    return Markup(str(row).replace(f">{escape(name)}</a>", f">{box.marked(name, text)}</a>", 1))


def _contacts(text: str) -> list[dict[str, Any]]:
    return [
        {
            "url": url_for("customers.page", customer_id=one.customer_id),
            "icon": "me",
            "text": box.marked(one.name, text),
            "sub": " · ".join(filter(None, (one.title, one.customer_name))),
        }
        for one in box.contacts(text, actor=g.member, limit=EACH)
    ]


def _follow_ups(text: str) -> list[dict[str, Any]]:
    return [
        {
            "url": url_for("customers.page", customer_id=one.customer_id),
            "icon": "edit",
            "text": box.marked(one.text, text),
            "sub": f"{one.customer_name} · {rows.moment(one.happened_at)}",
        }
        for one in box.follow_ups(text, actor=g.member, limit=EACH)
    ]


# --- what was searched lately -------------------------------------------------------------------------------------


def _recent() -> list[str]:
    whose, texts = session.get(RECENT, ("", []))
    return list(texts) if whose == g.member.id else []


@bp.post("/search/recent/removal")
def forget() -> Any:
    """Forget what was searched lately."""
    session.pop(RECENT, None)
    return go(url_for("search.page"), _("已清除"))


def _remember(text: str) -> None:
    """Keep a query that found something; what it grew from while it was typed is forgotten."""
    others = [one for one in _recent() if not (one.startswith(text) or text.startswith(one))]
    session[RECENT] = (g.member.id, [text, *others][:RECENT_MOST])
