"""What people read about a customer's clock: which rule takes it, and when."""

from datetime import date

from wsapp.crm.pools.clocks import Clock
from wsapp.crm.pools.terms import DEAL, FOLLOW, VISIT
from wsapp.texts import _


def why(one: Clock) -> str:
    """Return the rule that takes a customer, as a reason: "15 天未跟进"."""
    if one.condition == FOLLOW:
        return _("%(n)d 天未跟进", n=one.days)
    if one.condition == VISIT:
        return _("%(n)d 天未拜访", n=one.days)
    assert one.condition == DEAL
    return _("%(n)d 天未成交", n=one.days)


def what_resets(one: Clock) -> str:
    """Return what the owner can do so that the clock begins anew."""
    if one.condition == FOLLOW:
        return _("写一条跟进或去拜访，倒计时重新开始")
    if one.condition == VISIT:
        return _("去拜访一次，倒计时重新开始")
    return _("成交后，倒计时重新开始")


def tell_date(day: date | None) -> str:
    """Return a day as people say it: 11月25日; empty for none."""
    if day is None:
        return ""
    return _("%(month)d月%(day)d日", month=day.month, day=day.day)


def days_left(one: Clock, day: date) -> str:
    """Return how long a customer stays: "还有 3 天", "今晚"."""
    left = (one.leaves_on - day).days
    return _("今晚") if left <= 1 else _("还有 %(n)d 天", n=left)
