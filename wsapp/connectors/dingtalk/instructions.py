"""What an administrator does about each of DingTalk's codes: for the doctor, the console and the delivery ledger.

Codes: https://open.dingtalk.com/document/orgapp/server-api-error-codes-1. `codes.py` says what the program does.
"""

from collections.abc import Mapping

from wsapp.connectors.checks import Instruction, Text
from wsapp.texts import lazy

LOOKUP = "https://open.dingtalk.com/tools/errorcode?code={code}"

# Places in the developer console (open-dev.dingtalk.com), inside the app.
CREDENTIALS = lazy("应用开发 › 你的应用 › 凭证与基础信息")
CORP_ID = lazy("开放平台首页右上角 › CorpId")
WEB_APP = lazy("应用能力 › 网页应用")
SAFETY = lazy("开发配置 › 安全设置")
PERMISSIONS = lazy("开发配置 › 权限管理")
EVENTS = lazy("开发配置 › 事件订阅")
RELEASE = lazy("应用发布 › 版本管理与发布")
CARDS = lazy("开放能力 › 卡片平台")
ROBOT = lazy("应用能力 › 机器人")


def _row(fix: Text, place: Text = "", check: str = "", *, serious: bool = True) -> Instruction:
    return Instruction(fix, place, check, serious)


_SECRET = _row(lazy("Client ID 与 Client Secret 不匹配或已重置，请重新复制。系统已暂停重试。"), CREDENTIALS, "token")
_CORP = _row(lazy("企业的 CorpId 不对，请重新复制。"), CORP_ID, "corp")
_TOKEN = _row(lazy("令牌失效，系统会自动换新。"), serious=False)
_LOGIN = _row(lazy("免登码已用过或过期，请关闭页面后重新打开应用。"), serious=False)
_GONE_PERSON = _row(lazy("员工不存在或已离职。"), serious=False)
_RANGE = _row(lazy("员工或部门不在应用的可使用范围内，请调整范围后重新发布版本。"), RELEASE, "range_admin")
_IP = _row(lazy("服务器的出口 IP 未填入“服务器出口IP”，添加后立即生效。"), SAFETY, "ip")
_AGENT = _row(lazy("AgentId 不对，请与 Client ID 从同一页重新复制。"), CREDENTIALS, "agent")
_STOPPED = _row(lazy("应用或企业已被停用，请在控制台重新启用。"), RELEASE, "enabled")
_PERMISSION = _row(lazy("应用缺少权限，请搜索上面方括号里的名称并开通，再发布一个版本。"), PERMISSIONS)
_THROTTLED = _row(lazy("被平台限流，系统已自动放慢，稍后自行恢复。"), check="quota")
_BANNED = _row(lazy("服务器 IP 被平台限流，5 分钟后恢复，系统已暂停调用。"), check="reach")
_MONTH = _row(lazy("企业本月的接口调用量已用完，请购买加量包或等待下月。"), lazy("开放平台首页 › 用量"), "quota")
_CALLBACK = _row(lazy("回调地址重复、不存在或不可达，请到事件订阅核对地址后重新保存。"), EVENTS, "callback")
_TEMPLATE = _row(lazy("互动卡片模板不存在或未发布，请在卡片平台发布模板后重新复制模板 ID。"), CARDS, "card")
_ROBOT = _row(lazy("机器人未开通或 RobotCode 不对，请开通机器人能力并发布版本。"), ROBOT, "card")
_BUSY = _row(lazy("平台繁忙，系统会自动重试。"), serious=False)
_CRYPTO = _row(lazy("回调的 token 或 aes_key 与控制台不一致，请重新填写并保存。"), EVENTS, "callback_heard")
_OURS = _row(lazy("平台不接受这次请求的内容，这是本系统的问题，请把错误码和请求编号告诉我们。"))

