"""Tags (标签): the corp's list with colours; a new name, a merge or a removal reaches all records in the background."""

from typing import Any

from flask import g, request

from wsapp.admin.gate import go, pages, show, storable
from wsapp.crm.customers.tags import COLOURS, MOST_LETTERS, add_tag, change_tag, find_tag, remove_tag, tags_in_full
from wsapp.db import db
from wsapp.problems import Invalid
from wsapp.texts import _

bp = pages("tags")


@bp.get("/tags")
def index() -> str:
    """The corp's tags, and the form for a new one."""
    return _show()


def _show(*, errors: dict[str, str] | None = None, typed: dict[str, str] | None = None) -> str:
    return show(
        "tags.html",
        "tags",
        rows=tags_in_full(),
        colours=[(key, colour_name(key)) for key in COLOURS],
        errors=errors or {},
        typed=typed or {"colour": COLOURS[0]},
        most=MOST_LETTERS,
    )


def colour_name(key: str) -> str:
    """Return a colour in words."""
    return {
        "grey": _("灰色"),
        "blue": _("蓝色"),
        "green": _("绿色"),
        "orange": _("橙色"),
        "red": _("红色"),
    }[key]


def _typed() -> dict[str, str]:
    return {name: storable(request.form.get(name, "")) for name in ("name", "colour")}


@bp.post("/tags")
def create() -> Any:
    """Put a tag on the list."""
    typed = _typed()
    try:
        add_tag(typed["name"], typed["colour"], actor=g.member)
    except Invalid as problem:
        db.session.rollback()
        return _show(errors=problem.fields, typed=typed), 422
    db.session.commit()
    return go("/admin/tags", _("标签已添加"))


@bp.post("/tags/<key:tag_id>")
def change(tag_id: str) -> Any:
    """Rename, recolour or, by the name of another tag, merge."""
    typed = _typed()
    try:
        change_tag(find_tag(tag_id), typed["name"], typed["colour"], actor=g.member)
    except Invalid as problem:
        db.session.rollback()
        return _show(errors=problem.fields), 422
    db.session.commit()
    return go("/admin/tags", _("标签已修改，客户上的标签稍后更新"))


@bp.post("/tags/<key:tag_id>/removal")
def remove(tag_id: str) -> Any:
    """Take a tag off the list and off all records."""
    remove_tag(find_tag(tag_id), actor=g.member)
    db.session.commit()
    return go("/admin/tags", _("标签已删除，客户上的标签稍后更新"))
