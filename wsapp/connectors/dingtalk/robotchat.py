"""The app's robot in a person's own chat: the way for apps that may not send work notifications.

Pages robot oToMessages/batchSend, readStatus, otoMessages/batchRecall. There is no idempotency key: what is repeated
after an unclear end may be shown twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wsapp.connectors.base import Delivery, Receipt, Refused, TryLater
from wsapp.connectors.dingtalk.calls import Calls
from wsapp.connectors.dingtalk.codes import NOT_UNDERSTOOD, as_dict, as_list, as_text
from wsapp.connectors.dingtalk.messages import dump

ROBOT = "/v1.0/robot"
MOST_PEOPLE = 20
RESULT_AFTER = 10.0
DROPPED = {  # list of the answer → our word for why
    "invalidStaffIdList": "invalid",
    "flowControlledStaffIdList": "flow_controlled",
    "filteredStaffIdList": "filtered",
}


@dataclass(frozen=True)
class RobotChat:
    """One app's robot."""

    calls: Calls
    robot_code: str

    def send(self, notice: Mapping[str, Any], msg: Mapping[str, Any]) -> Receipt | None:
        """Send a work notification's content by the robot; None when it is for too many people or of no kind of its."""
        people = str(notice["userid_list"]).split(",")
        sample = _sample(msg)
        if sample is None or len(people) > MOST_PEOPLE:
            return None
        key, param = sample
        body = {"robotCode": self.robot_code, "userIds": people, "msgKey": key, "msgParam": dump(param).decode()}
        answer = self.calls.api("POST", f"{ROBOT}/oToMessages/batchSend", body, write=True)
        query_key = as_text(answer.get("processQueryKey"), 300)
        if not query_key:
            raise TryLater("the answer carries no processQueryKey", code=NOT_UNDERSTOOD, ambiguous=True)
        dropped = {
            as_text(userid, 64): why for name, why in DROPPED.items() for userid in as_list(answer.get(name)) if userid
        }
        handle = {"process_query_key": query_key, "channel": "robot"}
        return Receipt(host_id=query_key[:200], handle=handle, dropped=dropped, check_after=RESULT_AFTER)

    def results(self, query_key: str, to: Sequence[str]) -> dict[str, Delivery]:
        """readStatus, within 24 hours."""
        params = {"robotCode": self.robot_code, "processQueryKey": query_key}
        answer = self.calls.api("GET", f"{ROBOT}/oToMessages/readStatus", None, params=params)
        rows = [as_dict(row) for row in as_list(answer.get("messageReadInfoList"))]
        states = {as_text(row.get("userId"), 64): as_text(row.get("readStatus"), 20) for row in rows}
        found = {"READ": Delivery("read"), "UNREAD": Delivery("delivered")}
        return {userid: found.get(states.get(userid, ""), Delivery("pending")) for userid in to}

    def recall(self, query_key: str) -> None:
        body = {"robotCode": self.robot_code, "processQueryKeys": [query_key]}
        answer = self.calls.api("POST", f"{ROBOT}/otoMessages/batchRecall", body, write=True)
        if query_key not in as_list(answer.get("successResult")):
            why = as_text(as_dict(answer.get("failedResult")).get(query_key), 100)
            raise Refused(why or "the host took nothing back", code="recall_failed")


def _sample(msg: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
    """The robot's template for a notification's `msg`, and its parameters."""
    kind, inner = msg["msgtype"], msg[msg["msgtype"]]
    if kind == "action_card" and "single_url" in inner:
        return "sampleActionCard", {
            "title": inner["title"],
            "text": inner["markdown"],
            "singleTitle": inner["single_title"],
            "singleURL": inner["single_url"],
        }
    if kind == "action_card":
        return "sampleMarkdown", {"title": inner["title"], "text": inner["markdown"]}
    if kind == "markdown":
        return "sampleMarkdown", {"title": inner["title"], "text": inner["text"]}
    if kind == "text":
        return "sampleText", {"content": inner["content"]}
    return None
