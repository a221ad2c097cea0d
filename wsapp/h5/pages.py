"""Showing a page, and going on to the next one after a deed."""

import json
import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, flash, g, get_flashed_messages, redirect, render_template, request
from werkzeug.routing import BaseConverter
from werkzeug.wrappers import Response as BaseResponse

from wsapp.crm.customers.clean import clean_line
from wsapp.crm.visits.consent import consents
from wsapp.h5.lists import count_due
from wsapp.house import local_now
from wsapp.web import is_own_origin, safe_path

PAGE_SIZE = 20
MAX_ARG = 200
Query = tuple[tuple[str, str], ...]


class KeyConverter(BaseConverter):
    """An opaque id in an address (`<key:customer_id>`); anything else is no address of ours and reaches no query."""

    regex = "[0-9a-z]{20,40}"


def install(app: Flask) -> None:
    """Give every page what its frame shows."""
    app.url_map.converters["key"] = KeyConverter
    app.jinja_env.globals["may_locate"] = lambda: consents(g.member)  # only where a form draws an address
    app.context_processor(lambda: {"now": local_now(), "toasts": _toasts(), "page_key": secrets.token_urlsafe(9)})


def _toasts() -> list[tuple[str, str]]:
    found: list[Any] = list(get_flashed_messages(with_categories=True))
    return [(str(kind), str(words)) for kind, words in found]


def show(template: str, *, counted: bool = True, **values: Any) -> str:
    """Render a page; with `counted`, the tab bar shows how many tasks are due (forms hide the bar: leave it out)."""
    if counted and not is_partial():
        values["task_count"] = count_due(g.member)
    return render_template(template, **values)


def is_partial() -> bool:
    """Say whether htmx asks for a part of the page (more rows, the list beside a record)."""
    return "HX-Request" in request.headers


def go(url: str, words: str = "") -> BaseResponse:
    """Go on to a page of ours after a deed, where `words` are shown once."""
    if words:
        flash(words, "")
    if is_partial():
        # Not 303: htmx would fetch the page itself, and what is shown once would be gone when the browser opens it.
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)


def part(body: str, words: str = "") -> Response:
    """Answer htmx with a part of a page, and `words` as a toast."""
    answer = Response(body, mimetype="text/html")
    if words:
        answer.headers["HX-Trigger"] = json.dumps({"toast": words})
    return answer


def per_member() -> str:
    """Return whose requests a rate limit counts together: an office shares one address, so not that."""
    return f"{g.member.corp_id}.{g.member.id}"


def came_from(default: str) -> str:
    """Return the page of ours from which a form without script was posted."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if not is_own_origin(f"{parts.scheme}://{parts.netloc}"):
        return default
    return safe_path(parts.path + (f"?{parts.query}" if parts.query else ""), default=default)


def arg(name: str) -> str:
    """Return a query value without invisible characters, empty when it is missing."""
    return clean_line(request.args.get(name, "")[:MAX_ARG])


def choice(name: str, choices: Any, default: str = "") -> str:
    """Return a query value that is one of `choices`, else the default."""
    value = arg(name)
    return value if value in choices else default


def query_values() -> Query:
    """Return this page's query values as something that can be compared: all that its own links are made of."""
    return tuple(_here().items())


def here_with(**changes: str | None) -> str:
    """Return this page's address with other query values; empty ones are left out."""
    query = {name: value for name, value in {**_here(), **changes}.items() if value}
    return f"{request.path}?{urlencode(query)}" if query else request.path


def _here() -> dict[str, str]:
    """Return this page's query values: read once, for a page links to many of its own variants."""
    if "here" not in g:
        g.here = {name: arg(name) for name in request.args if name != "cursor"}
    found: dict[str, str] = g.here
    return found


def cursor() -> str:
    """Return the cursor of the wanted page."""
    return request.args.get("cursor", "")


def next_page(after: str | None) -> str:
    """Return the address of the next page of this list, empty at the end."""
    return here_with(cursor=after) if after else ""
