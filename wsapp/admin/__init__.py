"""The console for administrators."""

from importlib import import_module

from flask import Flask

PAGES = (
    "firstrun",
    "console",
    "corps",
    "set_ups",
    "set_up_finish",
    "members",
    "roles",
    "directory",
    "work",
    "deliveries",
    "notifications",
    "rules",
    "workdays",
    "bin",
    "audit",
    "pools",
    "recycling",
    "fields",
    "robots",
    "doctor",
    "tags",
    "tokens",
)


def install(app: Flask) -> None:
    """Register every page's blueprint."""
    for name in PAGES:
        app.register_blueprint(import_module(f"wsapp.admin.{name}").bp)
