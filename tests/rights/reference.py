"""What each person of a world sees, said a second time and as plainly as possible: the oracle of the tests.

It knows nothing of the product: it reads the world's own lists, and shares neither its statements nor its roles.
"""

from tests.rights.worlds import World, path_of

SEES = {"director": "all", "manager": "below", "seller": "shared", "reader": "below", "auditor": "all"}


def scopes(world: World, person: int, obj: str) -> list[tuple[str, tuple[int, ...]]]:
    """Return the scopes that a person's roles give them, each with the departments that it names."""
    one = world.people[person]
    if one.is_admin:
        return [("all", ())]
    keys = list(one.roles) or ["seller"]
    if one.leads and "manager" not in keys:
        keys.append("manager")
    given = []
    for key in keys:
        custom = world.customs[int(key[3:])] if key.startswith("own") else None
        given.append((custom.scopes[obj], custom.departments) if custom else (SEES[key], ()))
    return given


def whose(world: World, person: int, obj: str, *, deputies: bool = True) -> tuple[set[int], bool, bool]:
    """Return whose records a person sees, whether everybody's, and whether those shared with them as well."""
    everybody, shared, seen = False, False, set()
    mine = world.people[person]
    home = mine.leads or tuple(dict.fromkeys((*mine.departments, *mine.leads)))
    for scope, named in scopes(world, person, obj):
        everybody |= scope == "all"
        shared |= scope not in ("none", "self")
        seen |= {person} if scope != "none" else set()
        departments = {"department": home, "below": home, "chosen": named}.get(scope, ())
        for at, other in enumerate(world.people):
            for theirs in (*other.departments, *other.leads):
                under = any(path_of(world, theirs).startswith(path_of(world, one)) for one in departments)
                if theirs in departments or (under and scope != "department"):
                    seen.add(at)
    for away in world.away if deputies else ():
        if away.deputy == person and away.now:
            theirs_seen, theirs_all, _shared = whose(world, away.absent, obj, deputies=False)
            seen, everybody = seen | theirs_seen, everybody or theirs_all
    return seen, everybody, shared


def customers(world: World, person: int) -> set[int]:
    """Return the customers that a person sees."""
    seen, everybody, shared = whose(world, person, "customer")
    return {
        at
        for at, one in enumerate(world.books)
        if not one.deleted and (everybody or one.owner in seen or (shared and person in one.coworkers))
    }


def records(world: World, person: int, obj: str) -> set[int]:
    """Return the follow-ups, visits or tasks that a person sees: one for each customer of the world."""
    seen, everybody, shared = whose(world, person, obj)
    theirs = customers(world, person)
    by = {"follow_up": "author", "visit": "visitor", "task": "assignee"}[obj]
    return {
        at
        for at, one in enumerate(world.books)
        if everybody
        or getattr(one, by) in seen
        or (obj == "task" and one.creator == person)
        or (obj != "task" and shared and at in theirs)
    }
