"""Channels (通知设置): which events reach me where, my quiet hours, a test message."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g, url_for

from wsapp.crm.notifications.actions import send_test
from wsapp.crm.notifications.holding import plan_anew
from wsapp.crm.notifications.hours import days_choices, days_text, days_typed, hours_text, typed_days, typed_hours
from wsapp.crm.notifications.kinds import Topic, choices, topics_for
from wsapp.crm.notifications.preferences import (
    DIGEST_CHOICES,
    choose,
    own_choices,
    ticked,
    wishes_of,
    wishes_of_corp,
)
from wsapp.crm.org.queries import leads_others
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import per_member, show
from wsapp.problems import Problem
from wsapp.texts import _
from wsapp.web import limiter, require_member

bp = Blueprint("channels", __name__, url_prefix="/h5/me/channels")
bp.before_request(require_member)

TEST_RATE = "6 per minute"
FIELDS = ("quiet", "quiet_from", "quiet_to", "quiet_days", "digest_after")


def _topics() -> Sequence[Topic]:
    return topics_for(leads=leads_others(g.member), administers=g.member.is_admin)


@bp.get("")
def page() -> str:
    """What I chose, over what the corp decided."""
    own, wishes = own_choices(g.member), wishes_of([g.member.id])[g.member.id]
    start, _dash, end = (own.quiet_hours or hours_text(wishes.quiet) or "21:00-08:00").partition("-")
    typed = {
        "channels": [key for key, on in wishes.channels.items() if on],
        "quiet": "" if own.quiet_hours is None else "own" if own.quiet_hours else "off",
        "quiet_from": start,
        "quiet_to": end,
        "quiet_days": days_typed(own.quiet_days),
        "digest_after": "" if own.digest_after is None else str(own.digest_after),
    }
    return _show(Form(typed))


def _show(form: Form) -> str:
    corp = wishes_of_corp()
    follow = _("跟随公司（%(what)s）", what=hours_text(corp.quiet) or _("不设"))
    return show(
        "channels/page.html",
        form=form,
        topics=choices(_topics()),
        quiet_choices=[("", follow), ("own", _("自己定")), ("off", _("不设"))],
        quiet_days_choices=[("", _("跟随公司（%(what)s）", what=days_text(corp.quiet_days))), *days_choices()],
        digest_choices=[("", _("跟随公司（%(what)s）", what=digest_text(corp.digest_after)))]
        + [(str(one), digest_text(one)) for one in DIGEST_CHOICES],
        test_key=Form().key,
    )


def digest_text(after: int) -> str:
    """Return in words after how many messages a day the further ones come together."""
    return _("超过 %(n)s 条后合并", n=after) if after else _("每条都发")


@bp.post("")
def save_choices() -> Any:
    """Keep what I chose; what is held back by the old hours is planned by the new ones."""
    form = Form.read(FIELDS, ("channels",))

    def act() -> str:
        after = form.typed["digest_after"]
        choose(
            g.member,
            channels=ticked(form.typed["channels"], _topics(), wishes_of([g.member.id])[g.member.id]),
            quiet_hours=typed_hours(form.typed["quiet"], form.typed["quiet_from"], form.typed["quiet_to"]),
            quiet_days=typed_days(form.typed["quiet_days"]),
            digest_after=int(after) if after in map(str, DIGEST_CHOICES) else None,
            actor=g.member,
        )
        plan_anew(g.member.id)
        return url_for("channels.page")

    def again(problem: Problem | None) -> str:
        return _show(form)

    return save(form, act, again=again, words=_("通知设置已保存"))


@bp.post("/test")
@limiter.limit(TEST_RATE, key_func=per_member)
def test() -> Any:
    """Send me a test message, and show what becomes of it."""
    form = Form.read(())

    def act() -> str:
        return url_for("me.message", notification_id=send_test(g.member))

    def again(problem: Problem | None) -> str:
        return page()

    return save(form, act, again=again, words="")
