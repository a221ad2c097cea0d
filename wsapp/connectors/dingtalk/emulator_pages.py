"""Pages and phone of the emulator: browser sign-in, the native side of the web view, presses, switches of our own."""

import hashlib
import io
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode, urlsplit

from flask import Flask, Response, jsonify, redirect, render_template_string, request
from PIL import Image, ImageDraw
from werkzeug.wrappers import Response as AnyResponse

from wsapp.connectors.dingtalk import emulator_directory
from wsapp.connectors.dingtalk.emulator_gate import json_response
from wsapp.connectors.dingtalk.emulator_world import App, HostError, Member, Subscription

if TYPE_CHECKING:
    from wsapp.connectors.dingtalk.emulator import DingTalkEmulator

USER_COOKIE = "dingtalk_phone_user"
WEST_LAKE = {"lat": 30.24277, "lng": 120.15057, "accuracy": 30.0}  # GCJ-02
MAX_UPLOAD = 20 * 1024 * 1024

CHOOSER = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>钉钉登录</title>
<h1>使用钉钉登录 {{ app.name }}</h1><ul>
{% for person in people %}<li><a href="{{ person.href }}">{{ person.name }}</a>{% endfor %}</ul>
<p><a href="{{ cancel }}">取消</a></p></html>"""
REFUSED = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>钉钉登录</title><h1>{{ reason }}</h1></html>"""


