"""An employee's phone as a page of the emulator: chats with working cards, the workbench, a web view around the app.

    GET  /phone            ?user=  whose phone it is; else the cookie's, else the first person's; &bare= without chooser
    GET  /phone/state      ?user=  {"now": seconds, "chats": […], "groups": [{"id", "name"}]}: what the phone shows,
                           asked every second
    POST /phone/holder     {"user"}: hand the phone to somebody else
    GET  /phone/agenda     ?user=  the person's to-dos and calendar;  POST: a tap on one of them

The product's own address may be mapped to another one, under which it behaves as inside this host
(`Emulator.webview_aliases`): that is the phone's name service.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, render_template_string, request

if TYPE_CHECKING:
    from wsapp.connectors.emulator import Emulator

FOLDER = Path(__file__).parent
CSS, SCRIPT = "text/css; charset=utf-8", "text/javascript; charset=utf-8"
PARTS = {"phone.css": CSS, "phone.js": SCRIPT, "phone_agenda.css": CSS, "phone_agenda.js": SCRIPT}
LABELS = {"wecom": "企业微信", "dingtalk": "钉钉"}
READ_ROUTE = "/phone/read"  # of hosts that tell the app what was read
SAY_ROUTE = "/phone/say"  # of hosts whose app can be written to


def holder_cookie(host: str) -> str:
    """Return the name of the cookie that says who holds the phone; the host's sign-in pages read it, too."""
    return f"{host}_phone_user"


def add_phone(emulator: "Emulator", app: Flask) -> None:
    """Add the phone's page to an emulator."""

    @app.get("/phone")
    def phone_page() -> Response:
        user = request.args.get("user", "")
        answer = Response(
            render_template_string(
                (FOLDER / "phone.html").read_text(encoding="utf-8"),
                host=emulator.host,
                label=LABELS.get(emulator.host, emulator.host),
                bare="bare" in request.args,
                config=_config(emulator, app, user or request.cookies.get(holder_cookie(emulator.host), "")),
            )
        )
        answer.headers["Cache-Control"] = "no-store"
        if user:
            _hand_over(answer, emulator, user)
        return answer

    @app.get("/phone/<any('phone.css', 'phone.js', 'phone_agenda.css', 'phone_agenda.js'):name>")
    def phone_part(name: str) -> Response:
        answer = Response((FOLDER / name).read_bytes(), content_type=PARTS[name])
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    @app.get("/phone/state")
    def phone_state() -> Response:
        user = request.args.get("user", "")
        with emulator.lock:
            chats = emulator.chats(user) if user else []
            groups = emulator.group_chats(user) if user else []
        answer = jsonify({"now": emulator.clock.time(), "chats": chats, "groups": groups})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/phone/agenda")
    def phone_agenda() -> Response:
        user = request.args.get("user", "")
        with emulator.lock:
            items = emulator.agenda(user) if user else []
        answer = jsonify({"items": sorted(items, key=lambda one: (one["done"], one["at"]))})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.post("/phone/agenda")
    def phone_tap() -> tuple[Response, int]:
        """{"user", "list", "id", "act", "at"}: complete, reopen, move or delete an item."""
        body = request.get_json(force=True)
        user, book, item, act = (str(body.get(name) or "") for name in ("user", "list", "id", "act"))
        with emulator.lock:
            did = emulator.act_on_item(user, book, item, act, float(body.get("at") or 0))
        return jsonify({"done": did}), 200 if did else 409

    @app.post("/phone/holder")
    def phone_holder() -> Response:
        user = str(request.get_json(force=True).get("user") or "")
        answer = jsonify({"user": user})
        _hand_over(answer, emulator, user)
        return answer


def _hand_over(answer: Response, emulator: "Emulator", user: str) -> None:
    answer.set_cookie(holder_cookie(emulator.host), user, httponly=True, samesite="Lax")


def _config(emulator: "Emulator", app: Flask, user: str) -> dict[str, Any]:
    aliases = {_origin(url): _origin(alias) for url, alias in emulator.webview_aliases.items()}
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    return {
        "host": emulator.host,
        "user": user,
        "aliases": aliases,
        "reads": READ_ROUTE in routes,
        "says": SAY_ROUTE in routes,
        "says_in_groups": emulator.hears_groups,
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
