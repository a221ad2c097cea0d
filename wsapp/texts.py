"""Words for people: Chinese source strings, English from the catalogue. `_` translates now, `lazy` when shown."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask_babel import force_locale, gettext, lazy_gettext

LANGUAGES = {"zh": "中文", "en": "English"}
LOCALES = {"zh": "zh_Hans_CN", "en": "en"}

_ = gettext
lazy = lazy_gettext


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Translate into `language` ("zh", "en"; anything else is Chinese) within the block, whoever is signed in."""
    with force_locale(LOCALES.get(language, LOCALES["zh"])):
        yield
