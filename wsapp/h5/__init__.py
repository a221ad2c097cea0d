"""The mobile pages (H5), server-rendered: sign-in, today, customers, follow-ups, visits, tasks, me."""

from importlib import import_module

from flask import Flask

from wsapp.h5 import pages

PAGES = (
    "signin",
    "files",
    "today",
    "search",
    "customers",
    "leaving",
    "reasons",
    "duplicates",
    "sharing",
    "views",
    "bulk",
    "contacts",
    "coworkers",
    "appeals",
    "mentions",
    "families",
    "stages",
    "watches",
    "leads",
    "owners",
    "handovers",
    "pool",
    "followups",
    "saying",
    "plans",
    "nearby",
    "visits",
    "comments",
    "corrections",
    "phrases",
    "offline",
    "tasks",
    "taskform",
    "team",
    "board",
    "briefs",
    "drafts",
    "reports",
    "bin",
    "me",
    "deputies",
    "consents",
    "channels",
    "mirrors",
    "device",
    "probe",
    "imports",
    "exports",
)


def install(app: Flask) -> None:
    """Register every page's blueprint."""
    pages.install(app)
    for name in PAGES:
        app.register_blueprint(import_module(f"wsapp.h5.{name}").bp)
