"""What people want to hear and when: quiet hours hold, digests gather, what is switched off says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from wsapp.crm.events.models import Event
from wsapp.crm.notifications import holding
from wsapp.crm.notifications.actions import tell
from wsapp.crm.notifications.hours import after, hours_of, hours_text
from wsapp.crm.notifications.kinds import CHANNELS, TOPIC_OF, TOPICS, choice_key
from wsapp.crm.notifications.models import DIGEST, Notification, Preference
from wsapp.crm.notifications.preferences import choose, declared, wishes_of
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.actions import complete_task, create_task
from wsapp.db import corp_scope, db
from wsapp.h5.words import MESSAGE_KINDS
from wsapp.outbox import Outbox
from wsapp.problems import Forbidden, Invalid

HERE = ZoneInfo("Asia/Shanghai")
EVENING, NIGHT, MORNING = "2031-03-05 20:00", "2031-03-05 22:00", "2031-03-06 08:00"
UNCHOSEN = {"digest", "test", "bot.answer", "bot.confirm"}


def there(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HERE)


@contextmanager
def at(text: str) -> Iterator[None]:
    with time_machine.travel(there(text)):  # ticking: what is told first stands first
        yield


@pytest.fixture
def decide(here: Flask) -> Callable[..., None]:
    """`decide(member, quiet=…, days=…, digest=…, off=(topics))` keeps a choice of the member's own."""

    def act(
        who: Member,
        *,
        quiet: str | None = None,
        days: bool | None = None,
        digest: int | None = None,
        off: tuple[str, ...] = (),
    ) -> None:
        who = db.session.merge(who)
        channels = {**declared().channels, **{choice_key(topic, "message"): False for topic in off}}
        choose(who, channels=channels, quiet_hours=quiet, quiet_days=days, digest_after=digest, actor=who)
        db.session.commit()

    return act


def say(reader: Member, key: str, kind: str = "visit.checked_in", **more: object) -> None:
    card = {
        "title": f"消息 {key}",
        "text": "",
        "lines": [],
        "url": "",
        "buttons": [],
        "source": "拜访动态",
        "state": "",
    }
    tell(db.session.merge(reader), kind, card, key=key, **more)  # type: ignore[arg-type]
    db.session.commit()


def ledger() -> dict[str, Notification]:
    found = sa.select(Notification).order_by(Notification.id).execution_options(populate_existing=True)
    return {one.key.partition(":")[0]: one for one in db.session.scalars(found)}


def in_line(kind: str) -> list[Outbox]:
    return list(db.session.scalars(sa.select(Outbox).where(Outbox.kind == kind).order_by(Outbox.due_at, Outbox.id)))


# --- the tables ---------------------------------------------------------------------------------------------------


def test_every_kind_of_message_can_be_chosen_or_is_known_not_to_be() -> None:
    assert set(MESSAGE_KINDS) <= set(TOPIC_OF) | UNCHOSEN
    assert {channel for topic in TOPICS for channel in topic.channels} <= {one.key for one in CHANNELS}
    assert len({topic.key for topic in TOPICS}) == len(TOPICS)


@pytest.mark.parametrize(
    ("hours", "moment", "end"),
    [
        ("21:00-08:00", "2031-03-05 20:59", None),
        ("21:00-08:00", "2031-03-05 21:00", "2031-03-06 08:00"),
        ("21:00-08:00", "2031-03-06 07:59", "2031-03-06 08:00"),
        ("21:00-08:00", "2031-03-06 08:00", None),
        ("12:00-13:30", "2031-03-06 12:10", "2031-03-06 13:30"),
        ("12:00-13:30", "2031-03-06 13:30", None),
        ("", "2031-03-06 03:00", None),
    ],
)
def test_quiet_hours_end_at_their_minute(here: Flask, hours: str, moment: str, end: str | None) -> None:
    assert after(hours_of(hours), there(moment)) == there(end or moment)
    assert hours_text(hours_of(hours)) == hours


# --- holding ------------------------------------------------------------------------------------------------------


