"""The emulated organisations: people, departments, apps, and what they were issued (tokens, tickets, codes)."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ROOT = 1
CODE_LIFE = 300
REFRESH_LIFE = 30 * 86400
TICKET_DEATH = 86400  # a ticket dies this long after its creation, whatever was asked meanwhile


class HostError(Exception):
    """The host's own refusal: `code` as in the error tables, `status` for the new host, `extra` fields of the body."""

    def __init__(self, code: str | int, message: str = "", status: int = 400, **extra: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.extra = str(code), message, status, extra


@dataclass
class Department:
    id: int
    name: str
    parent: int = ROOT
    leaders: list[str] = field(default_factory=list)
    order: int = 0


@dataclass
class Member:
    """An employee. Empty values are left out of answers, as the host does."""

    userid: str
    name: str
    unionid: str = ""
    mobile: str = ""
    title: str = ""
    email: str = ""
    avatar: str = ""
    job_number: str = ""
    departments: list[int] = field(default_factory=lambda: [ROOT])
    leads: list[int] = field(default_factory=list)
    manager: str = ""
    admin: bool = False
    boss: bool = False
    active: bool = True


@dataclass
class Template:
    """A card template as designed on the card platform: which variable stands where. Defaults are those of setup.md."""

    published: bool = True
    title: str = "title"
    text: str = "text"
    lines: str = "lines"
    url: str = "url"
    state: str = "state"
    buttons: list[str] = field(default_factory=lambda: ["button1", "button2", "button3", "button4"])


@dataclass
class Subscription:
    """Where an app's events go. `owner` is the owner key: the AppKey (console) or the corp id (registered by API)."""

    url: str = ""
    token: str = ""
    aes_key: str = ""
    owner: str = ""


@dataclass
class App:
    corp: "Corp" = field(repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    agent_id: int = 0
    name: str = ""
    robot_code: str = ""
    home_url: str = ""
    robot_url: str = ""  # where messages to the robot go (消息接收地址)
    redirect_urls: list[str] = field(default_factory=list)
    subscription: Subscription = field(default_factory=Subscription)
    event_mode: str = "http"  # or "stream": events and robot messages; cards say it one by one
    visible: dict[str, list[Any]] | None = None  # {"departments": […], "users": […]}; None: everybody
    ips: list[str] = field(default_factory=list)
    missing_permissions: set[str] = field(default_factory=set)
    stopped: bool = False  # switched off in the console
    templates: dict[str, Template] = field(default_factory=dict)
    routes: dict[str, tuple[str, str]] = field(default_factory=dict)  # route key → (URL, api secret)
    token: str = ""
    token_until: float = 0
    ticket: str = ""
    ticket_until: float = 0
    ticket_death: float = 0
    seen: tuple[int, frozenset[int]] | None = None  # visible departments, for one version of the corp


@dataclass
class Corp:
    corp_id: str
    name: str = ""
    departments: dict[int, Department] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    left: dict[str, Member] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    version: int = 0

    def ancestors(self, department_id: int) -> Iterator[int]:
        """The department and everything above it, up to the root."""
        seen: set[int] = set()
        while department_id in self.departments and department_id not in seen:
            seen.add(department_id)
            yield department_id
            department_id = 0 if department_id == ROOT else self.departments[department_id].parent

    def children(self, department_id: int) -> list[Department]:
        return [one for one in self.departments.values() if one.parent == department_id and one.id != ROOT]

    def direct_members(self, department_id: int) -> list[Member]:
        return [member for member in self.members.values() if department_id in member.departments]


@dataclass
class Code:
    """A one-use sign-in code of one kind ("silent" or "oauth"), for one app."""

    kind: str
    app: App
    person: str  # userid of a silent code, unionid of an oauth code
    until: float
    corp_scope: bool = False


@dataclass
class UserToken:
    app: App
    unionid: str
    until: float


class World:
    """All emulated organisations of one emulator."""

    def __init__(self) -> None:
        self.corps: dict[str, Corp] = {}
        self.apps: dict[str, App] = {}
        self.tokens: dict[str, App] = {}
        self.user_tokens: dict[str, UserToken] = {}
        self.refresh_tokens: dict[str, UserToken] = {}
        self.codes: dict[str, Code] = {}
        self.strangers: dict[str, dict[str, Any]] = {}  # unionid → person of no organisation here

    # --- loading ---------------------------------------------------------------------------------------------

    def load(self, org: Mapping[str, Any]) -> None:
        """Take over organisations: `{"corps": [{corp_id, name, departments, users, apps}], "strangers": […]}`."""
        for row in org.get("corps") or [org]:
            self._load_corp(row)
        for row in org.get("strangers") or []:
            self.strangers[row["unionid"]] = dict(row)

    def _load_corp(self, row: Mapping[str, Any]) -> None:
        corp = self.corps.setdefault(row["corp_id"], Corp(row["corp_id"]))
        corp.name = row.get("name", corp.name)
        corp.departments.setdefault(ROOT, Department(ROOT, corp.name, parent=0))
        for one in row.get("departments") or []:
            department = Department(**{**one, "parent": one.get("parent", 0 if one["id"] == ROOT else ROOT)})
            corp.departments[department.id] = department
        for one in row.get("users") or []:
            self._add_member(corp, dict(one))
        self.sync_leaders(corp)
        for one in row.get("apps") or []:
            self._load_app(corp, dict(one))
        corp.version += 1

    def put_member(self, corp: Corp, row: dict[str, Any]) -> Member:
        """Add or replace a member; whoever leads a department is listed among its leaders as well."""
        member = self._add_member(corp, row)
        self.sync_leaders(corp)
        return member

    def _add_member(self, corp: Corp, row: dict[str, Any]) -> Member:
        member = Member(**row)
        member.unionid = member.unionid or f"UN{secrets.token_hex(11)}iEiE"
        corp.left.pop(member.userid, None)
        corp.members[member.userid] = member
        return member

    def sync_leaders(self, corp: Corp) -> None:
        leading: dict[int, list[str]] = {}
        for member in corp.members.values():
            for led in member.leads:
                leading.setdefault(led, []).append(member.userid)
        for department in corp.departments.values():
            kept = [one for one in department.leaders if one in corp.members]
            department.leaders = kept + [one for one in leading.get(department.id, ()) if one not in kept]
            for userid in kept:
                if department.id not in corp.members[userid].leads:
                    corp.members[userid].leads.append(department.id)
        corp.version += 1

    def _load_app(self, corp: Corp, row: dict[str, Any]) -> None:
        templates = {key: Template(**value) for key, value in (row.pop("templates", None) or {}).items()}
        callback = row.pop("callback", None) or {}
        missing = set(row.pop("missing_permissions", None) or [])
        app = App(corp=corp, templates=templates, missing_permissions=missing, **row)
        app.agent_id = int(app.agent_id)
        app.robot_code = app.robot_code or app.client_id
        app.subscription = Subscription(**{"owner": app.client_id, **callback})
        corp.apps[app.client_id] = app
        self.apps[app.client_id] = app

    # --- what was issued -------------------------------------------------------------------------------------

    def app_by_secret(self, client_id: Any, secret: Any, code: str | int) -> App:
        app = self.apps.get(client_id) if isinstance(client_id, str) else None
        if app is None or not isinstance(secret, str) or not secrets.compare_digest(app.client_secret, secret):
            raise HostError(code, "无效的clientId或者clientSecret")
        return app

    def issue_token(self, app: App, now: float, life: float) -> str:
        """The same token inside its validity, its end moved on; a new one after that."""
        if not app.token or now >= app.token_until:
            self.tokens.pop(app.token, None)
            app.token = secrets.token_hex(16)
            self.tokens[app.token] = app
        app.token_until = now + life
        return app.token

    def issue_ticket(self, app: App, now: float, life: float) -> str:
        if not app.ticket or now >= app.ticket_until or now >= app.ticket_death:
            app.ticket, app.ticket_death = secrets.token_hex(24), now + TICKET_DEATH
        app.ticket_until = min(now + life, app.ticket_death)
        return app.ticket

    def drop_tokens(self) -> None:
        """Make every app token invalid at once, as after a reset of the secret."""
        for app in self.apps.values():
            app.token, app.token_until = "", 0
        self.tokens.clear()

    def issue_code(self, kind: str, app: App, person: str, now: float, corp_scope: bool = False) -> str:
        code = secrets.token_hex(16)
        self.codes[code] = Code(kind, app, person, now + CODE_LIFE, corp_scope)
        return code

    def take_code(self, code: Any, kind: str, app: App, now: float) -> Code | None:
        """Use up a code. None when it is unknown, used, expired, of another app or kind; a wrong try spends nothing."""
        found = self.codes.get(code) if isinstance(code, str) else None
        if found is None or found.kind != kind or found.app is not app:
            return None
        del self.codes[code]
        return found if now < found.until else None

    def issue_user_token(self, app: App, unionid: str, now: float, life: float) -> tuple[str, str]:
        token, refresh = "u-" + secrets.token_hex(16), "r-" + secrets.token_hex(16)
        self.user_tokens[token] = UserToken(app, unionid, now + life)
        self.refresh_tokens[refresh] = UserToken(app, unionid, now + REFRESH_LIFE)
        return token, refresh

    # --- who sees what ---------------------------------------------------------------------------------------

    def sees_department(self, app: App, department_id: int) -> bool:
        return app.visible is None or department_id in self._visible_departments(app)

    def sees_member(self, app: App, member: Member) -> bool:
        if app.visible is None or member.userid in (app.visible.get("users") or []):
            return True
        return any(one in self._visible_departments(app) for one in member.departments)

    def _visible_departments(self, app: App) -> frozenset[int]:
        corp = app.corp
        if app.seen is None or app.seen[0] != corp.version:
            roots = set((app.visible or {}).get("departments") or [])
            found = frozenset(one for one in corp.departments if roots & set(corp.ancestors(one)))
            app.seen = (corp.version, found)
        return app.seen[1]

    def by_unionid(self, corp: Corp, unionid: Any) -> Member | None:
        return next((one for one in corp.members.values() if one.unionid == unionid), None)

    def member(self, userid: str, corp_id: str = "") -> tuple[Corp, Member] | None:
        """Find a member by userid, in one corp or in the first that has one."""
        corps: Iterable[Corp] = [self.corps[corp_id]] if corp_id in self.corps else self.corps.values()
        return next(((corp, corp.members[userid]) for corp in corps if userid in corp.members), None)
