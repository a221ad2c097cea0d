"""The emulator's management console (企业微信管理后台): one app's page, as far as setting it up needs it.

GET  /console            values to copy, forms for what is pasted
GET  /console/file       the domain ownership file, to be offered by the app's server
POST /console/<form>     home, domain, callback, contacts, ips: checked as the real console checks them
"""

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from wsapp.connectors.consoles import ConsoleForm, console_page
from wsapp.connectors.wecom.emulator_org import App, Door

if TYPE_CHECKING:
    from wsapp.connectors.wecom.emulator import WeComEmulator

NOT_ANSWERED = "openapi回调地址请求不通过"
NOT_OWNED = "域名归属校验未通过：没有找到校验文件"


class Console:
    """The console of the first app of the first company."""

    def __init__(self, emulator: "WeComEmulator") -> None:
        self.emulator = emulator

    @property
    def app(self) -> App:
        corp = next(iter(self.emulator.corps.values()))
        return next(iter(corp.apps.values()))

    def ownership(self) -> tuple[str, str]:
        """(name, content) of the file that proves the domain to be this app's."""
        mark = hashlib.sha256(self.app.secret.encode()).hexdigest()[:16]
        return f"WW_verify_{mark}.txt", mark

    def page(self, said: str = "", good: bool = True) -> Response:
        app = self.app
        shown = (
            ("corp_id", "企业 ID", app.corp.corp_id),
            ("corp_name", "企业名称", app.corp.name),
            ("agent_id", "AgentId", str(app.agent_id)),
            ("app_secret", "Secret", app.secret),
            ("contacts_secret", "通讯录同步 Secret", app.corp.contacts_secret),
            ("last_callback", "接收消息地址", app.door.url),
        )
        file = f'<p><a href="/console/file" download="{self.ownership()[0]}">下载校验文件 {self.ownership()[0]}</a></p>'
        forms = (
            ConsoleForm("home", "应用主页", (("url", "网址", app.home_url),)),
            ConsoleForm("domain", "可信域名", (("domain", "域名", ",".join(app.trusted_domains)),), file),
            ConsoleForm("callback", "接收消息", _door_fields(app.door)),
            ConsoleForm("contacts", "通讯录同步", _door_fields(app.corp.contacts_door)),
            ConsoleForm("ips", "企业可信 IP", (("ips", "IP 地址", ",".join(app.ips)),)),
        )
        return console_page(f"企业微信管理后台 · {app.name}", shown, forms, said=said, good=good)

    def set_home(self) -> Response:
        self.app.home_url = request.form["url"]
        return self.page("已保存应用主页")

    def set_domain(self) -> Response:
        """Only a domain that offers the ownership file is taken."""
        app, (name, content) = self.app, self.ownership()
        before = app.trusted_domains
        app.trusted_domains = [request.form["domain"]]
        if not self.emulator.callbacks.verify_domain(app, name, content)["ok"]:
            app.trusted_domains = before
            return self.page(NOT_OWNED, good=False)
        return self.page("已保存可信域名")

    def set_callback(self) -> Response:
        door = Door(request.form["url"], request.form["token"], request.form["aes_key"])
        if not self._answers(door):
            return self.page(NOT_ANSWERED, good=False)
        self.app.door = door
        return self.page("已保存接收消息")

    def set_contacts(self) -> Response:
        door = Door(request.form["url"], request.form["token"], request.form["aes_key"])
        if not self._answers(door):
            return self.page(NOT_ANSWERED, good=False)
        self.app.corp.contacts_door = door
        return self.page("已保存通讯录同步")

    def _answers(self, door: Door) -> bool:
        try:
            return bool(self.emulator.callbacks.verify_url(replace(door), self.app.corp.corp_id)["ok"])
        except ValueError:
            return False  # no key of 43 characters

    def set_ips(self) -> Response:
        """A newly trusted IP takes effect after a while, as the knob says."""
        since = self.emulator.clock.time() + float(self.emulator.knobs["ip_activation_seconds"])
        wanted = [one.strip() for one in request.form["ips"].split(",") if one.strip()]
        self.app.ips = {ip: self.app.ips.get(ip, since) for ip in wanted}
        return self.page("已保存企业可信 IP")

    def file(self) -> Response:
        name, content = self.ownership()
        answer = Response(content, content_type="text/plain")
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _door_fields(door: Door) -> tuple[tuple[str, str, str], ...]:
    return (("url", "URL", door.url), ("token", "Token", ""), ("aes_key", "EncodingAESKey", ""))


def add_routes(emulator: "WeComEmulator", app: Flask) -> None:
    console = Console(emulator)
    app.get("/console", endpoint="console")(console.page)
    app.get("/console/file", endpoint="console_file")(console.file)
    for name in ("home", "domain", "callback", "contacts", "ips"):
        app.post(f"/console/{name}", endpoint=f"console_{name}")(getattr(console, f"set_{name}"))
