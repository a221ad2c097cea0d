"""Our messages as WeCom's cards (模板卡片); where one is refused, or something else serves better, as plain kinds.

Pages: message/send 90236, update_template_card 94945. Lengths are the host's advice (§ template_card) or, in bytes, its
limits (textcard, text). Every function is pure: the same message makes the same bytes, by which the host tells repeats.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from wsapp.connectors.base import Button, Message, Question
from wsapp.connectors.wecom.formats import Links, kinds_of
from wsapp.connectors.wecom.texts import cut, cut_bytes, inert, one_line, plain

MAX_RECIPIENTS = 1000
DUPLICATE_SECONDS = 14_400  # the host's longest
TASK_ID = re.compile(r"[0-9A-Za-z_\-@]{1,128}")
PLAIN_URL = re.compile(r"[!#-&(-;=?-\[\]-~]+")  # printable ASCII without quotes, angle brackets and backslash

TITLE, SOURCE, QUOTE, SUBTITLE = 36, 20, 100, 160  # characters
KEYNAME, VALUE, ROWS = 5, 30, 6
BUTTON_TEXT, BUTTONS = 10, 6
JUMP_TITLE, JUMPS = 18, 3
FIGURE, FIGURE_NAME, DESCRIPTION = 14, 22, 44
VOTE_OPTIONS, VOTE_TEXT = 20, 17
SELECTS, SELECT_OPTIONS, SELECT_TEXT = 3, 10, 16
TEXTCARD_TITLE, TEXTCARD_BODY, TEXT_BODY, URL = 128, 512, 2048, 2048  # bytes
FRAGMENT = 160  # bytes kept free for "#card-…"

STYLE = {"primary": 1, "plain": 2}
URL_ACTION = 1
NO_TITLE = "通知"
OPEN = "查看详情"


def dump(value: dict[str, Any]) -> bytes:
    """Canonical JSON: sorted, tight, real UTF-8 (the host refuses backslash-u escapes with 40033)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


