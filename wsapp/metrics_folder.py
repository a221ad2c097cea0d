"""The folder in which the processes of one machine count together, for `wsapp.metrics`.

Each process writes files of its own (`counter_<pid>.db`). They outlive it, for no counter may fall while a brother
lives; a machine's folder is emptied when none of its processes is left, and thinned out when it grows.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
STALE = 7 * 86400  # seconds after which the folder of a machine that is gone is removed
MAX_DEAD = 100  # files of dead processes; beyond that a counter may fall once, which Prometheus takes for a restart


def share(data_dir: Path) -> None:
    """Count together with the other processes of this machine. Must run before `wsapp.metrics` is imported.

    A data folder may be shared by machines, whose process ids mean nothing to each other, so each has its own.
    """
    if os.environ.get(VARIABLE):
        return
    base = data_dir / "metrics"
    folder = base / socket.gethostname()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in base.iterdir():
        if one == folder and not any(is_alive(file) for file in one.glob("*.db")):
            _remove(list(one.glob("*.db")))
        elif one != folder and one.stat().st_mtime < time.time() - STALE:
            _remove(list(one.glob("*.db")))
            with suppress(OSError):
                one.rmdir()
    os.environ[VARIABLE] = str(folder)


def tidy() -> None:
    """Forget the oldest of the dead, where there are many; called when a process has ended."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    dead = [file for file in Path(folder).glob("*.db") if not is_alive(file)]
    if len(dead) > MAX_DEAD:
        dead.sort(key=_changed_at)
        _remove(dead[: len(dead) - MAX_DEAD])


def is_alive(file: Path) -> bool:
    """Say whether the process that writes this file is there."""
    pid = file.stem.rpartition("_")[2]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0


def _remove(files: list[Path]) -> None:
    for file in files:
        with suppress(FileNotFoundError):
            file.unlink()
