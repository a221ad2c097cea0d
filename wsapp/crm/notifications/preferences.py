"""What people want to hear, and when: their own choices over the corp's, over what is declared in `kinds`.

Only what differs from the level above is kept, so that a later change there reaches everybody who chose nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.events.actions import record
from wsapp.crm.notifications.hours import Hours, hours_of, hours_text
from wsapp.crm.notifications.kinds import MESSAGE, TOPIC_OF, TOPICS, Topic, choice_key
from wsapp.crm.notifications.models import OF_THE_CORP, Preference
from wsapp.crm.org.models import Member
from wsapp.db import current_corp, db, dialect_insert, first, rows
from wsapp.house import house
from wsapp.problems import Forbidden, Invalid
from wsapp.texts import _

DIGEST_AFTER = 10  # messages a day to one person; the further ones come together
MOST_DIGEST_AFTER = 200
DIGEST_CHOICES = (0, 5, 10, 20, 50)


@dataclass(frozen=True)
class Wishes:
    """What somebody wants, all levels taken together.

    `channels`: choice key → on; `quiet_days`: whether free days are as quiet as the hours; `digest_after` 0: never.
    """

    channels: Mapping[str, bool]
    quiet: Hours | None
    quiet_days: bool
    digest_after: int

    def wants(self, kind: str, channel: str = MESSAGE) -> bool:
        """Say whether a kind of message is welcome by a way. What nobody can choose is always welcome as a message."""
        topic = TOPIC_OF.get(kind)
        if topic is None:
            return channel == MESSAGE
        return self.channels.get(choice_key(topic.key, channel), False)


def declared() -> Wishes:
    """Return what holds where nobody chose anything: the tables of `kinds`, and config.toml."""
    channels = {choice_key(topic.key, channel): on for topic in TOPICS for channel, on in topic.channels.items()}
    return Wishes(channels, house().settings.notifications.quiet_hours, quiet_days=False, digest_after=DIGEST_AFTER)


def wishes_of_corp() -> Wishes:
    """Return what the corp's administrators decided for everybody who chooses nothing."""
    return _over(declared(), first(sa.select(Preference).where(Preference.id == OF_THE_CORP)))


def wishes_of(member_ids: Iterable[str]) -> dict[str, Wishes]:
    """Return what members want, by id, in one query."""
    wanted = set(member_ids)
    found = {one.id: one for one in rows(sa.select(Preference).where(Preference.id.in_([*wanted, OF_THE_CORP])))}
    of_corp = _over(declared(), found.get(OF_THE_CORP))
    return {one: _over(of_corp, found.get(one)) for one in wanted}


def own_choices(owner: Member | None) -> Preference:
    """Return what a member (None: the corp) chose, an empty row when nothing yet."""
    owner_id = owner.id if owner else OF_THE_CORP
    found: Preference | None = first(sa.select(Preference).where(Preference.id == owner_id))
    return found or Preference(id=owner_id, channels={}, quiet_hours=None, quiet_days=None, digest_after=None)


def _over(below: Wishes, own: Preference | None) -> Wishes:
    if own is None:
        return below
    known = {key: on for key, on in own.channels.items() if key in below.channels}
    return Wishes(
        {**below.channels, **known},
        below.quiet if own.quiet_hours is None else hours_of(own.quiet_hours),
        below.quiet_days if own.quiet_days is None else own.quiet_days,
        below.digest_after if own.digest_after is None else own.digest_after,
    )


def choose(
    owner: Member | None,
    *,
    channels: Mapping[str, bool],
    quiet_hours: str | None,
    digest_after: int | None,
    actor: Member,
    quiet_days: bool | None = None,
) -> None:
    """Keep what a member chose for themselves, or an administrator for the corp (`owner` None).

    `channels` is complete (choice key → on); `quiet_hours` is "21:00-08:00", "" for none, `digest_after` a
    number, 0 for never; those and `quiet_days` are None for the level above. Raises Invalid, Forbidden.
    """
    if (owner is None and not actor.is_admin) or (owner is not None and owner.id != actor.id):
        raise Forbidden(_("只能修改自己的通知设置"))
    above = declared() if owner is None else wishes_of_corp()
    _check(above, channels, quiet_hours, digest_after)
    own = own_choices(owner)
    values = {
        "channels": {key: on for key, on in channels.items() if on != above.channels[key]},
        "quiet_hours": quiet_hours,
        "quiet_days": quiet_days,
        "digest_after": digest_after,
    }
    changes = {field: [getattr(own, field), value] for field, value in values.items() if getattr(own, field) != value}
    if not changes:
        return
    _keep(own.id, owner, values)
    record("preference.changed", own, actor=actor, changes=changes)


def ticked(keys: Iterable[str], topics: Iterable[Topic], before: Wishes) -> dict[str, bool]:
    """Return a complete choice out of the ticked boxes of a page that showed `topics`; others stay as `before`."""
    chosen = set(keys)
    shown = {choice_key(topic.key, channel) for topic in topics for channel in topic.channels}
    return {**before.channels, **{key: key in chosen for key in shown}, **dict.fromkeys(chosen - shown, True)}


def _check(above: Wishes, channels: Mapping[str, bool], quiet_hours: str | None, digest_after: int | None) -> None:
    if unknown := set(channels) - set(above.channels):
        raise Invalid({"": _("没有这样的通知：%(name)s", name=min(unknown)[:40])})
    try:
        hours = hours_of(quiet_hours or "")
    except ValueError:
        raise Invalid({"quiet_from": _("请填写不同的开始和结束时间，例如 21:00 和 08:00")}) from None
    if hours and hours_text(hours) != quiet_hours:
        raise Invalid({"quiet_from": _("时间只精确到分钟")})
    if digest_after is not None and not 0 <= digest_after <= MOST_DIGEST_AFTER:
        raise Invalid({"digest_after": _("请填写 0 到 %(most)s 之间的整数", most=MOST_DIGEST_AFTER)})


def _keep(owner_id: str, owner: Member | None, values: Mapping[str, Any]) -> None:
    fresh = {**values, "updated_at": clock.now()}
    statement = dialect_insert(Preference).values(
        corp_id=current_corp(), id=owner_id, member_id=owner.id if owner else None, **fresh
    )
    kept = statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_=fresh)
    db.session.execute(kept, execution_options={"stamped": True, "synchronize_session": False})
