"""Narrowing the customer list by any field, and keeping a narrowed list under a name."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, g, request, url_for

from wsapp.crm.fields.finding import filterable
from wsapp.crm.fields.text import clean_line
from wsapp.crm.fields.types import kind_of
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import sees_others
from wsapp.crm.org.rights import sight
from wsapp.crm.search import filters, views
from wsapp.db import db
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import MAX_ARG, go, show
from wsapp.problems import Problem
from wsapp.texts import _, lazy
from wsapp.web import require_member

bp = Blueprint("views", __name__, url_prefix="/h5/customers")
bp.before_request(require_member)

OWN = ("q", "scope", "stage", "level", "sort")  # of the list itself, kept as they are
SORTS = {
    "-updated_at": lazy("最近更新在前"),
    "updated_at": lazy("最久未更新在前"),
    "-created_at": lazy("最近创建在前"),
    "created_at": lazy("最早创建在前"),
    "name": lazy("按名称"),
    "-name": lazy("按名称倒序"),
}


def scopes_of(actor: Member) -> tuple[str, ...]:
    """Return whose customers the actor can have listed: "mine", "shared" (co-work), "department", "team" (all seen)."""
    if not sees_others(actor):
        return ("mine", "shared")
    is_wide = sight(actor).people is None and actor.main_department_id
    return ("mine", "shared", "department", "team") if is_wide else ("mine", "shared", "team")


def within(scope: str, actor: Member) -> tuple[str, list[Any]]:
    """Return what `lists.customer_page` takes for a scope: `whose`, and conditions."""
    if scope != "department":
        return scope, []
    return "team", [filters.of_department(actor.main_department_id or "")]


def list_address(query: Mapping[str, str]) -> str:
    """Return the address of the list narrowed by these values (values of an address are no arguments of url_for)."""
    return f"{url_for('customers.index')}?{urlencode(query)}" if query else url_for("customers.index")


@bp.get("/filter")
def edit() -> str:
    """Everything that the list can be narrowed by, the saved views, and a name for what is chosen now."""
    return _show(Form({"name": "", "shared": ""}), _asked(request.args))


def _show(form: Form, asked: dict[str, str], problem: Problem | None = None) -> str:
    chosen = filters.wanted(asked, actor=g.member)
    choices = _Choices()
    return show(
        "views/edit.html",
        counted=False,
        form=form,
        fields=[_drawn(one, chosen.get(one.name, ""), choices) for one in filters.filters_for(g.member)],
        kept={name: asked[name] for name in OWN if asked.get(name) and name != "sort"},
        sorts=_sorts(),
        asked=asked,
        in_words=filters.described(chosen, actor=g.member),
        views=_views(),
        clear=list_address({"scope": "mine", **{name: asked[name] for name in OWN if asked.get(name)}}),
        may_share=views.may_share(g.member),
    )


def _sorts() -> list[tuple[str, str]]:
    """Return by what the list can be sorted: what every corp has, and its own indexed fields."""
    found = [(key, str(text)) for key, text in SORTS.items()]
    for field in filterable("customer", actor=g.member):
        if kind_of(field).sortable:
            found += [(field.name, _("%(field)s 从小到大", field=field.label))]
            found += [(f"-{field.name}", _("%(field)s 从大到小", field=field.label))]
    return found


class _Choices(dict[Any, list[tuple[str, str]]]):
    """What can be chosen, by who says it: several filters choose from the same people, who are read once."""

    def __missing__(self, ask: Any) -> list[tuple[str, str]]:
        found = self[ask] = [(key, str(text)) for key, text in ask(g.member)]
        return found


def _drawn(one: filters.Filter, value: str, known: _Choices) -> dict[str, Any]:
    choices = known[one.choices] if one.choices else None
    return {"name": one.name, "label": str(one.label), "value": value, "choices": choices, "input": one.input}


def _views() -> list[dict[str, Any]]:
    first_id, _query = views.default_view(g.member) or ("", {})
    return [
        {
            "is_first": one.id == first_id,
            "first": url_for("views.open_with", view_id=one.id),
            "url": list_address(one.query),
            "name": one.name,
            "shared": one.shared,
            "remove": url_for("views.remove", view_id=one.id)
            if one.member_id == g.member.id or g.member.role == "admin"
            else "",
        }
        for one in views.views_of(g.member)
    ]


def _asked(values: Any) -> dict[str, str]:
    """Return what an address or a form asks the list for: its own values, and filters that the actor may use."""
    own = {name: clean_line(values.get(name, "")[:MAX_ARG]) for name in OWN}
    return {name: value for name, value in own.items() if value} | filters.wanted(values, actor=g.member)


@bp.post("/views")
def create() -> Any:
    """Keep what the list is narrowed to under a name."""
    form = Form.read(("name", "shared"))
    asked = _asked(request.form)

    def act() -> str:
        views.save_view(form.typed["name"], asked, shared=form.typed["shared"] == "1", actor=g.member)
        return list_address(asked)

    return save(form, act, again=lambda problem: _show(form, asked, problem), words=_("视图已保存"))


@bp.post("/views/<key:view_id>/default")
def open_with(view_id: str) -> Any:
    """Have my list open with a view; said again of the same one, as it is."""
    first_id, _query = views.default_view(g.member) or ("", {})
    views.open_with("" if first_id == view_id else view_id, actor=g.member)
    db.session.commit()
    return go(url_for("views.edit"), _("已设置"))


@bp.post("/views/<key:view_id>/removal")
def remove(view_id: str) -> Any:
    """Forget a view."""
    views.remove_view(view_id, actor=g.member)
    db.session.commit()
    return go(url_for("views.edit"), _("视图已删除"))