def test_quiet_hours_hold_and_the_morning_brings_one_message(
    here: Flask, bob: Member, decide: Callable[..., None]
) -> None:
    decide(bob, quiet="21:00-08:00")
    with at(NIGHT):
        say(bob, "a")
        say(bob, "b")
        say(bob, "chosen", kind="task.due", chosen=True)
    for key in ("a", "b"):
        one = ledger()[key]
        assert (one.state, one.held, one.due_at) == ("planned", "quiet", there(MORNING))
    assert [row.payload["notification"] for row in in_line("send")] == [ledger()["chosen"].id]
    (alarm,) = in_line("messages.release")
    assert alarm.due_at == there(MORNING)
    with at(MORNING):
        holding.release(bob.id)
        holding.release(bob.id)  # twice is once
        db.session.commit()
    a, b, digest = ledger()["a"], ledger()["b"], ledger()["digest"]
    assert (a.state, b.state, a.reason) == ("suppressed", "suppressed", "已合并到一条汇总消息")
    assert a.merged_into == b.merged_into == digest.id
    assert digest.message["title"] == "免打扰期间有 2 条消息"
    assert digest.message["lines"] == [["拜访动态", "消息 a"], ["拜访动态", "消息 b"]]
    assert [row.payload["notification"] for row in in_line("send")] == [ledger()["chosen"].id, digest.id]


def test_a_very_full_night_is_one_message_too(here: Flask, bob: Member, decide: Callable[..., None]) -> None:
    decide(bob, quiet="21:00-08:00")
    with at(NIGHT):
        for number in range(600):
            tell(db.session.merge(bob), "visit.checked_in", {"title": f"第 {number} 条"}, key=f"n{number}")
        db.session.commit()
    with at(MORNING):
        holding.release(bob.id)
        db.session.commit()
    assert ledger()["digest"].message["title"] == "免打扰期间有 600 条消息"
    assert len(in_line("send")) == 1


def test_a_single_held_message_goes_as_it_is(here: Flask, bob: Member, decide: Callable[..., None]) -> None:
    decide(bob, quiet="21:00-08:00")
    with at(NIGHT):
        say(bob, "a")
    assert in_line("send") == []
    with at("2031-03-06 07:59"):
        holding.release(bob.id)
        db.session.commit()
    assert in_line("send") == []
    with at(MORNING):
        holding.release(bob.id)
        db.session.commit()
    assert [row.payload["notification"] for row in in_line("send")] == [ledger()["a"].id]


SATURDAY, MONDAY = "2031-03-08 10:00", "2031-03-10 08:30"


def test_whoever_wants_it_hears_nothing_on_free_days(here: Flask, bob: Member, decide: Callable[..., None]) -> None:
    """But for the minute that a person chose; on Monday it comes as one message."""
    decide(bob, quiet="", days=True)
    with at(SATURDAY):
        say(bob, "a")
        say(bob, "b")
        say(bob, "c", chosen=True)
    told = ledger()
    assert [told[key].due_at == there(MONDAY) for key in "abc"] == [True, True, False]
    assert [told[key].held for key in "abc"] == ["quiet", "quiet", ""]
    with at(MONDAY):
        holding.release(bob.id)
        db.session.commit()
        assert [line[1] for line in ledger()[DIGEST].message["lines"]] == ["消息 a", "消息 b"]
        say(bob, "d")
    assert ledger()["d"].held == ""


def test_who_wants_free_days_back_hears_at_once(here: Flask, bob: Member, decide: Callable[..., None]) -> None:
    decide(bob, quiet="", days=True)
    with at(SATURDAY):
        say(bob, "a")
        decide(bob, quiet="", days=False)
        holding.plan_anew(bob.id)
        db.session.commit()
    assert abs((ledger()["a"].due_at - there(SATURDAY)).total_seconds()) < 5


