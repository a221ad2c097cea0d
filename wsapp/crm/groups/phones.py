"""No full phone number in a group: whoever reads along there need not know our customers' numbers."""

import re
from typing import Any

# Mobile numbers with or without +86 and separators; area code and number; 400 and 800; and any row of seven digits.
_GAP = r"[\s\-.·()（）]?"
PHONE = re.compile(
    rf"(?<!\d)(?:\+?(?:00)?86{_GAP})?1[3-9]\d(?:{_GAP}\d){{8}}(?!\d)"
    rf"|(?<!\d)[(（]?0\d{{2,3}}[)）]?{_GAP}(?:\d{_GAP}){{6,7}}\d(?!\d)"
    rf"|(?<!\d)[48]00(?:{_GAP}\d){{7}}(?!\d)"
    r"|\+\d(?:[\s\-.]?\d){6,14}(?!\d)"
    r"|(?<!\d)\d{7,}(?!\d)"
)


def masked(text: str) -> str:
    """Return the text with the middle of each phone number replaced: 138****01."""
    return PHONE.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    digits = [char for char in found.group() if char.isdigit()]
    return f"{''.join(digits[:3])}****{''.join(digits[-2:])}"


def without_phones(card: dict[str, Any]) -> dict[str, Any]:
    """Return a neutral card without full phone numbers in what people read."""
    lines = [[masked(label), masked(value)] for label, value in card["lines"]]
    return {**card, "title": masked(card["title"]), "text": masked(card["text"]), "lines": lines}