class Pages:
    """Routes that the API hosts do not have."""

    def __init__(self, emulator: "DingTalkEmulator") -> None:
        self.emulator = emulator
        self.positions: dict[str, dict[str, float]] = {}
        self.photos: dict[str, bytes] = {}

    def add_to(self, app: Flask) -> None:
        app.get("/oauth2/auth")(self.oauth)
        app.post("/webview/code")(self.code)
        app.post("/webview/verify-signature")(self.verify_signature)
        app.get("/webview/position")(self.position)
        app.post("/webview/upload")(self.upload)
        app.get("/webview/photo/<name>")(self.photo)
        app.get("/phone/people")(self.people)
        app.post("/phone/user")(self.choose_user)
        app.post("/phone/position")(self.set_position)
        app.post("/phone/press")(self.press)
        app.post("/phone/read")(self.read)
        app.post("/_emulator/org")(self.load)
        app.post("/_emulator/people")(self.change_people)
        emulator_directory.add_routes(self.emulator, app)
        app.post("/_emulator/tokens")(self.drop_tokens)
        app.post("/_emulator/callback")(self.set_callback)
        app.post("/_emulator/template")(self.set_template)
        app.post("/_emulator/event")(self.push_event)
        app.get("/_emulator/drops")(self.drops)
        app.after_request(self._cors)

    def _cors(self, response: Response) -> Response:
        """Our own routes are called from pages of the product: with cookies, from whatever origin that is."""
        origin = request.headers.get("Origin")
        if origin and request.path.startswith(("/webview/", "/phone/", "/_emulator/")):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
            response.headers["Vary"] = "Origin"
        return response

    # --- browser sign-in -------------------------------------------------------------------------------------

    def oauth(self) -> AnyResponse | tuple[str, int] | str:
        """login.dingtalk.com/oauth2/auth: the person chooses, then comes back with authCode and state."""
        args = request.args
        app = self.emulator.world.apps.get(args.get("client_id", ""))
        if app is None or args.get("response_type") != "code" or args.get("prompt") != "consent":
            return render_template_string(REFUSED, reason="参数错误"), 400
        target = args.get("redirect_uri", "")
        if not self._registered(app, target):
            return render_template_string(REFUSED, reason="回调域名未在安全设置中登记"), 400
        if args.get("scope") not in ("openid", "openid corpid"):
            return render_template_string(REFUSED, reason="scope不合法"), 400
        if args.get("cancel"):
            return self._back(target, {"error": "access_denied", "state": args.get("state", "")})
        person = args.get("user") or request.cookies.get(USER_COOKIE, "")
        unionid = self._unionid(app, person)
        if unionid:
            return self._signed_in(app, target, unionid)
        people = [(one.userid, one.name) for one in app.corp.members.values()]
        people += [(unionid, str(row.get("name"))) for unionid, row in self.emulator.world.strangers.items()]
        links = [{"name": name, "href": _with_query(args.to_dict(), user=userid)} for userid, name in people]
        return render_template_string(CHOOSER, app=app, people=links, cancel=_with_query(args.to_dict(), cancel="1"))

    def _registered(self, app: App, url: str) -> bool:
        """Whether an address belongs to the app: same scheme, host and port as its home page or a redirect URL.

        Where the phone opens a page under another name (`webview_aliases`), that name counts as the page's own.
        """
        aliases = {urlsplit(alias)[:2]: urlsplit(own)[:2] for own, alias in self.emulator.webview_aliases.items()}
        wanted = urlsplit(url)[:2]
        known = [urlsplit(one)[:2] for one in (app.home_url, *app.redirect_urls) if one]
        return bool(url) and (not known or wanted in known or aliases.get(wanted) in known)

    def _unionid(self, app: App, person: str) -> str:
        member = app.corp.members.get(person)
        return member.unionid if member else person if person in self.emulator.world.strangers else ""

    def _signed_in(self, app: App, target: str, unionid: str) -> AnyResponse:
        corp_scope = "corpid" in request.args["scope"].split()
        code = self.emulator.world.issue_code("oauth", app, unionid, self.emulator.clock.time(), corp_scope)
        names = ("authCode", "code") if self.emulator.knobs["oauth_code_names"] == "both" else ("authCode",)
        return self._back(target, dict.fromkeys(names, code) | {"state": request.args.get("state", "")})

    def _back(self, target: str, query: dict[str, str]) -> AnyResponse:
        return redirect(f"{target}{'&' if '?' in target else '?'}{urlencode(query)}")

    # --- the native side of the web view ---------------------------------------------------------------------

    def _who(self, body: dict[str, Any], app: App | None = None) -> Member | None:
        userid = str(body.get("user") or request.args.get("user") or request.cookies.get(USER_COOKIE, ""))
        found = self.emulator.world.member(userid, app.corp.corp_id if app else "")
        return found[1] if found else None

    def code(self) -> AnyResponse:
        """requestAuthCode: checks app, page address and visible range, then hands out a one-use code."""
        body = request.get_json(force=True)
        app = self._app_of(body)
        if app is None:
            return self._failed("9", "无效的corpId或clientId")
        page = str(body.get("url") or request.headers.get("Origin") or request.headers.get("Referer") or "")
        if not self._registered(app, page):
            return self._failed("9", "页面域名与应用首页、重定向URL不一致")
        member = self._who(body, app)
        if member is None:
            return self._failed("3", "未登录")
        if not self.emulator.world.sees_member(app, member) and self.emulator.knobs["code_outside_range"] == "refuse":
            return self._failed("50002", "您不在应用可使用范围内，请联系管理员")
        code = self.emulator.world.issue_code("silent", app, member.userid, self.emulator.clock.time())
        return json_response({"code": code})

    def _app_of(self, body: dict[str, Any]) -> App | None:
        """With a clientId that app; the old call names only the corp and means the app of the page."""
        apps = self.emulator.world.apps.values()
        corp_id, client_id, url = body.get("corpId"), body.get("clientId"), str(body.get("url") or "")
        found = [app for app in apps if app.corp.corp_id == corp_id and client_id in (None, "", app.client_id)]
        return next((app for app in found if self._registered(app, url)), found[0] if found else None)

    def _failed(self, code: str, message: str) -> AnyResponse:
        return json_response({"errorCode": code, "errorMessage": message})

    def verify_signature(self) -> AnyResponse:
        """dd.config: the client checks ticket, nonce, time and address behind the signature."""
        body = request.get_json(force=True)
        apps = [app for app in self.emulator.world.apps.values() if str(app.agent_id) == str(body.get("agentId"))]
        app = next((one for one in apps if one.corp.corp_id == body.get("corpId")), None)
        if app is None:
            return self._failed("52019", "无效的agent_id")
        now = self.emulator.clock.time()
        if not app.ticket or now >= app.ticket_until or now >= app.ticket_death:
            return self._failed("52011", "jsapi ticket读取失败")
        if str(body.get("signature")) not in self._signatures(app, body):
            return self._failed("52013", "签名校验失败")
        return json_response({"ok": True})

    def _signatures(self, app: App, body: dict[str, Any]) -> set[str]:
        url = str(body.get("url") or "").split("#")[0]
        head, mark, query = url.partition("?")
        forms = {"raw": [url], "decoded": [head + mark + unquote(query)]}
        chosen = forms.get(self.emulator.knobs["jsapi_url"], forms["raw"] + forms["decoded"])
        mode = self.emulator.knobs["jsapi_hash"]
        digests = ("sha1", "sha256") if mode == "either" else (mode,)
        texts = [
            f"jsapi_ticket={app.ticket}&noncestr={body.get('nonceStr')}&timestamp={body.get('timeStamp')}&url={form}"
            for form in chosen
        ]
        return {hashlib.new(digest, text.encode()).hexdigest() for digest in digests for text in texts}

    def position(self) -> AnyResponse:
        member = self._who({})
        return json_response(self.positions.get(member.userid if member else "", WEST_LAKE))

    def upload(self) -> AnyResponse | tuple[Response, int]:
        """Put a picture into the phone: the body of the request, or a sample photo when it is empty."""
        data = request.get_data()
        if len(data) > MAX_UPLOAD:
            return jsonify({"error": "too large"}), 413
        name = secrets.token_hex(8)
        self.photos[name] = data or sample_photo(name)
        return json_response({"path": f"https://resource/{name}.image", "size": len(self.photos[name])})

    def photo(self, name: str) -> AnyResponse:
        data = self.photos.get(name.removesuffix(".image"))
        if data is None:
            return Response(status=404)
        return Response(data, content_type="image/jpeg")

    # --- the phone -------------------------------------------------------------------------------------------

    def people(self) -> AnyResponse:
        """Who can hold the phone: `{"items": [{corp, corp_name, userid, name, title, departments, visible, apps}]}`."""
        rows = []
        for corp in self.emulator.world.corps.values():
            for member in corp.members.values():
                visible = any(self.emulator.world.sees_member(app, member) for app in corp.apps.values())
                names = [corp.departments[one].name for one in member.departments if one in corp.departments]
                rows.append(
                    {
                        "corp": corp.corp_id,
                        "corp_name": corp.name,
                        "userid": member.userid,
                        "name": member.name,
                        "title": member.title,
                        "departments": names,
                        "visible": visible,
                        "apps": [
                            {
                                "name": app.name,
                                "home_url": app.home_url,
                                "visible": self.emulator.world.sees_member(app, member),
                            }
                            for app in corp.apps.values()
                        ],
                    }
                )
        return json_response({"items": rows})

    def choose_user(self) -> AnyResponse:
        userid = str(request.get_json(force=True).get("user") or "")
        answer = json_response({"user": userid})
        answer.set_cookie(USER_COOKIE, userid, httponly=True, samesite="Lax")
        return answer

    def set_position(self) -> AnyResponse:
        body = request.get_json(force=True)
        row = {"lat": float(body["lat"]), "lng": float(body["lng"]), "accuracy": float(body.get("accuracy", 30))}
        self.positions[str(body.get("user") or "")] = row
        return json_response(row)

    def press(self) -> AnyResponse | tuple[Response, int]:
        """A person presses a button: `{"user", "card", "key"}` → `{"status", "chat"}`."""
        body = request.get_json(force=True)
        user, cards = str(body.get("user")), self.emulator.chat.cards
        card = cards.find(str(body.get("card")), user)
        if card is None:
            return jsonify({"error": "no such card in this chat"}), 404
        status = cards.press(card, user, str(body.get("key")))
        shown = [one for one in self.emulator.chat.items(user) if one["card"] == card.track]
        return json_response({"status": status, "chat": shown[-1]})

    def read(self) -> AnyResponse | tuple[Response, int]:
        shown = self.emulator.chat.read(int(request.get_json(force=True).get("id") or 0))
        return json_response(shown) if shown else (jsonify({"error": "no such message"}), 404)

    # --- switches --------------------------------------------------------------------------------------------

    def load(self) -> AnyResponse:
        self.emulator.load(request.get_json(force=True))
        return json_response({"corps": list(self.emulator.world.corps)})

    def change_people(self) -> AnyResponse | tuple[Response, int]:
        try:
            return json_response(self.emulator.people.change(request.get_json(force=True)))
        except HostError as error:
            return jsonify({"error": error.message}), 404

    def drop_tokens(self) -> AnyResponse:
        self.emulator.world.drop_tokens()
        return json_response({})

    def set_callback(self) -> AnyResponse | tuple[Response, int]:
        """Save an event subscription as the console does: `{"client_id", "url", "token", "aes_key"}` → check_url."""
        body = request.get_json(force=True)
        app = self.emulator.world.apps[body["client_id"]]
        before = app.subscription
        app.subscription = Subscription(body["url"], body["token"], body["aes_key"], body.get("owner") or app.client_id)
        if body.get("check", True) and not self.emulator.events.check_url(app):
            app.subscription = before
            return jsonify({"error": "check_url was not answered with an encrypted success"}), 422
        return json_response({"url": app.subscription.url})

    def set_template(self) -> AnyResponse:
        """`{"client_id", "template", "published"}`; with `"remove": true` the template is gone."""
        body = request.get_json(force=True)
        app = self.emulator.world.apps[body["client_id"]]
        self.emulator.set_template(app, body["template"], bool(body.get("published", True)), bool(body.get("remove")))
        return json_response({"templates": list(app.templates)})

    def push_event(self) -> AnyResponse:
        """`{"client_id", "event": {…}, "times"}`: push an event as it is, so and so often."""
        body = request.get_json(force=True)
        app = self.emulator.world.apps[body["client_id"]]
        for _ in range(int(body.get("times", 1))):
            self.emulator.events.push_raw(app, dict(body["event"]))
        return json_response({})

    def drops(self) -> AnyResponse:
        return json_response({"items": self.emulator.chat.drops})


def _with_query(args: dict[str, str], **more: str) -> str:
    return "?" + urlencode(args | more)


def sample_photo(seed: str) -> bytes:
    """A small JPEG of a shop, each with another front, with the EXIF position that a phone's camera writes."""
    front = tuple(90 + int(seed[at : at + 2], 16) % 110 for at in (0, 2, 4))
    image = Image.new("RGB", (640, 480), (176, 203, 230))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 380, 640, 480), fill=(150, 148, 142))
    pen.rectangle((80, 130, 560, 380), fill=front)
    pen.rectangle((80, 170, 560, 215), fill=(245, 241, 230))
    for at in range(4):
        pen.rectangle((105 + at * 88, 245, 165 + at * 88, 330), fill=(86, 104, 122))
    pen.rectangle((470, 245, 535, 380), fill=(70, 60, 52))
    exif = Image.Exif()
    exif[0x010F] = "Emulated phone"
    exif[0x8825] = {1: "N", 2: (30.0, 14.0, 34.0), 3: "E", 4: (120.0, 9.0, 2.0)}
    data = io.BytesIO()
    image.save(data, "JPEG", exif=exif)
    return data.getvalue()
