"""Strangers' text made harmless for WeCom's formats, and cut without tearing a character apart."""

import re
import unicodedata

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = "\u200b\u2060\ufeff\u00ad"
DROPPED = dict.fromkeys(map(ord, BIDI + INVISIBLE))
LINE_BREAKS = re.compile(r"\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
JOINER = "\u200d"
ELLIPSIS = "…"

# In formats with markup: full-width twins look the same and mean nothing.
MARKUP = str.maketrans({"<": "＜", ">": "＞", "&": "＆", '"': "＂", "`": "｀"})
MARKDOWN = str.maketrans(dict(zip("[]()*_#~|\\!@", "［］（）＊＿＃～｜＼！＠", strict=True)))
# Clients turn bare addresses into links. Letters after a dot, or a scheme, are what they look for.
SCHEME = re.compile(r":(?=//)|(?<=mailto):|(?<=tel):", re.IGNORECASE)
DOTTED = re.compile(r"(?<=\w)\.(?=[^\W\d_])")


def plain(text: str) -> str:
    """Drop control, bidi and invisible characters and lone surrogates; keep line breaks as one kind."""
    text = LINE_BREAKS.sub("\n", text).translate(DROPPED)
    return "".join(char for char in text if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs")).strip()


def one_line(text: str) -> str:
    """The same, on one line."""
    return " ".join(plain(text).split())


def inert(text: str) -> str:
    """For formats with markup and automatic links: nothing in `text` can become a tag or a link."""
    return DOTTED.sub("．", SCHEME.sub("：", text.translate(MARKUP)))


def inert_markdown(text: str) -> str:
    """For markdown: besides, no emphasis, no heading, no mention."""
    return inert(text).translate(MARKDOWN)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, ending in an ellipsis where something is missing."""
    if len(text) <= limit:
        return text
    return text[: _seam(text, limit - 1)].rstrip() + ELLIPSIS


def cut_bytes(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, ending in an ellipsis where something is missing."""
    if len(text.encode()) <= limit:
        return text
    room = limit - len(ELLIPSIS.encode())
    end = len(text.encode()[:room].decode(errors="ignore"))
    return text[: _seam(text, end)].rstrip() + ELLIPSIS


def _seam(text: str, end: int) -> int:
    """The last place at or before `end` that is not inside a character made of several code points."""
    while 0 < end < len(text) and (_clings(text[end]) or text[end - 1] == JOINER):
        end -= 1
    return end


def _clings(char: str) -> bool:
    code = ord(char)
    skin_tone, selector = 0x1F3FB <= code <= 0x1F3FF, 0xFE00 <= code <= 0xFE0F
    return char == JOINER or skin_tone or selector or unicodedata.combining(char) != 0
