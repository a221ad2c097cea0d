"""Assembly: settings in, a Flask app with every door out."""

from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from wsapp import __version__, api, clock, hosts, logs, texts, web
from wsapp import admin as admin_door
from wsapp import h5 as h5_door
from wsapp.config import Settings
from wsapp.db import db, engine_options, migrate
from wsapp.house import House
from wsapp.schema import migrations_folder
from wsapp.vault import Vault

# Every table, so that the schema check knows them all whichever door was opened.
MODELS = (
    "wsapp.outbox",
    "wsapp.files",
    "wsapp.doctor.models",
    "wsapp.crm.org.models",
    "wsapp.crm.events.models",
    "wsapp.crm.fields.models",
    "wsapp.crm.customers.models",
    "wsapp.crm.customers.related",
    "wsapp.crm.tasks.models",
    "wsapp.crm.groups.models",
    "wsapp.usage",
    "wsapp.crm.followups.models",
    "wsapp.crm.transfer.models",
    "wsapp.crm.visits.models",
    "wsapp.crm.mentions.models",
    "wsapp.crm.comments.models",
    "wsapp.crm.phrases.models",
    "wsapp.crm.phrases.rules",
    "wsapp.crm.appeals.models",
    "wsapp.crm.notifications.models",
    "wsapp.crm.mirrors.models",
    "wsapp.crm.sharing.models",
    "wsapp.crm.pools.models",
    "wsapp.crm.pools.rules",
    "wsapp.crm.search.models",
    "wsapp.crm.bulk.models",
    "wsapp.crm.deletions.models",
    "wsapp.crm.audit.models",
    "wsapp.crm.reports.models",
    "wsapp.crm.drafts.models",
    "wsapp.bots.models",
)
CLOCK_FILE = "clock-offset"
DEFAULT_THREADS = 8


def create_app(settings: Settings, *, origins: frozenset[str] = frozenset(), demo: bool = False) -> Flask:
    """Build the app. `origins` are further addresses of our own; `demo` lets the product's clock be moved.

    Touches no table: migrate first, then call `connect_configured_corps`.
    """
    for module in MODELS:
        import_module(module)
    app = OpenAPI(
        "wsapp",
        info=Info(title="wsapp", version="v1", description="REST API of wsapp"),
        doc_prefix="/api/v1",
        doc_url="/openapi.json",
        doc_ui=False,
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
        static_folder=None,
        template_folder=str(_templates()),
    )
    app.extensions["wsapp"] = House(
        settings, Vault.at(settings.server.data_dir / "master.key"), _with_own(settings, origins)
    )
    for secret in settings.secrets:
        logs.register_secret(secret)
    if demo:
        clock.enable_control(settings.server.data_dir / CLOCK_FILE)
        app.extensions["wsapp"].extra["demo"] = True
    url = settings.database_url
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url, settings.server.threads or DEFAULT_THREADS)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(migrations_folder()), render_as_batch=True)
    hosts.install(app)
    with app.app_context():
        web.install(app)
        texts.install(app)
        api.install(app)
        h5_door.install(app)
        admin_door.install(app)
    _trust_proxies(app, settings.server.trusted_proxies)
    return app


def _templates() -> Path:
    package = Path(__file__).parent / "templates_h5"
    return package if package.is_dir() else Path(__file__).parent.parent / "templates_h5"


def _with_own(settings: Settings, origins: frozenset[str]) -> frozenset[str]:
    public = urlsplit(settings.server.public_url)
    return origins | {f"{public.scheme}://{public.netloc}"}


def _trust_proxies(app: Flask, hops: int) -> None:
    if hops:
        from werkzeug.middleware.proxy_fix import ProxyFix

        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


__all__ = ["__version__", "create_app"]
