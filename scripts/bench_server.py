"""One server to measure: `bench_server.py wsapp <config.toml>` or `bench_server.py bare`, both on the same gunicorn.

The product is served by its own `wsapp.serving.WebServer`, with 2 workers of 4 threads on SQLite as well, where
`wsapp web` has a single worker: so that all figures stand on the same ground. The address is the first line on stdout.
"""

import logging
import sys
from pathlib import Path
from typing import Any

from flask import Flask

from wsapp import serving
from wsapp.supervisor import die_with

WORKERS, THREADS = 2, 4
HELLO = "ok"


class BareServer(serving.WebServer):
    """The same server around an app that has no database to forget."""

    def _begin_worker(self, arbiter: Any) -> None:
        die_with(arbiter.pid)


def bare_app() -> Flask:
    """Return an app whose one view answers a constant."""
    app = Flask("bare")
    app.add_url_rule("/", view_func=lambda: HELLO)
    return app


def main() -> None:
    kind, *arguments = sys.argv[1:]
    one = serving.listen("127.0.0.1:0")
    address = f"http://127.0.0.1:{one.getsockname()[1]}"
    binds = [f"fd://{one.detach()}"]
    server: serving.WebServer
    if kind == "bare":
        server = BareServer(bare_app(), binds, WORKERS, THREADS, None)
    else:
        from wsapp import logs, metrics_folder
        from wsapp.config import load
        from wsapp.connectors import connector_classes

        settings = load(Path(arguments[0]), {}, connector_classes())
        logs.setup(level=logging.INFO, secrets=settings.secrets)
        metrics_folder.share(settings.server.data_dir)
        app = serving.build(settings)
        serving._connect_corps_if_ready(app)
        serving._hang_up(app)
        server = serving.WebServer(app, binds, WORKERS, THREADS, None)
    print(address, flush=True)
    server.run()


if __name__ == "__main__":
    main()
