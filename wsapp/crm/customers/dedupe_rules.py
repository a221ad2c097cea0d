"""What a corp decides about duplicates (查重)."""

from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.texts import lazy

BLOCK, WARN, OFF = "block", "warn", "off"
LEVELS = ((BLOCK, lazy("禁止保存")), (WARN, lazy("提醒")), (OFF, lazy("不查")))
COMPOSITES = ("city", "industry", "address")  # a name together with one of these, when both customers have it equal


def _level(key: str, default: str, label: object, hint: object = "") -> Rule:
    return Rule(f"duplicates.{key}", "choice", default, label, hint=hint, choices=LEVELS)


declare(
    _level("phone", BLOCK, lazy("客户电话相同")),
    _level("contact", WARN, lazy("电话与其他客户的联系人相同"), lazy("新建、修改联系人时也这样检查")),
    _level("code", BLOCK, lazy("统一社会信用代码相同")),
    _level("name", WARN, lazy("名称相同或相近")),
    _level("domain", WARN, lazy("网站域名相同")),
    _level("name_city", OFF, lazy("名称相同或相近，且城市相同"), lazy("比只看名称时更严才有作用")),
    _level("name_industry", OFF, lazy("名称相同或相近，且行业相同"), lazy("比只看名称时更严才有作用")),
    _level("name_address", OFF, lazy("名称相同或相近，且地址相同"), lazy("比只看名称时更严才有作用")),
    Rule(
        "duplicates.similarity",
        "number",
        85,
        lazy("名称达到多少算相近"),
        least=70,
        most=100,
        unit=lazy("分"),
        hint=lazy("100 为完全相同（忽略公司类型、括号和地名前缀）"),
    ),
    Rule(
        "duplicates.scope",
        "choice",
        "corp",
        lazy("查重范围"),
        hint=lazy("客户电话总在全公司查"),
        choices=(("corp", lazy("全公司")), ("department", lazy("本部门"))),
    ),
    Rule("duplicates.pool", "switch", True, lazy("查重包括公海客户")),
    Rule("duplicates.bin", "switch", False, lazy("查重包括回收站")),
    Rule("duplicates.owner", "switch", False, lazy("查重时告知负责人姓名"), hint=lazy("只对无权查看该客户的人")),
    Rule(
        "duplicates.hourly_asks",
        "number",
        20,
        lazy("每人每小时可查到的他人客户"),
        least=1,
        most=500,
        unit=lazy("个"),
        hint=lazy("达到后一小时内不再告知，防止逐个试探号码"),
    ),
)

STRICTER = {BLOCK: 2, WARN: 1, OFF: 0}


def level(key: str) -> str:
    """Return what happens when two customers are alike in `key` (see above): "block", "warn" or "off"."""
    return str(rule(f"duplicates.{key}"))


def level_of_names(alike: list[str]) -> str:
    """Return what happens when two names are alike, and `alike` of COMPOSITES are equal, too: the strictest counts."""
    found = [level("name"), *(level(f"name_{one}") for one in alike)]
    return max(found, key=STRICTER.__getitem__)


def looks_at_names() -> bool:
    """Say whether any rule asks for names."""
    return level_of_names(list(COMPOSITES)) != OFF
