"""From our neutral message to DingTalk's formats: interactive card (互动卡片) and action card of a work notification.

Everything here is pure: the same message gives the same bytes, because the host tells repeats by content.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wsapp.connectors.base import Button, Message

# asynchronous-sending-of-enterprise-session-messages, message-types-and-data-format, create-and-deliver-cards
MAX_NOTICE_BYTES = 2048
MAX_RECIPIENTS = 100
MAX_URL = 500
MAX_BUTTON_TITLE = 20
MAX_PARAM_BYTES = 1024
MAX_TITLE = 60
MAX_SOURCE = 60
MAX_LINES = 12
BUTTON_SLOTS = 4

Row = tuple[str, str]  # label and value

# What could start a link, a mention or markup becomes its full-width twin: readable, and inert in every renderer.
_TWINS = str.maketrans("[]()<>@#*_`\\&!|~", "［］（）＜＞＠＃＊＿｀＼＆！｜～")
_BIDI = "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
_INVISIBLE = re.compile(f"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff{_BIDI}]")
_LINE_ENDS = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_SCHEME = re.compile(r":(?=//)|(?<=mailto):|(?<=tel):", re.IGNORECASE)
_DOMAIN_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_])")


def escape(text: str) -> str:
    """Make a person's text inert in DingTalk's markdown: no link, no mention, no markup, nothing invisible.

    Addresses stay readable but are no longer picked up as links ("：//", "example·com"). Newlines stay.
    """
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    return _DOMAIN_DOT.sub("·", _SCHEME.sub("：", text.translate(_TWINS)))


def one_line(text: str) -> str:
    """Escape a text and put it on one line."""
    return " ".join(escape(text).split())


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """Shorten a text to `limit` (characters, or what `size` counts) on a character boundary, with an ellipsis."""
    if size(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle] + "…") <= limit else (low, middle - 1)
    return text[:low].rstrip() + "…" if low else ""


def utf8(text: str) -> int:
    return len(text.encode())


def short_code(card: str) -> str:
    """A short code that makes each card's text unique: equal text is delivered once a day only."""
    return hashlib.sha256(card.encode()).hexdigest()[:6].upper()


def own_url(url: str, public_url: str) -> str:
    """Return `url` if it is a page of ours and short enough, else our start page: messages never link elsewhere."""
    base = public_url.rstrip("/")
    whole = base + url if url.startswith("/") and not url.startswith("//") else url
    plain = whole.isascii() and not re.search(r"[\x00-\x20\x7f\\]", whole)
    ours = whole == base or whole.startswith((base + "/", base + "?"))
    return whole if ours and plain and len(whole) <= MAX_URL else f"{base}/h5/"


# --- the action card ------------------------------------------------------------------------------------------


def action_card(message: Message, public_url: str) -> dict[str, Any]:
    """Return the `msg` of a work notification within its 2,048 bytes: text is shortened, never the link."""
    title = cut(one_line(message.title), MAX_TITLE) or "通知"

    def build(text: str, lines: Sequence[Row]) -> dict[str, Any]:
        card = {
            "title": title,
            "markdown": card_words(message, title, text, lines),
            "single_title": cut(_link_title(message.buttons), MAX_BUTTON_TITLE),
            "single_url": own_url(message.url, public_url),
        }
        return {"msgtype": "action_card", "action_card": card}

    return fit(build, message) or build("", [])


def card_words(message: Message, title: str, text: str, lines: Sequence[Row]) -> str:
    """Return the markdown of a card: heading, text, rows, state, and the code that makes it unique."""
    parts = [f"### {title}"]
    figure = " ".join(one_line(one) for one in message.figure).strip()
    if figure:
        parts.append(cut(figure, 60))
    if text:
        parts.append(text.replace("\n", "  \n  "))
    rows = [f"{label}：{value}" for label, value in lines]
    rows += [question for one in message.questions[:3] if (question := cut(one_line(one.title), 60))]
    if message.state:
        rows.append(cut(one_line(message.state), 100))
    source, end = cut(one_line(message.source), MAX_SOURCE), f"编号 {short_code(message.card)}"
    rows.append(f"{source} · {end}" if source else end)
    parts.append("  \n  ".join(rows))
    return "\n\n".join(parts)


