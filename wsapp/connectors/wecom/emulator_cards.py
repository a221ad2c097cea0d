"""The emulator's check of message bodies: types, byte limits, card fields with the host's codes (wecom.md §4.2–4.4)."""

import re
from collections.abc import Callable
from typing import Any

from wsapp.connectors.wecom.emulator_access import Refusal

TASK_ID = re.compile(r"[0-9A-Za-z_\-@]{1,128}")
URL = re.compile(r"https?://\S+")
KEY_BYTES, OPTION_BYTES, URL_BYTES = 1024, 128, 2048

NOTICES = {"text_notice", "news_notice"}
INTERACTIVE = {"button_interaction", "vote_interaction", "multiple_interaction"}


def check_card(card: Any, *, has_callback: bool) -> None:
    """Refuse a template card as the host does. Raises Refusal with the code that names the field."""
    if not isinstance(card, dict):
        raise Refusal(40063, "empty template_card")
    kind = card.get("card_type")
    if kind not in NOTICES | INTERACTIVE:
        raise Refusal(42031, "invalid card_type")
    if (kind in INTERACTIVE or "action_menu" in card) and not has_callback:
        raise Refusal(43012)
    needs_task = kind in INTERACTIVE or "action_menu" in card
    if needs_task or "task_id" in card:
        _need(TASK_ID.fullmatch(_text(card.get("task_id"))), 42014, "invalid task_id")
    _check_title(card, kind)
    _check_action(card, kind)
    _check_lists(card)
    _check_menu(card)
    if check := CHECKS.get(str(kind)):
        check(card)


def _check_title(card: dict[str, Any], kind: str) -> None:
    title = _text(_part(card, "main_title").get("title"))
    if kind == "text_notice":
        _need(title or _text(card.get("sub_title_text")), 42033, "title or sub_title_text required")
    else:
        _need(title, 42033, "main_title.title required")


def _check_action(card: dict[str, Any], kind: str) -> None:
    action = card.get("card_action")
    if kind not in NOTICES and (action is None or _part(card, "card_action").get("type", 0) == 0):
        return
    _need(isinstance(action, dict) and action.get("type") in (1, 2), 42045, "card_action required")
    _check_link(action)


def _check_link(part: Any) -> None:
    """Where `type` says page (1) or mini program (2), its address must be there."""
    if part.get("type") == 1:
        url = _text(part.get("url"))
        _need(URL.fullmatch(url) and len(url.encode()) <= URL_BYTES, 42028, "invalid url")
    elif part.get("type") == 2 and "appid" not in part and "media_id" not in part:
        raise Refusal(42030, "invalid appid")


def _check_lists(card: dict[str, Any]) -> None:
    rows = _rows(card, "horizontal_content_list")
    _need(len(rows) <= 6, 42035, "horizontal_content_list too long")
    for row in rows:
        _need(_text(row.get("keyname")), 42027, "keyname required")
        if row.get("type") == 1:
            _check_link(row)
        _need(row.get("type") != 2 or _text(row.get("media_id")), 42029, "invalid media_id")
        _need(row.get("type") != 3 or _text(row.get("userid")), 42050, "invalid userid")
    _need(len(_rows(card, "vertical_content_list")) <= 4, 42036, "vertical_content_list too long")
    jumps = _rows(card, "jump_list")
    _need(len(jumps) <= 3, 42042, "jump_list too long")
    for jump in jumps:
        _need(_text(jump.get("title")), 42033, "jump title required")
        _check_link(jump)


def _check_menu(card: dict[str, Any]) -> None:
    if "action_menu" not in card:
        return
    actions = _rows(_part(card, "action_menu"), "action_list")
    _need(1 <= len(actions) <= 3, 42037, "action_list length")
    keys = [_text(one.get("key")) for one in actions]
    _need(all(_fits(key, KEY_BYTES) for key in keys), 42039, "invalid action key")
    _need(len(set(keys)) == len(keys), 42051, "duplicate action key")


