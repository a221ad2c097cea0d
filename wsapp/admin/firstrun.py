"""The first administrator: by the one-time code that the log shows at each start until it is used.

Without a session the right code opens the set-up for half an hour: it shows where to sign in, and who signs in may then
become administrator. The code itself is spent only then.
"""

from typing import Any

from flask import Blueprint, Flask, Response, g, render_template, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from wsapp import hosts, logs
from wsapp.admin.gate import go
from wsapp.crm.events.actions import record
from wsapp.crm.org import access
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import has_admin
from wsapp.db import corp_scope, db
from wsapp.house import house
from wsapp.problems import Invalid
from wsapp.texts import _
from wsapp.web import limiter, load_member

bp = Blueprint("admin_first_run", __name__, url_prefix="/admin")
log = logs.get_logger()

COOKIE = "wsapp-setup"
SETUP_SECONDS = 1800
RATE = "20 per minute"


def announce_first_run(app: Flask) -> str | None:
    """Write the one-time code for the first administrator into the log, unless it was used; returns it. Commits.

    Called at the start of the roles that serve the console. Each start makes a new code.
    """
    with app.app_context():
        code = access.offer_first_run()
        db.session.commit()
        if code is not None:
            address = f"{house().settings.server.public_url}/admin/"
            log.warning("first_run.code", one_time=code, address=address, hint="open the address and enter the digits")
        return code


def is_first_run() -> bool:
    """Say whether nobody administers anything here yet and the code still waits."""
    if not access.first_run_waits():
        return False
    for corp in hosts.enabled_corps():
        with corp_scope(corp.id):
            if has_admin():
                return False
    return True


def page(error: str = "", status: int = 200) -> Any:
    """Return the page of the first run as it is for whoever is asking."""
    opened = bool(_opened())
    corps = hosts.enabled_corps() if opened and g.member is None else []
    labels = {corp.host: _(hosts.connector_class(corp.host).label) for corp in corps}
    answer = render_template(
        "admin/first_run.html", opened=opened, corps=corps, labels=labels, error=error, hide_nav=True
    )
    return answer, status


@bp.get("/first-run")
def show() -> Any:
    """The page that asks for the one-time code."""
    load_member()
    if not access.first_run_waits():
        return go("/admin/")
    return page()


@bp.post("/first-run")
@limiter.limit(RATE)
def use() -> Any:
    """Take the code: signed in, it makes the member administrator; else it opens the set-up."""
    member = load_member()
    typed = request.form.get("code", "")[:100]
    code_hash = access.hash_of_code(typed) if typed.strip() else _opened()
    if not code_hash or not access.first_run_code_holds(code_hash):
        db.session.rollback()
        if typed.strip():
            access.count_first_run_failure()
            db.session.commit()
            log.warning("first_run.wrong_code")
        return page(access.wrong_code(), 422)
    if member is None:
        return _open(code_hash)
    try:
        spend(member, code_hash)
    except Invalid as error:
        db.session.rollback()
        return page(error.detail, 422)
    db.session.commit()
    answer = go("/admin/", _("您已成为管理员"))
    answer.delete_cookie(COOKIE, path="/admin/")
    return answer


def spend(member: Member, code_hash: str = "") -> None:
    """Spend the one-time code (this browser's, when none is given): the member becomes administrator.

    Raises Invalid when the code does not hold. Does not commit.
    """
    before = member.role
    access.use_first_run(code_hash or _opened(), member=member)
    record("member.role_changed", member, actor=member, changes={"role": [before, member.role]}, name=member.name)


def is_opened() -> bool:
    """Say whether this browser entered the right one-time code a short while ago, and nobody used it since."""
    return bool(request.cookies.get(COOKIE)) and bool(_opened())


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(house().vault.derive("first-run"))


def _open(code_hash: str) -> Response:
    answer = go("/admin/first-run" if hosts.enabled_corps() else "/admin/corps")
    assert isinstance(answer, Response)
    secure = house().settings.server.public_url.startswith("https://")
    answer.set_cookie(
        COOKIE,
        _signer().dumps(code_hash),
        max_age=SETUP_SECONDS,
        path="/admin/",
        secure=secure,
        httponly=True,
        samesite="Lax",
    )
    return answer


def _opened() -> str:
    """Return the code's hash of a set-up that this browser opened, empty when there is none or it is over."""
    try:
        code_hash = str(_signer().loads(request.cookies.get(COOKIE, ""), max_age=SETUP_SECONDS))
    except BadSignature:
        return ""
    return code_hash if access.first_run_code_holds(code_hash) else ""
