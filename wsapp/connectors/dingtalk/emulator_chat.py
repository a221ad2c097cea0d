"""What people of the emulated organisations see in their chats, by the host's own rules: who gets what, who does not.

Work notifications are accepted first and dropped in silence: repeated content on one day (Asia/Shanghai), more than
500 a day for one person, more than 5,000 a minute for one app. Cards live by their outTrackId and can be updated.
"""

import hashlib
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wsapp.connectors.dingtalk.emulator_cards import Card, CardBox
from wsapp.connectors.dingtalk.emulator_world import App, HostError

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

DAY = 86400
MAX_PEOPLE, MAX_DEPARTMENTS, MAX_EXPANDED = 100, 20, 5000
MAX_BYTES = 2048
MAX_FILE = 10 << 20
RESULT_WINDOW, STATUS_WINDOW = DAY, 7 * DAY
DUPLICATE, DAILY, PER_MINUTE = "143106", "143105", "143103"
KINDS = ("text", "image", "voice", "file", "link", "markdown", "action_card", "oa")


@dataclass(slots=True)
class Task:
    """One work notification to several people, and what became of it."""

    id: int
    app: App
    at: float
    people: list[str]
    kind: str
    outcome: dict[str, str] = field(default_factory=dict)  # userid → "", "invalid", "failed" or a 1431xx code
    read: set[str] = field(default_factory=set)
    recalled: bool = False


@dataclass(slots=True)
class Shown:
    """One message in one person's chat."""

    id: int
    user: str
    corp_id: str
    at: float
    kind: str
    msg: dict[str, Any]
    task: Task | None = None
    card: Card | None = None
    read: bool = False
    read_at: float = 0.0
    view: dict[str, Any] = field(default_factory=dict)  # of the robot


