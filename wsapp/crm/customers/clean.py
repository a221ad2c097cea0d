"""Normal forms of customers' values: names for comparing; text and phone numbers as `fields.text` has them."""

import re
import unicodedata

from wsapp.crm.fields.text import clean_line, clean_text, normal_phone

__all__ = ["clean_line", "clean_text", "name_key", "normal_phone"]

LEGAL_FORMS = re.compile(
    r"(股份有限公司|有限责任公司|有限公司|股份公司|集团公司|集团|公司|有限合伙|合伙企业|个人独资企业|co\.?,?ltd\.?|inc\.?|llc)+$",
    re.IGNORECASE,
)
BRACKETS = re.compile(r"[（(\[【].*?[)）\]】]")
NOT_WORD = re.compile(r"[\W_]+")


def name_key(name: str) -> str:
    """Return the form under which names are compared: full-width folded, brackets and legal forms gone."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    bare = NOT_WORD.sub("", BRACKETS.sub("", folded))
    return (LEGAL_FORMS.sub("", bare) or bare or NOT_WORD.sub("", folded) or folded)[:120]
