"""Words for people: Chinese source strings, English from the catalogue. `_` translates now, `lazy` when shown.

Pages say a hundred texts each, so the language's catalogue is looked up once a unit of work, not once a text.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from flask import Flask, g, has_app_context
from flask_babel import force_locale, get_translations
from flask_babel.speaklater import LazyString
from markupsafe import Markup

LANGUAGES = {"zh": "中文", "en": "English"}
LOCALES = {"zh": "zh_Hans_CN", "en": "en"}
KEPT = 4_096  # drawn parts of pages, about a kilobyte each


def _(text: str, /, **values: Any) -> str:
    """Translate into the language spoken here; `values` go where the text says %(name)s."""
    words = _lookup()(text)
    return words % values if values else words


def lazy(text: str, /, **values: Any) -> LazyString:
    """Return a text that is translated each time it is shown, with its `values` put in as `_` does it."""
    return LazyString(_, text, **values)


def mark(text: str) -> str:
    """Return a text as it is: it goes into the catalogue and is translated where it is shown."""
    return text


def language() -> Hashable:
    """Return what tells the languages apart, for what is drawn once for each of them."""
    return _lookup()


def _lookup() -> Callable[[str], str]:
    if not has_app_context():
        return str
    found: Callable[[str], str] | None = g.get("words")
    if found is None:
        found = g.words = get_translations().gettext
    return found


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Translate into `language` ("zh", "en"; anything else is Chinese) within the block, whoever is signed in."""
    with force_locale(LOCALES.get(language, LOCALES["zh"])), _forgotten():
        yield


@contextmanager
def _forgotten() -> Iterator[None]:
    """Look the catalogue up anew within the block, and after it."""
    forget()
    try:
        yield
    finally:
        forget()


def forget() -> None:
    """Look the catalogue up anew: another language may be spoken from here on."""
    if has_app_context():
        g.pop("words", None)


# --- in templates -------------------------------------------------------------------------------------------------


def install(app: Flask) -> None:
    """Have templates translate as the code does (Jinja's own way takes four times as long), and keep parts of pages.

    `draw_once(macro, …)` draws a macro once for each language and set of arguments. For macros that look at nothing
    else, and for arguments that tell everything by their value: texts, numbers, moments on the corp's clock.
    """
    app.jinja_env.globals.update(_=_in_template, draw_once=_draw_once)


def _draw_once(macro: Any, *arguments: Any) -> Markup:
    return _drawn(macro, _lookup(), *arguments)


@lru_cache(maxsize=KEPT, typed=True)
def _drawn(macro: Any, words: Callable[[str], str], *arguments: Any) -> Markup:
    found: Markup = macro(*arguments)
    return found


def _in_template(text: str, /, **values: Any) -> Markup:
    words = _lookup()(text)
    return Markup(words) % values if values else _as_markup(words)


@lru_cache(maxsize=4096)
def _as_markup(words: str) -> Markup:
    return Markup(words) % {}  # a doubled % is one, as where there are values
