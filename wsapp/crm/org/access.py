"""Getting in: sessions, sign-ins under way, tokens, and the first run of the console."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from wsapp import clock
from wsapp.crm.org.models import (
    ACTIVE,
    ADMIN,
    ApiToken,
    Corp,
    FirstRun,
    LoginSession,
    Member,
    SignInState,
)
from wsapp.crm.org.rights import forget_sights
from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.crm.org.standing import told
from wsapp.db import as_loaded, current_corp, db, first
from wsapp.kept import Kept
from wsapp.problems import Forbidden, Invalid, Problem
from wsapp.texts import _, lazy
from wsapp.vault import digest

SESSION_IDLE_MOST = timedelta(hours=72)  # whatever a corp decides, a session unused for longer is over
SESSION_LIFE = timedelta(days=30)
SESSION_TOUCH = timedelta(minutes=5)
SIGN_IN_LIFE = timedelta(minutes=10)
TOKEN_DAYS_MAX = 365
FIRST_RUN_TRIES = 10
declare(
    Rule(
        "session.idle",
        "number",
        12,
        lazy("登录保持"),
        least=1,
        most=int(SESSION_IDLE_MOST.total_seconds()) // 3600,
        unit=lazy("小时"),
        hint=lazy("这么久没有使用就需要重新登录"),
    )
)
TOKEN = re.compile(r"wsapp_([0-9]{1,9})_[0-9a-f]{48}")


# --- sessions -----------------------------------------------------------------------------------------------------


def open_session(member: Member, *, device: str) -> str:
    """Sign a member in on a device; returns the cookie's token, of which only the hash is kept."""
    token = secrets.token_hex(32)
    now = clock.now()
    db.session.add(
        LoginSession(
            id=digest(token)[:40],
            member_id=member.id,
            epoch=member.epoch,
            device=device[:80],
            created_at=now,
            seen_at=now,
            ends_at=now + SESSION_LIFE,
        )
    )
    return token


@dataclass(frozen=True)
class Login:
    """The session that a request came with: its id, when it was last written down as seen, and when the host said who
    it is."""

    id: str
    seen_at: datetime
    began_at: datetime


@dataclass(frozen=True)
class Pass:
    """The API token that a request came with."""

    id: str
    scopes: frozenset[str]
    used_at: datetime | None


def _with_member(way_in: type[LoginSession] | type[ApiToken], *columns: Any) -> Kept:
    """Return what every request asks: a session or token by its id, with the whole member and their corp."""
    return Kept(
        sa.select(
            *(column.label(f"in_{column.key}") for column in columns),
            *(getattr(Member, name).label(f"member_{name}") for name in _MEMBER),
            Corp.name.label("corp_name"),
            Corp.enabled.label("corp_enabled"),
            Corp.standing.label("corp_standing"),
        )
        .select_from(way_in)
        .join(Member, sa.and_(Member.id == way_in.member_id, Member.corp_id == way_in.corp_id))
        .join(Corp, Corp.id == Member.corp_id)
        .where(way_in.id == sa.bindparam("id"))
    )


_MEMBER = tuple(column.key for column in sa.inspect(Member).column_attrs)
_SESSION = _with_member(
    LoginSession, LoginSession.epoch, LoginSession.seen_at, LoginSession.ends_at, LoginSession.created_at
)
_TOKEN = _with_member(ApiToken, ApiToken.epoch, ApiToken.scopes, ApiToken.expires_at, ApiToken.used_at)


def _member_in(row: Any) -> Member:
    """Return the member from a row of `_with_member`, who knows the name of their corp: every page shows it."""
    member = as_loaded(Member, dict(zip(_MEMBER, row[-len(_MEMBER) - 3 :], strict=False)))
    member.__dict__["corp_name"] = row.corp_name
    told(member.corp_id, row.corp_standing)
    return member


