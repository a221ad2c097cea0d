"""What one spoken Chinese sentence says, but for whom it names: how, with which outcome, how much, when next. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from wsapp.crm.drafts.amounts import Amount, amounts_in, meant
from wsapp.crm.drafts.day import PAST, VAGUE, WHICH
from wsapp.crm.drafts.hours import NUMBER
from wsapp.crm.drafts.moments import Found, find_moments

LONGEST = 600  # characters that are looked at; a minute of speech has about 300
# What people say while they think. 这个 and 那个 are left before what they point at.
FILLERS = re.compile(
    r"(?:嗯+|呃+|唔+|诶+|欸+|哎呀?|噢+|啊(?=[，,、。]|这|那)|那什么|怎么说呢|你知道吧?|就是说|就那个|就是(?=[，,、])"
    r"|然后呢|对了(?=[，,、])|那个(?!月|周|星期|礼拜|季度)|这个(?=[，,、]|这个|那个))[，,、…\s]*"
)
CORRECTION = re.compile(
    r"[，,、。\s]*(?:(?:哦|啊|噢)?(?:不对|说错了?|口误|记错了?|搞错了?|不不+|更正一下|错了)|哦不|啊不|不是)"
    r"[，,、。！\s]*(?:(?:应该)?是|应该|改成|改到)?[，,、\s]*"
)
WEEK_NAMED = re.compile("((?:下下|下|上|这|本)个?)(?:周|星期|礼拜)")
MONTH_NAMED = re.compile(rf"((?:(?:20[0-9]{{2}}年|明年)?(?:{NUMBER})|下下个?|下个?|这个?|本)月)(?:{NUMBER})[日号]")
NEAR = 3  # characters between a correction and what it corrects to
CLAUSE = re.compile(r"[，。；！？,;!?\n]+")
EDGES = " \t\r\n　，,。.；;：:、！!"

# How it was done → words; the first that is said counts. What is planned does not.
KINDS: tuple[tuple[str, str], ...] = (
    (
        "visit",
        "拜访|上门|登门|当面|面谈|见了|见到|见过|去了|去过|去的(?!时)|见的(?!时)|到了.{0,6}(?:公司|厂|店|现场)|跑了一趟|现场|到访|参观|陪.{1,6}看",
    ),
    ("meeting", "开了?个?会|会议|视频会|线上会|腾讯会|评审会|碰头会"),
    ("wechat", "微信"),
    ("mail", "邮件|邮箱|发了?封?邮"),
    ("phone", "电话|通话|电联|来电|打给|打了过去|打过去|没接|打不通|占线"),
)
NOT_YET = "(?<!没)(?<!没有)(?<!未)(?<!不)(?<!别)(?<!还没)"
# What came of it → words. Earlier lines count before later ones.
OUTCOMES: tuple[tuple[str, str], ...] = (
    ("未接通", "没人接|没有?接|不接|打不通|无人接听|占线|关机|未接"),
    (
        "没有意向",
        "没(?:有|什么|啥)?(?:意向|兴趣|需求)|不(?:太)?(?:需要|考虑|感兴趣|想做|做了|要了)|拒绝|婉拒|回绝|暂时不用",
    ),
    ("选了别家", "(?:选|用|找|定|签)了?(?:别家|别人|其他家|另一家|竞品|对手|竞争对手)|被.{0,6}抢"),
    ("没有预算", "没(?:有)?预算|预算(?:不够|不足|被砍|没批|砍了)"),
    ("嫌价格高", "太贵|嫌贵|价格(?:有点|偏|太|比较)?高|贵了|嫌.{0,4}高|压价|还价|砍价|便宜(?:一)?点"),
    ("已签约", f"{NOT_YET}(?:签了|签完|签好|签约了|签下来?了|签掉|签字了|签妥|合同(?:已经?|都)?签|完成签约)"),
    ("已下单", f"{NOT_YET}(?:下了.{{0,6}}(?:订?单|[台套箱吨件])|下单了|已经?下单|订了.{{0,6}}[台套箱吨件]|追加了)"),
    ("已付款", f"{NOT_YET}(?:付了|付款了|已经?付|打款了|打了.{{0,8}}(?:款|定金)|到账了|款到了|已经?到账|回款了)"),
    ("同意试用", "(?<!不)(?:同意|答应|愿意|可以|想|要|打算|先).{0,6}试(?:用|一下|试|做|运行)"),
    ("要样品", "(?:要|寄|送|索要|想看|看).{0,8}(?:样品|样机|样板|小样)|样品.{0,6}(?:寄|送|发)"),
    ("要报价", "(?:要|让|等|催|需要|想要).{0,8}报价|(?:报价|价格)(?:单)?(?:还)?(?:没|未)(?:发|报|给|出)|重新报价?"),
    (
        "在走流程",
        "走(?:内部)?流程|在?审批|内部(?:讨论|评审|商量|申请)|上会|等(?:领导|老板|总部).{0,6}(?:批|签|定|回)|招标|投标",
    ),
    ("还在考虑", "考虑|再想想|犹豫|观望|比较一下|比价|对比|货比三家|商量|没定"),
    (
        "已报价",
        f"{NOT_YET}(?:报了|报过|报价(?:单)?(?:已经?|都)?(?:发|给|报)|发了.{{0,4}}报价|给了.{{0,4}}报价|报价.{{0,2}}[0-9一二三四五六七八九十])",
    ),
    ("要方案", "(?:要|发|出|改|做|看|提供|需要).{0,6}方案|方案.{0,6}(?:发|改|看|过)"),
    ("有意向", "有意向|感兴趣|意向(?:很|比较|挺)?(?:强|高|明确)|很?有兴趣|认可|挺?满意|看好|想合作|愿意合作"),
    ("同意", "(?<!不)(?:同意|答应|没问题|可以合作|谈妥|敲定|定下来|说好了)"),
    ("有投诉", "投诉|不满|有问题|质量问题|返修|退货|坏了"),
)

# A clause about what comes next; a moment in another one that says 了 is over.
PLAN = re.compile(
    "再|下次|下一步|约|回访|联系|跟进|打算|准备|计划|安排|预计|提醒|记得|别忘|催|争取|要|去|给|过来|过去|回复|答复|发|送|寄"
    "|签|谈|见|看|开会|拜访|上门|交|付|问|定|出|办|碰|聊|回|来|前|参加|演示|验收|培训|安装|对账|催款|推进|搞定|处理|交货|发货"
)
DONE = re.compile(
    "(?:了|过|已经?|刚才?|完)(?!来|去)|(?:去|见|谈|聊|来|走|签|打|吃|说|发|寄|到|给|约|定|报|做|送|拿|收|付)的(?!时|话|方|东|资|产|样|货)"
)
MOVED = re.compile(
    "(?:改|推迟?|延后?|延期|提前|挪|换|顺延|往后推|定|约)(?:到|成|在|至)了?$"
)  # what counts of two dates
STILL = re.compile("了.{0,6}(?:给|打电话|联系|约|回访|跟进|拜访|送|寄|发)")  # 周五他回来了给他打电话
WISH = re.compile("再|下次|下一步|准备|打算|计划|回访|提醒|记得|争取|约好?在?|要|等")
OTHERS = re.compile("才|以?后?才|左右?回来|回来|出差|放假")  # when somebody else does something
_TRIVIAL = re.compile(
    "(?:我们?|他们?|她|对方|客户|那边|说|让我|约好?了?|定好?了?|在|下次|下一步|计划|预计|打算|准备|然后|那|就|争取|要|得|再|回头|到时候|安排"
    "|等到?|大概|最晚|最迟|尽量|提醒我?|记得|别忘了?|跟进|时间|是|和|并且|所以|而且|还有|已经|、|\\s)*"
)
_LEAD = re.compile(r"^(?:之前|以前|前|的时候|再|要|得|就|去?(?=回访|拜访)|记得|提醒我?|我们?|[的，,、\s])+")
_TRAIL = re.compile(r"(?:吧|呢|啊|哈|[，,、。\s])+$")
MOST_ACTION = 120


@dataclass(frozen=True)
class Said:
    """What was understood. `text` is the sentence without fillers and corrections and without the clause of the plan.

    `kind` and `outcome` are "" where nothing tells; `outcome` is one of the words in `OUTCOMES`. `next` is the moment
    of what comes next, `action` what it is; `happened` when it was, where the sentence says so. `whole` is all of the
    cleaned sentence, `taken` the parts of it that are moments and amounts.
    """

    whole: str
    text: str
    kind: str = ""
    outcome: str = ""
    amount: Decimal | None = None
    amount_is_sure: bool = True
    amount_words: str = ""
    next: Found | None = None
    next_words: str = ""
    action: str = ""
    happened: datetime | None = None
    taken: tuple[tuple[int, int], ...] = ()


def understand(sentence: str, now: datetime) -> Said:
    """Return what a sentence says. `now` is aware and local: the clock on the wall of whoever speaks."""
    whole = corrected(without_fillers(" ".join(sentence[:LONGEST].split())), now)
    moments = find_moments(whole, now)
    times = [(one.start, one.end) for one in moments]
    amounts = amounts_in(whole, times)
    plan = _plan(whole, moments, now)
    told = _without(whole, plan)
    amount, is_sure = meant(amounts)
    rest, action = _split(whole, plan)
    return Said(
        whole,
        rest,
        _first(KINDS, told),
        _first(OUTCOMES, _agreed(whole, plan)),
        amount.value if amount else None,
        is_sure,
        whole[amount.start : amount.end] if amount else "",
        plan,
        whole[plan.start : plan.end].strip(EDGES) if plan else "",
        action,
        _happened(moments, plan, now),
        (*times, *((one.start, one.end) for one in amounts)),
    )


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for name, words in table if re.search(words, text)), "")


# --- fillers and corrections --------------------------------------------------------------------------------------


def without_fillers(text: str) -> str:
    """Return a sentence without what people say while they think."""
    return FILLERS.sub("", text).strip(EDGES)


def corrected(text: str, now: datetime) -> str:
    """Return a sentence with what it takes back replaced: 周三下午三点，不对，是周四 → 周四下午三点."""
    for _round in range(4):
        for match in CORRECTION.finditer(text):
            better = _one_corrected(text, match, now)
            if better is not None:
                text = better
                break
        else:
            return text
    return text


def _one_corrected(text: str, match: re.Match[str], now: datetime) -> str | None:
    moments = find_moments(text, now)
    after = next((one for one in moments if 0 <= one.start - match.end() <= NEAR), None)
    before = [one for one in moments if one.end <= match.start() + 1]
    if after is not None and before:
        return _moment_corrected(text, before[-1], after)
    times = [(one.start, one.end) for one in moments]
    amounts = amounts_in(text, times)
    new = next((one for one in amounts if 0 <= one.start - match.end() <= NEAR), None)
    if new is None:  # 十五万，不对，十六: the unit was said before
        return None
    old: list[Amount] = [one for one in amounts if one.end <= match.start() + 1]
    return text[: old[-1].start] + text[new.start :] if old else None


def _moment_corrected(text: str, old: Found, new: Found) -> str:
    head, tail = text[: old.start], text[new.end :]
    words = text[new.start : new.end]
    words = _prefix(text[old.start : old.end], words) + words
    if new.has_date and not new.clock and old.clock:  # another day, the same time
        return head + words + text[old.clock[0] : old.clock[1]] + tail
    if not new.has_date and old.has_date:  # another time on the same day
        day = text[old.start : old.clock[0] if old.clock else old.end]
        return head + day + _period(text, old, words) + words + tail
    return head + words + tail


def _prefix(old: str, new: str) -> str:
    """下下周三，不对，是周四; 12月3号，不对，5号: the week or the month that was named stays."""
    for pattern in (WEEK_NAMED, MONTH_NAMED):
        named = pattern.match(old)
        if named and pattern.match(f"{named.group(1)}{new}") and not pattern.match(new):
            return named.group(1)
    return ""


def _period(text: str, old: Found, words: str) -> str:
    """下午三点，不对，四点: the afternoon stays."""
    said = re.search("上午|下午|晚上|早上|中午|傍晚|凌晨", text[old.start : old.end])
    return said.group() if said and not re.match("上午|下午|晚|早|中午|傍晚|凌晨", words) else ""


# --- what comes next ----------------------------------------------------------------------------------------------


def _clauses(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in CLAUSE.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def _clause_of(text: str, at: int) -> tuple[int, int]:
    return next((one for one in _clauses(text) if one[0] <= at <= one[1]), (0, len(text)))


def _plan(text: str, moments: list[Found], now: datetime) -> Found | None:
    """The moment of what comes next: of those that are not over the last one whose clause is about a plan."""
    best: tuple[int, int] | None = None
    chosen = None
    for one in moments:
        rank = _rank(text, one, now)
        if rank and (best is None or (rank, one.start) >= best):
            best, chosen = (rank, one.start), one
    if chosen is None:
        return None
    if _is_today(chosen, now):
        return Found(None, False, chosen.start, chosen.end, VAGUE)
    rivals = _rivals(text, chosen, moments, now)
    if rivals and not chosen.doubt:  # 明天上午或者后天下午: the form shows them all
        return replace(chosen, doubt=WHICH, others=(*chosen.others, *rivals))
    _start, end = _clause_of(text, chosen.start)
    following = text[chosen.end : end]
    if not chosen.doubt and (OTHERS.match(following) or STILL.search(following)):
        return replace(chosen, doubt=VAGUE)
    return chosen


def _rivals(text: str, chosen: Found, moments: list[Found], now: datetime) -> tuple[datetime, ...]:
    """The other moments that may be meant as well; none where the sentence says that it was moved to this one."""
    if _rank(text, chosen, now) > 3:
        return ()
    return tuple(
        one.moment
        for one in moments
        if one.moment is not None
        and now < one.moment != chosen.moment
        and (one.has_date or one.has_hour)
        and _rank(text, one, now) > 1
    )


def _is_today(one: Found, now: datetime) -> bool:
    """今天 without a time: when today?"""
    return one.is_day and one.moment is not None and one.moment.date() == now.date() and not one.doubt


def _rank(text: str, one: Found, now: datetime) -> int:
    """How much a moment is what comes next: 0 not at all, 3 for certain, 4 where another was moved to it."""
    start, end = _clause_of(text, one.start)
    clause = text[start:end]
    following = text[one.end : end]
    if MOVED.search(text[start : one.start]) and not one.is_past:
        return 4
    is_wish = bool(WISH.search(clause))
    if one.is_past:
        return 0
    over = one.moment is not None and one.moment <= now
    if DONE.search(following) and not WISH.search(following):
        return 1 if STILL.search(following) and not over else 0  # 周三签了
    if over:
        ends_today = _is_today(one, now) and not text.startswith("今", one.start)  # 月底前, on the last day
        return 2 if is_wish or one.doubt == PAST or ends_today else 0
    if DONE.search(clause) and not is_wish and one.has_date is False:
        return 0
    return 3 if PLAN.search(following) or is_wish else 1 if one.moment is None else 2


def _happened(moments: list[Found], plan: Found | None, now: datetime) -> datetime | None:
    """When it was, where a moment before now says so; at noon of a day without a time."""
    over = [one for one in moments if one is not plan and one.moment is not None and one.moment <= now]
    found = next((one for one in over if one.is_past or not one.is_day), None)
    if found is None or found.moment is None:
        return None
    at = found.moment.replace(hour=12) if found.is_day else found.moment
    return at if at <= now else now - timedelta(minutes=1)


def _part_of(text: str, plan: Found) -> tuple[int, int]:
    """Return where the plan stands: its clause, with the next one where this names nothing but the moment."""
    start, end = _clause_of(text, plan.start)
    if text[plan.end : end].strip(EDGES) or not _TRIVIAL.fullmatch(text[start : plan.start].strip(EDGES)):
        return start, end
    following = [one for one in _clauses(text) if one[0] > end]
    return start, following[0][1] if following and not DONE.search(text[slice(*following[0])]) else end


def _without(text: str, plan: Found | None) -> str:
    """The sentence without the words from the plan's moment on."""
    if plan is None:
        return text
    _start, end = _part_of(text, plan)
    return text[: plan.start] + "，" + text[end:]


