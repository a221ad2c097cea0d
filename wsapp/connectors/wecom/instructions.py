"""What an administrator does about each of WeCom's codes: for the doctor, the console and the delivery ledger.

Codes: the host's page https://developer.work.weixin.qq.com/document/path/90313. `codes.py` says what the program does.
"""

from collections.abc import Mapping

from wsapp.connectors.checks import Instruction, Text
from wsapp.texts import lazy

LOOKUP = "https://open.work.weixin.qq.com/devtool/query?e={code}"

# Places in the console (work.weixin.qq.com).
CORP_INFO = lazy("我的企业 › 企业信息")
APP_SECRET = lazy("应用管理 › 你的应用 › Secret › 查看")
APP_RANGE = lazy("应用管理 › 你的应用 › 可见范围")
APP_HOME = lazy("应用管理 › 你的应用 › 应用主页")
APP_DOMAIN = lazy("应用管理 › 你的应用 › 网页授权及 JS-SDK › 可信域名")
APP_RECEIVE = lazy("应用管理 › 你的应用 › 接收消息 › 设置 API 接收")
APP_IPS = lazy("应用管理 › 你的应用 › 企业可信 IP")
APP_PAGE = lazy("应用管理 › 你的应用")
CONTACT_SYNC = lazy("管理工具 › 通讯录同步")


def _row(fix: Text, place: Text = "", check: str = "", *, serious: bool = True) -> Instruction:
    return Instruction(fix, place, check, serious)


_SECRET = _row(
    lazy("应用 Secret 与企业 ID 不匹配或已重置，请重新复制。系统已暂停重试，避免服务器 IP 被封 1 小时。"),
    APP_SECRET,
    "token",
)
_AGENT = _row(lazy("AgentId 与 Secret 不是同一个应用，请从同一个应用的页面抄下两者。"), APP_PAGE, "agent")
_GONE = _row(lazy("应用已停用，或因长期未使用被收回授权，请在控制台重新启用。"), APP_PAGE, "enabled")
_TOKEN = _row(
    lazy("令牌失效，系统会自动换新；若持续出现，请检查是否有别的程序共用此 Secret。"), APP_SECRET, serious=False
)
_FAST = _row(lazy("调用过快或今日额度已用完，系统已自动减速，稍后自行恢复，无需操作。"), check="quota")
_LOGIN = _row(lazy("登录码已用过或超过 5 分钟，请关闭页面后从工作台重新打开。"), serious=False)
_PEOPLE = _row(lazy("成员不在应用可见范围内或已离职，请在可见范围中加入。"), APP_RANGE, "range_admin")
_DOMAIN = _row(
    lazy("域名未备案或未通过归属校验：上传校验文件，浏览器打开它应看到原文，再回控制台点“确定”。"), APP_DOMAIN
)
_PERMISSION = _row(lazy("应用没有这个接口的权限，请在控制台把它加入可调用接口的应用。"), APP_PAGE)
_CARD = _row(lazy("平台不接受这张卡片的内容，系统已改发普通消息；请把错误码告诉我们。"), serious=False)
_OURS = _row(lazy("平台不接受这次请求的内容，这是本系统的问题，请把错误码和请求编号告诉我们。"))

