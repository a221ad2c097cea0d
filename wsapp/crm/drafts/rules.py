"""What a corp can set about drafts."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

declare(
    Rule(
        "drafts.model",
        "switch",
        False,
        lazy("用模型补充“说一句”的草稿"),
        hint=lazy(
            "注意：开启后，说的那句话、客户和联系人的姓名会离开本系统，发送到 config.toml 的 [drafts] 配置的模型服务；"
            "没有配置则不起作用"
        ),
    ),
)
