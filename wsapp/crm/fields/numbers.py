"""Numbers of custom fields: cleaned, shown, and as text that compares as they do."""

from decimal import Decimal, InvalidOperation
from typing import Any

from wsapp.crm.fields.models import Field
from wsapp.texts import _

MOST = Decimal(10) ** 12  # with six decimals, what a JSON number holds exactly is left just beside
DECIMALS = 6
WIDTH = 18  # digits of a number times a million
HOME = "CNY"  # the currency of a field that names none
SIGNS = {HOME: "¥"}


def read_number(field: Field, value: Any) -> Decimal:
    """Return a typed or given number, rounded to the field's decimals. Raises ValueError with words for people."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(_("应为数字"))
    text = str(value).strip().replace(",", "").replace("，", "").replace("¥", "").removesuffix("%")
    try:
        number = Decimal(text) if len(text) <= 40 else Decimal("NaN")
    except InvalidOperation:
        raise ValueError(_("应为数字")) from None
    if not number.is_finite():
        raise ValueError(_("应为数字"))
    if abs(number) >= MOST:
        raise ValueError(_("数字过大"))
    decimals = min(int(field.number("decimals", 2)), DECIMALS)
    rounded = number.quantize(Decimal(1).scaleb(-decimals))
    _check_bounds(field, rounded)
    return rounded


def _check_bounds(field: Field, number: Decimal) -> None:
    for name, words in (("min", _("不能小于 %(bound)s")), ("max", _("不能大于 %(bound)s"))):
        bound = field.settings.get(name)
        if bound is None:
            continue
        if (number < Decimal(str(bound))) if name == "min" else (number > Decimal(str(bound))):
            raise ValueError(words % {"bound": bound})


def plain(number: Decimal) -> int | float:
    """Return the JSON number."""
    return int(number) if number == number.to_integral_value() else float(number)


def sort_key(value: Any) -> str:
    """Return digits of one length that compare, in any collation, as the numbers do."""
    scaled = int((Decimal(str(value)) * 10**DECIMALS).to_integral_value())
    return f"1{scaled:0{WIDTH}d}" if scaled >= 0 else f"0{10**WIDTH + scaled:0{WIDTH}d}"


def grouped(value: Any, decimals: int) -> str:
    """Return a number for people: groups of three, no needless zeros but those of money."""
    text = f"{Decimal(str(value)):,.{decimals}f}"
    return text


def sign_of(currency: str) -> str:
    """Return how a currency is written: that of the country by its sign, others by their code, JPY as well."""
    return SIGNS.get(currency or HOME, currency)


def money(value: Any, currency: str) -> str:
    """Return a sum for people in every language: "¥1,200.00", "-¥5.00", "USD 1,200.00"."""
    amount, sign = grouped(value, 2), sign_of(currency)
    if len(sign) > 1:
        return f"{sign} {amount}"
    return f"-{sign}{amount[1:]}" if amount.startswith("-") else sign + amount
