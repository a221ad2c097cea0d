"""What the emulators' developer consoles share: a page that shows values to copy and takes values that are pasted."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from flask import Response

STYLE = (
    "body{font:16px/1.6 sans-serif;margin:0;background:#f5f6f7;color:#1f2329}main{max-width:640px;margin:0 auto;"
    "padding:24px}section{background:#fff;border-radius:8px;padding:8px 16px 16px;margin:16px 0}h1{font-size:20px}"
    "h2{font-size:17px}label{display:block;margin-top:8px}"
    "input{width:100%;box-sizing:border-box;font:inherit;padding:6px}"
    "button{margin-top:12px;font:inherit;padding:6px 16px}code{word-break:break-all}"
    ".bad{color:#c9302c}.good{color:#2a8a3e}"
)


@dataclass(frozen=True)
class ConsoleForm:
    """A form of the console: `fields` are (name, label, present value); `note` stands above them as HTML."""

    key: str
    title: str
    fields: tuple[tuple[str, str, str], ...]
    note: str = ""


def console_page(
    title: str,
    shown: Sequence[tuple[str, str, str]],
    forms: Sequence[ConsoleForm],
    *,
    said: str = "",
    good: bool = True,
) -> Response:
    """Draw a console: `shown` are (id, label, value) to copy; `said` is the outcome of the last form."""
    told = f'<p id="said" class="{"good" if good else "bad"}">{escape(said)}</p>' if said else ""
    values = "".join(
        f'<p>{escape(label)}：<code id="{escape(key)}">{escape(value)}</code></p>' for key, label, value in shown
    )
    drawn = "".join(_form(one) for one in forms)
    html = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><main><h1>{escape(title)}</h1>{told}"
        f"<section><h2>凭证</h2>{values}</section>{drawn}</main></html>"
    )
    return Response(html, 200 if good else 422, content_type="text/html; charset=utf-8")


def _form(one: ConsoleForm) -> str:
    fields = "".join(
        f'<label>{escape(label)}<input name="{escape(name)}" value="{escape(value)}" autocomplete="off"></label>'
        for name, label, value in one.fields
    )
    return (
        f'<section><h2>{escape(one.title)}</h2>{one.note}<form method="post" action="/console/{escape(one.key)}">'
        f"{fields}<button>保存</button></form></section>"
    )
