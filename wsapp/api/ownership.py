"""Files at the root of our address that prove to a host that the domain is ours (WW_verify_….txt), as administrators
stored them: exactly these bytes, no redirect."""

from flask import Blueprint, Response, abort

from wsapp.crm.org.setups import ownership_file

bp = Blueprint("ownership", __name__)


@bp.get("/<name>.txt")
def show(name: str) -> Response:
    """Answer a stored file, 404 for any other name."""
    found = ownership_file(f"{name}.txt")
    if found is None:
        abort(404)
    return Response(found.content, content_type="text/plain; charset=utf-8")
