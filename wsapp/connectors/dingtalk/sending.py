"""Sending: which format goes out, what the host answers, what became of it, and new faces for old cards."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wsapp.connectors.base import (
    Account,
    Delivery,
    Message,
    OutOfRange,
    Parcel,
    Receipt,
    Refused,
    TokenStore,
    TryLater,
)
from wsapp.connectors.dingtalk import messages, notices
from wsapp.connectors.dingtalk.calls import Calls
from wsapp.connectors.dingtalk.codes import (
    BACKEND_TIMEOUT,
    CARD_EXISTS,
    DUPLICATE_TODAY,
    NOT_UNDERSTOOD,
    TOO_MANY_OR_UNFINISHED,
    as_bool,
    as_dict,
    as_list,
    as_text,
)
from wsapp.connectors.dingtalk.robotchat import RobotChat

CONVERSATION = "/topapi/message/corpconversation"
CARDS = "/v1.0/card/instances"
ROUTE_KIND = "card.route"  # plus a digest of what was registered, so that a new address or secret registers anew
ROUTE_LIFE = 7 * 86400.0
CARDS_OFF = "off"
OVER_STREAM = "stream"
CARDS_OFF_LIFE = 3600.0
COPIES_AGE = 30.0  # until every process has seen that cards are off: they trust their own copies for a while
RESULT_AFTER = 10.0
NO_PERMISSION = ("60011",)  # the app may not send work notifications

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sender:
    """The messages of one corp's app."""

    account: Account
    calls: Calls
    tokens: TokenStore = field(repr=False)
    public_url: str

    def compose(self, message: Message, to: Sequence[str]) -> Parcel:
        """An interactive card where buttons call back and a template is configured, else a work notification.

        The parcel of a card carries the notification as well: what to send when the host refuses the template; that of
        another kind the action card. With `frugal` no card (its updates are calls, too) and no look-up of the result.
        Raises ValueError for no or more than 100 recipients (results can be asked for up to 100).
        """
        people = list(dict.fromkeys(to))
        if not 1 <= len(people) <= messages.MAX_RECIPIENTS:
            raise ValueError("a message goes to 1 to 100 people")
        msg = notices.notice_of(message, self.public_url)
        notice = {
            "agent_id": int(self.account["agent_id"]),
            "userid_list": ",".join(people),
            "msg": msg,
        }
        template = self.account["card_template_id"]
        presses = bool(messages.callback_buttons(message)) and not message.state and not message.frugal
        plain_card = message.form == "card" and not message.questions  # the template has no choices: the page asks
        if not (template and presses and plain_card):
            body: dict[str, Any] = {"notice": notice}
            if msg["msgtype"] != "action_card":
                body["plainer"] = messages.action_card(message, self.public_url)
            if message.frugal:
                body["frugal"] = True
            channel = "notice" if msg["msgtype"] == "action_card" else msg["msgtype"]
            return Parcel(channel, messages.dump(body), tuple(people))
        card = messages.card_request(
            message,
            people,
            template=template,
            robot_code=self._robot_code(),
            route_key=self._route_key(),
            public_url=self.public_url,
        )
        return Parcel("card", messages.dump({"card": card, "notice": notice}), tuple(people))

    def send(self, parcel: Parcel) -> Receipt:
        """Hand the parcel over. The same bytes again show nothing twice: cards go by their id, notices by content."""
        body = json.loads(parcel.body)
        if parcel.channel == "card" and (receipt := self._send_card(body["card"], body["notice"])):
            return receipt
        receipt = self._send_best(body["notice"], body.get("plainer"))
        return replace(receipt, check_after=None) if body.get("frugal") else receipt

    def _send_best(self, notice: Mapping[str, Any], plainer: Mapping[str, Any] | None) -> Receipt:
        """The notification; when the host refuses its kind, the action card; without the permission, the robot."""
        try:
            return self._send_notice(notice)
        except OutOfRange:
            raise
        except Refused as error:
            if error.code in NO_PERMISSION:
                if receipt := self._robot().send(notice, plainer or notice["msg"]):
                    return receipt
                raise
            if plainer is None:
                raise
            logger.warning("dingtalk %s refused with %s, sending an action card", notice["msg"]["msgtype"], error.code)
        return self._send_notice({**notice, "msg": plainer})

    def _robot(self) -> RobotChat:
        return RobotChat(self.calls, self._robot_code())

    def _send_notice(self, notice: Mapping[str, Any]) -> Receipt:
        """asyncsend_v2: accepted is not delivered, so the result is to be asked for."""
        answer = self.calls.oapi(f"{CONVERSATION}/asyncsend_v2", notice, write=True)
        task = as_text(answer.get("task_id"), 40)
        if not task:
            raise TryLater("the answer carries no task_id", code=NOT_UNDERSTOOD, ambiguous=True)
        handle = {"task_id": task}
        if notice["msg"]["msgtype"] == "oa":
            handle["kind"] = "oa"
        return Receipt(host_id=task, handle=handle, check_after=RESULT_AFTER)

    def _send_card(self, card: Mapping[str, Any], notice: Mapping[str, Any]) -> Receipt | None:
        """createAndDeliver. None when cards do not work here (template, permission, route): send the notice instead."""
        track = str(card["outTrackId"])
        handle = {"out_track_id": track}
        try:
            route = self.tokens.get(self.route_kind(), self.register_route)
            if route == CARDS_OFF:
                return None
            answer = self.calls.api("POST", f"{CARDS}/createAndDeliver", card, write=True)
        except Refused as error:
            if error.code == CARD_EXISTS:  # an earlier try of these bytes arrived, its answer was lost
                return Receipt(host_id=track, handle=handle)
            logger.warning("dingtalk card refused with %s, sending a notice instead", error.code)
            return None
        people = str(notice["userid_list"]).split(",")
        dropped = undelivered(answer, people)
        if len(dropped) == len(people):
            return self._notice_forundelivered(notice, route)
        return Receipt(host_id=track, handle=handle, dropped=dropped)

    def _notice_forundelivered(self, notice: Mapping[str, Any], route: str) -> Receipt:
        """The card exists but reached nobody. Its id is spent, so a retry must not take "exists" for "arrived":
        when the notice cannot go out now either, cards stay off for the corp until the retries are through."""
        try:
            return self._send_notice(notice)
        except TryLater as error:
            self.tokens.get(self.route_kind(), lambda: (CARDS_OFF, CARDS_OFF_LIFE), stale=route)
            after = max(error.after, COPIES_AGE)
            raise TryLater(error.reason, after=after, code=error.code, ambiguous=error.ambiguous) from None

    def register_route(self) -> tuple[str, float]:
        """POST /v1.0/card/callbacks/register: where presses go, and the secret that signs them. A stream needs none."""
        key = self._route_key()
        if not key:
            return OVER_STREAM, ROUTE_LIFE
        body = {
            "callbackRouteKey": key,
            "callbackUrl": f"{self.public_url.rstrip('/')}/callbacks/dingtalk/{self.account.corp_id}/card",
            "apiSecret": self.account["client_secret"],
            "forceUpdate": True,
        }
        self.calls.api("POST", "/v1.0/card/callbacks/register", body, write=True)
        return key, ROUTE_LIFE

    def route_kind(self) -> str:
        where = self.public_url if self._route_key() else OVER_STREAM
        digest = hashlib.sha256(f"{where}\n{self.account['client_secret']}".encode()).hexdigest()
        return f"{ROUTE_KIND}.{digest[:8]}"

    def _route_key(self) -> str:
        """The name under which our address is registered; empty where presses come over the stream."""
        return "" if self.account["event_mode"] == "stream" else f"wsapp-{self.account.corp_id}"

    def _robot_code(self) -> str:
        return str(self.account["robot_code"] or self.account["client_id"])

    def results(self, receipt: Receipt, to: Sequence[str]) -> dict[str, Delivery]:
        """getsendresult, 24 h and up to 100 people (page of 2026-07-14). Cards have no such answer.

        143106 (repeated content) is delivered: each text is unique, so it can only repeat our own first try.
        """
        if key := receipt.handle.get("process_query_key"):
            return self._robot().results(str(key), to)
        task = receipt.handle.get("task_id")
        if not task:
            return {}
        body = {"agent_id": int(self.account["agent_id"]), "task_id": int(task)}
        try:
            answer = self.calls.oapi(f"{CONVERSATION}/getsendresult", body)
        except TryLater as error:
            if error.code in (TOO_MANY_OR_UNFINISHED, BACKEND_TIMEOUT, "15"):
                return {userid: Delivery("pending") for userid in to}
            raise
        return _deliveries(as_dict(answer.get("send_result")), to)

    def update(self, message: Message, receipt: Receipt) -> None:
        """PUT /v1.0/card/instances by key (interactive-card-update-interface). Of the notifications only the status
        bar of OA changes (status_bar/update, seven days)."""
        track = receipt.handle.get("out_track_id")
        if receipt.handle.get("kind") == "oa":
            self._update_status_bar(message, receipt)
            return
        if not track:
            raise Refused("an action card cannot be updated")
        body = {"outTrackId": track, **messages.card_update(message, self.public_url)}
        self.calls.api("PUT", CARDS, body, write=True)

    def _update_status_bar(self, message: Message, receipt: Receipt) -> None:
        body = {
            "agent_id": int(self.account["agent_id"]),
            "task_id": int(receipt.handle["task_id"]),
            **notices.status_bar(message),
        }
        self.calls.oapi(f"{CONVERSATION}/status_bar/update", body, write=True)

    def recall(self, receipt: Receipt) -> None:
        """corpconversation/recall and otoMessages/batchRecall, within 24 hours. Interactive cards stay."""
        if key := receipt.handle.get("process_query_key"):
            self._robot().recall(str(key))
        elif task := receipt.handle.get("task_id"):
            body = {"agent_id": int(self.account["agent_id"]), "msg_task_id": int(task)}
            self.calls.oapi(f"{CONVERSATION}/recall", body, write=True)
        else:
            raise Refused("an interactive card cannot be taken back", code="unsupported")


