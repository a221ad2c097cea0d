"""The corp's rules of imports and exports."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

declare(
    Rule("import.rows", "number", 10_000, lazy("一次导入的行数"), least=100, most=50_000, unit=lazy("行")),
    Rule("import.megabytes", "number", 20, lazy("导入文件的大小"), least=1, most=20, unit="MB"),
    Rule("export.rows", "number", 100_000, lazy("一次导出的行数"), least=100, most=100_000, unit=lazy("行")),
    Rule(
        "export.approval",
        "switch",
        False,
        lazy("导出需要审批"),
        hint=lazy("超过下面的行数，或含完整电话号码时，由主管或管理员批准"),
    ),
    Rule("export.approval_rows", "number", 500, lazy("超过多少行需要审批"), least=0, most=100_000, unit=lazy("行")),
    Rule(
        "export.daily_rows",
        "number",
        2_000,
        lazy("每人每天不经审批的导出行数"),
        least=0,
        most=100_000,
        unit=lazy("行"),
        hint=lazy("超出后需要审批；管理员不受限制"),
    ),
)
