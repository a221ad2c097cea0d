"""Corps, departments, members, their sessions and tokens."""

from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from wsapp.db import Base, CorpScoped, Json, Moment, corp_key, new_id

ACTIVE, DISABLED, LEFT = "active", "disabled", "left"
SELLER, ADMIN = "seller", "admin"
# Of a stream: nobody has taken it up · being opened · open · broken, and tried again soon · the host refuses the app
STREAM_WAITING, STREAM_OPENING, STREAM_OPEN = "waiting", "opening", "open"
STREAM_BROKEN, STREAM_REFUSED = "broken", "refused"


class Corp(Base):
    """A connected company (企业): one host, one corp id, its sealed credentials."""

    __tablename__ = "corp"
    __table_args__ = (sa.UniqueConstraint("host", "host_corp_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    host: Mapped[str] = mapped_column(sa.String(20))
    host_corp_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(sa.String(120))
    credentials: Mapped[str] = mapped_column(sa.Text)  # sealed JSON, see wsapp.vault
    former: Mapped[str | None] = mapped_column(sa.Text)  # sealed JSON: values replaced lately, see wsapp.connecting
    former_until: Mapped[datetime | None] = mapped_column(Moment)  # none of them is accepted any longer then
    enabled: Mapped[bool] = mapped_column(default=True)
    fault: Mapped[str | None] = mapped_column(sa.String(300))  # why the host refuses us, for the console
    leaving_held_at: Mapped[datetime | None] = mapped_column(Moment)  # too many left at once: see `directory.let_go`
    standing: Mapped[int] = mapped_column(default=0, server_default="0")  # counts changes, see `org.standing`
    created_at: Mapped[datetime] = mapped_column(Moment)


class CorpSetUp(Base):
    """A corp's set-up under way in the console: what was typed so far, sealed, so that one can leave and come back.

    `owner_id` is the corp of the administrator who began it; None: whoever holds the one-time code of the first run.
    """

    __tablename__ = "corp_set_up"
    __table_args__ = (sa.Index("ix_corp_set_up_touched", "touched_at"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(sa.String(20))
    sealed: Mapped[str] = mapped_column(sa.Text)  # JSON, see wsapp.connecting
    connected_id: Mapped[int | None] = mapped_column(sa.ForeignKey("corp.id", ondelete="CASCADE"))
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey("corp.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Moment)
    touched_at: Mapped[datetime] = mapped_column(Moment)


class OwnershipFile(Base):
    """A file at the root of our address that proves to a host that the domain is ours (WW_verify_….txt)."""

    __tablename__ = "ownership_file"

    name: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("corp.id", ondelete="CASCADE"))
    content: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime] = mapped_column(Moment)


class CorpRule(CorpScoped, Base):
    """A rule that the corp set (业务规则), see `org.rules`; `id` is its key."""

    __tablename__ = "corp_rule"

    value: Mapped[Any] = mapped_column(Json)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class CorpDay(CorpScoped, Base):
    """A day on which the corp works or is free by its own word (自定义工作日); `id` is the day: "2026-10-01"."""

    __tablename__ = "corp_day"

    works: Mapped[bool]
    note: Mapped[str] = mapped_column(sa.String(40), default="")
    updated_at: Mapped[datetime] = mapped_column(Moment)


class Department(CorpScoped, Base):
    """A department (部门); `id` is the host's own. `path` holds the ids from the root down: `/1/5/12/`."""

    __tablename__ = "department"
    __table_args__ = (sa.Index("ix_department_path", "corp_id", "path"),)

    name: Mapped[str] = mapped_column(sa.String(120))
    parent_id: Mapped[str | None] = mapped_column(sa.String(40))
    path: Mapped[str] = mapped_column(sa.String(700))
    sort: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    checked_at: Mapped[datetime] = mapped_column(Moment)
    run_id: Mapped[str | None] = mapped_column(sa.String(40))  # the directory run that saw it last
    gone_at: Mapped[datetime | None] = mapped_column(Moment)  # the host has it no more; its records stay


class Member(CorpScoped, Base):
    """A member (成员). The host's `userid` names them; `userid_key` is its folded form where the host ignores case."""

    __tablename__ = "member"
    __table_args__ = (
        sa.UniqueConstraint("corp_id", "userid_key"),
        sa.Index("ix_member_unionid", "corp_id", "unionid"),
        sa.Index("ix_member_left", "corp_id", "left_at"),
    )

    userid: Mapped[str] = mapped_column(sa.String(64))
    userid_key: Mapped[str] = mapped_column(sa.String(64))
    unionid: Mapped[str] = mapped_column(sa.String(64), default="")
    name: Mapped[str] = mapped_column(sa.String(120))
    position: Mapped[str] = mapped_column(sa.String(120), default="")
    phone: Mapped[str] = mapped_column(sa.String(32), default="")
    avatar: Mapped[str] = mapped_column(sa.String(500), default="")
    manager_userid: Mapped[str] = mapped_column(sa.String(64), default="")
    main_department_id: Mapped[str | None] = mapped_column(sa.String(40))
    status: Mapped[str] = mapped_column(sa.String(10), default=ACTIVE)
    role: Mapped[str] = mapped_column(sa.String(20), default=SELLER)
    roles: Mapped[list[str]] = mapped_column(Json, default=list, server_default="[]")  # given here, see `org.roles`
    role_set_here: Mapped[bool] = mapped_column(default=False)  # an administrator decided; the host no longer does
    language: Mapped[str] = mapped_column(sa.String(5), default="")  # "" follows the host
    epoch: Mapped[int] = mapped_column(default=0)  # sessions and tokens of an older epoch are dead
    checked_at: Mapped[datetime] = mapped_column(Moment)
    run_id: Mapped[str | None] = mapped_column(sa.String(40))  # the directory run that saw them last
    left_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)

    corp: Mapped[Corp] = relationship(viewonly=True)

    @cached_property
    def corp_name(self) -> str:
        return self.corp.name

    @property
    def is_active(self) -> bool:
        return self.status == ACTIVE

    @property
    def is_admin(self) -> bool:
        return self.role == ADMIN


class Membership(CorpScoped, Base):
    """That a member belongs to a department, and whether they lead it."""

    __tablename__ = "membership"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        corp_key("department_id", "department", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "member_id", "department_id"),
        sa.Index("ix_membership_department", "corp_id", "department_id", "member_id"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    department_id: Mapped[str] = mapped_column(sa.String(40))
    leads: Mapped[bool] = mapped_column(default=False)


class DirectoryRun(CorpScoped, Base):
    """One synchronisation of the whole directory (通讯录同步): how it began, how far it is, how it ended.

    `state`: "running"; "done"; "asking", when so many would leave that somebody has to say yes; "failed".
    `stage`: "departments", "people", "leavers". Whoever works on it holds it for a while (`holder`, `held_until`).
    """

    __tablename__ = "directory_run"
    __table_args__ = (
        sa.UniqueConstraint("corp_id", "running"),
        sa.Index("ix_directory_run_started", "corp_id", "started_at"),
    )

    cause: Mapped[str] = mapped_column(sa.String(20))  # "nightly", "console", "command", "range", "burst"
    state: Mapped[str] = mapped_column(sa.String(10))
    stage: Mapped[str] = mapped_column(sa.String(12))
    running: Mapped[bool | None]  # True or nothing: one run at a time
    accept_leavers: Mapped[bool] = mapped_column(default=False)
    top: Mapped[str] = mapped_column(sa.String(40), default="")  # the host's own root department, where visible
    roots: Mapped[int] = mapped_column(default=0)
    departments: Mapped[int] = mapped_column(default=0)
    departments_read: Mapped[int] = mapped_column(default=0)  # whose people were read to the end
    people: Mapped[int] = mapped_column(default=0)
    joined: Mapped[int] = mapped_column(default=0)
    returned: Mapped[int] = mapped_column(default=0)
    leavers: Mapped[int] = mapped_column(default=0)  # of "asking": who would leave
    known: Mapped[int] = mapped_column(default=0)  # members before the run, without those who left
    refused: Mapped[int] = mapped_column(default=0)  # departments and people that the host would not show after all
    calls: Mapped[int] = mapped_column(default=0)
    code: Mapped[str] = mapped_column(sa.String(60), default="")
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    holder: Mapped[str | None] = mapped_column(sa.String(40))
    held_until: Mapped[datetime | None] = mapped_column(Moment)
    started_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class DirectoryStep(CorpScoped, Base):
    """A call that a directory run still has to make: `kind` "range", "root", "below", "people", "person", of `target`.

    Removed once what the host answered is written down, so a killed run goes on where it was.
    """

    __tablename__ = "directory_step"
    __table_args__ = (
        corp_key("run_id", "directory_run", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "run_id", "kind", "target"),
        sa.Index("ix_directory_step_next", "corp_id", "run_id", "rank", "id"),
    )

    run_id: Mapped[str] = mapped_column(sa.String(40))
    rank: Mapped[int]  # of its kind: departments come before people
    kind: Mapped[str] = mapped_column(sa.String(10))
    target: Mapped[str] = mapped_column(sa.String(64))
    cursor: Mapped[str] = mapped_column(sa.String(200), default="")


class LoginSession(CorpScoped, Base):
    """A signed-in device. `id` is the SHA-256 of the cookie's token, cut to the key's length."""

    __tablename__ = "login_session"
    __table_args__ = (
        corp_key("member_id", "member", ondelete="CASCADE"),
        sa.Index("ix_login_session_member", "corp_id", "member_id"),
    )

    member_id: Mapped[str] = mapped_column(sa.String(40))
    epoch: Mapped[int]
    device: Mapped[str] = mapped_column(sa.String(80))  # "wecom · iPhone": shown under "my devices"
    created_at: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)  # absolute end, whatever the use


class SignInState(Base):
    """A sign-in under way: one use, ten minutes, bound to the browser that began it."""

    __tablename__ = "sign_in_state"

    state: Mapped[str] = mapped_column(sa.String(64), primary_key=True)  # SHA-256 of the value that travels
    corp_id: Mapped[int] = mapped_column(sa.ForeignKey("corp.id"))
    browser: Mapped[str] = mapped_column(sa.String(64))  # SHA-256 of the browser's own nonce
    next: Mapped[str] = mapped_column(sa.String(1000))
    web: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class ApiToken(CorpScoped, Base):
    """A personal API token; only its SHA-256 is kept, as the id."""

    __tablename__ = "api_token"
    __table_args__ = (corp_key("member_id", "member", ondelete="CASCADE"),)

    member_id: Mapped[str] = mapped_column(sa.String(40))
    epoch: Mapped[int]
    scopes: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class FirstRun(Base):
    """The one-time code that opens the console before any administrator exists. At most one row."""

    __tablename__ = "first_run"
    __table_args__ = (sa.CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code_hash: Mapped[str] = mapped_column(sa.String(64))
    failures: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class HostToken(Base):
    """An access token or ticket of a corp's app, sealed, shared by all processes, with the single-flight lease."""

    __tablename__ = "host_token"

    corp_id: Mapped[int] = mapped_column(sa.ForeignKey("corp.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    sealed: Mapped[str | None] = mapped_column(sa.Text)
    value_hash: Mapped[str | None] = mapped_column(sa.String(64))
    fetched_at: Mapped[datetime | None] = mapped_column(Moment)
    refresh_at: Mapped[datetime | None] = mapped_column(Moment)  # 80 % of its life
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    lease: Mapped[str | None] = mapped_column(sa.String(32))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(default=0)
    blocked_until: Mapped[datetime | None] = mapped_column(Moment)


class SeenCallback(Base):
    """A callback, or an event inside one, that was taken: the guard against replay and doubles."""

    __tablename__ = "seen_callback"
    __table_args__ = (sa.Index("ix_seen_callback_seen", "seen_at"),)

    corp_id: Mapped[int] = mapped_column(sa.ForeignKey("corp.id", ondelete="CASCADE"), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(Moment)


class HostStream(Base):
    """The stream of a corp whose host pushes over one: which process holds it, and how it is."""

    __tablename__ = "host_stream"

    corp_id: Mapped[int] = mapped_column(sa.ForeignKey("corp.id", ondelete="CASCADE"), primary_key=True)
    holder: Mapped[str | None] = mapped_column(sa.String(80))
    held_until: Mapped[datetime | None] = mapped_column(Moment)  # another process may take it over after that
    state: Mapped[str] = mapped_column(sa.String(12), default="waiting")  # see STREAM_…
    reason: Mapped[str] = mapped_column(sa.String(300), default="")  # why it is not open, in the host's words
    since: Mapped[datetime | None] = mapped_column(Moment)  # of the state
    opened: Mapped[int] = mapped_column(default=0)  # connections so far
    listened_at: Mapped[datetime | None] = mapped_column(Moment)  # when it was last known to be open
    last_event_at: Mapped[datetime | None] = mapped_column(Moment)


class Idempotency(CorpScoped, Base):
    """The answer to a write that carried an idempotency key; `id` is the SHA-256 of member and key."""

    __tablename__ = "idempotency"
    __table_args__ = (sa.Index("ix_idempotency_created", "created_at"),)

    request_hash: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[int]
    answer: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Moment)
    keep_until: Mapped[datetime | None] = mapped_column(Moment)  # longer than others: a phone may send again so late
