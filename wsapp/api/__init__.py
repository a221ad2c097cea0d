"""REST, the hosts' callbacks, and what operators ask (health, readiness, metrics)."""

from importlib import import_module
from typing import Any

from wsapp.web import csrf

PLAIN = ("callbacks", "health")
REST: tuple[str, ...] = ()  # grows with the resources


def install(app: Any) -> None:
    """Register the doors for machines: no CSRF token there, every request carries its own proof."""
    for name in PLAIN:
        blueprint = import_module(f"wsapp.api.{name}").bp
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    for name in REST:
        blueprint = import_module(f"wsapp.api.{name}").bp
        csrf.exempt(blueprint)
        app.register_api(blueprint)
