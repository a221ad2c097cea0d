"""Asking once before a save that the corp's rules only warn of: others are alike."""

from collections.abc import Sequence
from typing import Any

from flask import g

from wsapp.crm.customers.dedupe import Hit
from wsapp.crm.customers.dedupe_rules import BLOCK
from wsapp.crm.customers.telling import admitted, duplicate_of
from wsapp.problems import Duplicate, Problem


class Similar(Duplicate):
    """Others are alike, of whom the rules only warn: saved all the same when it is said again."""


def ask_about(hits: Sequence[Hit], text: str) -> None:
    """Raise Similar, saying `text`, when there is somebody to be told of. A refusal is left to the save itself."""
    if any(one.level == BLOCK for one in hits):
        return
    hits = admitted(hits, actor=g.member)
    if hits:
        about = duplicate_of(hits)
        raise Similar(dict.fromkeys(about.fields, text), told=about.told, asked=about.asked)


def known(problem: Problem | None) -> dict[str, Any]:
    """Return who is known already, where that is what a save was refused for: {"told", "asked", "similar"}."""
    if not isinstance(problem, Duplicate):
        return {"told": [], "asked": [], "similar": False}
    return {"told": problem.told, "asked": problem.asked, "similar": isinstance(problem, Similar)}
