"""Several corps in one browser: a person who signed in to more than one goes from one to the other without signing in.

The cookie holds a session of each; each is looked at inside its own corp, so nothing of one corp is ever shown in
another. Who signs in as somebody else of the same corp is another person: then the others are forgotten.
"""

from collections.abc import Sequence

from flask import session

from wsapp.crm.org import access
from wsapp.crm.org.models import Corp, Member
from wsapp.db import corp_scope

HELD = "held"  # in the cookie: [corp, token] of the sessions beside the present one
MOST = 4

Pair = tuple[int, str]


def beside(corp: Corp, token: str) -> list[Pair]:
    """Return the sessions that stay beside a fresh one of `corp`: none when somebody else was signed in there."""
    held = _all()
    with corp_scope(corp.id):
        person = access.holder_of(token)
        if any(access.holder_of(old) != person for corp_id, old in held if corp_id == corp.id):
            return []
    return [pair for pair in held if pair[0] != corp.id]


def hold(pairs: Sequence[Pair]) -> None:
    """Put sessions beside the present one into the cookie."""
    session.pop(HELD, None)
    if pairs:
        session[HELD] = [list(pair) for pair in pairs[:MOST]]


def others() -> list[Member]:
    """Return who this browser is signed in as in other corps, as far as those sessions live."""
    return [member for _pair, member in _living() if member.corp_id != session.get("corp")]


def switch_to(host_corp_id: str) -> bool:
    """Make the held session of a corp the present one; says whether there was one that lives."""
    found = next((pair for pair, member in _living() if member.corp.host_corp_id == host_corp_id), None)
    if found is None:
        return False
    rest = [pair for pair in _all() if pair != found]
    session["corp"], session["token"] = found
    hold(rest)
    return True


def end_others() -> None:
    """Sign out of the other corps as well."""
    for corp_id, token in _held():
        with corp_scope(corp_id):
            if row := access.find_session(token):
                access.end_session(row[0].id, actor=row[1])
    session.pop(HELD, None)


def _living() -> list[tuple[Pair, Member]]:
    found = []
    for corp_id, token in _held():
        with corp_scope(corp_id):
            row = access.find_session(token)
            if row is not None:
                found.append(((corp_id, token), row[1]))
    return found


def _all() -> list[Pair]:
    corp_id, token = session.get("corp"), session.get("token")
    present = [(corp_id, token)] if isinstance(corp_id, int) and isinstance(token, str) else []
    return present + _held()


def _held() -> list[Pair]:
    """Return the held sessions. The cookie is signed, so what stands in it was put there by us."""
    return [(int(corp_id), str(token)) for corp_id, token in session.get(HELD, [])]
