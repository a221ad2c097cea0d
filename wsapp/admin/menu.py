"""The console's menu: every part of it in one of a few groups, each with a line that says what it is for."""

from dataclasses import dataclass
from typing import Any

from wsapp.texts import lazy

HOME = "/admin/"


@dataclass(frozen=True)
class Place:
    """A part of the console: `key` is what `gate.show` calls it."""

    key: str
    url: str
    label: Any
    about: Any


@dataclass(frozen=True)
class Group:
    label: Any
    places: tuple[Place, ...]


GROUPS: tuple[Group, ...] = (
    Group(
        lazy("客户资料"),
        (
            Place("fields", "/admin/fields", lazy("字段"), lazy("客户表单上的自定义字段，可预览手机效果")),
            Place("tags", "/admin/tags", lazy("标签"), lazy("标签的名称和颜色，改名、合并")),
            Place("pools", "/admin/pools", lazy("公海"), lazy("谁能领取、每天几个、退回后多久能再领")),
            Place("recycling", "/admin/recycling", lazy("公海回收"), lazy("今晚会回收哪些客户，最近几晚的结果")),
            Place("rules", "/admin/rules", lazy("业务规则"), lazy("查重、跟进、线索、回收站等规则和默认值")),
            Place("workdays", "/admin/workdays", lazy("工作日"), lazy("企业自己的休息日和上班日，节假日和调休")),
            Place("imports", "/h5/imports", lazy("导入导出"), lazy("用 Excel 或 CSV 导入客户和跟进，导出名单")),
            Place("bin", "/admin/bin", lazy("回收站"), lazy("全公司删除的记录，可恢复或彻底删除")),
        ),
    ),
    Group(
        lazy("人员和权限"),
        (
            Place("members", "/admin/members", lazy("成员"), lazy("角色、休假代理、登录过的设备")),
            Place("roles", "/admin/roles", lazy("角色"), lazy("能看谁的记录、能做什么、看到哪些字段")),
            Place("directory", "/admin/directory", lazy("通讯录"), lazy("和宿主平台同步部门、成员")),
            Place("audit", "/admin/audit", lazy("操作日志"), lazy("谁在何时改了什么，改前改后")),
        ),
    ),
    Group(
        lazy("消息提醒"),
        (
            Place("notifications", "/admin/notifications", lazy("通知"), lazy("全员默认的通知和免打扰时间")),
            Place("deliveries", "/admin/deliveries", lazy("消息"), lazy("每条消息是否送达，未送达的原因")),
            Place("robots", "/admin/robots", lazy("群机器人"), lazy("把部门动态发到群里")),
        ),
    ),
    Group(
        lazy("系统"),
        (
            Place("corps", "/admin/corps", lazy("企业"), lazy("接入企业、更换密钥")),
            Place("doctor", "/admin/doctor", lazy("体检"), lazy("检查配置，告诉您哪里要改")),
            Place("work", "/admin/work", lazy("后台任务"), lazy("等待、进行中和失败的任务")),
            Place("tokens", "/admin/tokens", lazy("API 令牌"), lazy("程序读写数据用的令牌")),
        ),
    ),
)


def place(key: str) -> Place | None:
    """Return a part of the console; None for its first page."""
    return next((one for group in GROUPS for one in group.places if one.key == key), None)


def neighbours(key: str) -> tuple[Place, ...]:
    """Return the parts in the same group, itself included."""
    return next((group.places for group in GROUPS if any(one.key == key for one in group.places)), ())
