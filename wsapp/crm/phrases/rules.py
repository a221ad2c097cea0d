"""What a corp can set about quick phrases."""

from wsapp.crm.org.rules import Rule, declare, rule
from wsapp.texts import lazy

# What a corp begins with, in its own words; a reader of another language gets them in theirs.
USUAL = {
    "已发报价，等客户答复": lazy("已发报价，等客户答复"),
    "客户要求寄样品": lazy("客户要求寄样品"),
    "客户暂时没有需求，过一段时间再联系": lazy("客户暂时没有需求，过一段时间再联系"),
    "电话没有接通": lazy("电话没有接通"),
    "已约好上门时间": lazy("已约好上门时间"),
}

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


def corps_phrases() -> list[str]:
    """Return the corp's phrases, in the reader's language as far as they are the ones that it began with."""
    return [str(USUAL.get(one, one)) for one in rule("log.phrases")]
