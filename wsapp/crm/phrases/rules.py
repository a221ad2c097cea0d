"""What a corp can set about quick phrases."""

from wsapp.crm.org.rules import Rule, declare
from wsapp.texts import lazy

USUAL = (
    "已发报价，等客户答复",
    "客户要求寄样品",
    "客户暂时没有需求，过一段时间再联系",
    "电话没有接通",
    "已约好上门时间",
)

declare(
    Rule(
        "log.phrases",
        "lines",
        list(USUAL),
        lazy("常用语"),
        least=0,
        most=20,
        hint=lazy("写跟进和拜访时点一下即可填入，每行一条；每个人还可以加自己的"),
    ),
)
