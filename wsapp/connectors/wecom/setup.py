"""Setting WeCom (企业微信) up: what the administrator copies, what they paste where, and which value a code is about.

After the pages of a self-built app in work.weixin.qq.com (应用管理).
"""

import re

from wsapp.connectors.setup import CredentialField, Paste, SetUpStep
from wsapp.texts import mark

CORP_ID = CredentialField(
    "corp_id",
    mark("企业 ID"),
    pattern=r"w[wxm][0-9A-Za-z]{8,40}",
    hint=mark("我的企业 › 企业信息，页面最下方"),
    example="ww0123456789abcdef",
)


def _token(key: str, label: str, hint: str, step: str) -> CredentialField:
    pattern = r"[0-9A-Za-z]{3,32}"
    return CredentialField(key, label, required=False, secret=True, pattern=pattern, hint=hint, step=step, made="token")


def _aes_key(key: str, label: str, step: str) -> CredentialField:
    hint = mark("与 Token 同一页，43 位字母数字")
    pattern = r"[0-9A-Za-z]{43}"
    return CredentialField(
        key, label, required=False, secret=True, pattern=pattern, hint=hint, step=step, made="aes_key"
    )


FIELDS = (
    CredentialField(
        "agent_id",
        mark("应用 AgentId"),
        pattern=r"\d{1,10}",
        hint=mark("应用管理 › 你的应用 › AgentId"),
        example="1000002",
    ),
    CredentialField("app_secret", mark("应用 Secret"), secret=True, hint=mark("应用管理 › 你的应用 › Secret › 查看")),
    CredentialField(
        "contacts_secret",
        mark("通讯录同步 Secret"),
        required=False,
        secret=True,
        hint=mark("管理工具 › 通讯录同步 › Secret"),
        step="contacts",
    ),
    _token(
        "callback_token",
        mark("接收消息 Token"),
        mark("应用详情 › 接收消息 › 设置 API 接收；没有它，卡片上不显示按钮"),
        "callback",
    ),
    _aes_key("callback_aes_key", mark("接收消息 EncodingAESKey"), "callback"),
    _token("contacts_callback_token", mark("通讯录回调 Token"), mark("通讯录同步 › 设置接收事件服务器"), "contacts"),
    _aes_key("contacts_callback_aes_key", mark("通讯录回调 EncodingAESKey"), "contacts"),
)
# What signs the callbacks of the app and of contact sync.
CALLBACK_KEYS = ("callback_token", "callback_aes_key", "contacts_callback_token", "contacts_callback_aes_key")

STEPS = (
    SetUpStep(
        "app",
        mark("创建应用，抄下凭证"),
        place=mark("企业微信管理后台 › 应用管理 › 自建 › 创建应用"),
        text=mark("可见范围选择要使用本系统的部门和成员。负责人请按部门选入，只选个人时应用看不到他所在的部门。"),
        proves=True,
    ),
    SetUpStep(
        "home",
        mark("应用主页"),
        place=mark("应用详情 › 应用主页 › 设置"),
        text=mark("手机端与电脑端填同样的地址。"),
        pastes=(Paste(mark("应用主页"), "{public_url}/h5/?corp={corp_id}"),),
    ),
    SetUpStep(
        "domain",
        mark("可信域名"),
        place=mark("应用详情 › 网页授权及 JS-SDK › 设置可信域名"),
        text=mark(
            "在后台填写可信域名，点“申请校验域名”下载校验文件，把它上传到这里，再回后台点“确定”。"
            "随后在“企业微信授权登录 › Web 网页”中把授权回调域也填为同一域名。"
        ),
        pastes=(Paste(mark("可信域名、授权回调域"), "{domain}"),),
        file=True,
    ),
    SetUpStep(
        "callback",
        mark("接收消息"),
        place=mark("应用详情 › 接收消息 › 设置 API 接收"),
        text=mark("以下三项已在本系统保存，逐项复制到后台后点“保存”，企业微信会立即校验。卡片上的按钮需要它。"),
        pastes=(Paste(mark("URL"), "{public_url}/callbacks/wecom/{corp_id}/app"),),
        door="app",
    ),
    SetUpStep(
        "ip",
        mark("企业可信 IP"),
        place=mark("应用详情 › 企业可信 IP › 配置"),
        text=mark(
            "填写本服务器访问外网的地址，有几台填几个；约 1 分钟后生效。"
            "不清楚地址时直接点“下一步”，企业微信拒绝时会告诉我们它看到的地址。"
        ),
        proves=True,
    ),
    SetUpStep(
        "contacts",
        mark("通讯录同步"),
        place=mark("管理工具 › 通讯录同步"),
        text=mark("用于第一时间得知离职和调岗。可以跳过，以后再设置：系统每晚也会核对通讯录。"),
        pastes=(Paste(mark("接收事件服务器 URL"), "{public_url}/callbacks/wecom/{corp_id}/contacts"),),
        door="contacts",
        optional=True,
        proves=True,
    ),
)

OWNERSHIP_FILE = re.compile(r"WW_verify_[0-9A-Za-z]{1,64}\.txt")

# The host's codes → the value that is at fault. Codes of our own: no_range, contacts_secret.
AT_FAULT = {
    "40001": "app_secret",
    "40091": "app_secret",
    "45031": "app_secret",
    "40013": "corp_id",
    "40056": "agent_id",
    "301002": "agent_id",
    "contacts_secret": "contacts_secret",
}