def find_session(token: str, *, off_too: bool = False) -> tuple[Login, Member] | None:
    """Return the live session and its member for a cookie's token.

    Live: not idle, not ended, of the same epoch, the member active, the corp switched on (or not, with `off_too`).
    """
    session_id = digest(token)[:40]
    row = _SESSION.first(id=session_id)
    if row is None:
        return None
    now = clock.now()
    alive = row.in_ends_at > now and row.in_epoch == row.member_epoch and row.member_status == ACTIVE
    if not (alive and (row.corp_enabled or off_too)):
        return None
    member = _member_in(row)
    if row.in_seen_at + timedelta(hours=rule("session.idle")) <= now:
        return None
    return Login(session_id, row.in_seen_at, row.in_created_at), member


def session_id(token: str) -> str:
    """Return under which id the session of a cookie's token is kept."""
    return digest(token)[:40]


def holder_of(token: str) -> str | None:
    """Return the member id of a session, alive or not, as long as it is remembered."""
    return first(sa.select(LoginSession.member_id).where(LoginSession.id == digest(token)[:40]))


def touch_session(session: Login) -> bool:
    """Slide the idle end; says whether there was anything to write (at most every five minutes)."""
    now = clock.now()
    if now - session.seen_at < SESSION_TOUCH:
        return False
    db.session.execute(
        sa.update(LoginSession)
        .where(LoginSession.id == session.id)
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )
    return True


def sessions_of(member: Member) -> Sequence[LoginSession]:
    """Return the member's live sessions, last used first."""
    now = clock.now()
    return db.session.scalars(
        sa.select(LoginSession)
        .where(
            LoginSession.member_id == member.id,
            LoginSession.epoch == member.epoch,
            LoginSession.ends_at > now,
            LoginSession.seen_at > now - timedelta(hours=rule("session.idle")),
        )
        .order_by(LoginSession.seen_at.desc())
    ).all()


def end_session(session_id: str, *, actor: Member) -> None:
    """Sign one of the actor's own devices out."""
    db.session.execute(
        sa.delete(LoginSession)
        .where(LoginSession.id == session_id, LoginSession.member_id == actor.id)
        .execution_options(synchronize_session=False)
    )


def end_all_sessions(member: Member, *, actor: Member) -> None:
    """Sign a member out everywhere and end their API tokens: oneself, or anybody as an administrator."""
    if actor.id != member.id and not actor.is_admin:
        raise Forbidden(_("只有管理员可以让他人退出登录"))
    member.epoch += 1


# --- sign-in under way --------------------------------------------------------------------------------------------


def begin_sign_in(corp: Corp, *, browser: str, next_path: str, web: bool) -> str:
    """Remember a sign-in under way; returns the state that travels (32 hex digits, one use, ten minutes)."""
    state = secrets.token_hex(16)
    db.session.add(
        SignInState(
            state=digest(state),
            corp_id=corp.id,
            browser=digest(browser),
            next=next_path,
            web=web,
            expires_at=clock.now() + SIGN_IN_LIFE,
        )
    )
    return state


class BadState(Problem):
    """A sign-in came back with a state that is unknown, used, expired, or another browser's or corp's."""


def use_sign_in(state: str, *, corp: Corp, browser: str, web: bool) -> str:
    """Spend a sign-in state; returns the remembered path. Raises BadState. Two at once: one wins."""
    now = clock.now()
    found = db.session.execute(
        sa.update(SignInState)
        .where(
            SignInState.state == digest(state),
            SignInState.corp_id == corp.id,
            SignInState.browser == digest(browser),
            SignInState.web.is_(web),
            SignInState.used_at.is_(None),
            SignInState.expires_at > now,
        )
        .values(used_at=now)
        .returning(SignInState.next)
        .execution_options(synchronize_session=False)
    ).first()
    if found is None:
        raise BadState(_("登录已过期，请从工作台重新打开应用"))
    return found.next


def forget_sign_ins(before: datetime) -> None:
    """Drop sign-ins that expired before `before`."""
    db.session.execute(
        sa.delete(SignInState).where(SignInState.expires_at < before).execution_options(synchronize_session=False)
    )


# --- tokens -------------------------------------------------------------------------------------------------------


