"""What everybody is told who chose nothing: topics and ways, quiet hours, when a full day's messages come together."""

from collections.abc import Mapping
from typing import Any

from flask import g, request

from wsapp import outbox
from wsapp.admin.gate import go, pages, show, storable
from wsapp.crm.notifications.hours import days_choices, days_typed, hours_text, typed_days, typed_hours
from wsapp.crm.notifications.kinds import TOPICS, choices
from wsapp.crm.notifications.preferences import DIGEST_CHOICES, choose, declared, own_choices, ticked, wishes_of_corp
from wsapp.db import db
from wsapp.problems import Invalid
from wsapp.texts import _

bp = pages("notifications")


@bp.get("/notifications")
def index() -> str:
    """The corp's rules; where nothing was decided, those of config.toml."""
    own, wishes = own_choices(None), wishes_of_corp()
    start, _dash, end = (own.quiet_hours or hours_text(wishes.quiet) or "21:00-08:00").partition("-")
    typed = {
        "channels": [key for key, on in wishes.channels.items() if on],
        "quiet": "" if own.quiet_hours is None else "own" if own.quiet_hours else "off",
        "quiet_from": start,
        "quiet_to": end,
        "quiet_days": days_typed(wishes.quiet_days),
        "digest_after": str(wishes.digest_after),
    }
    return _show(typed, {})


def _show(typed: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    configured = hours_text(declared().quiet) or _("不设")
    return show(
        "notifications.html",
        "notifications",
        form={"typed": typed, "errors": errors},
        topics=choices(TOPICS),
        quiet_choices=[
            ("", _("按配置文件（%(what)s）", what=configured)),
            ("own", _("自己定")),
            ("off", _("不设")),
        ],
        quiet_days_choices=days_choices(),
        digest_choices=[(str(one), _digest_text(one)) for one in DIGEST_CHOICES],
    )


def _digest_text(after: int) -> str:
    return _("超过 %(n)s 条后合并", n=after) if after else _("每条都发")


@bp.post("/notifications")
def save() -> Any:
    """Keep the corp's rules; what is held back by the old ones is planned anew, after the answer."""
    typed: dict[str, Any] = {
        name: storable(request.form.get(name, ""))
        for name in ("quiet", "quiet_from", "quiet_to", "quiet_days", "digest_after")
    }
    typed["channels"] = [storable(one) for one in request.form.getlist("channels")]
    try:
        choose(
            None,
            channels=ticked(typed["channels"], TOPICS, wishes_of_corp()),
            quiet_hours=typed_hours(typed["quiet"], typed["quiet_from"], typed["quiet_to"]),
            quiet_days=typed_days(typed["quiet_days"]),
            digest_after=_digest_after(typed["digest_after"]),
            actor=g.member,
        )
    except Invalid as problem:
        db.session.rollback()
        return _show(typed, problem.fields), 422
    outbox.enqueue("messages.plan", {})
    db.session.commit()
    return go("/admin/notifications", _("通知规则已保存"))


def _digest_after(typed: str) -> int:
    if typed not in map(str, DIGEST_CHOICES):
        raise Invalid({"digest_after": _("请从列表中选择")})
    return int(typed)
