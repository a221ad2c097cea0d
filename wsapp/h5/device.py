"""What the pages' scripts ask for: signed parameters of the host's script, and a place to put photos."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, abort, g, jsonify, request

from wsapp import files, hosts, logs, outbox
from wsapp.connectors.base import HostError
from wsapp.db import db
from wsapp.h5 import photos
from wsapp.h5.pages import per_member
from wsapp.house import house
from wsapp.refusals import problem_json
from wsapp.texts import _
from wsapp.web import current_corp_row, limiter, posted_json, require_member

bp = Blueprint("device", __name__, url_prefix="/h5")
bp.before_request(require_member)
log = logs.get_logger()

MAX_URL = 2000
CONFIG_RATE = "30 per minute"
PHOTO_RATE = "60 per minute"


def own_page(url: str) -> str:
    """Return the address of one of our own pages without its fragment, empty for any other address.

    The origin must stand there letter by letter and be followed by a path, so that no user name, port, sub-domain or
    spelling can make the beginning of a foreign address look like ours.
    """
    page = url.partition("#")[0]
    if not 0 < len(page) <= MAX_URL or "\\" in page or any(not 0x21 <= ord(char) <= 0x7E for char in page):
        return ""
    origin = next((one for one in house().origins if page.startswith(f"{one}/")), "")
    parts = urlsplit(page)
    return page if origin and f"{parts.scheme}://{parts.netloc}" == origin else ""


@bp.get("/host-config")
@limiter.limit(CONFIG_RATE, key_func=per_member)
def host_config() -> Any:
    """JSON of the host's signed script parameters (`Connector.js_config`) for the page `url` of our own."""
    page = own_page(request.args.get("url", ""))
    if not page:
        abort(400)
    corp = current_corp_row()
    connector = hosts.lines().of(corp)
    db.session.rollback()  # no transaction stays open while the host is asked
    try:
        return jsonify(connector.js_config(page))
    except HostError as error:
        log.warning("page not signed", host=corp.host, err_code=error.code)
        return problem_json(503, "host", _("宿主平台暂时没有回应，请稍后重试"))


@bp.post("/photos")
@limiter.limit(PHOTO_RATE, key_func=per_member)
def add_photo() -> Any:
    """Take a photo for a form that is being filled in: multipart `file`, or `media_id` of one that lies with the host.

    Answers {"id", "url"}; the url is empty until the worker has fetched the photo from the host.
    """
    body = posted_json() if request.is_json else request.form
    media_id = body.get("media_id")
    upload = request.files.get("file")
    if isinstance(media_id, str) and media_id:
        stored = files.expect_photo(media_id.replace("\0", ""), owner_id=g.member.id)
        outbox.enqueue("media.fetch", {"file": stored.id}, key=f"media:{stored.id}")
    else:
        owner_id = g.member.id
        db.session.rollback()  # re-encoding takes a while: hold no lock meanwhile
        stored = files.keep_photo(upload.stream.read() if upload else b"", owner_id=owner_id)
    db.session.commit()
    return jsonify(id=stored.id, url=photos.link(stored)[1] if stored.state == "ready" else ""), 201
