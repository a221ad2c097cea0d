"""What a corp can set about logs: follow-ups and visits."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

declare(
    Rule("log.text", "number", 3000, lazy("跟进内容最多"), least=100, most=10_000, unit=lazy("字")),
    Rule("log.photos", "number", 9, lazy("每条记录最多照片"), least=0, most=9, unit=lazy("张")),
    Rule(
        "log.back_dating",
        "number",
        72,
        lazy("补记期限"),
        least=0,
        most=720,
        unit=lazy("小时"),
        hint=lazy("发生时间早于这么久的跟进不能再补记"),
    ),
    Rule(
        "log.editing",
        "number",
        24,
        lazy("跟进可由本人修改"),
        least=0,
        most=720,
        unit=lazy("小时"),
        hint=lazy("之后只能由上级修改；每次修改都留下修改前的内容"),
    ),
    Rule(
        "recycle.skip_trivial",
        "switch",
        True,
        lazy("少于 5 个字或与上一条相同的跟进不算跟进"),
        hint=lazy("照常保存，只是不重置公海回收的倒计时"),
    ),
    Rule("recycle.coworkers_count", "switch", True, lazy("协作人的跟进也算跟进")),
)
