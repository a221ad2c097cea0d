"""Sending messages: freeze, commit, post, write down. A batch goes to one corp's host, one message after the other.

    prepare   one transaction: what is no longer wanted is stopped, limits are kept, the host's bytes are frozen, each
              message is marked "sending" with its try counted; committed before anything leaves
    post      no transaction open; each ends accepted, refused, later or unknown
    settle    one transaction: the ledger and the rows together, for those rows that are still ours

Whoever dies between post and settle leaves a row whose lease runs out; the next worker posts the same bytes again, by
which the host recognises the repeat.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from wsapp import clock, hosts, leases, logs, metrics, outbox
from wsapp.connectors.base import BadCredentials, Connector, HostError, OutOfRange, Parcel, Receipt, TryLater
from wsapp.crm.notifications.actions import as_data, result_key, update_if_pressed
from wsapp.crm.notifications.holding import hold, quiet_until, switched_off
from wsapp.crm.notifications.models import (
    ACCEPTED,
    DROPPED,
    FAILED,
    PLANNED,
    SENDING,
    SUPPRESSED,
    Notification,
)
from wsapp.crm.notifications.reminders import catch_up, unwanted
from wsapp.crm.org.models import Corp, Member
from wsapp.db import current_corp, db, is_postgresql, rows
from wsapp.house import local
from wsapp.jobs.allowances import runs_low
from wsapp.jobs.limits import Limits
from wsapp.jobs.pace import HOURS_72
from wsapp.jobs.runner import Desk, clear_fault, note_fault
from wsapp.leases import Claim
from wsapp.texts import _

log = logs.get_logger()

GAVE_UP = "gave_up"  # our own code in the ledger: not the host's answer, but the end of our patience
REPEAT_WINDOW = timedelta(hours=4)  # for so long a host recognises the same bytes
SETTLE_TRIES = 3
DISABLED_PAUSE = 600.0
# How late a message is tells how much waits: what became of it is asked so many times later, when the others are out.
IN_TIME, LATER, MOST_LATER = 10.0, 4.0, 600.0


@dataclass
class Letter:
    """A message on its way: its row, its frozen parcel, and how the post ended (None: not posted)."""

    claim: Claim
    message_id: str
    userid: str
    parcel: Parcel
    may_repeat: bool
    end: Receipt | Exception | None = None


def send(claims: Sequence[Claim], desk: Desk) -> None:
    """Deliver a batch of one corp's messages and settle their rows."""
    connector, letters = _prepare(claims, desk)
    if letters:
        call_each(letters, lambda one: connector.send(one.parcel), desk)
        settle(lambda: _write_ends(letters, desk, connector.host))


# --- prepare ------------------------------------------------------------------------------------------------------


def _prepare(claims: Sequence[Claim], desk: Desk) -> tuple[Connector, list[Letter]]:
    corp, connector = line_of_corp()
    ours = leases.held(claims)
    messages = locked([one.payload["notification"] for one in ours])
    recipients = sorted({one.recipient_id for one in messages.values()})
    readers = {one.id: one for one in rows(sa.select(Member).where(Member.id.in_(recipients)))}
    limits = Limits(connector.quota(), list(readers))
    frugal = runs_low(corp, connector)
    going = [one for one in messages.values() if _may_go(one)]
    reasons = {**unwanted(going), **switched_off(going)}
    quiet = quiet_until(going)
    letters: list[Letter] = []
    settled: list[Claim] = []
    for claim in ours:
        message = messages.get(claim.payload["notification"])
        if message is None or not _may_go(message):
            settled.append(claim)
        elif reason := _why_not(readers.get(message.recipient_id)) or reasons.get(message.id, ""):
            _suppress(message, reason)
            settled.append(claim)
        elif not corp.enabled:
            leases.retry(claim, DISABLED_PAUSE, "the corp is switched off", counted=False)
        elif until := quiet.get(message.id):
            hold(message, until)
            leases.retry(claim, (until - clock.now()).total_seconds(), "quiet hours", counted=False)
        elif _is_too_old(message, claim, desk):
            _give_up(claim, message, _("72 小时内未能送达"))
        elif letter := _ready(claim, message, readers[message.recipient_id], connector, limits, desk, frugal):
            letters.append(letter)
    if settled:
        leases.finish(*settled)
    db.session.commit()
    return connector, letters


def locked(message_ids: Sequence[str]) -> dict[str, Notification]:
    """Return ledger rows as they are now, held against whoever stops or presses meanwhile."""
    statement = sa.select(Notification).where(Notification.id.in_(list(message_ids))).order_by(Notification.id)
    if is_postgresql():
        statement = statement.with_for_update(key_share=True)
    found = db.session.execute(statement, execution_options={"populate_existing": True}).scalars()
    return {one.id: one for one in found}


def _may_go(message: Notification) -> bool:
    """Messages that were given up go again when an administrator puts their row back in line."""
    return message.state in (PLANNED, SENDING) or (message.state == FAILED and message.host_code == GAVE_UP)