class Writer:
    """Writes for one app; links lead to `public_url` only."""

    def __init__(self, agent_id: int, public_url: str, *, buttons: bool) -> None:
        self.agent_id = agent_id
        self.public_url = public_url.rstrip("/")
        self.buttons = buttons

    def compose(self, message: Message, to: Sequence[str]) -> tuple[str, bytes]:
        """(channel, parcel body) of a message: a template card, else the list of what to try, best first."""
        if message.form == "card" and not message.attachment and not message.articles:
            return "template_card", self.message(message, to)
        self._check(to)
        tries = [self._envelope("|".join(to), *kind) for kind in kinds_of(message, Links(self.link, message.card))]
        return tries[0]["msgtype"], dump({"tries": tries})

    def message(self, message: Message, to: Sequence[str]) -> bytes:
        """Body of message/send: a card with buttons where they can call back, else a notice that opens the page."""
        self._check(to)
        return dump(self._envelope("|".join(to), "template_card", self.card(message)))

    def _check(self, to: Sequence[str]) -> None:
        if not 0 < len(to) <= MAX_RECIPIENTS:
            raise ValueError(f"1 to {MAX_RECIPIENTS} recipients, not {len(to)}")

    def update(self, message: Message, response_code: str, to: Sequence[str]) -> bytes:
        """Body of message/update_template_card: the whole card anew, for everybody in `to`."""
        return dump(
            {
                "userids": list(to),
                "agentid": self.agent_id,
                "response_code": response_code,
                "template_card": self.card(message),
            }
        )

    def card(self, message: Message) -> dict[str, Any]:
        """The template card: button_interaction while there is something to press, text_notice otherwise."""
        if not TASK_ID.fullmatch(message.card):
            raise ValueError("a card's id is made of letters, digits, '_' and '-'")
        if message.questions and self.buttons and not message.state:
            return self._asking(message)
        buttons = self._callback_first(message)
        presses = self.buttons and not message.state and any(not button.url for button in buttons)
        card: dict[str, Any] = {
            "card_type": "button_interaction" if presses else "text_notice",
            "task_id": message.card,
            "main_title": {"title": cut(one_line(message.title), TITLE) or NO_TITLE},
            "card_action": {"type": URL_ACTION, "url": self.link(message.url)},
        }
        if source := cut(one_line(message.source), SOURCE):
            card["source"] = {"desc": source, "desc_color": 0}
        number, counted = (one_line(one) for one in message.figure)
        if number and not presses:  # only a notice has a large figure
            card["emphasis_content"] = {"title": cut(number, FIGURE), "desc": cut(counted, FIGURE_NAME)}
        lines = [(cut(one_line(key), KEYNAME), one_line(value)) for key, value in message.lines]
        shown, over = lines[:ROWS], lines[ROWS:]
        if shown:
            card["horizontal_content_list"] = [
                {"keyname": key or " ", "value": cut(value, VALUE)} for key, value in shown
            ]
        asked = [one_line(one.title) for one in message.questions]
        figure = [f"{counted}：{number}" if counted else number] if number and presses else []
        rest = "\n".join([*figure, plain(message.text), *asked, *(f"{key}：{value}" for key, value in over)]).strip()
        if rest:
            card["sub_title_text"] = cut(rest, SUBTITLE)
        if state := cut(one_line(message.state), QUOTE):
            card["quote_area"] = {"type": 0, "quote_text": state}
        if presses:
            card["button_list"] = [self._button(button) for button in buttons[:BUTTONS]]
        elif jumps := [button for button in buttons if button.url and not message.state][:JUMPS]:
            card["jump_list"] = [
                {"type": URL_ACTION, "title": cut(one_line(one.text), JUMP_TITLE) or OPEN, "url": self.link(one.url)}
                for one in jumps
            ]
        return card

    def _asking(self, message: Message) -> dict[str, Any]:
        """One question makes a vote (single or multiple choice), two or three a card with selections."""
        submit = next((button for button in message.buttons if not button.url), Button("submit", "提交"))
        title = {"title": cut(one_line(message.title), TITLE) or NO_TITLE}
        if words := cut(one_line(message.text), DESCRIPTION):
            title["desc"] = words
        card: dict[str, Any] = {
            "task_id": message.card,
            "main_title": title,
            "submit_button": {"text": cut(one_line(submit.text), BUTTON_TEXT) or OPEN, "key": submit.key},
        }
        if source := cut(one_line(message.source), SOURCE):
            card["source"] = {"desc": source, "desc_color": 0}
        if len(message.questions) == 1:
            question = message.questions[0]
            options = _options(question, VOTE_OPTIONS, VOTE_TEXT)
            box = {"question_key": question.key, "mode": int(question.many), "option_list": options}
            return {**card, "card_type": "vote_interaction", "checkbox": box}
        selects = [
            {
                "question_key": question.key,
                "title": cut(one_line(question.title), SUBTITLE) or NO_TITLE,
                "option_list": _options(question, SELECT_OPTIONS, SELECT_TEXT),
            }
            for question in message.questions[:SELECTS]
        ]
        return {**card, "card_type": "multiple_interaction", "select_list": selects}

    def plainer(self, body: bytes) -> Iterator[bytes]:
        """What to try when the card in `body` is refused: a text card, then text. Made from the bytes alone."""
        envelope = json.loads(body)
        card = envelope["template_card"]
        # Two different reminders may read the same; the fragment keeps the host from taking one for a repeat.
        url = f"{card.get('card_action', {}).get('url') or self.link('')}#card-{card['task_id']}"
        title = inert(card["main_title"]["title"])
        details = [inert(one) for one in _details(card)]
        description = cut_bytes("\n".join(details), TEXTCARD_BODY // 2).replace("\n", "<br>") or title
        textcard = {"title": cut_bytes(title, TEXTCARD_TITLE), "description": description, "url": url}
        yield dump(self._envelope(envelope["touser"], "textcard", textcard))
        link = f'\n<a href="{url}">{OPEN}</a>'
        content = cut_bytes("\n".join([title, *details]), TEXT_BODY - len(link.encode())) + link
        yield dump(self._envelope(envelope["touser"], "text", {"content": content}))

    def link(self, url: str) -> str:
        """`url` when it is ours, else our front page."""
        if url.startswith("/") and not url.startswith("//"):
            url = self.public_url + url
        ours = url.startswith(self.public_url + "/") and PLAIN_URL.fullmatch(url) and len(url) <= URL - FRAGMENT
        return url if ours else f"{self.public_url}/h5/"

    def _button(self, button: Button) -> dict[str, Any]:
        row: dict[str, Any] = {"text": cut(one_line(button.text), BUTTON_TEXT) or OPEN, "style": STYLE[button.style]}
        if button.url:
            return {**row, "type": URL_ACTION, "url": self.link(button.url)}
        return {**row, "key": button.key}

    def _callback_first(self, message: Message) -> list[Button]:
        """The buttons in their order; when there are too many, those that only open a page give way."""
        if len(message.buttons) <= BUTTONS:
            return list(message.buttons)
        kept = [button for button in message.buttons if not button.url][:BUTTONS]
        links = [button for button in message.buttons if button.url][: BUTTONS - len(kept)]
        return [button for button in message.buttons if button in kept or button in links]

    def _envelope(self, touser: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        return {
            "touser": touser,
            "agentid": self.agent_id,
            "msgtype": kind,
            kind: content,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": DUPLICATE_SECONDS,
        }


def _options(question: Question, most: int, length: int) -> list[dict[str, Any]]:
    return [{"id": key, "text": cut(one_line(text), length) or "-"} for key, text in question.options[:most]]


def _details(card: dict[str, Any]) -> list[str]:
    """The words of a card below its title, line by line."""
    figure = card.get("emphasis_content", {})
    rows = [" ".join(one for one in (figure.get("desc", ""), figure.get("title", "")) if one)]
    rows += [f"{row['keyname']}：{row['value']}" for row in card.get("horizontal_content_list", [])]
    rows += [one["title"] for one in card.get("select_list", [])]
    text = card.get("sub_title_text", "") or card["main_title"].get("desc", "")
    state = card.get("quote_area", {}).get("quote_text", "")
    return [line for line in [*rows, *text.split("\n"), state] if line]