INSTRUCTIONS: Mapping[str, Instruction] = {
    "40089": _SECRET,
    "40096": _SECRET,
    "authFailed": _SECRET,
    "invalidClientIdOrSecret": _SECRET,
    "invalid.client": _SECRET,
    "unauthorized.client": _SECRET,
    "40001": _SECRET,
    "33001": _CORP,
    "40013": _CORP,
    "40014": _TOKEN,
    "42001": _TOKEN,
    "InvalidAuthentication": _TOKEN,
    "40029": _LOGIN,
    "40078": _LOGIN,
    "41007": _LOGIN,
    "41026": _LOGIN,
    "33012": _GONE_PERSON,
    "46004": _GONE_PERSON,
    "60121": _GONE_PERSON,
    "invalidParameter.user.notFound": _GONE_PERSON,
    "50002": _RANGE,
    "50004": _RANGE,
    "permissionDeny": _RANGE,
    "60020": _IP,
    "Forbidden.AccessDenied.IpNotInWhiteList": _IP,
    "40056": _AGENT,
    "52019": _AGENT,
    "50003": _STOPPED,
    "50005": _STOPPED,
    "60011": _PERMISSION,
    "43007": _PERMISSION,
    "48002": _PERMISSION,
    "Forbidden.AccessDenied.AccessTokenPermissionDenied": _PERMISSION,
    "52013": _row(
        lazy(
            "页面签名不一致：页面地址与签名地址不同，或票据过期（最长 24 小时）；也可把“JSAPI 签名算法”改为 sha1 再试。"
        ),
        WEB_APP,
    ),
    "50001": _row(lazy("登录的重定向地址未登记，请填入访问地址的域名。"), SAFETY),
    "80001": _row(lazy("页面域名未登记，请填入访问地址的域名。"), SAFETY),
    "71006": _CALLBACK,
    "71007": _CALLBACK,
    "71009": _CALLBACK,
    "71012": _CALLBACK,
    "71013": _CALLBACK,
    **dict.fromkeys((str(code) for code in range(900001, 900011)), _CRYPTO),
    "853002": _row(lazy("服务器时间与平台相差超过 1 分钟，请开启自动校时。"), check="clock"),
    **dict.fromkeys((str(code) for code in (*range(90001, 90015), 90017, 90018)), _THROTTLED),
    "90001": _BANNED,
    "IP_BANNED": _BANNED,
    "90020": _MONTH,
    "Forbidden.AccessDenied.ApiCountLimitForOrg": _MONTH,
    "45009": _THROTTLED,
    "request.too.frequent": _THROTTLED,
    "143103": _row(lazy("每分钟人次超限，已排队。"), serious=False),
    "143104": _row(lazy("每分钟人次超限，已排队。"), serious=False),
    "143105": _row(lazy("该员工今天的消息已满 500 条，明天恢复。"), check="message"),
    "143106": _row(lazy("与今天已发的内容相同，平台没有再次推送，通常表示已送达。"), serious=False),
    "143205": _row(lazy("该员工今天的消息已满 500 条，明天恢复。"), check="message"),
    "143206": _row(lazy("与今天已发的内容相同，平台没有再次推送，通常表示已送达。"), serious=False),
    "1430002": _row(lazy("内容被平台判定违规，请修改文字。"), check="message"),
    "41049": _row(lazy("内容被平台判定违规，请修改文字。"), check="message"),
    "1430003": _row(lazy("对方开启了系统保护，收不到应用消息。")),
    "1430004": _row(lazy("对方开启了高管保护，收不到应用消息。")),
    "forbidden": _row(lazy("平台没有把消息送到该员工，可能是重复内容、次数超限或对方屏蔽了应用。"), check="message"),
    "failed": _row(lazy("平台没有送达：员工可能不在应用的可使用范围内，或没有激活钉钉。"), RELEASE, "message"),
    "invalid": _row(lazy("平台不认识这个员工，可能已离职。"), RELEASE, "message"),
    "param.templateNotExist": _TEMPLATE,
    "param.templateUnpublished": _TEMPLATE,
    "param.cardTemplateIdEmpty": _TEMPLATE,
    "param.robotCodeInvalid": _ROBOT,
    "robot.notExist": _ROBOT,
    "400106": _ROBOT,
    "400102": _ROBOT,
    "310000": _row(lazy("群机器人的安全设置不通过，请核对加签密钥或关键词。"), lazy("群设置 › 机器人")),
    "300005": _row(lazy("群机器人的地址无效，可能已被移出群，请重新添加。"), lazy("群设置 › 机器人")),
    "400101": _row(lazy("群机器人的地址无效，可能已被移出群，请重新添加。"), lazy("群设置 › 机器人")),
    "BACKEND_TIMEOUT": _BUSY,
    "GATEWAY": _BUSY,
    "NOT_UNDERSTOOD": _BUSY,
    "-1": _BUSY,
    "15": _BUSY,
    "500": _BUSY,
    "systemError": _BUSY,
    "unknownError": _BUSY,
    "400002": _OURS,
    "40035": _OURS,
    # Our own, of the set-up (`setup.py`).
    "corp_id": _row(lazy("CorpId 不是这个应用所在的企业，请重新复制。"), CORP_ID, "corp"),
    "no_range": _row(lazy("应用看不到任何部门，请把通讯录权限范围设为要使用本系统的部门，再发布版本。"), PERMISSIONS),
    "45002": _row(lazy("消息超过平台的长度上限，系统已自动缩短后重发。"), serious=False),
}


def instruction(code: str) -> Instruction | None:
    """Return the row of a code, None where nobody wrote one down. Throttling has a family of words."""
    found = INSTRUCTIONS.get(code)
    if found is None and ("QpsLimit" in code or "QpmLimit" in code):
        return _THROTTLED
    return found
