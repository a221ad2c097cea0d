"""The wizard that connects a corp, step by step as its host declares them; each value is checked as it is entered."""

from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for

from wsapp import connecting
from wsapp.admin import corps
from wsapp.admin.gate import go
from wsapp.connecting import Draft
from wsapp.connectors.base import CredentialField
from wsapp.connectors.setup import Blame, SetUpStep
from wsapp.crm.org import setups
from wsapp.db import db
from wsapp.problems import Invalid
from wsapp.texts import _
from wsapp.web import limiter

bp = Blueprint("admin_set_ups", __name__, url_prefix="/admin/corps/set-ups")
bp.before_request(corps.let_in)

FINISH = "finish"
CHECK_RATE = "120 per minute"


@bp.get("/<key:set_up_id>")
def resume(set_up_id: str) -> Any:
    """Go on where it was left: at the first page until the corp is connected, then after the steps that were seen."""
    draft = corps.set_up_or_404(set_up_id)
    step = draft.step(draft.reached or draft.kind.set_up_steps[0].key)
    return redirect(_address(draft, FINISH)) if step is None else _page(draft, step)


def _address(draft: Draft, step: str, view: str = "show") -> str:
    if step == FINISH:
        return url_for("admin_set_up_finish.page", set_up_id=draft.row.id)
    return url_for(f"admin_set_ups.{view}", set_up_id=draft.row.id, step=step)


def _open(set_up_id: str, key: str) -> tuple[Draft, SetUpStep]:
    draft = corps.set_up_or_404(set_up_id)
    step = draft.step(key)
    if step is None or (draft.corp is None and step is not draft.kind.set_up_steps[0]):
        abort(404)
    return draft, step


# --- a step -------------------------------------------------------------------------------------------------------


@bp.get("/<key:set_up_id>/<step>")
def show(set_up_id: str, step: str) -> Any:
    """A page of the wizard."""
    return _page(*_open(set_up_id, step))


def _page(draft: Draft, step: SetUpStep, errors: dict[str, str] | None = None, blame: Blame | None = None) -> str:
    steps = draft.kind.set_up_steps
    number = steps.index(step)
    return render_template(
        "admin/set_up.html",
        draft=draft,
        step=step,
        number=number + 1,
        steps=[(_address(draft, one.key), _(one.title), one is step, one.optional) for one in steps],
        back=_address(draft, steps[number - 1].key) if number else url_for("admin_corps.index"),
        action=_address(draft, step.key),
        check_url=_address(draft, step.key, "check"),
        renew_url=_address(draft, step.key, "renew"),
        file_url=_address(draft, step.key, "take_file"),
        skip_url=_address(draft, _next(draft, step)),
        fields=[_field(draft, one, errors or {}) for one in draft.fields(step)],
        pastes=[(_(one.label), value) for one, value in connecting.pastes(draft, step)],
        made=[_made(draft, one) for one in draft.made(step)],
        files=setups.ownership_files(draft.corp) if step.file and draft.corp else [],
        heard=_heard(draft, step),
        errors=errors or {},
        blame=blame,
        host_label=_(draft.kind.label),
    )


def _heard(draft: Draft, step: SetUpStep) -> dict[str, Any] | None:
    """Return whether the host has called the door of this step yet; None where it has none."""
    corp = draft.corp
    if step.door is None or corp is None:
        return None
    return {"at": corps.last_called(corp, step.door), "url": _address(draft, step.key, "heard")}


@bp.get("/<key:set_up_id>/<step>/heard")
def heard(set_up_id: str, step: str) -> str:
    """Whether the host has called: a part of the page, asked for again until it has."""
    draft, one = _open(set_up_id, step)
    return render_template("admin/set_up_heard.html", heard=_heard(draft, one), host_label=_(draft.kind.label))


def _field(draft: Draft, one: CredentialField, errors: dict[str, str]) -> dict[str, Any]:
    present = draft.present(one)
    return {
        "key": one.key,
        "label": _(one.label),
        "hint": _(one.hint) if one.hint else "",
        "example": one.example,
        "required": one.required,
        "secret": one.secret,
        "choices": [(key, _(words)) for key, words in one.choices],
        "value": "" if one.secret else present or (one.choices[0][0] if one.choices else ""),
        "filled": bool(one.secret and present),
        "error": errors.get(one.key, ""),
    }


