"""What a corp can set about its audit log."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

declare(
    Rule(
        "audit.years",
        "number",
        3,
        lazy("操作日志保留"),
        least=1,
        most=10,
        unit=lazy("年"),
        hint=lazy("过期的登录、查看、导出等记录每天夜里删除；客户动态里的事件保留，但不再记录来源"),
    )
)