def _agreed(text: str, plan: Found | None) -> str:
    """What tells the outcome: 对方同意下周试用 says it around the moment, 下周试用 alone is but a plan."""
    if plan is None:
        return text
    start, _end = _clause_of(text, plan.start)
    before = text[start : plan.start].strip(EDGES)
    return _without(text, plan) if _TRIVIAL.fullmatch(before) else text[: plan.start] + text[plan.end :]


def _split(text: str, plan: Found | None) -> tuple[str, str]:
    """Return what remains as the follow-up's text, and what is to be done next."""
    if plan is None:
        return text, ""
    start, end = _part_of(text, plan)
    before, after = text[start : plan.start].strip(EDGES), text[plan.end : end].strip(EDGES)
    is_trivial = bool(_TRIVIAL.fullmatch(before))
    action = after if is_trivial or len(after) > 1 else f"{before}{after}"
    bare = _TRAIL.sub("", _LEAD.sub("", action))
    action = (bare if len(bare) > 1 else _TRAIL.sub("", action))[:MOST_ACTION]
    if not is_trivial:
        return text, action
    rest = f"{text[:start].rstrip(EDGES)}{'，' if text[:start].strip(EDGES) and text[end:].strip(EDGES) else ''}"
    rest = (rest + text[end:].lstrip(EDGES)).strip(EDGES)
    return rest or text, action