def _why_not(reader: Member | None) -> str:
    return _("收件人已离职或停用") if reader is None or not reader.is_active else ""


def _suppress(message: Notification, reason: str) -> None:
    if message.unknown:
        reason = _("%(reason)s（此前一次发送结果未知）", reason=reason)
    message.state, message.reason, message.settled_at = SUPPRESSED, reason[:300], clock.now()


def _is_too_old(message: Notification, claim: Claim, desk: Desk) -> bool:
    age = (clock.now() - message.due_at).total_seconds()
    tried = message.attempts > 0 and claim.attempts > 0
    return tried and (age > HOURS_72 or claim.attempts >= desk.pace.max_tries)


def _give_up(claim: Claim, message: Notification, reason: str) -> None:
    message.state, message.host_code, message.settled_at = FAILED, GAVE_UP, clock.now()
    message.reason = f"{reason}：{message.reason}"[:300] if message.reason else reason
    leases.bury(claim, reason)


def bury_message(claim: Claim, reason: str) -> None:
    """What the ledger says of a message whose row is dead."""
    message = locked([claim.payload["notification"]]).get(claim.payload["notification"])
    if message is not None and _may_go(message):
        message.state, message.host_code, message.settled_at = FAILED, GAVE_UP, clock.now()
        message.reason = _("内部错误，已停止重试：%(reason)s", reason=logs.redact(reason))[:300]


def _ready(
    claim: Claim,
    message: Notification,
    reader: Member,
    connector: Connector,
    limits: Limits,
    desk: Desk,
    frugal: bool,
) -> Letter | None:
    """Freeze and mark a message; None when a limit makes it wait or it cannot be composed."""
    seconds, limit = limits.take(message)
    if seconds:
        until = local(clock.now() + timedelta(seconds=seconds))
        message.reason = _("宿主限频，排队到 %(time)s", time=f"{until:%H:%M:%S}")
        metrics.OUTBOX_RETRIES.labels("limit").inc()
        leases.retry(claim, desk.pace.wait(seconds), f"limit {limit}", counted=False)
        return None
    if message.payload is None:
        try:
            parcel = connector.compose(hosts.message_of({**as_data(message), "frugal": frugal}), (reader.userid,))
        except Exception as error:  # noqa: BLE001 - one message that cannot be drawn must not hold up the batch
            _write_mistake(claim, message, error, desk)
            return None
        message.payload, message.channel = parcel.body.decode(), parcel.channel
    now = clock.now()
    may_repeat = message.unknown and (
        now - message.due_at > REPEAT_WINDOW or local(now).date() != local(message.due_at).date()
    )
    message.state, message.tried_at = SENDING, now
    message.attempts += 1
    parcel = Parcel(message.channel, message.payload.encode(), (reader.userid,))
    return Letter(claim, message.id, reader.userid, parcel, may_repeat)


# --- post ---------------------------------------------------------------------------------------------------------


class Errand(Protocol):
    """Something that is asked of the host, and how that ended (None: it was not asked)."""

    end: Any


One = TypeVar("One", bound=Errand)


def call_each(errands: Sequence[One], call: Callable[[One], Any], desk: Desk) -> None:
    """Call the corp's host for one after the other, until it fails too often, takes too long, or it is time to stop."""
    corp_id = current_corp()
    began = time.monotonic()
    for number, errand in enumerate(errands):
        if number and (desk.is_stopping() or desk.breakers.is_open(corp_id) or _is_slow(began, desk)):
            return
        try:
            with desk.calling(corp_id):
                errand.end = call(errand)
        except Exception as error:  # noqa: BLE001 - every end is written down
            errand.end = error


def _is_slow(began: float, desk: Desk) -> bool:
    """Whether the host takes so long that the rest of the batch is better off with others."""
    return time.monotonic() - began > desk.pace.slow_batch


# --- settle -------------------------------------------------------------------------------------------------------


def settle(write: Callable[[], None]) -> None:
    """Write ends down and commit; a deadlock or a busy database is tried again, for calls cannot be taken back."""
    for tries_left in reversed(range(SETTLE_TRIES)):
        try:
            write()
            db.session.commit()
            return
        except sa.exc.OperationalError:
            db.session.rollback()
            if not tries_left:
                raise


def _write_ends(letters: Sequence[Letter], desk: Desk, host: str) -> None:
    held = {claim.id for claim in leases.held([letter.claim for letter in letters])}
    ours = [letter for letter in letters if letter.claim.id in held]
    messages = locked([letter.message_id for letter in ours])
    done: list[Claim] = []
    with outbox.together():
        for letter in ours:
            message = messages[letter.message_id]
            match letter.end:
                case None:
                    _write_untried(letter, message)
                case Receipt():
                    _write_accepted(letter, message, desk, host)
                    done.append(letter.claim)
                case TryLater():
                    _write_later(letter, message, letter.end, desk, host)
                case BadCredentials():
                    _write_credentials(letter, message, letter.end, desk)
                case HostError():
                    _write_refused(letter, message, letter.end, host)
                case _:
                    message.unknown = True  # it may have arrived; the same bytes may go again
                    metrics.OUTBOX_UNKNOWN.labels(host).inc()
                    _write_mistake(letter.claim, message, letter.end, desk)
    catch_up([messages[letter.message_id] for letter in ours if isinstance(letter.end, Receipt)])
    if done:
        leases.finish(*done)
        clear_fault(current_corp())


