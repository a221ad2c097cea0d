"""The corp's rules: every one that a slice declares, with its default, range and who changed it last."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from flask import g, request

from wsapp.admin.gate import go, pages, show, storable
from wsapp.admin.recycling import rehearsed
from wsapp.crm.events.actions import record
from wsapp.crm.events.models import Event
from wsapp.crm.org.models import CorpRule
from wsapp.crm.org.queries import names
from wsapp.crm.org.rules import Rule, declared, rule, set_rules
from wsapp.crm.pools.terms import rulebook
from wsapp.db import db, rows
from wsapp.house import local
from wsapp.problems import Invalid
from wsapp.texts import _, lazy

bp = pages("rules")

REHEARSED = "recycle."  # rules that are shown at work before they are kept

GROUPS = {
    "session": lazy("登录"),
    "task": lazy("待办与提醒"),
    "brief": lazy("清单与日报"),
    "goal": lazy("目标"),
    "report": lazy("工作汇报"),
    "drafts": lazy("智能草稿"),
    "log": lazy("跟进与拜访记录"),
    "visit": lazy("拜访签到"),
    "customer": lazy("客户"),
    "contacts": lazy("联系人"),
    "phones": lazy("敏感信息"),
    "tags": lazy("标签"),
    "stages": lazy("客户阶段"),
    "lead": lazy("线索"),
    "leads": lazy("线索"),
    "duplicate": lazy("查重"),
    "duplicates": lazy("查重"),
    "pool": lazy("公海"),
    "recycle": lazy("公海回收"),
    "silence": lazy("长期未跟进"),
    "sharing": lazy("共享"),
    "reveal": lazy("敏感信息"),
    "import": lazy("导入"),
    "export": lazy("导出"),
    "transfer": lazy("导入导出"),
    "bin": lazy("回收站"),
    "audit": lazy("操作日志"),
}


@bp.get("/rules")
def index() -> str:
    """All rules as they hold now."""
    return _show({key: _typed(one) for key, one in declared().items()}, {})


@bp.post("/rules")
def save() -> Any:
    """Keep what was changed; the rules that the form does not hold stay."""
    typed = {key: _posted(one) for key, one in declared().items() if key in request.form or _is_unticked(one)}
    try:
        changes = set_rules(typed)
    except Invalid as problem:
        db.session.rollback()
        shown = {key: typed.get(key, _typed(one)) for key, one in declared().items()}
        return _show(shown, problem.fields), 422
    if any(key.startswith(REHEARSED) for key in changes) and "rehearsed" not in request.form:
        page = _rehearse(typed)
        db.session.rollback()
        return page
    for row in rows(sa.select(CorpRule).where(CorpRule.id.in_(changes))):
        record("rule.changed", row, actor=g.member, changes={row.id: changes[row.id]})
    db.session.commit()
    return go("/admin/rules", _("业务规则已保存") if changes else _("没有改动"))


def _rehearse(typed: Mapping[str, str]) -> str:
    """Show what the changed rules of recycling would take, before they hold; the session has them, and forgets them."""
    kept = {key: value for key, value in typed.items() if declared()[key].kind != "switch" or value}
    kept |= {f"{key}.there": "1" for key in typed if declared()[key].kind == "switch"}
    kept |= {"rehearsed": "1"}
    found = rehearsed(rulebook())
    return show("rules_rehearsed.html", "rules", kept=list(kept.items()), action="/admin/rules", **found)


def _is_unticked(one: Rule) -> bool:
    """A switch that is off is not posted; that its form was says the hidden field of its name."""
    return one.kind == "switch" and f"{one.key}.there" in request.form


def _posted(one: Rule) -> str:
    return storable(request.form.get(one.key, ""))


def _typed(one: Rule) -> str:
    return _as_typed(one, rule(one.key))


def _as_typed(one: Rule, value: Any) -> str:
    if one.kind == "switch":
        return "1" if value else ""
    if one.kind == "lines":
        return "\n".join(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _show(typed: Mapping[str, str], errors: Mapping[str, str]) -> str:
    latest = _latest_changes()
    groups: dict[str, list[dict[str, Any]]] = {}
    for key, one in declared().items():
        title = str(GROUPS.get(one.group, one.group))
        groups.setdefault(title, []).append(
            {
                "key": key,
                "kind": one.kind,
                "label": f"{one.label}（{one.unit}）" if str(one.unit) else str(one.label),
                "hint": _hint(one, latest.get(key)),
                "typed": typed[key],
                "choices": [(choice, str(text)) for choice, text in one.choices],
            }
        )
    return show("rules.html", "rules", groups=list(groups.items()), errors=errors)


def _hint(one: Rule, change: tuple[str, str] | None) -> str:
    parts = [str(one.hint)] if str(one.hint) else []
    usual = _as_words(one, one.default)
    if one.kind == "lines":
        parts.append(_("%(least)d–%(most)d 行", least=one.least, most=one.most))
    elif one.kind in ("number", "numbers"):
        parts.append(_("默认 %(usual)s，可设 %(least)d–%(most)d", usual=usual, least=one.least, most=one.most))
    else:
        parts.append(_("默认 %(usual)s", usual=usual))
    if change:
        parts.append(_("%(who)s 于 %(when)s 修改", who=change[0], when=change[1]))
    return _("；").join(parts)


def _as_words(one: Rule, value: Any) -> str:
    if one.kind == "switch":
        return _("开") if value else _("关")
    if one.kind == "choice":
        return next((str(text) for choice, text in one.choices if choice == value), str(value))
    return _as_typed(one, value) or _("无")


def _latest_changes() -> dict[str, tuple[str, str]]:
    """Return who changed each rule last, and when, by its key."""
    newest = (
        sa.select(Event.subject_id, sa.func.max(Event.at).label("at"))
        .where(Event.kind == "rule.changed")
        .group_by(Event.subject_id)
        .subquery()
    )
    found = db.session.execute(
        sa.select(Event.subject_id, Event.actor_id, Event.at)
        .join(newest, sa.and_(newest.c.subject_id == Event.subject_id, newest.c.at == Event.at))
        .where(Event.kind == "rule.changed")
    ).all()
    people = names([one.actor_id for one in found])
    return {
        one.subject_id: (people.get(one.actor_id or "", "") or _("系统"), f"{local(one.at):%Y-%m-%d %H:%M}")
        for one in found
    }
