"""Files for messages, left with DingTalk (media/upload). Each upload is a billable call."""

from wsapp.connectors.base import Refused, TryLater
from wsapp.connectors.channels import FileKind
from wsapp.connectors.dingtalk.calls import Calls
from wsapp.connectors.dingtalk.codes import NOT_UNDERSTOOD, as_text
from wsapp.connectors.multipart import one_file

MOST: dict[FileKind, int] = {"image": 20 << 20, "file": 10 << 20}  # of a file, what a work notification takes
ENDINGS: dict[FileKind, tuple[str, ...]] = {
    "image": ("jpg", "jpeg", "gif", "png", "bmp"),
    "file": ("doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar"),
}


def upload(calls: Calls, kind: FileKind, name: str, body: bytes) -> str:
    """Upload a picture or a file; returns its media_id. Raises Refused before asking the host in vain."""
    if not 0 < len(body) <= MOST[kind]:
        raise Refused(f"a file must not be empty nor larger than {MOST[kind] >> 20} MB here", code="40006")
    if name.rpartition(".")[2].lower() not in ENDINGS[kind]:
        raise Refused(f"the host takes {', '.join(ENDINGS[kind])}", code="40005")
    form, content_type = one_file("media", name, body)
    found = calls.upload("/media/upload", {"type": kind}, form, content_type)
    media_id = as_text(found.get("media_id"), 300)
    if not media_id:
        raise TryLater("the answer carries no media_id", code=NOT_UNDERSTOOD)
    return media_id
