"""The emulator's companies: corps, departments, members, apps and who is visible to which app."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

ROOT = 1


@dataclass
class User:
    """A member. `leads` are the departments that the member leads; `status` as in user/get: 1, 2, 4 or 5."""

    userid: str
    name: str
    departments: list[int]
    leads: set[int] = field(default_factory=set)
    position: str = ""
    direct_leader: list[str] = field(default_factory=list)
    main_department: int = 0
    status: int = 1
    private: dict[str, str] = field(default_factory=dict)  # mobile, email, gender, avatar, …
    unlicensed: bool = False

    @property
    def fold(self) -> str:
        return self.userid.lower()


@dataclass
class Department:
    id: int
    name: str
    parent: int
    order: int = 0
    name_en: str = ""


@dataclass
class Door:
    """Where callbacks go, and how they are sealed."""

    url: str = ""
    token: str = ""
    aes_key: str = ""


@dataclass
class App:
    """A self-built app. `users` and `departments` are its visible range (可见范围)."""

    corp: "Corp"
    agent_id: int
    secret: str
    name: str = ""
    home_url: str = ""
    trusted_domains: list[str] = field(default_factory=list)
    door: Door = field(default_factory=Door)
    users: set[str] = field(default_factory=set)  # folded
    departments: set[int] = field(default_factory=set)
    ips: dict[str, float] = field(default_factory=dict)  # trusted IP → since when; empty: all
    disabled: bool = False
    forbidden: set[str] = field(default_factory=set)  # APIs without permission
    shows_private: bool = False  # apps made before 2022-06-20 see phone and mail

    def sees(self, user: User) -> bool:
        """Whether the member is in the visible range and still working here."""
        return user.status in (1, 4) and self.knows(user)

    def knows(self, user: User) -> bool:
        """Whether the member is in the visible range, working or not."""
        return user.fold in self.users or any(self.sees_department(one) for one in user.departments)

    def sees_department(self, department_id: int) -> bool:
        return any(one in self.departments for one in self.corp.upward(department_id))

    def visible_departments(self) -> Iterator[Department]:
        return (one for one in self.corp.departments.values() if self.sees_department(one.id))

    def visible_users(self) -> Iterator[User]:
        return (user for user in self.corp.users.values() if self.sees(user))


@dataclass
class Corp:
    corp_id: str
    name: str
    contacts_secret: str = ""
    contacts_door: Door = field(default_factory=Door)
    contacts_ips: set[str] = field(default_factory=set)  # IPs that may still read details (before 2022-08-15)
    departments: dict[int, Department] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)  # by folded userid
    apps: dict[int, App] = field(default_factory=dict)
    externals: dict[str, str] = field(default_factory=dict)  # openid → external_userid, perhaps empty

    def upward(self, department_id: int) -> Iterator[int]:
        """The department and all above it."""
        seen: set[int] = set()
        while department_id in self.departments and department_id not in seen:
            seen.add(department_id)
            yield department_id
            department_id = self.departments[department_id].parent

    def below(self, department_id: int) -> Iterator[Department]:
        """The department and all below it."""
        return (one for one in self.departments.values() if department_id in self.upward(one.id))

    def user(self, userid: str) -> User | None:
        return self.users.get(userid.lower())


def corp_from(data: dict[str, Any], now: float) -> Corp:
    """Build a corp from its JSON description (see `demo_org`); KeyError names what is missing."""
    corp = Corp(data["corp_id"], data.get("name", data["corp_id"]), data.get("contacts_secret", ""))
    corp.contacts_door = door_from(data.get("contacts_callback", {}))
    corp.contacts_ips = set(data.get("contacts_ips", ()))
    corp.externals = dict(data.get("externals", {}))
    for row in data.get("departments", ()):
        department_id = int(row["id"])
        parent = int(row.get("parentid", row.get("parent", 0)) or 0)
        corp.departments[department_id] = Department(
            department_id, row["name"], parent, int(row.get("order", 0)), row.get("name_en", "")
        )
    if ROOT not in corp.departments:
        corp.departments[ROOT] = Department(ROOT, corp.name, 0)
    for row in data.get("users", ()):
        user = user_from(row)
        corp.users[user.fold] = user
    for row in data.get("apps", ()):
        app = app_from(row, corp, now)
        corp.apps[app.agent_id] = app
    return corp


def user_from(row: dict[str, Any]) -> User:
    departments = [int(one) for one in row.get("departments", row.get("department", [ROOT]))]
    return User(
        userid=row["userid"],
        name=row.get("name", row["userid"]),
        departments=departments,
        leads={int(one) for one in row.get("leads", ())},
        position=row.get("position", ""),
        direct_leader=list(row.get("direct_leader", ())),
        main_department=int(row.get("main_department", departments[0] if departments else ROOT)),
        status=int(row.get("status", 1)),
        private={key: str(row[key]) for key in PRIVATE if key in row},
        unlicensed=bool(row.get("unlicensed", False)),
    )


PRIVATE = ("avatar", "gender", "mobile", "email", "biz_mail", "qr_code", "address")


def app_from(row: dict[str, Any], corp: Corp, now: float) -> App:
    visible = row.get("visible", {"departments": [ROOT]})
    return App(
        corp=corp,
        agent_id=int(row["agent_id"]),
        secret=row["secret"],
        name=row.get("name", ""),
        home_url=row.get("home_url", ""),
        trusted_domains=list(row.get("trusted_domains", ())),
        door=door_from({**row, "url": row.get("callback_url", "")}),
        users=fold(visible.get("users", ())),
        departments={int(one) for one in visible.get("departments", ())},
        ips=dict.fromkeys(row.get("ips", ()), now),
        disabled=bool(row.get("disabled", False)),
        forbidden=set(row.get("forbidden", ())),
        shows_private=bool(row.get("shows_private", False)),
    )


def door_from(row: dict[str, Any]) -> Door:
    return Door(row.get("url", ""), row.get("token", ""), row.get("aes_key", ""))


def fold(userids: Iterable[str]) -> set[str]:
    return {userid.lower() for userid in userids}
