"""The words of the audit log: what a field is called, and who is meant by an id."""

from collections.abc import Iterable, Mapping
from typing import Any

from wsapp.admin.roles import ACCESS_WORDS, ACTION_WORDS, FIELD_WORDS, OBJECT_WORDS, SCOPE_WORDS
from wsapp.crm.fields.definitions import fields_of
from wsapp.crm.org.rules import declared
from wsapp.texts import _, lazy

CUSTOM = "custom."
PEOPLE = ("owner", "assignee", "assignee_id", "member", "before", "people", "managers", "deputy", "coworker")
OBJECTS = {
    **OBJECT_WORDS,
    "contact": lazy("联系人"),
    "member": lazy("成员"),
    "pool": lazy("公海"),
    "handover": lazy("交接"),
    "role": lazy("角色"),
    "tag": lazy("标签"),
    "custom_field": lazy("字段"),
    "corp_rule": lazy("业务规则"),
    "corp": lazy("企业"),
    "import_job": lazy("导入"),
    "export_job": lazy("导出"),
    "share_request": lazy("共享申请"),
    "comment": lazy("评论"),
    "owner_request": lazy("延期或退回申请"),
    "directory_run": lazy("通讯录"),
    "notification": lazy("消息"),
    "group_robot": lazy("群机器人"),
    "preference": lazy("通知设置"),
}
FIELDS = {
    **FIELD_WORDS,
    "name": lazy("名称"),
    "credit_code": lazy("信用代码"),
    "lat": lazy("纬度"),
    "lng": lazy("经度"),
    "parent_id": lazy("上级客户"),
    "custom": lazy("自定义字段"),
    "lead": lazy("线索状态"),
    "locked": lazy("锁定"),
    "gender": lazy("性别"),
    "title": lazy("标题"),
    "role": lazy("角色"),
    "wechat": lazy("微信号"),
    "mail": lazy("邮箱"),
    "birth_day": lazy("生日"),
    "birth_year": lazy("出生年份"),
    "birthday": lazy("生日"),
    "is_primary": lazy("主要联系人"),
    "member": lazy("成员"),
    "before": lazy("原负责人"),
    "assignee": lazy("执行人"),
    "assignee_id": lazy("执行人"),
    "customer_id": lazy("客户"),
    "due_at": lazy("到期时间"),
    "all_day": lazy("全天"),
    "reminders": lazy("提醒"),
    "priority": lazy("优先级"),
    "repeat": lazy("重复"),
    "repeat_until": lazy("重复到"),
    "repeat_every": lazy("重复间隔"),
    "repeat_days": lazy("重复日"),
    "repeat_times": lazy("重复次数"),
    "repeat_free": lazy("遇到休息日"),
    "colour": lazy("颜色"),
    "color": lazy("颜色"),
    "departments": lazy("部门"),
    "people": lazy("成员"),
    "managers": lazy("公海管理员"),
    "hidden": lazy("隐藏的字段"),
    "rules": lazy("规则"),
    "position": lazy("顺序"),
    "is_default": lazy("默认"),
    "enabled": lazy("启用"),
    "label": lazy("名称"),
    "key": lazy("标识"),
    "type": lazy("类型"),
    "options": lazy("选项"),
    "settings": lazy("设置"),
    "required": lazy("必填"),
    "unique": lazy("唯一"),
    "indexed": lazy("可筛选"),
    "roles": lazy("角色"),
    "deputy": lazy("代理人"),
    "object": lazy("对象"),
    "filter": lazy("筛选条件"),
    "columns": lazy("列"),
    "rows": lazy("行数"),
    "format": lazy("格式"),
    "file": lazy("文件"),
    "created": lazy("新建"),
    "updated": lazy("更新"),
    "skipped": lazy("跳过"),
    "failed": lazy("失败"),
    "count": lazy("数量"),
    "counts": lazy("一起删除"),
    "device": lazy("设备"),
    "route": lazy("地址"),
    "pool_name": lazy("公海"),
    "loser": lazy("被合并的客户"),
}


def object_word(subject_type: str) -> str:
    """Return what a kind of record is called."""
    return str(OBJECTS.get(subject_type, subject_type))


def field_word(field: str) -> str:
    """Return what a field of an event is called; a rule, a role's right and a custom field by their own names."""
    if field in FIELDS:
        return str(FIELDS[field])
    if field in declared():
        return str(declared()[field].label)
    if field.startswith(CUSTOM):
        known = fields_of("customer").get(field.removeprefix(CUSTOM))
        return known.label if known else field
    return _right_word(field)


def _right_word(field: str) -> str:
    """Return the words of `customer.see`, or of `customer.phones`, as a change of a role names them."""
    obj, dot, name = field.partition(".")
    if not dot or obj not in OBJECT_WORDS:
        return field
    what = ACTION_WORDS.get(name) or FIELD_WORDS.get(name) or name
    return _("%(object)s：%(field)s", object=OBJECT_WORDS[obj], field=what)


def value_word(field: str, value: Any, people: Mapping[str, str]) -> Any:
    """Return a value with people by their names, and scopes of a role in words."""
    if field in PEOPLE:
        if isinstance(value, list):
            return [people.get(one, one) for one in value]
        return people.get(value, value) if isinstance(value, str) else value
    if "." in field and isinstance(value, str):
        return str(SCOPE_WORDS.get(value) or ACCESS_WORDS.get(value) or value)
    return value


def people_in(*parts: Mapping[str, Any]) -> Iterable[str]:
    """Return the ids of members that an event's changes and data hold."""
    for part in parts:
        for field in PEOPLE:
            yield from _texts(part.get(field))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