def undelivered(answer: Mapping[str, Any], people: Sequence[str]) -> dict[str, str]:
    """Return who got no card, with the host's word for it: HTTP 200 hides failures person by person."""
    rows = [as_dict(row) for row in as_list(as_dict(answer.get("result")).get("deliverResults"))]
    failed = [row for row in rows if not as_bool(row.get("success"))]
    reasons = {as_text(row.get("spaceId"), 64): as_text(row.get("errorMsg"), 100) or "undelivered" for row in failed}
    return {userid: reasons[userid] for userid in people if userid in reasons}


def _deliveries(result: Mapping[str, Any], to: Sequence[str]) -> dict[str, Delivery]:
    """Return the state per person out of `send_result`, any list of which may be missing."""
    found: dict[str, Delivery] = {}
    for name, delivery in (
        ("unread_user_id_list", Delivery("delivered")),
        ("read_user_id_list", Delivery("read")),
        ("failed_user_id_list", Delivery("dropped", "failed")),
        ("invalid_user_id_list", Delivery("dropped", "invalid")),
        ("forbidden_user_id_list", Delivery("dropped", "forbidden")),
    ):
        found |= {as_text(userid, 64): delivery for userid in as_list(result.get(name))}
    for row in as_list(result.get("forbidden_list")):
        code, userid = as_text(as_dict(row).get("code"), 20), as_text(as_dict(row).get("userid"), 64)
        found[userid] = Delivery("delivered" if code in DUPLICATE_TODAY else "dropped", code)
    return {userid: found.get(userid, Delivery("pending")) for userid in to}
