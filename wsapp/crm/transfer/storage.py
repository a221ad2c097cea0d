"""Where uploaded spreadsheets, their rows, and the files that we make lie: beside the photos, one folder a corp."""

import secrets
from datetime import datetime
from pathlib import Path

from wsapp.db import current_corp
from wsapp.house import house

UPLOAD, ROWS, RESULT, EXPORT = "upload", "rows", "result.xlsx", "export"


def place(job_id: str, what: str) -> Path:
    """Return where a file of a job of the current corp lies; its folder is there."""
    folder = house().settings.server.data_dir / "transfers" / str(current_corp())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{job_id}.{what}"


def draft_of(path: Path) -> Path:
    """Return a name beside `path` to write under before it is moved there whole."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}")


def forget_older(before: datetime) -> None:
    """Delete the current corp's files that nobody has written to since."""
    for path in place("", "").parent.iterdir():
        if path.is_file() and path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)


def forget(job_id: str) -> None:
    """Delete all files of a job."""
    for what in (UPLOAD, ROWS, RESULT, EXPORT):
        place(job_id, what).unlink(missing_ok=True)
