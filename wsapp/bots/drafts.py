"""Writing commands: shown on a card first, written when the person who dictated them presses 确认, once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.bots.answers import card, unknown_customer
from wsapp.bots.commands import Command
from wsapp.bots.models import CANCELLED, DONE, LOG, OPEN, REFUSED, REMIND, BotDraft
from wsapp.bots.sight import MOST, customers_called, customers_named_in
from wsapp.crm.customers.queries import find_customer, find_customers
from wsapp.crm.drafts.drafting import about_moment
from wsapp.crm.drafts.people import named_in
from wsapp.crm.drafts.sentences import understand as sentence
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.notifications.actions import mark_acted, notification_with_card, refresh_card, set_shown
from wsapp.crm.notifications.messages import Card, in_language_of, link, when
from wsapp.crm.notifications.models import Notification
from wsapp.crm.notifications.reminders import Press
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member_by_userid, names
from wsapp.crm.org.rules import rule
from wsapp.crm.tasks.actions import create_task
from wsapp.db import db, first, new_id, rows
from wsapp.house import local, local_now
from wsapp.problems import NotFound, Problem
from wsapp.texts import _

CHOICES = 3  # customers to choose from: with 取消 as many buttons as every host's card has
KEEPS = timedelta(hours=24)
TITLE = 120
CONFIRM_KIND = "bot.confirm"  # in the ledger
CONFIRM, CANCEL, PICK = "confirm", "cancel", "pick_"


# --- asking -------------------------------------------------------------------------------------------------------


def draft(command: Command, *, actor: Member) -> tuple[BotDraft | None, Card]:
    """Keep what somebody dictated and return it with the card that asks for a confirmation.

    Without a draft where it cannot be written as it stands; the card then says what is missing.
    """
    return _draft_log(command, actor=actor) if command.verb == "log" else _draft_reminder(command, actor=actor)


def _draft_log(command: Command, *, actor: Member) -> tuple[BotDraft | None, Card]:
    found = customers_called(command.name, actor=actor) if command.text else ()
    if not found and command.whole:  # not a name first, but a sentence
        command, found = _as_sentence(command, actor=actor)
    if not command.name or not command.text:
        example = _("请写上客户和内容，用空格隔开，例如：记 森林 报价已发 周五回访")
        return None, card(_("要记什么？"), text=example, path="/h5/customers")
    if len(command.text) > rule("log.text"):
        return None, card(_("内容太长"), text=_("最多 %(most)d 个字", most=rule("log.text")), path="/h5/customers")
    if not found:
        return None, unknown_customer(command.name)
    if len(found) > CHOICES:
        return None, _too_many(command.name, found)
    return _keep(LOG, command, [one.id for one in found], actor=actor)


def _as_sentence(command: Command, *, actor: Member) -> tuple[Command, Sequence[Any]]:
    """Read 昨天去了森林木业，王总要样品，周五再去: the customer is named somewhere. As it was where it names nobody."""
    now = local_now()
    said = sentence(command.whole, now)
    found = named_in(said, actor=actor).customers
    if not found:
        return command, ()
    plan = said.next if said.next and said.next.moment and said.next.moment > now else None
    doubt = said.next if said.next and said.next.doubt else None
    at, is_day = (plan.moment, plan.is_day) if plan else (None, False)
    action = said.action if plan else ""
    read = replace(command, text=said.text, at=at, is_day=is_day, action=action, doubt=doubt, words=said.next_words)
    return read, found


def _asks(command: Command) -> str:
    return about_moment(command.doubt, command.words, local_now()) if command.doubt else ""


def _draft_reminder(command: Command, *, actor: Member) -> tuple[BotDraft | None, Card]:
    if command.at is None or not command.text:
        example = _("请写上时间和事情，例如：提醒 明天下午3点 给森林打电话")
        return None, card(_("什么时候提醒，提醒什么？"), text=_asks(command) or example, path="/h5/tasks/new")
    if not command.is_day and command.at <= clock.now():
        text = _("%(time)s 已经过了，请换一个时间", time=when(command.at))
        return None, card(_("这个时间已经过去"), text=text, path="/h5/tasks/new")
    found = customers_named_in(command.text, actor=actor)
    return _keep(REMIND, command, [one.id for one in found[:CHOICES]] if len(found) <= CHOICES else [], actor=actor)


def _too_many(name: str, found: Sequence[Any]) -> Card:
    owners = names([one.owner_id for one in found])
    lines = [(str(n), f"{one.name} · {owners.get(one.owner_id or '', '—')}") for n, one in enumerate(found[:MOST], 1)]
    title = _("“%(name)s”有多位客户", name=name[:30])
    return card(title, text=_("请把名称写得更完整，再说一次"), lines=lines, path="/h5/customers")


def _keep(kind: str, command: Command, customers: list[str], *, actor: Member) -> tuple[BotDraft, Card]:
    kept = BotDraft(
        id=new_id(),
        member_id=actor.id,
        kind=kind,
        content={
            "text": command.text,
            "at": command.at.isoformat() if command.at else None,
            "is_day": command.is_day,
            "action": command.action[:TITLE],
            "customers": customers,
            "asks": _asks(command),
        },
        state=OPEN,
        created_at=clock.now(),
    )
    db.session.add(kept)
    db.session.flush()
    return kept, confirm_card(kept, actor=actor)


def confirm_card(kept: BotDraft, *, actor: Member) -> Card:
    """Return the card that shows a draft and asks: exactly what will be written, and for whom."""
    customers = list(find_customers(kept.content["customers"], actor=actor).values())
    customers.sort(key=lambda one: kept.content["customers"].index(one.id))
    asks = card(
        _("确认这条跟进？") if kept.kind == LOG else _("确认这条提醒？"),
        text=kept.content["text"],
        lines=[*_whom(kept, customers), *_next(kept), *_doubt(kept)],
        path=f"/h5/drafts/{kept.id}",
    )
    asks["buttons"] = [*_answers(kept, customers), {"key": CANCEL, "text": _("取消"), "style": "plain"}]
    return asks


def _whom(kept: BotDraft, customers: Sequence[Any]) -> list[tuple[str, str]]:
    if len(customers) == 1:
        return [(_("客户"), customers[0].name)]
    owners = names([one.owner_id for one in customers])
    return [(str(n), f"{one.name} · {owners.get(one.owner_id or '', '—')}") for n, one in enumerate(customers, 1)]


def _next(kept: BotDraft) -> list[tuple[str, str]]:
    at = moment_of(kept)
    if at is None:
        return []
    said = when(at, all_day=kept.kind == REMIND and kept.content["is_day"])
    label = _("下次跟进") if kept.kind == LOG else _("时间")
    return [(label, f"{said} {kept.content['action']}".strip())]


def _doubt(kept: BotDraft) -> list[tuple[str, str]]:
    """What to look at again before confirming: a date that is not certain."""
    asks = kept.content.get("asks")
    return [(_("请核对"), asks)] if asks else []


def _answers(kept: BotDraft, customers: Sequence[Any]) -> list[dict[str, str]]:
    """One customer, or none needed: 确认. Several: a press on one of them chooses and confirms at once."""
    if len(customers) > 1:
        return [
            {"key": f"{PICK}{n}", "text": f"{n}. {one.short_name or one.name}", "style": "plain"}
            for n, one in enumerate(customers, 1)
        ]
    return [{"key": CONFIRM, "text": _("确认"), "style": "primary"}]


def moment_of(kept: BotDraft) -> datetime | None:
    """Return the moment that a draft names, on the clock here."""
    return local(datetime.fromisoformat(kept.content["at"])) if kept.content["at"] else None


# --- answering ----------------------------------------------------------------------------------------------------


def find_draft(draft_id: str, *, actor: Member) -> BotDraft:
    """Return a draft of the actor's own; raises NotFound for all others."""
    kept: BotDraft | None = first(sa.select(BotDraft).where(BotDraft.id == draft_id, BotDraft.member_id == actor.id))
    if kept is None:
        raise NotFound(_("这条内容不存在或不是您的"))
    return kept


