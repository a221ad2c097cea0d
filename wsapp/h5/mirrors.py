"""My tasks in the host's own lists (平台待办、日程): the switches, how it stands, what to do about a deleted one."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, g, request, url_for

from wsapp import clock, hosts
from wsapp.crm.mirrors.actions import choose, create_again, leave_out, look_at_lists
from wsapp.crm.mirrors.models import ASKING, ENTRY, REFUSED, THERE, TODO, WANTED, MirrorChoice, TaskMirror
from wsapp.crm.mirrors.queries import choice_of, count_mirrors, own_mirrors, refusal_codes, wanted_kinds
from wsapp.crm.tasks.models import Task
from wsapp.crm.tasks.queries import find_task
from wsapp.db import db
from wsapp.h5 import rows, words
from wsapp.h5.forms import Form, save
from wsapp.h5.pages import go, show
from wsapp.problems import Invalid, Problem
from wsapp.texts import _
from wsapp.web import current_corp_row, require_member

bp = Blueprint("mirrors", __name__, url_prefix="/h5")
bp.before_request(require_member)

LOOK_PAUSE = timedelta(minutes=5)  # a look at whole lists costs calls of the corp's month
FIELDS = {TODO: "todos", ENTRY: "entries"}


@bp.get("/me/mirrors")
def page() -> str:
    choice = choice_of(g.member.id)
    on = wanted_kinds(choice)
    return _show(Form({field: kind in on for kind, field in FIELDS.items()}), choice)


def _show(form: Form, choice: MirrorChoice | None) -> str:
    kinds = offered()
    counts = count_mirrors(g.member.id) if choice else {}
    return show(
        "me/mirrors.html",
        form=form,
        switches=[(FIELDS[kind], words.MIRROR_KINDS[kind], words.MIRROR_HINTS[kind]) for kind in kinds],
        facts=[(str(words.MIRROR_KINDS[kind]), _standing(kind, counts)) for kind in kinds],
        codes=_("、").join(refusal_codes(g.member.id)) if choice else "",
        may_look=bool(wanted_kinds(choice)) and _may_look(choice),
        looked_at=rows.moment(choice.looked_at) if choice and choice.looked_at else "",
    )


def offered() -> list[str]:
    """Return the lists that this corp's host keeps for us."""
    connector = hosts.lines().of(current_corp_row())
    lists = ((TODO, connector.todos()), (ENTRY, connector.calendar()))
    return [kind for kind, keeper in lists if keeper is not None]


def _standing(kind: str, counts: dict[tuple[str, str], int]) -> str:
    parts = [
        (THERE, _("已同步 %(n)s 条", n=counts.get((kind, THERE), 0))),
        (WANTED, _("等待同步 %(n)s 条", n=counts.get((kind, WANTED), 0))),
        (ASKING, _("在平台被删除、等您决定 %(n)s 条", n=counts.get((kind, ASKING), 0))),
        (REFUSED, _("平台拒绝 %(n)s 条", n=counts.get((kind, REFUSED), 0))),
    ]
    return _("，").join(text for state, text in parts if counts.get((kind, state)))


def _may_look(choice: MirrorChoice | None) -> bool:
    return choice is not None and (choice.looked_at is None or clock.now() - choice.looked_at > LOOK_PAUSE)


@bp.post("/me/mirrors")
def change() -> Any:
    """Switch the lists on or off."""
    form = Form.read(tuple(FIELDS.values()))
    kinds = [kind for kind in offered() if form.typed[FIELDS[kind]]]

    def act() -> str:
        choose(g.member, todos=TODO in kinds, entries=ENTRY in kinds)
        return url_for("mirrors.page")

    def again(problem: Problem | None) -> str:
        return _show(form, choice_of(g.member.id))

    return save(form, act, again=again, words=_("已保存，待办会在后台同步"))


@bp.post("/me/mirrors/look")
def look() -> Any:
    """Have the host asked for all that it has of mine."""
    if not _may_look(choice_of(g.member.id)):
        return go(url_for("mirrors.page"), _("刚刚核对过，请过几分钟再试"))
    look_at_lists(g.member)
    db.session.commit()
    return go(url_for("mirrors.page"), _("正在核对，稍后刷新查看"))


# --- on the task's page -------------------------------------------------------------------------------------------


def questions(task: Task) -> list[dict[str, str]]:
    """Return what the viewer is to decide about a task that they deleted at the host."""
    return [_question(task, one) for one in own_mirrors(task, actor=g.member) if one.state == ASKING]


def _question(task: Task, mirror: TaskMirror) -> dict[str, str]:
    return {
        "text": _("您在%(list)s里删除了这条待办，待办本身还在。", list=words.MIRROR_KINDS[mirror.kind]),
        "url": url_for("mirrors.answer", task_id=task.id, mirror_id=mirror.id),
    }


@bp.post("/tasks/<key:task_id>/mirrors/<key:mirror_id>")
def answer(task_id: str, mirror_id: str) -> Any:
    """Decide: `answer` is "again" or "off"."""
    task = find_task(task_id, actor=g.member)
    match request.form.get("answer", ""):
        case "again":
            create_again(task, mirror_id, actor=g.member)
            said = _("会在后台重新创建")
        case "off":
            leave_out(task, mirror_id, actor=g.member)
            said = _("这条待办不再同步")
        case _:
            raise Invalid({"answer": _("请从列表中选择")})
    db.session.commit()
    return go(url_for("tasks.page", task_id=task_id), said)
