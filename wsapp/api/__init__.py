"""REST, the hosts' callbacks, and what operators ask (health, readiness, metrics)."""

from importlib import import_module
from typing import Any

from pydantic import ValidationError

from wsapp.api.base import refuse
from wsapp.api.schemas import Problem, explain
from wsapp.texts import _
from wsapp.web import csrf

PLAIN = ("callbacks", "health", "ownership")
REST = (
    "customers",
    "duplicates",
    "contacts",
    "coworkers",
    "leads",
    "pools",
    "followups",
    "visits",
    "comments",
    "plans",
    "reports",
    "tasks",
    "members",
    "fields",
    "files",
    "transfers",
    "deletions",
    "events",
    "notifications",
    "docs",
)


def install(app: Any) -> None:
    """Register the doors for machines: no CSRF token there, every request carries its own proof."""
    app.validation_error_model = Problem
    app.validation_error_callback = _refuse_input
    for name in PLAIN:
        blueprint = import_module(f"wsapp.api.{name}").bp
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    for name in REST:
        blueprint = import_module(f"wsapp.api.{name}").bp
        csrf.exempt(blueprint)
        known = dict(app.paths)
        app.register_api(blueprint)
        for path in known.keys() & blueprint.paths.keys():  # several resources at one address: describe all of them
            more = {method: getattr(blueprint.paths[path], method) for method in blueprint.paths[path].model_fields_set}
            app.paths[path] = known[path].model_copy(update=more)


def _refuse_input(error: ValidationError) -> Any:
    kind, errors = explain(error)
    detail = _("；").join(f"{one['field']}: {one['message']}" for one in errors[:5])
    return refuse(422, kind, detail, errors=errors)
