"""What each kind of work does: one line a kind. Handlers write in the transaction that ends the row (see `runner`)."""

from wsapp import outbox
from wsapp.crm.appeals import help as help_on_customers
from wsapp.crm.appeals import work
from wsapp.crm.notifications import comment_cards, holding
from wsapp.crm.notifications.reminders import BATCH, fire_due
from wsapp.crm.notifications.visit_cards import remind_of_plan
from wsapp.crm.pools import draws, handovers
from wsapp.crm.sharing import actions as sharing
from wsapp.jobs import (
    aftercare,
    audits,
    bins,
    book,
    briefs,
    bulk,
    conversations,
    delivery,
    directory,
    dispatcher,
    fielding,
    follow_through,
    groups,
    mirror,
    modelled,
    periodic,
    rechecking,
    recycling,
    reports,
    searching,
    testcards,
    transfers,
)
from wsapp.jobs.runner import BatchHandler, Desk, Handler, Undertaker
from wsapp.leases import Claim


def tell_listeners(claim: Claim, desk: Desk) -> None:
    """Something happened: tell who listens."""
    dispatcher.dispatch(claim.payload["event"])
    audits.seal_after(claim.payload["event"])


def remind(claim: Claim, desk: Desk) -> None:
    """An alarm went off: turn the corp's due reminders into messages, lot by lot."""
    if fire_due() >= BATCH:
        outbox.enqueue("remind", {})


def remind_of_visit(claim: Claim, desk: Desk) -> None:
    """A planned visit is near: those who go are reminded, unless it is elsewhere by now."""
    remind_of_plan(claim.payload["plan"], claim.payload["starts"])


def release_held(claim: Claim, desk: Desk) -> None:
    """The quiet hours are over, or a full day's digest is due: what was held back for a person goes out."""
    holding.release(claim.payload["member"])


def plan_held_anew(claim: Claim, desk: Desk) -> None:
    """An administrator changed the rules: what is held back in the corp is planned by the new ones."""
    holding.plan_anew()


def hand_over(claim: Claim, desk: Desk) -> None:
    """Many customers change hands: the next hundred of them."""
    handovers.go_on(claim.payload["handover"])


def draw(claim: Claim, desk: Desk) -> None:
    """The time to sign up for a pool's customer is over: one gets it, all are told."""
    draws.hold_draw(claim.payload["draw"])


def pass_share_request_on(claim: Claim, desk: Desk) -> None:
    """The owner has not answered for two days whether they share a customer: their manager is asked."""
    sharing.pass_on(claim.payload["request"])


def tell_of_comments(claim: Claim, desk: Desk) -> None:
    """Comments were gathered for some minutes: whom they concern hears of them."""
    comment_cards.tell_of_comments(claim.payload["obj"], claim.payload["record"])


def end_coworkers(claim: Claim, desk: Desk) -> None:
    """The day until which somebody helps with a customer is over."""
    help_on_customers.end_coworkers()


def tell_of_waiting_offer(claim: Claim, desk: Desk) -> None:
    """A task that was offered to a colleague is due and has no answer: whoever offered it hears so."""
    work.tell_of_waiting(claim.payload["appeal"])


HANDLERS: dict[str, Handler] = {
    "event": tell_listeners,  # {"event": id}
    "remind": remind,  # {}
    "plan.remind": remind_of_visit,  # {"plan": id, "starts": seconds since 1970}
    "messages.release": release_held,  # {"member": id}
    "messages.plan": plan_held_anew,  # {}
    "ladders.plan": follow_through.plan_ladders,  # {"after": id of a reminder}
    "brief": briefs.send,  # {"round", "day", "after": id of a member}
    "draft.ask": modelled.ask,  # {"ask": id}
    "report.remind": reports.send,  # {"kind": "day" | "week", "day", "after": id of a member}
    "silence": follow_through.tell_silence,  # {"after": id of a member}
    "card.update": aftercare.update_card,  # {"notification": id}
    "member.check": aftercare.check_member,  # {"userid": host's userid, "renamed_to"?: the new one}
    "members.check": rechecking.check_members,  # {}
    "department.check": rechecking.check_department,  # {"department": id}
    "directory.start": directory.start,  # {"cause": …}
    "directory.walk": directory.walk,  # {"run": id}
    "media.fetch": aftercare.fetch_photo,  # {"file": id}
    "message.recall": aftercare.recall,  # {"notification": id}
    "photo.send": aftercare.send_photo,  # {"file": id, "member": id, "path": of the record}
    "group.post": groups.post,  # {"robot": id}
    "bin.run": bins.delete_many,  # {"run": id}
    "mirror.forget": mirror.forget,  # {"member": id, "kind": "todo" | "entry", "host_id": of a deleted task}
    "robot.message": conversations.answer,  # what was said, see `wsapp.bots.talk`
    "robot.reply": conversations.reply,  # {"id", "card", "userid", "reply": sealed}
    "doctor.card": testcards.settle,  # {"card", "userid", "code"}
    "draw": draw,  # {"draw": id}
    "handover": hand_over,  # {"handover": id}
    "mirror": mirror.sync,  # {"mirror": id}
    "mirror.look": mirror.look_at_list,  # {"member": id, "kind": "todo" | "entry"}
    "mirror.member": mirror.follow_choice,  # {"member": id}
    "bulk": bulk.go_on,  # {"run": id}
    "search.sounds": searching.spell,  # {"kind", "ids"}
    "search.rebuild": searching.rebuild,  # {"kind"?, "after"?: where to go on}
    "lead.remind": book.remind_lead,  # {"customer": id, "step": "owner" | "manager"}
    "tags.replace": book.replace_tags,  # {"old": name, "new": name or ""}
    "import.run": transfers.run_import,  # {"job": id}
    "import.undo": transfers.undo_import,  # {"job": id}
    "export.run": transfers.run_export,  # {"job": id}
    "fields.index": fielding.index,  # {"field": id, "after": id of a record; None: at last}
    "recycle": recycling.recycle,  # {}
    "share.escalate": pass_share_request_on,  # {"request": id}
    "comments.tell": tell_of_comments,  # {"obj": "follow_up" | "visit", "record": id}
    "coworkers.end": end_coworkers,  # {}
    "offer.wait": tell_of_waiting_offer,  # {"appeal": id}
    **periodic.HANDLERS,
}

BATCHES: dict[str, BatchHandler] = {
    "send": delivery.send,  # {"notification": id}
    "send.result": aftercare.look_up,  # {"notification": id, "number": n}
}

UNDERTAKERS: dict[str, Undertaker] = {  # what else is to be written when a row is given up
    "import.run": transfers.bury_import,
    "export.run": transfers.bury_export,
    "send": delivery.bury_message,
    "media.fetch": aftercare.mark_photo_failed,
    "directory.walk": directory.give_up,
}
