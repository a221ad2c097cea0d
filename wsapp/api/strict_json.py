"""Request bodies as strict JSON: one object, bounded, no key twice, no number or text that storage cannot hold."""

import json
from math import isfinite
from typing import Any

from wsapp.texts import _

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_DIGITS = 20  # 2^64 has as many


class BadJson(Exception):
    """The body is not taken; the message says why, in the reader's language."""


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the object that `raw` spells. Raises BadJson."""
    if len(raw) > MAX_BYTES:
        raise BadJson(_("请求内容超过 1 MB"))
    try:
        found = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except UnicodeDecodeError:
        raise BadJson(_("请求不是有效的 UTF-8")) from None
    except json.JSONDecodeError as error:
        raise BadJson(_("请求不是有效的 JSON（第 %(line)d 行）", line=error.lineno)) from None
    except RecursionError:
        raise BadJson(_("JSON 嵌套超过 %(most)d 层", most=MAX_DEPTH)) from None
    if not isinstance(found, dict):
        raise BadJson(_("请求应为 JSON 对象"))
    _check_depth(found)
    if b"\\u" in raw:  # NUL and lone surrogates can only come in as escapes
        _check_texts(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadJson(_("JSON 中有重复的键“%(key)s”", key=twice[:60]))
    return found


def _constant(name: str) -> Any:
    raise BadJson(_("JSON 不能包含 %(name)s", name=name))


def _float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise BadJson(_("JSON 中的数字过大"))
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise BadJson(_("JSON 中的数字过大"))
    return int(text)


def _check_depth(found: dict[str, Any]) -> None:
    level: list[Any] = [found]
    for _step in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise BadJson(_("JSON 嵌套超过 %(most)d 层", most=MAX_DEPTH))


def _check_texts(found: dict[str, Any]) -> None:
    waiting: list[Any] = [found]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and not is_storable(item):
            raise BadJson(_("文字中有无效字符（NUL 或不成对的代理字符）"))


def is_storable(text: str) -> bool:
    """Say whether every database can hold a text: no NUL, no lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
