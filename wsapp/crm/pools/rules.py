"""What a corp can set about its pools. 0 means without a limit, or not at all."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

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
    Rule("pool.drop_coworkers", "switch", True, lazy("进入公海时移除协作人")),
)