def _write_untried(letter: Letter, message: Notification) -> None:
    message.attempts -= 1
    if message.attempts == 0 and message.state == SENDING:
        message.state, message.tried_at = PLANNED, None
    leases.give_back(letter.claim)


def _write_accepted(letter: Letter, message: Notification, desk: Desk, host: str) -> None:
    receipt = letter.end
    assert isinstance(receipt, Receipt)
    now = clock.now()
    late = max(0.0, (now - message.due_at).total_seconds())
    message.sent_at, message.unknown, message.host_code = now, False, ""
    message.reason = _("可能重复：上一次发送没有得到回应") if letter.may_repeat else ""
    if not message.host_id:
        update_if_pressed(message)
    message.host_id = receipt.host_id or message.host_id
    message.handle = {**receipt.handle, **message.handle}  # a press may have brought a newer one meanwhile
    if receipt.dropped:
        drop(message, next(iter(receipt.dropped.values())), host)
    else:
        message.advance(ACCEPTED)
        if receipt.check_after is not None:
            busy = min(MOST_LATER, LATER * late) if late > IN_TIME else 0.0
            after = max(desk.pace.results[0], desk.pace.wait(receipt.check_after), desk.pace.wait(busy))
            look_up_result(message, 0, after)
    metrics.OUTBOX_SENT.labels(host, "dropped" if receipt.dropped else "accepted").inc()
    metrics.OUTBOX_LATENESS.observe(late)


def drop(message: Notification, code: str, host: str) -> None:
    """Note that the host took a message and did not show it, unless somebody has seen it after all."""
    if message.state in (PLANNED, SENDING, ACCEPTED):
        message.state, message.host_code, message.settled_at = DROPPED, code[:60], clock.now()
        message.reason = _("被平台丢弃（%(code)s）", code=code[:60])
        metrics.message_dropped(host, code)


def look_up_result(message: Notification, number: int, after: float) -> None:
    """Have the host asked, in `after` seconds, what became of a message."""
    outbox.enqueue(
        "send.result",
        {"notification": message.id, "number": number},
        key=result_key(message.id, message.attempts, number),
        due_at=clock.now() + timedelta(seconds=after),
    )


def _write_later(letter: Letter, message: Notification, error: TryLater, desk: Desk, host: str) -> None:
    message.host_code, message.reason = error.code[:60], _("稍后重试：%(reason)s", reason=error.reason)[:300]
    if error.ambiguous:
        message.unknown = True
        metrics.OUTBOX_UNKNOWN.labels(host).inc()
    metrics.OUTBOX_RETRIES.labels("host").inc()
    after = desk.pace.delay(letter.claim.attempts, desk.pace.wait(error.after))
    leases.retry(letter.claim, after, str(error))


def _write_credentials(letter: Letter, message: Notification, error: BadCredentials, desk: Desk) -> None:
    message.host_code, message.reason = error.code[:60], _("企业的应用凭证有误，修正后自动继续发送")
    message.attempts -= 1
    note_fault(current_corp(), error)
    metrics.OUTBOX_RETRIES.labels("credentials").inc()
    leases.retry(letter.claim, desk.pace.credentials_pause, str(error), counted=False)


def _write_refused(letter: Letter, message: Notification, error: HostError, host: str) -> None:
    message.state, message.host_code, message.settled_at = FAILED, error.code[:60], clock.now()
    message.reason, message.unknown = error.reason[:300], False
    metrics.OUTBOX_SENT.labels(host, "refused").inc()
    leases.finish(letter.claim, note=str(error))
    if isinstance(error, OutOfRange):  # gone or out of sight: time to look
        outbox.enqueue("member.check", {"userid": letter.userid}, key=f"refused:{message.id}")


def _write_mistake(claim: Claim, message: Notification, error: Exception, desk: Desk) -> None:
    """A mistake of ours, not the host's: again a few times, then dead for somebody to look at."""
    log.error("send.failed", outbox=claim.id, exc_info=error)
    if claim.attempts + 1 >= desk.pace.max_bugs:
        _give_up(claim, message, _("内部错误，已停止重试"))
        return
    message.reason = _("内部错误，稍后重试")
    metrics.OUTBOX_RETRIES.labels("error").inc()
    leases.retry(claim, desk.pace.delay(claim.attempts), type(error).__name__)


def line_of_corp() -> tuple[Corp, Connector]:
    """Return the current corp and its line to the host."""
    corp: Corp = db.session.execute(sa.select(Corp).where(Corp.id == current_corp())).scalar_one()
    return corp, hosts.lines().of(corp)