class Chat:
    """All chats of one emulator, indexed by person."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.cards = CardBox(emulator, self.show_card)
        self.forget()

    def forget(self) -> None:
        self.by_user: dict[str, list[Shown]] = {}
        self.by_id: dict[int, Shown] = {}
        self.tasks: dict[int, Task] = {}
        self.contents: dict[tuple[str, str], tuple[int, set[bytes]]] = {}
        self.per_day: dict[tuple[str, str], tuple[int, int]] = {}
        self.per_minute: Counter[tuple[str, int]] = Counter()
        self.drops: list[dict[str, Any]] = []
        self.next_id = 1
        self.next_task = 256271667526 + int(time.time()) % 100_000 * 100_000
        self.cards.forget()

    # --- sending ---------------------------------------------------------------------------------------------

    def send_notice(self, app: App, body: dict[str, Any]) -> int:
        """asyncsend_v2: check the form, answer a task id; whoever is dropped is dropped in silence."""
        if str(body.get("agent_id")) != str(app.agent_id):
            raise HostError(40056, "不合法的agentid")
        msg = _message(body.get("msg"), self.emulator.knobs["oversize"])
        self._check_file(app, msg)
        people = self._recipients(app, body)
        now = self.emulator.clock.time()
        with self.emulator.lock:
            self.next_task += 1
            task = Task(self.next_task, app, now, people, msg["msgtype"])
            self.tasks[task.id] = task
            content = hashlib.sha256(json.dumps(msg, sort_keys=True).encode()).digest()
            for userid in people:
                task.outcome[userid] = self._deliver(task, userid, msg, content, now)
        return task.id

    def _check_file(self, app: App, msg: dict[str, Any]) -> None:
        kind = msg["msgtype"]
        if kind in ("image", "voice", "file"):
            found = self.emulator.robots.file(app.corp.corp_id, msg[kind].get("media_id"), kind)
            if kind == "file" and len(found.body) > MAX_FILE:
                raise HostError(40006, "不合法的文件大小")
            msg[kind] = {**msg[kind], "name": found.name, "size": len(found.body)}

    def _recipients(self, app: App, body: dict[str, Any]) -> list[str]:
        corp = app.corp
        if body.get("to_all_user") in (True, "true"):
            return list(corp.members)
        people = [one.strip() for one in str(body.get("userid_list") or "").split(",") if one.strip()]
        departments = [one.strip() for one in str(body.get("dept_id_list") or "").split(",") if one.strip()]
        if len(people) > MAX_PEOPLE or len(departments) > MAX_DEPARTMENTS or not (people or departments):
            raise HostError(40035, "不合法的参数,接收人列表为空或超过限制")
        for department in departments:
            wanted = int(department) if department.isdigit() else -1
            people += [
                m.userid for m in corp.members.values() if any(wanted in corp.ancestors(d) for d in m.departments)
            ]
        return list(dict.fromkeys(people))

    def _deliver(self, task: Task, userid: str, msg: dict[str, Any], content: bytes, now: float) -> str:
        app, knobs = task.app, self.emulator.knobs
        member = app.corp.members.get(userid)
        if member is None:
            return "invalid"
        if not self.emulator.world.sees_member(app, member) and knobs["outside_range"] != "delivered":
            return "failed"
        code = self._limit(app, userid, content, now)
        if code:
            self.drops.append({"user": userid, "task": task.id, "code": code, "at": now})
            return code
        self._show(Shown(0, userid, app.corp.corp_id, now, msg["msgtype"], msg, task=task))
        return ""

    def _limit(self, app: App, userid: str, content: bytes, now: float) -> str:
        knobs, key = self.emulator.knobs, (app.client_id, userid)
        day = int((now + 8 * 3600) // DAY)  # Asia/Shanghai
        minute = (app.client_id, int(now // 60))
        if self.per_minute[minute] >= knobs["per_minute"]:
            return PER_MINUTE
        known_day, known = self.contents.get(key, (day, set()))
        if known_day != day:
            known = set()
        if content in known and knobs["duplicate_rule"]:
            return DUPLICATE
        count_day, count = self.per_day.get(key, (day, 0))
        count = count if count_day == day else 0
        if count >= knobs["per_day"]:
            return DAILY
        known.add(content)
        self.contents[key] = (day, known)
        self.per_day[key] = (day, count + 1)
        self.per_minute[minute] += 1
        return ""

    def _show(self, shown: Shown) -> Shown:
        shown.id, self.next_id = self.next_id, self.next_id + 1
        self.by_user.setdefault(shown.user, []).append(shown)
        self.by_id[shown.id] = shown
        return shown

    def show_robot(self, app: App, userid: str, kind: str, view: dict[str, Any]) -> Shown:
        """Put what the app's robot says into a person's chat with it."""
        return self._show(Shown(0, userid, app.corp.corp_id, self.emulator.clock.time(), kind, {}, view=view))

    def take_back(self, shown: Shown) -> None:
        self.by_user[shown.user] = [one for one in self.by_user.get(shown.user, []) if one is not shown]
        self.by_id.pop(shown.id, None)

    def show_card(self, card: Card, userid: str) -> None:
        """Put a delivered card into a person's chat with the robot."""
        self._show(Shown(0, userid, card.app.corp.corp_id, card.at, "interactive_card", {}, card=card))

    # --- asking afterwards -----------------------------------------------------------------------------------

    def _task(self, app: App, body: dict[str, Any], name: str = "task_id", window: float = RESULT_WINDOW) -> Task:
        if str(body.get("agent_id")) != str(app.agent_id):
            raise HostError(40056, "不合法的agentid")
        number = str(body.get(name, ""))
        task = self.tasks.get(int(number)) if number.isdigit() else None
        if task is None or task.app is not app or self.emulator.clock.time() > task.at + window:
            raise HostError(400002, "无效的参数,任务不存在或已过期")
        return task

    def progress(self, app: App, body: dict[str, Any]) -> dict[str, int]:
        task = self._task(app, body)
        seconds = self.emulator.knobs["send_seconds"]
        done = min(1.0, (self.emulator.clock.time() - task.at) / seconds) if seconds else 1.0
        return {"progress_in_percent": int(done * 100), "status": 2 if done >= 1 else 1 if done > 0 else 0}

    def result(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        task = self._task(app, body)
        if len(task.people) > MAX_PEOPLE:
            raise HostError(self.emulator.knobs["many_recipients"], "消息接收人数过多或未发送完成")
        if self.emulator.clock.time() < task.at + self.emulator.knobs["send_seconds"]:
            raise HostError(41052, "消息未发送完成")
        dropped = {userid: code for userid, code in task.outcome.items() if code.isdigit()}
        lists = {
            "invalid_user_id_list": [one for one, code in task.outcome.items() if code == "invalid"],
            "forbidden_user_id_list": list(dropped),
            "failed_user_id_list": [one for one, code in task.outcome.items() if code == "failed"],
            "read_user_id_list": [one for one, code in task.outcome.items() if not code and one in task.read],
            "unread_user_id_list": [one for one, code in task.outcome.items() if not code and one not in task.read],
            "invalid_dept_id_list": [],
        }
        answer: dict[str, Any] = {
            name: rows for name, rows in lists.items() if rows or self.emulator.knobs["full_lists"]
        }
        if dropped:
            answer["forbidden_list"] = [{"code": code, "count": 1, "userid": one} for one, code in dropped.items()]
        if all(task.outcome.values()) and not dropped:
            answer.setdefault("forbidden_list", []).append({"code": "1430000", "count": len(task.people)})
        return answer

    def recall(self, app: App, body: dict[str, Any]) -> None:
        task = self._task(app, body, "msg_task_id")
        with self.emulator.lock:
            task.recalled = True
            for userid in task.people:
                self.by_user[userid] = [one for one in self.by_user.get(userid, []) if one.task is not task]

    def status_bar(self, app: App, body: dict[str, Any]) -> None:
        task = self._task(app, body, window=STATUS_WINDOW)
        if task.kind != "oa" or len(task.people) > 5:
            raise HostError(41052, "消息接收人数过多或未发送完成")
        for userid in task.people:
            for shown in self.by_user.get(userid, []):
                if shown.task is task:
                    shown.msg = {**shown.msg, "state": str(body.get("status_value", ""))}

    # --- reading ---------------------------------------------------------------------------------------------

    def read(self, shown_id: int) -> dict[str, Any] | None:
        """The person opens the message: it counts as read."""
        shown = self.by_id.get(shown_id)
        if shown is None:
            return None
        if not shown.read:
            shown.read, shown.read_at = True, self.emulator.clock.time()
        if shown.task is not None:
            shown.task.read.add(shown.user)
        return self.view(shown)

    def items(self, user: str = "") -> list[dict[str, Any]]:
        if user:
            return [self.view(one) for one in self.by_user.get(user, [])]
        return [self.view(one) for one in sorted(self.by_id.values(), key=lambda one: one.id) if self._is_there(one)]

    def _is_there(self, shown: Shown) -> bool:
        return shown.task is None or not shown.task.recalled

    def view(self, shown: Shown) -> dict[str, Any]:
        """A message as data, whatever its type."""
        seen = {
            "id": str(shown.id),
            "user": shown.user,
            "corp": shown.corp_id,
            "at": shown.at,
            "kind": shown.kind,
            "title": "",
            "text": "",
            "lines": [],
            "buttons": [],
            "url": "",
            "state": "",
            "card": "",
            "read": shown.read,
            "dropped": "",
        }
        if shown.card is not None:
            return seen | shown.card.view()
        if shown.view:
            return seen | shown.view | {"source": "机器人"}
        return seen | _notice_view(shown.msg) | {"task": str(shown.task.id) if shown.task else ""}


def _message(msg: Any, oversize: str) -> dict[str, Any]:
    kind = msg.get("msgtype") if isinstance(msg, dict) else None
    if kind not in KINDS or not isinstance(msg.get(kind), dict):
        raise HostError(40035, "不合法的参数,msg")
    size = len(json.dumps(msg, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_BYTES and oversize == "reject":
        raise HostError(45002, "消息内容超过限制")
    if check := CHECKS.get(str(kind)):
        check(msg[kind])
    return dict(msg)


def _need(condition: Any, what: str) -> None:
    if not condition:
        raise HostError(40035, f"不合法的参数,{what}")


def _is_page(url: Any, most: int) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://", "dingtalk://")) and len(url) <= most


def _check_text(text: dict[str, Any]) -> None:
    _need(isinstance(text.get("content"), str) and text["content"], "text.content")


def _check_markdown(markdown: dict[str, Any]) -> None:
    _need(isinstance(markdown.get("title"), str) and markdown["title"], "markdown.title")
    _need(isinstance(markdown.get("text"), str) and 0 < len(markdown["text"]) <= 5000, "markdown.text")


def _check_link(link: dict[str, Any]) -> None:
    _need(_is_page(link.get("messageUrl"), 500), "link.messageUrl")
    _need(isinstance(link.get("title"), str) and 0 < len(link["title"]) <= 100, "link.title")
    _need(isinstance(link.get("text"), str) and 0 < len(link["text"]) <= 500, "link.text")
    _need(isinstance(link.get("picUrl"), str), "link.picUrl")


def _check_oa(oa: dict[str, Any]) -> None:
    head, body = oa.get("head"), oa.get("body")
    _need(_is_page(oa.get("message_url"), 500), "oa.message_url")
    _need(isinstance(head, dict) and re.fullmatch(r"[0-9A-Fa-f]{8}", str(head.get("bgcolor"))), "oa.head.bgcolor")
    _need(isinstance(head, dict) and head.get("text"), "oa.head.text")
    _need(isinstance(body, dict) and len(body.get("title", "")) <= 50, "oa.body")


def _check_action_card(card: dict[str, Any]) -> None:
    single = card.get("single_title") and card.get("single_url")
    if not card.get("markdown") or not (single or card.get("btn_json_list")):
        raise HostError(40035, "不合法的参数,action_card")
    if single and (len(card["single_title"]) > 20 or len(card["single_url"]) > 500):
        raise HostError(40035, "不合法的参数,single_title或single_url过长")
    for button in card.get("btn_json_list") or []:
        if len(button.get("title", "")) > 20 or len(button.get("action_url", "")) > 700:
            raise HostError(40035, "不合法的参数,btn_json_list")


CHECKS = {
    "action_card": _check_action_card,
    "text": _check_text,
    "markdown": _check_markdown,
    "link": _check_link,
    "oa": _check_oa,
}


ARTICLE = {"title": "title", "text": "text", "url": "messageUrl", "picture": "picUrl"}


def _notice_view(msg: dict[str, Any]) -> dict[str, Any]:
    kind, inner = msg["msgtype"], msg[msg["msgtype"]]
    if kind == "action_card":
        single = [(inner.get("single_title"), inner.get("single_url"))] if inner.get("single_title") else []
        rows = single + [(one.get("title"), one.get("action_url")) for one in inner.get("btn_json_list") or []]
        buttons = [{"key": "", "text": text, "url": url, "style": "plain"} for text, url in rows]
        url = inner.get("single_url", "")
        return {"title": inner.get("title", ""), "text": inner["markdown"], "buttons": buttons, "url": url}
    if kind == "oa":
        body = inner.get("body") or {}
        lines = [[one.get("key", ""), one.get("value", "")] for one in body.get("form") or []]
        rich = body.get("rich") or {}
        status = (inner.get("status_bar") or {}).get("status_value", "")
        return {
            "title": body.get("title", ""),
            "text": body.get("content", ""),
            "lines": lines,
            "url": inner.get("message_url", ""),
            "state": msg.get("state", status),
            "figure": [rich.get("num", ""), rich.get("unit", "")] if rich else [],
            "source": body.get("author", ""),
        }
    if kind == "link":
        article = {name: inner.get(key, "") for name, key in ARTICLE.items()}
        return {"title": article["title"], "text": article["text"], "url": article["url"], "articles": [article]}
    if kind in ("image", "voice", "file"):
        size = f"{inner.get('size', 0)} 字节"
        return {"title": inner.get("name", ""), "text": size, "media": inner.get("media_id", "")}
    return {"title": inner.get("title", ""), "text": inner.get("content") or inner.get("text", "")}
