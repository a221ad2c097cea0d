"""What a corp can set about its pools and about recycling into them. 0 means without a limit, or not at all."""

from wsapp.crm.customers.models import LEVELS
from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

ON, WARN, OFF = "on", "warn", "off"
AND, OR = "and", "or"

declare(
    Rule("pool.daily_claims", "number", 10, lazy("每人每天领取上限"), 0, 200, lazy("个"), lazy("0 为不限")),
    Rule(
        "pool.holding",
        "number",
        200,
        lazy("每人持有上限"),
        0,
        10_000,
        lazy("个"),
        lazy("只限制领取，不限制新建和分配；0 为不限"),
    ),
    Rule("pool.holding_dealt", "switch", False, lazy("持有上限计入已成交客户")),
    Rule("pool.cool_down", "number", 7, lazy("原负责人冷却期"), 0, 365, lazy("天"), lazy("期满后才能再次领取")),
    Rule(
        "pool.entry_delay",
        "number",
        0,
        lazy("进入公海多久后可领取"),
        0,
        30,
        lazy("天"),
        lazy("从进入公海时算起，修改资料不会重新计时"),
    ),
    Rule("pool.daily_views", "number", 20, lazy("每人每天查看公海详情上限"), 0, 500, lazy("个"), lazy("0 为不限")),
    Rule(
        "pool.release_approval",
        "switch",
        False,
        lazy("退回公海须主管同意"),
        hint=lazy("负责人退回时先申请；主管退回下属的客户不需要"),
    ),
    Rule("pool.drop_coworkers", "switch", True, lazy("进入公海时移除协作人")),
)

declare(
    Rule(
        "recycle.mode",
        "choice",
        ON,
        lazy("公海回收"),
        hint=lazy("“只预警”适合刚改规则时先观察几天"),
        choices=((ON, lazy("预警并回收")), (WARN, lazy("只预警，不回收")), (OFF, lazy("关闭"))),
    ),
    Rule(
        "recycle.joined",
        "choice",
        OR,
        lazy("多个条件之间"),
        choices=((OR, lazy("满足任一条件即回收")), (AND, lazy("全部满足才回收"))),
    ),
    Rule("recycle.no_follow", "number", 15, lazy("未跟进"), 0, 365, lazy("天"), lazy("0 为不按此条件回收")),
    *(
        Rule(
            f"recycle.no_follow_{level}",
            "number",
            0,
            lazy("未跟进：%(level)s 级", level=level),
            0,
            365,
            lazy("天"),
            lazy("0 为与上面相同"),
        )
        for level in LEVELS
    ),
    Rule("recycle.no_visit", "number", 0, lazy("未拜访"), 0, 365, lazy("天"), lazy("0 为不按此条件回收")),
    Rule("recycle.no_deal", "number", 180, lazy("未成交"), 0, 730, lazy("天"), lazy("0 为不按此条件回收")),
    Rule("recycle.deal_grace", "number", 90, lazy("成交后的保护期"), 0, 730, lazy("天"), lazy("期满才开始计算未跟进")),
    Rule("recycle.new_days", "number", 7, lazy("新建客户的保护期"), 0, 365, lazy("天")),
    Rule("recycle.warn", "numbers", [3, 1], lazy("回收前预警"), 0, 30, lazy("天"), lazy("例如 3, 1")),
    Rule("recycle.extension_days", "number", 7, lazy("每次延期"), 1, 30, lazy("天"), lazy("须主管同意")),
    Rule("recycle.extensions", "number", 2, lazy("最多延期"), 0, 10, lazy("次"), lazy("有新的跟进后重新计算")),
    Rule("pool.locked", "number", 20, lazy("每人可锁定的客户"), 0, 500, lazy("个"), lazy("锁定的客户不会被回收")),
)

SILENT_AFTER = {"A": 7, "B": 15, "C": 30, "D": 60}  # days, by level
SILENT_OTHERWISE = 30

declare(
    *(
        Rule(
            f"silence.{level}",
            "number",
            SILENT_AFTER.get(level, SILENT_OTHERWISE),
            lazy("未跟进提醒：%(level)s 级", level=level),
            0,
            365,
            lazy("天"),
            lazy("0 为不提醒"),
        )
        for level in LEVELS
    ),
    Rule(
        "silence.other", "number", SILENT_OTHERWISE, lazy("未跟进提醒：未分级"), 0, 365, lazy("天"), lazy("0 为不提醒")
    ),
)
