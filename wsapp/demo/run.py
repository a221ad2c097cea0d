"""Starting the demo: ports, data, emulators, and the product with its phones, as one process tree."""

import shutil
from collections.abc import Mapping
from typing import Any

import click
from flask import Flask

from wsapp import clock, serving
from wsapp.app import CLOCK_FILE, create_app
from wsapp.config import Settings
from wsapp.connectors.emulator import Emulator
from wsapp.demo import data, page
from wsapp.demo.layout import LOCAL, HostPart, Layout, demo_settings, lay_out, make_emulator
from wsapp.demo.phones import Phones
from wsapp.supervisor import Role

Emulators = Mapping[HostPart, Emulator]


def main(settings: Settings, port: int, *, fresh: bool = False, streams: bool = False) -> int:
    """Run the demo from `port` on (0: any) until SIGTERM or Ctrl-C. Returns the exit code; raises CannotServe.

    The data of the last time is used again, unless `fresh`. With `streams`, hosts that can push over a stream do.
    """
    layout = lay_out(port)
    settings = demo_settings(settings, layout, streams=streams)
    folder = settings.server.data_dir
    with serving.claim(settings, "serve"):
        if fresh:
            shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock.enable_control(folder / CLOCK_FILE)
    emulators = {part: make_emulator(part, layout, streams=streams) for part in layout.parts}
    app = serving.build(settings, lambda chosen: _create(chosen, layout, emulators))
    with serving.claim(settings, "serve"):
        data.prepare(app, emulators)
    return serving.serve(
        settings,
        create=lambda _settings: app,
        also=[_role(part, emulator) for part, emulator in emulators.items()],
        on_ready=lambda: _announce(layout),
    )


def _create(settings: Settings, layout: Layout, emulators: Emulators) -> Any:
    app: Flask = create_app(settings, origins=layout.origins, demo=True)
    page.install(app, layout)
    app.wsgi_app = Phones(app.wsgi_app, emulators)  # type: ignore[method-assign]
    return app


def _role(part: HostPart, emulator: Emulator) -> Role:
    return Role(f"emulator {part.host}", lambda: emulator.serve_forever(part.emulator_port, LOCAL))


def _announce(layout: Layout) -> None:
    click.echo(f"\n  The demo is ready: {layout.url}/demo   (Ctrl-C stops it)\n")