def press(card_id: str, userid: str, action: str, *, fold: bool) -> Press | None:
    """Do what a button of a draft's card says, for its own member only; None for a card that is no draft's.

    Pressed by somebody else, twice, or after it was settled on the page: nothing is written, and the card shows the
    present state.
    """
    notification = notification_with_card(card_id)
    if notification is None or notification.kind != CONFIRM_KIND:
        return None
    kept: BotDraft | None = first(sa.select(BotDraft).where(BotDraft.id == notification.subject_id))
    if kept is None:
        return None
    presser = member_by_userid(userid, fold=fold)
    counted = False
    if presser and presser.is_active and presser.id == kept.member_id:
        with in_language_of(presser):
            counted = settle(kept, action, actor=presser)
            _show(notification, kept)
        if counted:
            mark_acted(notification)
    return Press(notification, counted)


def settle(kept: BotDraft, action: str, *, actor: Member) -> bool:
    """Write or drop a draft (确认, 取消); says whether this call did it. Of two at once, one does.

    What the rules refuse (the customer is no longer theirs, the time is over) is kept as the draft's end with its
    reason, and nothing is written.
    """
    chosen = _chosen(kept, action)
    if chosen is None or not _take(kept, CANCELLED if action == CANCEL else DONE):
        return False
    if action == CANCEL:
        return True
    write: Callable[..., str] = _write_log if kept.kind == LOG else _write_task
    try:
        if clock.now() - kept.created_at > KEEPS:
            raise NotFound(_("超过 24 小时，请重新说一次"))
        with db.session.begin_nested():
            kept.record = write(kept, chosen, actor=actor)
    except Problem as problem:
        kept.state, kept.reason = REFUSED, problem.detail[:300]
    db.session.flush()
    return True


