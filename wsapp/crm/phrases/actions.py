"""Quick phrases: one's own list, and what stands above a text field."""

from collections.abc import Sequence

import sqlalchemy as sa

from wsapp.crm.customers.clean import clean_line
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import hold_corp
from wsapp.crm.phrases.models import Phrase
from wsapp.crm.phrases.rules import corps_phrases
from wsapp.db import current_corp, db, first, insert_unless_there, new_id, rows
from wsapp.problems import Conflict, Invalid, NotFound
from wsapp.texts import _

MOST = 20  # of one's own
LONGEST = 100
MOST_SHOWN = 24
FAR = 1_000_000


def phrases_for(actor: Member) -> list[str]:
    """Return what a form offers: what one put in order first, then the most used, one's own before the corp's."""
    kept = {one.text: one for one in _of(actor)}
    corps = [one for one in corps_phrases() if len(one) <= LONGEST]
    texts = [*(text for text, one in kept.items() if one.is_own), *corps]
    order = {text: place for place, text in reversed(list(enumerate(texts)))}

    def rank(text: str) -> tuple[int, int, int]:
        one = kept.get(text)
        position = one.position if one is not None and one.is_own else None
        return FAR if position is None else position, -(one.used if one else 0), order[text]

    return sorted(order, key=rank)[:MOST_SHOWN]


def own_phrases(actor: Member) -> list[Phrase]:
    """Return one's own phrases in the order in which forms offer them."""
    place = {text: n for n, text in enumerate(phrases_for(actor))}
    return sorted((one for one in _of(actor) if one.is_own), key=lambda one: place.get(one.text, FAR))


def _of(actor: Member) -> Sequence[Phrase]:
    return rows(sa.select(Phrase).where(Phrase.member_id == actor.id).order_by(Phrase.id))


def add_phrase(text: str, *, actor: Member) -> Phrase:
    """Add a phrase of one's own. Raises Invalid; Conflict for one that is there."""
    text = clean_line(text)
    if not 1 <= len(text) <= LONGEST:
        raise Invalid({"text": _("请填写 1–%(most)d 个字", most=LONGEST)})
    hold_corp()  # or two at once would get past the limit together
    there = {one.text: one for one in _of(actor)}
    if sum(one.is_own for one in there.values()) >= MOST:
        raise Invalid({"text": _("最多 %(most)d 条常用语", most=MOST)})
    if text in there and there[text].is_own:
        raise Conflict({"text": _("已经有这一条")})
    one = there.get(text) or Phrase(id=new_id(), member_id=actor.id, text=text, used=0)
    one.is_own = True
    db.session.add(one)
    db.session.flush()
    return one


def remove_phrase(phrase_id: str, *, actor: Member) -> None:
    """Remove a phrase of one's own. Raises NotFound."""
    db.session.delete(_own(phrase_id, actor))


def move_phrase(phrase_id: str, *, up: bool, actor: Member) -> None:
    """Put one's own phrase one place up or down; from then on one's own stand as they were put. Raises NotFound."""
    moved = _own(phrase_id, actor)
    mine = own_phrases(actor)
    at = mine.index(moved)
    to = max(0, min(len(mine) - 1, at - 1 if up else at + 1))
    mine.insert(to, mine.pop(at))
    for position, one in enumerate(mine):
        one.position = position


def _own(phrase_id: str, actor: Member) -> Phrase:
    mine = sa.select(Phrase).where(Phrase.id == phrase_id, Phrase.member_id == actor.id, Phrase.is_own)
    found: Phrase | None = first(mine)
    if found is None:
        raise NotFound(_("没有这条常用语"))
    return found


def note_uses(text: str, *, actor: Member) -> None:
    """Count which phrases a saved text has."""
    for phrase in phrases_for(actor):
        if phrase not in text:
            continue
        row = {"corp_id": current_corp(), "id": new_id(), "member_id": actor.id, "text": phrase, "is_own": False}
        insert_unless_there(Phrase, {**row, "used": 0})
        counted = sa.update(Phrase).where(Phrase.member_id == actor.id, Phrase.text == phrase)
        db.session.execute(counted.values(used=Phrase.used + 1).execution_options(synchronize_session=False))
