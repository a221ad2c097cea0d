"""The emulator's developer console (钉钉开发者后台): one app's page, as far as setting it up needs it.

GET  /console            values to copy, forms for what is pasted
POST /console/<form>     home, safety, events: checked as the real console checks them
"""

from typing import TYPE_CHECKING

from flask import Flask, Response, request

from wsapp.connectors.consoles import ConsoleForm, console_page
from wsapp.connectors.dingtalk.emulator_world import App, Subscription

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator


class Console:
    """The console of the first app of the first organisation."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator

    @property
    def app(self) -> App:
        return next(iter(self.emulator.world.apps.values()))

    def page(self, said: str = "", good: bool = True) -> Response:
        app = self.app
        shown = (
            ("corp_id", "CorpId", app.corp.corp_id),
            ("corp_name", "企业名称", app.corp.name),
            ("agent_id", "AgentId", str(app.agent_id)),
            ("client_id", "Client ID", app.client_id),
            ("client_secret", "Client Secret", app.client_secret),
            ("card_template_id", "卡片模板 ID", next(iter(app.templates), "")),
            ("last_callback", "事件推送地址", app.subscription.url),
        )
        forms = (
            ConsoleForm("home", "网页应用", (("url", "首页地址", app.home_url),)),
            ConsoleForm("safety", "安全设置", (("redirect", "重定向 URL", ""), ("signin", "端内免登地址", ""))),
            ConsoleForm(
                "events",
                "事件与回调 · HTTP 推送",
                (
                    ("url", "请求网址", app.subscription.url),
                    ("token", "签名 token", ""),
                    ("aes_key", "加密 aes_key", ""),
                ),
            ),
        )
        return console_page(f"钉钉开发者后台 · {app.name}", shown, forms, said=said, good=good)

    def set_home(self) -> Response:
        self.app.home_url = request.form["url"]
        return self.page("已保存网页应用")

    def set_safety(self) -> Response:
        self.app.redirect_urls = [request.form["redirect"], request.form["signin"]]
        return self.page("已保存安全设置")

    def set_events(self) -> Response:
        """Only an address that answers check_url with an encrypted success is taken."""
        app = self.app
        before = app.subscription
        app.subscription = Subscription(
            request.form["url"], request.form["token"], request.form["aes_key"], app.client_id
        )
        if not _is_key(app.subscription.aes_key) or not self.emulator.events.check_url(app):
            app.subscription = before
            return self.page("回调地址校验失败", good=False)
        return self.page("已保存事件订阅")


def _is_key(text: str) -> bool:
    return len(text) == 43 and text.isascii() and text.isalnum()


def add_routes(emulator: "DingTalkEmulator", app: Flask) -> None:
    console = Console(emulator)
    app.get("/console", endpoint="console")(console.page)
    for name in ("home", "safety", "events"):
        app.post(f"/console/{name}", endpoint=f"console_{name}")(getattr(console, f"set_{name}"))