INSTRUCTIONS: Mapping[str, Instruction] = {
    "-1": _row(lazy("平台繁忙，系统最多重试三次后排队，无需操作。"), serious=False),
    "6000": _row(lazy("平台数据版本冲突，系统会自动重试。"), serious=False),
    "40001": _SECRET,
    "40091": _SECRET,
    "45031": _row(lazy("Secret 强度不足，请在控制台重置后重新复制。"), APP_SECRET, "token"),
    "40013": _row(lazy("企业 ID 不对，请到页面最下方重新复制。"), CORP_INFO, "token"),
    "40014": _TOKEN,
    "42001": _TOKEN,
    "40056": _AGENT,
    "301002": _AGENT,
    "48004": _GONE,
    "48006": _GONE,
    "50003": _GONE,
    "60020": _row(
        lazy("服务器的出口 IP 未加入“企业可信 IP”。须先完成可信域名或接收消息设置，添加后约 1 分钟生效。"),
        APP_IPS,
        "ip",
    ),
    "45009": _FAST,
    "45033": _FAST,
    "45024": _FAST,
    "45026": _FAST,
    "40029": _LOGIN,
    "41008": _LOGIN,
    "42003": _LOGIN,
    "42022": _LOGIN,
    "40003": _PEOPLE,
    "50002": _PEOPLE,
    "60011": _row(lazy("应用无权读取该成员或部门：请确认它在可见范围内。"), APP_RANGE),
    "60021": _PEOPLE,
    "60111": _PEOPLE,
    "81013": _PEOPLE,
    "60003": _row(lazy("部门不存在，可能已被删除，下次同步通讯录后恢复。"), serious=False),
    "60123": _row(lazy("部门不存在，可能已被删除，下次同步通讯录后恢复。"), serious=False),
    "701008": _row(
        lazy("该成员没有分配接口许可，请在控制台购买或分配帐号许可。"), lazy("应用管理 › 接口许可"), "message"
    ),
    "43012": _row(
        lazy(
            "应用没有设置接收消息的地址，卡片上的按钮无法使用。"
            "请先在本系统保存 Token 与 EncodingAESKey，再到控制台保存。"
        ),
        APP_RECEIVE,
        "card",
    ),
    "40057": _row(
        lazy(
            "回调地址校验失败：先在本系统保存 Token 和 EncodingAESKey，再到控制台点保存；"
            "地址须公网可达并在 1 秒内应答。"
        ),
        APP_RECEIVE,
        "callback",
    ),
    "42014": _row(lazy("同一张卡片重复发送，平台只保留第一张，通常表示已送达。"), serious=False),
    "60140": _row(lazy("卡片已更新过一次或超过 72 小时，平台不再更新，打开记录可看最新状态。"), serious=False),
    "48001": _PERMISSION,
    "48002": _PERMISSION,
    "48005": _row(lazy("平台已下线这个接口，请升级本系统。")),
    "48009": _row(
        lazy("通讯录同步只允许 2022-08-15 之前登记的 IP 读取详情，只能读到编号，不影响使用。"),
        CONTACT_SYNC,
        serious=False,
    ),
    "50001": _row(lazy("登录地址的域名未登记：可信域名须与访问地址完全一致，端口也算。"), APP_DOMAIN, "trusted_domain"),
    "80001": _DOMAIN,
    "85005": _DOMAIN,
    "85008": _DOMAIN,
    "40093": _row(lazy("页面签名不一致：系统会换新票据；若持续出现，请核对可信域名与访问地址。"), APP_DOMAIN),
    "42012": _row(lazy("页面票据失效，系统会自动换新。"), serious=False),
    "91040": _row(lazy("平台不认识票据类型，请升级本系统。")),
    "40008": _OURS,
    "40033": _OURS,
    "40058": _OURS,
    "40063": _OURS,
    "41001": _OURS,
    "44004": _OURS,
    "82001": _row(lazy("消息没有收件人，请检查该记录的负责人是否已离职。"), serious=False),
    "40007": _row(lazy("素材已过期（平台保留三天），请重新上传照片。"), serious=False),
    "45002": _row(lazy("消息超过平台的长度上限，系统已自动缩短后重发。"), serious=False),
    "93000": _row(lazy("群机器人的地址无效，可能已被移出群，请重新添加。"), lazy("群聊 › 群机器人")),
    # Our own, of the set-up (`setup.py`).
    "no_range": _row(lazy("应用的可见范围是空的，请选择要使用本系统的部门和成员。"), APP_RANGE, "range"),
    "contacts_secret": _row(lazy("通讯录同步 Secret 不对，请重新复制，或清空后跳过。"), CONTACT_SYNC),
}
CARD_FIELDS = range(42015, 42053)


def instruction(code: str) -> Instruction | None:
    """Return the row of a code, None where nobody wrote one down."""
    found = INSTRUCTIONS.get(code)
    if found is None and code.isascii() and code.isdigit() and int(code) in CARD_FIELDS:
        return _CARD
    return found
