"""What only a person with a phone can prove: that the host's client takes our signature, that a button calls back.

The phone opens a one-time address (as a QR code), signs in as always, and its page reports what the client said.
"""

import secrets
from typing import Any

import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeTimedSerializer

from wsapp import clock
from wsapp.connectors.base import Connector, Message
from wsapp.connectors.checks import Check, Ground, Result, fail, ok, skip
from wsapp.db import current_corp, db, dialect_insert, first
from wsapp.doctor.findings import finding
from wsapp.doctor.keeping import keeping
from wsapp.doctor.models import DoctorResult
from wsapp.house import house
from wsapp.texts import _, lazy
from wsapp.vault import digest

LIFE = 900  # seconds that a QR code is good for
ROW = "proof.phone"
CARD = "doctor-"  # how the ids of our test cards begin
MOST_USED = 50
MAX_TEXT = 200


def make_ticket() -> str:
    """Return a fresh one-time ticket of the current corp, for the address that the phone opens."""
    return _signer().dumps([current_corp(), secrets.token_hex(8)])


def corp_of(ticket: str) -> int | None:
    """Return the corp of a ticket, None when it is not ours or too old."""
    try:
        corp_id, _once = _signer().loads(ticket, max_age=LIFE)
    except (BadSignature, ValueError, TypeError):
        return None
    return corp_id if isinstance(corp_id, int) else None


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(house().vault.derive("doctor-probe"))


def report(ticket: str, kind: type[Connector], *, worked: bool, code: str, message: str, device: str) -> bool:
    """Keep what a phone says about our signature; False when its ticket has been used."""
    row = first(sa.select(DoctorResult).where(DoctorResult.id == ROW))
    used = list(row.data.get("used", [])) if row else []
    mark = digest(ticket)[:16]
    if mark in used:
        return False
    said = {"worked": worked, "code": code[:60], "message": message[:MAX_TEXT], "device": device[:80]}
    values = {
        "state": "ok" if worked else "fail",
        "data": {**said, "used": [*used, mark][-MOST_USED:]},
        "checked_at": clock.now(),
    }
    statement = dialect_insert(sa.inspect(DoctorResult).local_table).values(corp_id=current_corp(), id=ROW, **values)
    db.session.execute(statement.on_conflict_do_update(index_elements=["corp_id", "id"], set_=values))
    db.session.execute(keeping(current_corp(), finding(PHONE, _result(said), kind, 0.01)))
    return True


def _show(ground: Ground) -> Result:
    row = first(sa.select(DoctorResult).where(DoctorResult.id == ROW))
    return _result(row.data) if row else skip(lazy("还没有用手机验证过"))


def _result(said: dict[str, Any]) -> Result:
    if said["worked"]:
        return ok(lazy("%(device)s 接受了签名", device=said["device"] or "-"))
    words = {"device": said["device"] or "-", "code": said["code"], "message": said["message"]}
    return fail(
        lazy("%(device)s 报告 %(code)s：%(message)s", **words),
        "" if said["code"].isdigit() else lazy("请核对可信域名与访问地址完全一致，页面票据有效，然后重新扫码。"),
        code=said["code"] if said["code"].isdigit() else "",
        mine=True,
    )


def note_press(kind: type[Connector]) -> None:
    """A button of our test card called back: the round trip works. Writes in the caller's transaction."""
    check = Check("card", lazy("卡片按钮"), _show)
    found = finding(check, ok(lazy("按钮的回调已到达")), kind, 0.01)
    db.session.execute(keeping(current_corp(), found))


def settled(card: str) -> Message:
    """Return our test card once its button was pressed."""
    return Message(card, _("安装体检"), _("按钮的回调已到达本系统。"), state=_("回调正常"))


PHONE = Check("phone", lazy("手机上的页面签名"), _show, place=lazy("用手机扫描本页的二维码"))
