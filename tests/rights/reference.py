"""What each person of a world sees, said a second time and as plainly as possible: the oracle of the tests.

It knows nothing of the product: it reads the world's own lists, and shares neither its statements nor its roles.
"""

from tests.rights.worlds import Custom, World, is_lead, may_edit, path_of

SEES = {"director": "all", "manager": "below", "seller": "shared", "reader": "below", "auditor": "all"}
DOES = {"director": "all", "manager": "below", "seller": "self", "reader": "none", "auditor": "none"}


def scopes(world: World, person: int, obj: str, action: str) -> list[tuple[str, tuple[int, ...]]]:
    """Return the scopes that a person's roles give them for an action, each with the departments that it names."""
    one = world.people[person]
    if one.is_admin:
        return [("all", ())]
    given = []
    for key in held(world, person):
        custom = world.customs[int(key[3:])] if key.startswith("own") else None
        given.append((_own(custom, obj, action), custom.departments) if custom else (_built_in(key, action), ()))
    return given


def held(world: World, person: int) -> list[str]:
    """Return the roles that a person holds, who is no administrator."""
    one = world.people[person]
    keys = list(one.roles) or ["seller"]
    return [*keys, "manager"] if one.leads and "manager" not in keys else keys


def _own(custom: Custom, obj: str, action: str) -> str:
    if action == "see":
        return custom.scopes[obj]
    return custom.deeds[action] if obj == "customer" else "none"


def _built_in(key: str, action: str) -> str:
    if action == "edit" and key == "seller":
        return "shared"
    return SEES[key] if action == "see" else DOES[key]


def whose(
    world: World, person: int, obj: str, action: str = "see", *, deputies: bool = True
) -> tuple[set[int], bool, bool]:
    """Return whose records a right covers, whether everybody's, and whether those shared with the person as well."""
    everybody, shared, seen = False, False, set()
    mine = world.people[person]
    if (obj, action) == ("task", "see"):
        seen.add(person)
    home = mine.leads or tuple(dict.fromkeys((*mine.departments, *mine.leads)))
    for scope, named in scopes(world, person, obj, action):
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
            theirs_seen, theirs_all, _shared = whose(world, away.absent, obj, action, deputies=False)
            seen, everybody = seen | theirs_seen, everybody or theirs_all
    return seen, everybody, shared


def sources(world: World, person: int, action: str = "see", *, deputies: bool = True) -> set[str]:
    """Return of which sources a person may do something with customers, whoever owns them."""
    found: set[str] = set()
    if world.people[person].is_admin:
        return found
    for key in world.people[person].roles:
        custom = world.customs[int(key[3:])] if key.startswith("own") else None
        if custom and _own(custom, "customer", action) == "value":
            found |= set(custom.sources)
    for away in world.away if deputies else ():
        if away.deputy == person and away.now:
            found |= sources(world, away.absent, action, deputies=False)
    return found


def customers(world: World, person: int) -> set[int]:
    """Return the customers that a person sees."""
    seen, everybody, shared = whose(world, person, "customer")
    picked = sources(world, person)
    return {
        at
        for at, one in enumerate(world.books)
        if not one.deleted
        and (everybody or one.owner in seen or one.source in picked or (shared and person in one.coworkers))
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


def leads(world: World, person: int) -> set[int]:
    """Return the leads that a person sees."""
    return {at for at in customers(world, person) if is_lead(at)}


def may(world: World, person: int, action: str) -> set[int]:
    """Return the customers that a person sees and may do something with."""
    covered, everybody, shared = whose(world, person, "customer", action)
    picked = sources(world, person, action)
    found = set()
    for at in customers(world, person):
        one = world.books[at]
        together = shared and person in one.coworkers and (may_edit(at) or action == "export")
        if everybody or one.owner in covered or one.source in picked or together:
            found.add(at)
    return found


def exported_follow_ups(world: World, person: int) -> set[int]:
    """Return the follow-ups that a person sees and may take out: only by who wrote them."""
    covered, everybody, _shared = whose(world, person, "follow_up", "export")
    return {at for at in records(world, person, "follow_up") if everybody or world.books[at].author in covered}


def binned(world: World, person: int) -> set[int]:
    """Return the deleted customers that a person finds in the bin: their own deed, and whose they may delete."""
    covered, everybody, _shared = whose(world, person, "customer", "delete")
    return {
        at
        for at, one in enumerate(world.books)
        if one.deleted and (everybody or one.creator == person or one.owner in covered)
    }


def managed(world: World, person: int) -> set[int]:
    """Return the customers in the pools that a person manages."""
    _covered, everybody, _shared = whose(world, person, "customer", "transfer")
    every = everybody or world.people[person].is_admin
    return _in_pools(world, {at for at, pool in enumerate(world.pools) if every or person in pool.managers})


def pooled(world: World, person: int) -> set[int]:
    """Return the customers in the pools that are for a person, or that they manage."""
    mine = world.people[person]
    paths = [path_of(world, one) for one in (*mine.departments, *mine.leads)]
    open_to = set()
    for at, pool in enumerate(world.pools):
        below = any(path.startswith(path_of(world, one)) for one in pool.departments for path in paths)
        for_all = not pool.departments and not pool.people and not pool.roles
        by_role = not mine.is_admin and any(key in pool.roles for key in held(world, person))
        if for_all or below or by_role or person in pool.people:
            open_to.add(at)
    return managed(world, person) | _in_pools(world, open_to)


def _in_pools(world: World, open_to: set[int]) -> set[int]:
    return {
        at
        for at, one in enumerate(world.books)
        if one.owner is None and not one.deleted and one.pool is not None and one.pool in open_to
    }
