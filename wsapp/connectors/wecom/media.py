"""Files for messages, left with WeCom for three days (media/upload, page 90253)."""

from wsapp.connectors.base import Refused
from wsapp.connectors.channels import FileKind
from wsapp.connectors.multipart import one_file
from wsapp.connectors.wecom.calls import Calls

LEAST = 6  # bytes
MOST: dict[FileKind, int] = {"image": 10 << 20, "file": 20 << 20}
IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # how JPEG and PNG begin


def upload(calls: Calls, kind: FileKind, name: str, body: bytes) -> str:
    """Upload a picture (JPEG, PNG) or a file; returns its media_id. Raises Refused before asking the host in vain."""
    if not LEAST <= len(body) <= MOST[kind]:
        raise Refused(f"a file must have {LEAST} bytes to {MOST[kind] >> 20} MB here", code="45001")
    if kind == "image" and not body.startswith(IMAGES):
        raise Refused("a picture must be JPEG or PNG here", code="40009")
    form, content_type = one_file("media", name or kind, body)
    return str(calls.upload("media/upload", {"type": kind}, form, content_type)["media_id"])