def create_token(member: Member, *, scopes: Sequence[str], days: int) -> str:
    """Make a personal API token; returned once as `<corp>.<secret>`, kept only as its hash."""
    if unknown := set(scopes) - {"read", "write"}:
        raise Invalid({"scope": _("没有这个权限范围：%(scope)s", scope="、".join(sorted(unknown)))})
    if not 1 <= days <= TOKEN_DAYS_MAX:
        raise Invalid({"days": _("有效期应为 1–%(max)d 天", max=TOKEN_DAYS_MAX)})
    token = f"wsapp_{current_corp()}_{secrets.token_hex(24)}"
    now = clock.now()
    db.session.add(
        ApiToken(
            id=digest(token)[:40],
            member_id=member.id,
            epoch=member.epoch,
            scopes=sorted(set(scopes)),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
    )
    return token


def corp_of_token(token: str) -> int | None:
    """Return the corp that a token claims to be of; the look-up inside that corp decides."""
    found = TOKEN.fullmatch(token)
    return int(found.group(1)) if found else None


def find_token(token: str) -> tuple[Pass, Member] | None:
    """Return what a live token of the current corp allows, and its member."""
    token_id = digest(token)[:40]
    row = _TOKEN.first(id=token_id)
    if row is None:
        return None
    alive = row.in_expires_at > clock.now() and row.in_epoch == row.member_epoch
    if not (alive and row.member_status == ACTIVE and row.corp_enabled):
        return None
    return Pass(token_id, frozenset(row.in_scopes), row.in_used_at), _member_in(row)


def revoke_token(token_id: str, *, actor: Member) -> bool:
    """End an API token: one's own, or anybody's as an administrator; says whether there was one."""
    wanted = sa.delete(ApiToken).where(ApiToken.id == token_id)
    if not actor.is_admin:
        wanted = wanted.where(ApiToken.member_id == actor.id)
    done = db.session.execute(wanted.execution_options(synchronize_session=False))
    return bool(done.rowcount)  # type: ignore[attr-defined]


# --- first run ----------------------------------------------------------------------------------------------------


def offer_first_run() -> str | None:
    """Return a fresh one-time code for the console when it was never used, None once it was.

    The code goes to the log and nowhere else; a restart before its use makes a new one.
    """
    row = db.session.get(FirstRun, 1)
    if row is not None and row.used_at is not None:
        return None
    code = f"{secrets.randbelow(10**8):08d}"
    if row is None:
        row = FirstRun(id=1)
        db.session.add(row)
    row.code_hash, row.failures, row.created_at = digest(code), 0, clock.now()
    return code


def first_run_waits() -> bool:
    """Say whether the one-time code can still be used."""
    return first(sa.select(FirstRun.id).where(*_spendable())) is not None


def first_run_code_holds(code_hash: str) -> bool:
    """Say whether a hash (see `hash_of_code`) is that of the one-time code, without spending it."""
    return first(sa.select(FirstRun.id).where(*_spendable(), FirstRun.code_hash == code_hash)) is not None


def hash_of_code(code: str) -> str:
    """Return the hash under which a one-time code is kept."""
    return digest("".join(code.split()))


def _spendable() -> tuple[sa.ColumnElement[bool], ...]:
    return (FirstRun.id == 1, FirstRun.used_at.is_(None), FirstRun.failures < FIRST_RUN_TRIES)


def use_first_run(code_hash: str, *, member: Member) -> None:
    """Spend the one-time code: the member becomes administrator. Two at once: one wins.

    Raises Invalid when the code is wrong, used, or was guessed at too often.
    """
    done = db.session.execute(
        sa.update(FirstRun)
        .where(*_spendable(), FirstRun.code_hash == code_hash)
        .values(used_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Invalid({"code": wrong_code()})
    member.role = ADMIN
    member.role_set_here = True
    forget_sights(member)


def wrong_code() -> str:
    """Say that a one-time code does not hold, and where to find the one that does."""
    return _("一次性代码不正确或已使用。代码写在服务启动日志里；输错太多次请重启服务获取新代码。")


def count_first_run_failure() -> None:
    """Count a wrong one-time code; after ten the code is dead until a restart."""
    db.session.execute(
        sa.update(FirstRun).values(failures=FirstRun.failures + 1).execution_options(synchronize_session=False)
    )
