"""What somebody wants who wrote to the robot: one line of text → a command. Pure; knows no record and no right."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from wsapp.crm.drafts.moments import Found, find_moment, find_moments
from wsapp.crm.drafts.sentences import corrected, without_fillers

Verb = Literal["find", "today", "team", "log", "remind", "help"]

# Words that begin a command; longer ones first, so that 记得 is not 记 with 得.
WITH_TEXT: tuple[tuple[str, Verb], ...] = (
    ("提醒我", "remind"),
    ("提醒", "remind"),
    ("记得", "remind"),
    ("记录", "log"),
    ("记", "log"),
    ("查询", "find"),
    ("查找", "find"),
    ("搜索", "find"),
    ("查", "find"),
    ("找", "find"),
    ("remind", "remind"),
    ("search", "find"),
    ("find", "find"),
    ("log", "log"),
)
ALONE: dict[str, Verb] = {
    "今天": "today",
    "我的今天": "today",
    "今日": "today",
    "today": "today",
    "团队今天": "team",
    "团队": "team",
    "今天团队": "team",
    "今天谁没跟进": "team",
    "谁没跟进": "team",
    "team": "team",
    "team today": "team",
    "帮助": "help",
    "help": "help",
}
MAX_TEXT = 2000
MAX_NAME = 60
MAX_NAMES = 3
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_MENTION = re.compile(r"^(?:@\S{1,60}\s+)+")  # the host leaves the robot's name in front where it was called by it
_CLAUSE = re.compile(r"[\s，,。；;、]+")
_FILLER = re.compile(r"^(?:下次|下一步|计划|预计|约好?|约定|安排)")
_EDGES = " \t\r\n　，,。.；;：:、！!"
_LINK = re.compile(r"^(?:之前|以前|前|要|记得|提醒我?)\s*")  # joins the time and the matter
_WORDS = re.compile(r"[\w（）()·&-]{2,30}")
_ABOUT = re.compile(r"(?:给|跟|和|同|找|向|约|催|见|去|回访|拜访|联系|跟进|通知|问)\s*")


@dataclass(frozen=True)
class Command:
    """What was understood. `name` is what the customer was called; `text` what to write down, `action` what is next.

    `doubt` is the moment in `words` that is not certain, or not at all; `whole` all that stood behind the verb.
    """

    verb: Verb
    name: str = ""
    text: str = ""
    at: datetime | None = None
    is_day: bool = False  # `at` names a day, not a minute
    action: str = ""
    doubt: Found | None = field(default=None, compare=False)
    words: str = field(default="", compare=False)
    whole: str = field(default="", compare=False)


def understand(line: str, now: datetime) -> Command:
    """Return the command in a line; help for anything else. `now` is aware and local."""
    text = _INVISIBLE.sub("", line)[:MAX_TEXT].strip(_EDGES)
    text = _MENTION.sub("", text + " ").strip(_EDGES + "?？")
    folded = " ".join(text.casefold().split())
    if verb := ALONE.get(folded):
        return Command(verb)
    for word, verb in WITH_TEXT:
        rest = text[len(word) :]
        if text.casefold().startswith(word) and _is_apart(word, rest):
            return _read(verb, rest.strip(_EDGES), now)
    return Command("help")


def _is_apart(word: str, rest: str) -> bool:
    """English words end where the word ends; Chinese ones need no space."""
    return not (word.isascii() and rest[:1].isalnum() and rest[:1].isascii())


def _read(verb: Verb, rest: str, now: datetime) -> Command:
    if verb == "find":
        return Command("find", name=" ".join(rest.split())[:MAX_NAME])
    return _log(rest, now) if verb == "log" else _remind(rest, now)


def _log(rest: str, now: datetime) -> Command:
    """`森林 报价已发 周五回访`: who, what was done, and perhaps in the last clause when there is more to do."""
    rest = corrected(without_fillers(rest), now)
    parts = re.split(r"[\s，,：:]+", rest, maxsplit=1)
    name, text = parts[0][:MAX_NAME], parts[1].strip() if len(parts) > 1 else ""
    for start in (0, *(match.end() for match in _CLAUSE.finditer(text))):
        bare = _FILLER.sub("", text[start:]).lstrip()
        found = find_moment(bare, now)
        if found is not None and found.start == 0 and found.moment > now:  # a clause about the future is a plan
            done, action = text[:start].strip(_EDGES), bare[found.end :].strip(_EDGES)
            doubt, words = (found if found.doubt else None), bare[found.start : found.end].strip(_EDGES)
            return Command(
                "log", name, done or text, found.moment, found.is_day, action, doubt=doubt, words=words, whole=rest
            )
    return Command("log", name, text, whole=rest, **_impossible(text, now))


def _impossible(text: str, now: datetime) -> dict[str, Any]:
    """The moment that a text names and that cannot be, or is not said which: 2月30号, 过几天."""
    one = next((one for one in find_moments(text, now) if one.moment is None), None)
    return {"doubt": one, "words": text[one.start : one.end].strip(_EDGES)} if one else {}


def _remind(rest: str, now: datetime) -> Command:
    """`明天下午3点 给森林打电话`: when, and what; the time may stand anywhere."""
    rest = corrected(without_fillers(rest), now)
    found = find_moment(rest, now)
    if found is None:
        return Command("remind", text=rest, **_impossible(rest, now))
    before, after = rest[: found.start].strip(_EDGES), rest[found.end :].strip(_EDGES)
    text = " ".join(part for part in (before, _LINK.sub("", after) or after) if part)
    words = rest[found.start : found.end].strip(_EDGES)
    doubt = found if found.doubt else None
    return Command("remind", "", " ".join(text.split()), found.moment, found.is_day, doubt=doubt, words=words)


def names_in(text: str) -> list[str]:
    """Return the words that may begin with a customer's name: what stands after 给, 跟, 找, 拜访 and the like."""
    following = (_WORDS.match(text, match.end()) for match in _ABOUT.finditer(text))
    return list(dict.fromkeys(match.group() for match in following if match))[:MAX_NAMES]