def _made(draft: Draft, one: CredentialField) -> dict[str, Any]:
    return {"key": one.key, "label": _(one.label), "value": draft.shown.get(one.key, ""), "set": draft.present(one)}


@bp.post("/<key:set_up_id>/<step>")
@limiter.limit(CHECK_RATE)
def save(set_up_id: str, step: str) -> Any:
    """Take a page's values, have the host confirm them, save and go on; a fault leaves what was typed."""
    draft, one = _open(set_up_id, step)
    errors, blame = _check(draft, one, whole=True)
    if errors or blame is not None:
        return _page(draft, one, errors, blame), 422
    try:
        connected_before = draft.row.connected_id is not None
        connecting.save(draft, actor=_actor())
        draft.reached = _next(draft, one)
        draft.keep()
    except Invalid as problem:
        db.session.rollback()
        draft = corps.set_up_or_404(set_up_id)
        return _page(draft, one, problem.fields), 422
    db.session.commit()
    if not connected_before:
        corps.remember_connected(draft.row)
    return redirect(_address(draft, draft.reached), 303)


def _actor() -> Any:
    return g.member if g.member is not None and g.member.is_admin else None


def _next(draft: Draft, step: SetUpStep) -> str:
    keys = [one.key for one in draft.kind.set_up_steps] + [FINISH]
    return keys[keys.index(step.key) + 1]


def _check(draft: Draft, step: SetUpStep, *, whole: bool) -> tuple[dict[str, str], Blame | None]:
    """Take what was typed, look at it, and ask the host when everything required is there. Commits.

    Without `whole`, fields that are still empty are no errors yet.
    """
    errors = draft.take(step, request.form, request.form.getlist("clear"))
    draft.keep()
    db.session.commit()
    empty = [key for key in errors if not draft.present(_by_key(draft, step, key))]
    told = errors if whole else {key: words for key, words in errors.items() if key not in empty}
    if errors or not step.proves:
        return told, None
    blame = connecting.check(draft, step)
    if blame is None or not any(one.key == blame.field for one in draft.fields(step)):
        return {}, blame
    return {blame.field: _said(blame)}, None


def _by_key(draft: Draft, step: SetUpStep, key: str) -> CredentialField:
    return next(one for one in draft.fields(step) if one.key == key)


def _said(blame: Blame) -> str:
    """Return the fix in one text: what to do, where, and the host's code."""
    place = _("（位置：%(place)s）", place=blame.place) if blame.place else ""
    code = _("［错误码 %(code)s］", code=blame.code) if blame.code else ""
    return f"{blame.fix}{place}{code}"


@bp.post("/<key:set_up_id>/<step>/check")
@limiter.limit(CHECK_RATE)
def check(set_up_id: str, step: str) -> Any:
    """Say, while the page is being filled in, what the host makes of the values so far. A part of the page."""
    draft, one = _open(set_up_id, step)
    errors, blame = _check(draft, one, whole=False)
    labels = {each.key: _(each.label) for each in draft.fields(one)}
    complete = all(draft.present(each) for each in draft.fields(one) if each.required)
    return render_template(
        "admin/set_up_checked.html",
        wrong=[(labels[key], words) for key, words in errors.items()],
        blame=blame,
        good=complete and one.proves and not errors and blame is None,
        draft=draft,
        host_label=_(draft.kind.label),
    )


@bp.post("/<key:set_up_id>/<step>/renewal")
def renew(set_up_id: str, step: str) -> Any:
    """Make the callback token and key of a step anew; what is signed with the former ones is taken for a day more."""
    draft, one = _open(set_up_id, step)
    if draft.corp is None or not draft.made(one):
        abort(404)
    connecting.renew(draft, one, actor=_actor())
    db.session.commit()
    return go(_address(draft, one.key), _("已重新生成。请尽快粘贴到后台；旧值在 24 小时内仍然有效"))


@bp.post("/<key:set_up_id>/<step>/file")
def take_file(set_up_id: str, step: str) -> Any:
    """Store the domain ownership file: uploaded, or its name and content pasted."""
    draft, one = _open(set_up_id, step)
    if not one.file or draft.corp is None:
        abort(404)
    try:
        name = corps.keep_file(draft.corp)
    except Invalid as problem:
        db.session.rollback()
        return _page(draft, one, problem.fields), 422
    db.session.commit()
    return go(_address(draft, one.key), _("已保存，可通过 /%(name)s 访问", name=name))