def fit(
    build: Callable[[str, Sequence[Row]], dict[str, Any]], message: Message, text: str | None = None
) -> dict[str, Any] | None:
    """Return what `build` makes of the text and rows, with as much of them as fits; None when nothing of them does."""
    whole = cut(escape(message.text).strip() if text is None else text.strip(), 1200)
    lines = _rows(message, 120)
    while True:
        spare = MAX_NOTICE_BYTES - len(dump(build("", lines)))
        if spare >= 0 or not lines:
            break
        lines = lines[:-1]
    return build(cut(whole, spare, _as_json), lines) if spare >= 0 else None


def _as_json(text: str) -> int:
    """Bytes that a text takes inside the JSON of the message, its line breaks written out."""
    return len(dump(text.replace("\n", "  \n  "))) - 2 + len("\\n\\n")


def _link_title(buttons: Sequence[Button]) -> str:
    return next((one_line(button.text) for button in buttons if button.url), "") or "查看详情"


def _rows(message: Message, limit: int) -> list[Row]:
    pairs = [(cut(one_line(label), 20), cut(one_line(value), limit)) for label, value in message.lines[:MAX_LINES]]
    return [(label, value) for label, value in pairs if label or value]


# --- the interactive card -------------------------------------------------------------------------------------


def callback_buttons(message: Message) -> list[Button]:
    """The buttons that call us back (those with an address merely open it)."""
    return [button for button in message.buttons if not button.url]


def card_params(message: Message, public_url: str) -> dict[str, str]:
    """Return the card's public data: every value a string of at most 1 KB, as the template in setup.md expects.

    Each of the four button slots is always there, so that an update by key empties those that are gone.
    """
    buttons = [] if message.state else callback_buttons(message)[:BUTTON_SLOTS]
    shown = [{"key": button.key, "text": cut(one_line(button.text), 20), "style": button.style} for button in buttons]
    lines = [{"label": label, "value": value} for label, value in _rows(message, 80)]
    params = {
        "title": cut(one_line(message.title), MAX_TITLE),
        "text": cut(escape(message.text).strip(), MAX_PARAM_BYTES, utf8),
        "lines": _within(lines),
        "lines_text": cut("\n".join(f"{row['label']}：{row['value']}" for row in lines), MAX_PARAM_BYTES, utf8),
        "url": own_url(message.url, public_url),
        "buttons": _within(shown),
        "state": cut(one_line(message.state), 200),
        "source": cut(one_line(message.source), MAX_SOURCE),
        "code": short_code(message.card),
    }
    for slot in range(1, BUTTON_SLOTS + 1):
        button = shown[slot - 1] if slot <= len(shown) else {"text": "", "key": ""}
        params[f"button{slot}"] = button["text"]
        params[f"button{slot}_key"] = button["key"]
    return params


def _within(rows: Sequence[Mapping[str, str]]) -> str:
    """JSON of as many rows as fit into one parameter."""
    kept = list(rows)
    while len(dump(kept)) > MAX_PARAM_BYTES:
        kept.pop()
    return dump(kept).decode()


def card_request(
    message: Message, to: Sequence[str], *, template: str, robot_code: str, route_key: str, public_url: str
) -> dict[str, Any]:
    """Return the body of createAndDeliver: one card in the robot's single chat of each person.

    Presses come to the address registered as `route_key`, or over the stream where that is empty.
    """
    params = card_params(message, public_url)
    headline = params["title"] or "通知"
    return {
        "cardTemplateId": template,
        "outTrackId": message.card,
        **({"callbackType": "HTTP", "callbackRouteKey": route_key} if route_key else {"callbackType": "STREAM"}),
        "cardData": {"cardParamMap": params},
        "openSpaceId": ";".join(f"dtv1.card//IM_ROBOT.{userid}" for userid in to),
        "userIdType": 1,
        "imRobotOpenSpaceModel": {
            "supportForward": False,
            "lastMessageI18n": {"ZH_CN": headline},
            "notification": {"alertContent": headline, "notificationOff": False},
        },
        "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": robot_code},
    }


def card_update(message: Message, public_url: str) -> dict[str, Any]:
    """Return what shows `message` in an existing card. By key: the default would wipe what is not named."""
    return {
        "cardUpdateOptions": {"updateCardDataByKey": True},
        "cardData": {"cardParamMap": card_params(message, public_url)},
    }


def dump(value: Any) -> bytes:
    """Compact JSON in real UTF-8, the same bytes for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
