"""Normal forms of what people type: one line, several lines, phone numbers."""

import re
import unicodedata

from wsapp.texts import _

MOBILE = re.compile(r"1[3-9]\d{9}")
LANDLINE = re.compile(r"0\d{2,3}\d{7,8}")
SERVICE = re.compile(r"(400|800)\d{7}|9\d{4,5}")
INTERNATIONAL = re.compile(r"\+[1-9]\d{6,14}")
SEPARATORS = re.compile(r"[\s\-–—()（）.·]+")
EXTENSION = re.compile(r"(?:转|ext\.?|x|#)\s*(\d{1,6})$", re.IGNORECASE)
# Zero-width and bidirectional controls let two different-looking names be equal, or turn text around.
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean_line(text: str) -> str:
    """Return one line of text: NFC, no control or invisible characters, single spaces."""
    text = INVISIBLE.sub("", CONTROL.sub("", unicodedata.normalize("NFC", text)))
    return " ".join(text.split())


def clean_text(text: str) -> str:
    """Return text of several lines in NFC without control or invisible characters."""
    text = INVISIBLE.sub("", CONTROL.sub("", unicodedata.normalize("NFC", text)))
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip()


def normal_phone(text: str) -> str:
    """Return a phone number in normal form: mainland numbers without +86, others as +<country><number>, an extension
    after `-`. Raises ValueError with a message for people."""
    folded = unicodedata.normalize("NFKC", text).strip()
    extension = EXTENSION.search(folded)
    if extension:
        folded = folded[: extension.start()]
    digits = SEPARATORS.sub("", folded)
    if digits.startswith("00") and not LANDLINE.fullmatch(digits):
        digits = "+" + digits[2:]
    for prefix in ("+86", "86"):
        if digits.startswith(prefix) and len(digits) - len(prefix) >= 10:
            rest = digits[len(prefix) :]
            if MOBILE.fullmatch(rest) or LANDLINE.fullmatch(rest) or LANDLINE.fullmatch(f"0{rest}"):
                digits = rest if MOBILE.fullmatch(rest) or rest.startswith("0") else f"0{rest}"
            break
    if not any(pattern.fullmatch(digits) for pattern in (MOBILE, LANDLINE, SERVICE, INTERNATIONAL)):
        raise ValueError(_("手机号应为 11 位，或以 + 开头的国际号码"))
    return f"{digits}-{extension.group(1)}" if extension else digits
