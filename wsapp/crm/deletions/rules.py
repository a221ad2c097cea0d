"""What a corp can set about its recycle bin."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

declare(
    Rule(
        "bin.days",
        "number",
        30,
        lazy("回收站保留"),
        least=7,
        most=180,
        unit=lazy("天"),
        hint=lazy("过期后每天夜里彻底删除，不能再恢复"),
    )
)