def test_what_was_finished_overnight_is_left_out(
    here: Flask, ali: Member, bob: Member, decide: Callable[..., None]
) -> None:
    ali, bob = db.session.merge(ali), db.session.merge(bob)
    decide(ali, quiet="21:00-08:00")
    with at(NIGHT):
        tasks = [create_task({"title": f"报价 {n}", "due_at": there("2031-03-09 09:00")}, actor=ali) for n in range(3)]
        for number, task in enumerate(tasks):
            say(ali, f"t{number}", kind="task.assigned", subject_id=task.id, task_ids=[task.id])
        complete_task(tasks[0], actor=ali)
        db.session.commit()
    with at(MORNING):
        holding.release(ali.id)
        db.session.commit()
    assert ledger()["t0"].reason == "待办已处理"
    assert [title for _source, title in ledger()["digest"].message["lines"]] == ["消息 t1", "消息 t2"]


def test_buttons_that_cannot_be_done_without_are_not_merged(
    here: Flask, bob: Member, decide: Callable[..., None]
) -> None:
    decide(bob, quiet="21:00-08:00")
    with at(NIGHT):
        for key in ("a", "b"):
            card = {"title": key, "lines": [], "buttons": [{"key": "yes", "text": "同意", "style": "primary"}]}
            tell(db.session.merge(bob), "approval", card, key=key)
        db.session.commit()
    with at(MORNING):
        holding.release(bob.id)
        db.session.commit()
    assert {row.payload["notification"] for row in in_line("send")} == {one.id for one in ledger().values()}
    assert set(ledger()) == {"a", "b"}


def test_an_alarm_that_has_begun_is_set_once_more(here: Flask, bob: Member, decide: Callable[..., None]) -> None:
    decide(bob, quiet="21:00-08:00")
    with at(NIGHT):
        say(bob, "a")
        (alarm,) = in_line("messages.release")
        alarm.state = "running"
        db.session.commit()
        say(bob, "b")
    assert [one.state for one in in_line("messages.release")] == ["running", "ready"]


def test_the_eleventh_message_of_a_day_waits_for_the_digest(
    here: Flask, bob: Member, decide: Callable[..., None]
) -> None:
    decide(bob, digest=3)
    with at("2031-03-05 10:00"):
        for number in range(3):
            say(bob, f"n{number}")
        say(bob, "chosen", kind="task.due", chosen=True)
        say(bob, "n3")
        say(bob, "n4")
        say(bob, "chosen2", kind="task.due", chosen=True)
    assert [one.held for one in ledger().values()] == ["", "", "", "", "digest", "digest", ""]
    assert ledger()["n3"].due_at == there("2031-03-05 18:00")
    with at("2031-03-05 18:00"):
        holding.release(bob.id)
        db.session.commit()
        say(bob, "n5")  # the digest itself does not count, but the day is still full
    assert ledger()["digest"].message["title"] == "又有 2 条消息"
    assert ledger()["n5"].due_at == there("2031-03-06 08:30")
    with at("2031-03-06 09:00"):
        say(bob, "n6")
    assert ledger()["n6"].held == ""


# --- choosing -----------------------------------------------------------------------------------------------------


def test_what_is_switched_off_stands_in_the_ledger(
    here: Flask, bob: Member, ali: Member, decide: Callable[..., None]
) -> None:
    decide(bob, off=("team_visits",))
    say(bob, "a")
    say(ali, "b")
    assert (ledger()["a"].state, ledger()["a"].reason) == ("suppressed", "这类消息已在通知设置里关闭")
    assert ledger()["b"].state == "planned"
    assert len(in_line("send")) == 1


def test_what_is_switched_off_overnight_is_not_sent(here: Flask, bob: Member, decide: Callable[..., None]) -> None:
    decide(bob, quiet="21:00-08:00")
    with at(NIGHT):
        say(bob, "a")
        decide(bob, quiet="21:00-08:00", off=("team_visits",))
    with at(MORNING):
        holding.release(bob.id)
        db.session.commit()
    assert (ledger()["a"].state, ledger()["a"].reason) == ("suppressed", "这类消息已在通知设置里关闭")
    assert in_line("send") == []


