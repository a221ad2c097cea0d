"""What the cards of the overdue ladder say, and the buttons of a leader's card. Cards as in `messages`."""

from collections.abc import Sequence

from wsapp.crm.notifications.messages import BUNDLE_SHOWN, Card, link, overdue_card, task_card, when
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Task
from wsapp.texts import _

# Keys of buttons. At most four: the hosts' cards have room for no more.
ASK, TOMORROW, MONDAY, HAND_ON = "ladder_ask", "ladder_tomorrow", "ladder_monday", "ladder_hand_"
MOST_NAME = 6  # letters of a name on a button


def rung_card(task: Task, *, assignee: str, days: int, taker: Member | None, reader: Member) -> Card:
    """Return a leader's card: whose task, how long overdue, and what the leader can do about it right there."""
    card = overdue_card(task, assignee=assignee, reader=reader)
    card["lines"].append([_("已逾期"), _("%(n)d 天", n=max(days, 1))])
    card["buttons"] = [
        {"key": ASK, "text": _("催一下"), "style": "primary"},
        {"key": TOMORROW, "text": _("延到明天"), "style": "plain"},
        {"key": MONDAY, "text": _("延到下周一"), "style": "plain"},
    ]
    if taker is not None:
        text = _("转给%(name)s", name=taker.name[:MOST_NAME])
        card["buttons"].append({"key": f"{HAND_ON}{taker.id}", "text": text, "style": "plain"})
    return card


def team_bundle_card(tasks: Sequence[Task]) -> Card:
    """Return the one card for what a leader's people left undone while the product was down."""
    shown = tasks[:BUNDLE_SHOWN]
    more = len(tasks) - len(shown)
    return {
        "title": _("团队有 %(n)d 条待办逾期", n=len(tasks)),
        "text": _("还有 %(count)d 条，点开查看", count=more) if more else "",
        "lines": [[when(task.due_at, all_day=task.all_day), task.title] for task in shown],
        "url": link("/h5/tasks?scope=team"),
        "buttons": [],
        "source": _("待办逾期"),
        "state": "",
    }


def asked_card(task: Task, *, asker: str, reader: Member) -> Card:
    """Return the card by which a leader asks how a task is going; it has a reminder's buttons."""
    card = task_card(task, kind="asked", reader=reader)
    card["text"] = _("%(who)s 想知道这条待办的进展。", who=asker)
    card["source"] = _("催办")
    return card
