"""What the cards of a morning and an evening say. Cards as in `notifications.messages`; at most six lines each."""

from collections.abc import Sequence
from typing import Any

from wsapp.crm.dashboards.worklists import PLAN, CallFirst, Evening, Morning
from wsapp.crm.notifications.messages import BUNDLE_SHOWN, Card, link
from wsapp.crm.pools.words import tell_date
from wsapp.house import local, local_now
from wsapp.texts import _

REST = "brief_rest"  # key of the button that moves the rest to tomorrow


def morning_card(mine: Morning, first: CallFirst | None, *, clocks: bool) -> Card:
    """Return the card of somebody's morning. `clocks`: whether they may know which customers leave them."""
    leaving = mine.leaving if clocks else []
    parts = (
        [[_("先联系"), f"{first.name} · {why_first(first)}"]] if first else [],
        [[_("逾期"), about(row)] for row in mine.overdue],
        [[_("拜访"), f"{clock_time(row)} {about(row)}"] for row in mine.visits],
        [[_("回收"), f"{tell_date(one.leaves_on)} {row.name}"] for row, one in leaving],
        [[clock_time(row), about(row)] for row in mine.due],
    )
    return {
        "title": _("今天：%(what)s", what=_("，").join(_counts(mine, len(leaving))))[:120],
        "text": _more(sum(map(len, parts))),
        "lines": _fair(parts),
        "url": link("/h5/briefs/morning"),
        "buttons": [],
        "source": _("早间清单"),
        "state": "",
    }


def _fair(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Return as many lines as a card shows, in order: the parts take turns, so that a long one hides no other."""
    turns = [(turn, at) for at, part in enumerate(parts) for turn in range(len(part))]
    chosen = sorted(turns)[:BUNDLE_SHOWN]
    return [parts[at][turn] for at, turn in sorted((at, turn) for turn, at in chosen)]


def _counts(mine: Morning, leaving: int) -> list[str]:
    counted = (
        (len(mine.overdue), _("逾期 %(n)d 条", n=len(mine.overdue))),
        (len(mine.due), _("待办 %(n)d 条", n=len(mine.due))),
        (len(mine.visits), _("拜访 %(n)d 次", n=len(mine.visits))),
        (leaving, _("即将回收 %(n)d 个客户", n=leaving)),
    )
    return [words for count, words in counted if count]


def why_first(one: CallFirst) -> str:
    """Return in words why a customer should be called first."""
    if one.why == "leaving":
        return _("%(n)d 天后回收到公海", n=one.days) if one.days > 1 else _("今晚回收到公海")
    return _("待办已逾期") if one.why == "overdue" else _("今天有待办")


def evening_card(mine: Evening) -> Card:
    """Return the card of somebody's evening, with the button that moves what is left."""
    lines = [[clock_time(row), about(row)] for row in mine.left]
    did = _("拜访 %(visits)d 次，跟进 %(logs)d 次", visits=mine.visits, logs=mine.follow_ups)
    left = len(mine.left)
    title = (
        _("今天完成 %(done)d 条，还剩 %(left)d 条", done=mine.done, left=left)
        if left
        else _("今天完成 %(done)d 条待办", done=mine.done)
    )
    return {
        "title": title,
        "text": "\n".join(filter(None, (did, _more(len(lines))))),
        "lines": lines[:BUNDLE_SHOWN],
        "url": link("/h5/briefs/evening"),
        "buttons": [{"key": REST, "text": _("剩下的挪到明天"), "style": "primary"}] if left else [],
        "source": _("晚间小结"),
        "state": "",
    }


def _more(lines: int) -> str:
    more = lines - BUNDLE_SHOWN
    return _("还有 %(count)d 条，点开查看", count=more) if more > 0 else ""


def clock_time(row: Any) -> str:
    """Return the time of a task that is due today, the day of one that was due before: short, labels are cut."""
    there = local(row.due_at)
    if row.is_late and there.date() != local_now().date():
        return f"{there:%m-%d}"
    return _("全天") if row.all_day else f"{there:%H:%M}"


def about(row: Any) -> str:
    """Return a task or planned visit with its customer, unless its title names them."""
    customer = row.customer_name or ""
    if row.kind == PLAN:
        return " · ".join(filter(None, (customer, row.title)))
    return f"{row.title} · {customer}" if customer and customer not in row.title else str(row.title)