def _chosen(kept: BotDraft, action: str) -> str | None:
    """The customer's id that an action names ("" for none), None for an action that the card does not have."""
    customers = kept.content["customers"]
    if action == CANCEL:
        return ""
    if action == CONFIRM and len(customers) <= 1:
        return customers[0] if customers else ""
    number = action.removeprefix(PICK)
    if action.startswith(PICK) and number.isascii() and number.isdigit() and 1 <= int(number) <= len(customers):
        return str(customers[int(number) - 1])
    return None


def _take(kept: BotDraft, state: str) -> bool:
    """Settle the draft if nobody has: one of two simultaneous presses wins."""
    taken = db.session.execute(
        sa.update(BotDraft)
        .where(BotDraft.id == kept.id, BotDraft.state == OPEN)
        .values(state=state, settled_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(kept)
    return bool(taken.rowcount == 1)  # type: ignore[attr-defined]


def _write_log(kept: BotDraft, customer_id: str, *, actor: Member) -> str:
    customer = find_customer(customer_id, actor=actor)
    values = {
        "kind": "other",
        "text": kept.content["text"],
        "next_at": moment_of(kept),
        "next_action": kept.content["action"],
    }
    log_follow_up(customer, values, actor=actor)
    return f"/h5/customers/{customer.id}"


def _write_task(kept: BotDraft, customer_id: str, *, actor: Member) -> str:
    text = kept.content["text"]
    values = {
        "title": text[:TITLE],
        "note": text if len(text) > TITLE else "",
        "customer": customer_id or None,
        "kind": "call" if "电话" in text else "other",
        "due_at": moment_of(kept),
        "all_day": bool(kept.content["is_day"]),
    }
    task = create_task(values, actor=actor, source="robot", source_id=kept.id)
    return f"/h5/tasks/{task.id}"


# --- showing ------------------------------------------------------------------------------------------------------


def state_text(kept: BotDraft) -> str:
    """Return what a draft's card shows in place of its buttons, empty while it is open."""
    at = f"{local(kept.settled_at or local_now()):%H:%M}"
    match kept.state:
        case "done":
            return _("已写入 · %(time)s", time=at)
        case "cancelled":
            return _("已取消 · %(time)s", time=at)
        case "refused":
            return _("没有写入：%(reason)s", reason=kept.reason)
        case _:
            return ""


def show_settled(kept: BotDraft) -> None:
    """Have the draft's cards show how it ended (after it was settled on the page)."""
    found = sa.select(Notification).where(Notification.subject_id == kept.id, Notification.kind == CONFIRM_KIND)
    for notification in rows(found):
        _lead_to_record(notification, kept)
        refresh_card(notification, state_text(kept))


def _show(notification: Notification, kept: BotDraft) -> None:
    _lead_to_record(notification, kept)
    set_shown(notification, state_text(kept))


def _lead_to_record(notification: Notification, kept: BotDraft) -> None:
    if kept.record:
        notification.message = {**notification.message, "url": link(kept.record)}


def forget_drafts(before: datetime) -> None:
    """Drop drafts that were dictated before `before`."""
    db.session.execute(
        sa.delete(BotDraft).where(BotDraft.created_at < before).execution_options(synchronize_session=False)
    )
