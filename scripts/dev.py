"""The demo, started again whenever a source file changes: `make dev`."""

import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WATCHED = (
    ("wsapp", (".py", ".html", ".css", ".js", ".mo")),
    ("templates_h5", (".html", ".txt")),
    ("migrations", (".py",)),
)
LOOK_EVERY = 0.5  # seconds
STOP_WITHIN = 30


def newest() -> tuple[float, int]:
    """Return when the newest watched file changed, and how many there are: together they tell every change."""
    times = [
        path.stat().st_mtime
        for folder, endings in WATCHED
        for path in (ROOT / folder).rglob("*")
        if path.suffix in endings
    ]
    return max(times, default=0.0), len(times)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the demo and wait until it is gone."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Run `wsapp demo` with the arguments given here, again after every change, until Ctrl-C."""
    command = [sys.executable, "-P", "-m", "wsapp", "demo", *sys.argv[1:]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        seen = newest()
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            while newest() == seen:
                time.sleep(LOOK_EVERY)
        except KeyboardInterrupt:
            return
        finally:
            stop(process)


if __name__ == "__main__":
    main()
