"""What the form designer calls objects, fields, values and rules."""

from collections.abc import Mapping
from typing import Any

from wsapp.texts import lazy

OPERATOR_WORDS: Mapping[str, Any] = {
    "eq": lazy("等于"),
    "ne": lazy("不等于"),
    "gte": lazy("不小于"),
    "lte": lazy("不大于"),
    "filled": lazy("已填写"),
    "empty": lazy("未填写"),
}
OBJECT_WORDS: Mapping[str, Any] = {
    "customer": lazy("客户"),
    "contact": lazy("联系人"),
    "follow_up": lazy("跟进"),
    "visit": lazy("拜访"),
    "task": lazy("待办"),
}
FACT_WORDS: Mapping[tuple[str, str], Any] = {
    ("customer", "kind"): lazy("客户类型"),
    ("customer", "stage"): lazy("阶段"),
    ("customer", "level"): lazy("级别"),
    ("customer", "source"): lazy("来源"),
    ("customer", "industry"): lazy("行业"),
    ("customer", "lead"): lazy("线索状态"),
    ("contact", "role"): lazy("决策角色"),
    ("contact", "gender"): lazy("性别"),
    ("follow_up", "kind"): lazy("方式"),
    ("task", "kind"): lazy("类型"),
    ("task", "priority"): lazy("优先级"),
}
# What the values of these are called: rules may be written in words, and are kept in codes.
VALUE_WORDS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("customer", "kind"): {"company": lazy("企业"), "person": lazy("个人")},
    ("customer", "stage"): {
        "new": lazy("新客户"),
        "contacted": lazy("已联系"),
        "intent": lazy("有意向"),
        "dealt": lazy("已成交"),
        "lost": lazy("已流失"),
    },
    ("customer", "lead"): {
        "new": lazy("待响应"),
        "working": lazy("跟进中"),
        "valid": lazy("有效"),
        "invalid": lazy("无效"),
        "converted": lazy("已转客户"),
    },
    ("contact", "role"): {
        "decides": lazy("决策人"),
        "influences": lazy("影响者"),
        "uses": lazy("使用人"),
        "blocks": lazy("反对者"),
    },
    ("contact", "gender"): {"male": lazy("男"), "female": lazy("女")},
    ("follow_up", "kind"): {
        "phone": lazy("电话"),
        "wechat": lazy("微信"),
        "visit": lazy("上门"),
        "mail": lazy("邮件"),
        "meeting": lazy("会议"),
        "other": lazy("其他"),
    },
    ("task", "kind"): {
        "follow_up": lazy("跟进"),
        "visit": lazy("拜访"),
        "call": lazy("电话"),
        "other": lazy("其他"),
    },
    ("task", "priority"): {"normal": lazy("普通"), "high": lazy("重要")},
}
RULE_WORDS: Mapping[str, Any] = {
    "show_if": lazy("显示条件"),
    "require_if": lazy("必填条件"),
    "readonly_if": lazy("填写后锁定的条件"),
}
NUMBER_WORDS: Mapping[str, Any] = {
    "decimals": lazy("小数位数"),
    "min": lazy("最小值"),
    "max": lazy("最大值"),
    "length": lazy("最多字数"),
    "digits": lazy("流水号位数"),
}
DEFAULT_WORDS: Mapping[str, Any] = {
    "user": lazy("当前用户"),
    "department": lazy("当前用户的部门"),
    "today": lazy("今天"),
    "parent": lazy("与上级客户相同"),
}
KIND_WORDS: Mapping[str, Any] = {"company": lazy("企业"), "person": lazy("个人"), "lead": lazy("线索")}
ACCESS_WORDS: Mapping[str, Any] = {
    "edit": lazy("可填写"),
    "read": lazy("只读"),
    "masked": lazy("部分隐藏"),
    "hidden": lazy("不可见"),
    "denied": lazy("禁止（优先于其他角色）"),
}