def _check_buttons(card: dict[str, Any]) -> None:
    buttons = _rows(card, "button_list")
    _need(1 <= len(buttons) <= 6, 42017, "button_list length")
    for button in buttons:
        _need(_text(button.get("text")), 42038, "button text required")
        if button.get("type", 0) == 1:
            _check_link(button)
        else:
            _need(_fits(_text(button.get("key")), KEY_BYTES), 42039, "invalid button key")
    keys = [button["key"] for button in buttons if button.get("type", 0) == 0]
    _need(len(set(keys)) == len(keys), 42039, "duplicate button key")
    if "button_selection" in card:
        _check_question(_part(card, "button_selection"), 10)


def _check_vote(card: dict[str, Any]) -> None:
    _check_question(_part(card, "checkbox"), 20)
    _check_submit(card)


def _check_multiple(card: dict[str, Any]) -> None:
    questions = _rows(card, "select_list")
    _need(1 <= len(questions) <= 3, 42047, "select_list length")
    for question in questions:
        _check_question(question, 10)
    _check_submit(card)


def _check_question(question: dict[str, Any], most: int) -> None:
    _need(_fits(_text(question.get("question_key")), KEY_BYTES), 42043, "invalid question_key")
    options = _rows(question, "option_list")
    _need(1 <= len(options) <= most, 42037, "option_list length")
    for option in options:
        _need(_fits(_text(option.get("id")), OPTION_BYTES), 42040, "invalid option id")
        _need(_text(option.get("text")), 42041, "option text required")


def _check_submit(card: dict[str, Any]) -> None:
    submit = _part(card, "submit_button")
    _need(_text(submit.get("text")), 42049, "submit text required")
    _need(_fits(_text(submit.get("key")), KEY_BYTES), 42046, "invalid submit key")


def _check_news(card: dict[str, Any]) -> None:
    image = _part(card, "card_image").get("url") or _part(card, "image_text_area").get("image_url")
    _need(_text(image), 42044, "card_image.url required")


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "button_interaction": _check_buttons,
    "vote_interaction": _check_vote,
    "multiple_interaction": _check_multiple,
    "news_notice": _check_news,
}


# --- plain types --------------------------------------------------------------------------------------------------


def check_plain(kind: str, content: Any, *, card_limits: str) -> dict[str, Any]:
    """Return the content as people will see it: what is too long is cut. Raises Refusal for what is missing."""
    if not isinstance(content, dict):
        raise Refusal(40063, "empty content")
    if kind in ("text", "markdown"):
        text = _text(content.get("content"))
        _need(text, 44004, "empty content")
        return {"content": _cut_bytes(text, 2048)}
    if kind == "textcard":
        return _check_textcard(content, card_limits)
    if kind in ("image", "voice", "file", "video"):
        _need(_text(content.get("media_id")), 40007, "invalid media_id")
        return content
    if kind == "news":
        articles = content.get("articles")
        _need(isinstance(articles, list) and articles, 40063, "empty articles")
        _need(isinstance(articles, list) and len(articles) <= 8, 45008, "too many articles")
        return {"articles": [_article(one) for one in content["articles"]]}
    raise Refusal(40008)


def _article(one: Any) -> dict[str, Any]:
    _need(isinstance(one, dict) and _text(one.get("title")), 41016, "missing title")
    url = _text(one.get("url"))
    _need(URL.fullmatch(url) and len(url.encode()) <= URL_BYTES, 41010, "missing url")
    return {
        **one,
        "title": _cut_bytes(one["title"], 128),
        "description": _cut_bytes(_text(one.get("description")), 512),
    }


def _check_textcard(content: dict[str, Any], limits: str) -> dict[str, Any]:
    title, description, url = (_text(content.get(name)) for name in ("title", "description", "url"))
    _need(title, 41016, "missing title")
    _need(description, 41033, "missing description")
    _need(url, 41010, "missing url")
    _need(URL.fullmatch(url) and len(url.encode()) <= URL_BYTES, 40058, "invalid url")
    if limits == "bytes":
        return {**content, "title": _cut_bytes(title, 128), "description": _cut_bytes(description, 512)}
    return {**content, "title": title[:128], "description": description[:512]}


def _cut_bytes(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore")


def _need(condition: Any, code: int, message: str) -> None:
    if not condition:
        raise Refusal(code, message)


def _fits(key: str, most: int) -> bool:
    return 0 < len(key.encode()) <= most


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _part(card: dict[str, Any], name: str) -> dict[str, Any]:
    value = card.get(name)
    return value if isinstance(value, dict) else {}


def _rows(card: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = card.get(name)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
