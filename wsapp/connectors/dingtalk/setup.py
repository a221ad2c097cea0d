"""Setting DingTalk (钉钉) up: what the administrator copies, what they paste where, and which value a code is about.

After the pages of an internal app in open-dev.dingtalk.com (应用开发 › 企业内部应用).
"""

from wsapp.connectors.setup import CredentialField, Paste, SetUpStep
from wsapp.texts import mark

CORP_ID = CredentialField(
    "corp_id",
    mark("企业 ID（CorpId）"),
    pattern=r"ding[0-9A-Za-z]{4,60}",
    hint=mark("开发者后台首页右上角 › CorpId"),
    example="ding0123456789abcdef",
)

FIELDS = (
    CredentialField(
        "agent_id",
        "AgentId",
        pattern=r"[0-9]{1,20}",
        hint=mark("凭证与基础信息 › AgentId"),
        example="123456789",
    ),
    CredentialField(
        "client_id",
        mark("Client ID（AppKey）"),
        pattern=r"[0-9A-Za-z]{4,64}",
        hint=mark("凭证与基础信息"),
        example="dingabcdefghijklmnop",
    ),
    CredentialField(
        "client_secret",
        mark("Client Secret（AppSecret）"),
        secret=True,
        pattern=r"\S{8,200}",
        hint=mark("凭证与基础信息"),
    ),
    CredentialField(
        "robot_code",
        "RobotCode",
        required=False,
        pattern=r"\S{4,64}",
        hint=mark("留空则与 Client ID 相同"),
        step="card",
    ),
    CredentialField(
        "card_template_id",
        mark("互动卡片模板 ID"),
        required=False,
        pattern=r"[0-9A-Za-z.-]{4,100}",
        hint=mark("卡片平台发布模板后复制；留空则发送普通卡片消息"),
        step="card",
    ),
    CredentialField(
        "event_mode",
        mark("事件推送方式"),
        required=False,
        pattern=r"http|stream",
        hint=mark("http 或 stream"),
        step="events",
        choices=(("http", mark("HTTP 推送：钉钉访问本系统的公网地址")), ("stream", mark("Stream：不需要公网入口"))),
    ),
    CredentialField(
        "callback_token",
        mark("签名 token"),
        required=False,
        secret=True,
        pattern=r"[0-9A-Za-z]{3,32}",
        hint=mark("应为 3–32 位字母数字"),
        step="events",
        made="token",
    ),
    CredentialField(
        "callback_aes_key",
        mark("加密 aes_key"),
        required=False,
        secret=True,
        pattern=r"[0-9A-Za-z]{43}",
        hint=mark("应为 43 位字母数字"),
        step="events",
        made="aes_key",
    ),
    CredentialField(
        "monthly_calls",
        mark("每月接口调用额度"),
        required=False,
        pattern=r"[0-9]{1,9}",
        hint=mark("留空为标准版的 5000 次；专业版 200000，增购包另加"),
        step="card",
        choices=(("", mark("标准版：5,000 次")), ("200000", mark("专业版：200,000 次"))),
    ),
    CredentialField(
        "jsapi_hash",
        mark("JSAPI 签名算法"),
        required=False,
        pattern=r"sha256|sha1",
        hint=mark("默认 sha256；客户端报 52013 时改为 sha1"),
        step="web",
        choices=(("sha256", "sha256"), ("sha1", "sha1")),
    ),
)
# What signs event pushes (token, key) and the callbacks of cards and the robot (secret).
CALLBACK_KEYS = ("callback_token", "callback_aes_key", "client_secret")

STEPS = (
    SetUpStep(
        "app",
        mark("创建应用，抄下凭证"),
        place=mark("钉钉开发者后台 › 应用开发 › 企业内部应用 › 创建应用"),
        proves=True,
    ),
    SetUpStep(
        "web",
        mark("网页应用与安全设置"),
        place=mark("应用能力 › 网页应用；开发配置 › 安全设置"),
        text=mark(
            "移动端与 PC 端首页地址都要填，少填一个，应用在那一端就不可见。服务器出口 IP 可以留空，填错会被拒绝。"
        ),
        pastes=(
            Paste(mark("移动端首页地址、PC 端首页地址"), "{public_url}/h5/?corp={corp_id}"),
            Paste(mark("重定向 URL"), "{public_url}/signin/dingtalk/{corp_id}/web/return"),
            Paste(mark("端内免登地址"), "{public_url}/signin/dingtalk/{corp_id}"),
        ),
    ),
    SetUpStep(
        "permissions",
        mark("权限"),
        place=mark("开发配置 › 权限管理"),
        text=mark("逐个搜索并开通，并把权限范围设为要使用本系统的部门，然后发布版本。下一步会向钉钉核对。"),
        pastes=(
            Paste(mark("成员信息读权限"), "qyapi_get_member"),
            Paste(mark("通讯录部门信息读权限"), "qyapi_get_department_list"),
            Paste(mark("通讯录部门成员读权限"), "qyapi_get_department_member"),
            Paste(mark("通讯录个人信息读权限"), "Contact.User.Read"),
            Paste(mark("互动卡片实例写权限"), "Card.Instance.Write"),
            Paste(mark("企业内机器人发送消息权限"), "qyapi_robot_sendmsg"),
        ),
        proves=True,
    ),
    SetUpStep(
        "events",
        mark("事件订阅"),
        place=mark("开发配置 › 事件与回调"),
        text=mark(
            "HTTP 推送：以下三项已在本系统保存，逐项复制到后台后点“保存”，钉钉会立即校验。"
            "Stream：在后台选择 Stream 推送并保存即可，机器人的消息接收模式也选 Stream，以下三项都不用填。"
            "订阅通讯录用户增加、更改、离职、激活，部门创建、修改、删除，设为或取消管理员，应用可见范围变更。"
        ),
        pastes=(Paste(mark("请求网址"), "{public_url}/callbacks/dingtalk/{corp_id}"),),
        door="",
    ),
    SetUpStep(
        "card",
        mark("机器人与互动卡片"),
        place=mark("应用能力 › 机器人；卡片平台 › 新建模板"),
        text=mark("设置后，提醒上有按钮，可直接在聊天中完成。可以跳过：提醒以普通卡片发送，点击打开记录。"),
        optional=True,
    ),
    SetUpStep(
        "publish",
        mark("发布"),
        place=mark("版本管理与发布 › 创建新版本"),
        text=mark("选择可使用范围后发布。以后改动权限或范围，需要重新发布。"),
    ),
)

# The host's codes → the value that is at fault. Codes of our own: no_range, corp_id.
AT_FAULT = {
    "40089": "client_secret",
    "40096": "client_secret",
    "authFailed": "client_secret",
    "invalidClientIdOrSecret": "client_secret",
    "invalid.client": "client_secret",
    "corp_id": "corp_id",
    "40056": "agent_id",
}