def test_members_over_the_corp_over_the_house(here: Flask, bob: Member, ali: Member, guan: Member) -> None:
    admin, person = db.session.merge(guan), db.session.merge(bob)
    everything = declared().channels
    choose(
        None, channels={**everything, "overdue/message": False}, quiet_hours="22:00-07:00", digest_after=20, actor=admin
    )
    db.session.commit()
    corp = wishes_of([person.id])[person.id]
    assert (hours_text(corp.quiet), corp.digest_after, corp.wants("task.overdue")) == ("22:00-07:00", 20, False)
    choose(person, channels={**everything}, quiet_hours="", digest_after=0, actor=person)
    db.session.commit()
    found = wishes_of([bob.id, ali.id])
    own, other = found[bob.id], found[ali.id]
    assert (own.quiet, own.digest_after, own.wants("task.overdue")) == (None, 0, True)
    assert (hours_text(other.quiet), other.wants("task.overdue")) == ("22:00-07:00", False)
    assert db.session.get(Preference, (person.corp_id, person.id)).channels == {"overdue/message": True}
    kept = db.session.scalars(
        sa.select(Event).where(Event.kind == "preference.changed").order_by(Event.at, Event.id)
    ).all()
    assert kept[0].changes["quiet_hours"] == [None, "22:00-07:00"]


def test_preferences_stay_within_their_corp(here: Flask, guan: Member, ivy: Member) -> None:
    admin = db.session.merge(guan)
    choose(None, channels={}, quiet_hours="22:00-07:00", digest_after=None, actor=admin)
    db.session.commit()
    with corp_scope(ivy.corp_id):
        assert wishes_of([ivy.id])[ivy.id].quiet is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"quiet_hours": "21:00-21:00"}, "quiet_from"),
        ({"quiet_hours": "abends"}, "quiet_from"),
        ({"quiet_hours": "25:00-08:00"}, "quiet_from"),
        ({"quiet_hours": "21:00:30-08:00"}, "quiet_from"),
        ({"digest_after": -1}, "digest_after"),
        ({"digest_after": 10**9}, "digest_after"),
        ({"channels": {"nonsense/message": True}}, ""),
    ],
)
def test_nonsense_is_refused(here: Flask, bob: Member, values: dict[str, object], field: str) -> None:
    person = db.session.merge(bob)
    with pytest.raises(Invalid) as refused:
        choose(person, **{"channels": {}, "quiet_hours": None, "digest_after": None, **values}, actor=person)  # type: ignore[arg-type]
    assert set(refused.value.fields) == {field}


def test_others_and_the_corps_rules_are_not_mine_to_change(here: Flask, bob: Member, ali: Member) -> None:
    person, other = db.session.merge(bob), db.session.merge(ali)
    for owner in (other, None):
        with pytest.raises(Forbidden):
            choose(owner, channels={}, quiet_hours=None, digest_after=None, actor=person)


@pytest.mark.parametrize(
    ("fresh", "due"), [("", NIGHT), ("21:00-07:00", "2031-03-06 07:00"), ("21:00-09:00", "2031-03-06 09:00")]
)
def test_a_changed_rule_plans_anew_what_is_held(
    here: Flask, bob: Member, decide: Callable[..., None], fresh: str, due: str
) -> None:
    decide(bob, quiet="21:00-08:00")
    with at(NIGHT):
        say(bob, "a")
        say(bob, "b")
        decide(bob, quiet=fresh)
        holding.plan_anew(bob.id)
        db.session.commit()
    assert abs((ledger()["a"].due_at - there(due)).total_seconds()) < 5  # "at once" is now
    assert ledger()["a"].due_at in [one.due_at for one in in_line("messages.release")]
    with time_machine.travel(ledger()["b"].due_at):
        holding.release(bob.id)
        db.session.commit()
    assert ledger()[DIGEST].message["lines"][0][1] == "消息 a"
    with at("2031-03-06 10:00"):
        holding.release(bob.id)  # the alarm of the old rule finds nothing
        db.session.commit()
    assert len(in_line("send")) == 1
