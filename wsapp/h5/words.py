"""The words for stored values, and marks that go with them. Values come from the slices' models."""

from wsapp.texts import lazy

CUSTOMER_KINDS = {"company": lazy("企业"), "person": lazy("个人")}
LEVELS = {"A": "A", "B": "B", "C": "C", "D": "D"}
STAGES = {
    "new": lazy("新客户"),
    "contacted": lazy("已联系"),
    "intent": lazy("有意向"),
    "dealt": lazy("已成交"),
    "lost": lazy("已流失"),
}
FOLLOW_UP_KINDS = {
    "phone": lazy("电话"),
    "wechat": lazy("微信"),
    "visit": lazy("上门"),
    "mail": lazy("邮件"),
    "meeting": lazy("会议"),
    "other": lazy("其他"),
}
TASK_KINDS = {"follow_up": lazy("跟进"), "visit": lazy("上门拜访"), "call": lazy("打电话"), "other": lazy("其他")}
TASK_STATES = {
    "open": lazy("待处理"),
    "doing": lazy("进行中"),
    "done": lazy("已完成"),
    "cancelled": lazy("已取消"),
}
PRIORITIES = {"normal": lazy("普通"), "high": lazy("重要")}
REPEATS = {"": lazy("不重复"), "daily": lazy("每天"), "weekly": lazy("每周"), "monthly": lazy("每月")}
REMINDERS = {
    0: lazy("准时"),
    5: lazy("5 分钟前"),
    15: lazy("15 分钟前"),
    30: lazy("30 分钟前"),
    60: lazy("1 小时前"),
    120: lazy("2 小时前"),
    1440: lazy("1 天前"),
    2880: lazy("2 天前"),
    10080: lazy("7 天前"),
}
VISIT_STATES = {
    "planned": lazy("已计划"),
    "on_way": lazy("在路上"),
    "in": lazy("拜访中"),
    "done": lazy("已签退"),
    "cancelled": lazy("已取消"),
    "missed": lazy("未到访"),
}
TRUST = {
    "verified": lazy("位置已核实"),
    "near": lazy("在客户附近"),
    "far": lazy("离客户较远"),
    "no_fix": lazy("未定位"),
    "stale": lazy("定位已过时"),
}
NO_FIX_REASONS = {
    "indoor": lazy("室内信号弱"),
    "denied": lazy("不便授权定位"),
    "device": lazy("设备不支持定位"),
    "other": lazy("其他原因"),
}
CUSTOMER_FIELDS = {
    "name": lazy("客户名称"),
    "short_name": lazy("简称"),
    "kind": lazy("类型"),
    "level": lazy("级别"),
    "stage": lazy("阶段"),
    "phones": lazy("电话"),
    "source": lazy("来源"),
    "industry": lazy("行业"),
    "size": lazy("规模"),
    "province": lazy("省份"),
    "city": lazy("城市"),
    "district": lazy("区县"),
    "address": lazy("地址"),
    "website": lazy("网址"),
    "credit_code": lazy("信用代码"),
    "tags": lazy("标签"),
    "note": lazy("备注"),
    "lat": lazy("位置"),
    "owner": lazy("负责人"),
    "parent_id": lazy("上级客户"),
}
FOLLOW_UP_FIELDS = {
    "kind": lazy("方式"),
    "contact_id": lazy("联系人"),
    "text": lazy("跟进内容"),
    "outcome": lazy("结果"),
}
CONTACT_ROLES = {
    "": lazy("未定"),
    "decides": lazy("决策人"),
    "influences": lazy("影响者"),
    "uses": lazy("使用人"),
    "blocks": lazy("反对者"),
}
GENDERS = {"": lazy("未填"), "male": lazy("男"), "female": lazy("女")}
CONTACT_FIELDS = {
    "name": lazy("姓名"),
    "gender": lazy("性别"),
    "title": lazy("职务"),
    "role": lazy("决策角色"),
    "phones": lazy("电话"),
    "wechat": lazy("微信号"),
    "mail": lazy("邮箱"),
    "birth_day": lazy("生日"),
    "birth_year": lazy("出生年份"),
    "is_primary": lazy("主要联系人"),
    "tags": lazy("标签"),
    "note": lazy("备注"),
}
LEADS = {
    "new": lazy("待响应"),
    "working": lazy("跟进中"),
    "valid": lazy("有效"),
    "invalid": lazy("无效"),
    "converted": lazy("已转客户"),
}
INVALID_REASONS = {
    "unreachable": lazy("联系不上"),
    "no_need": lazy("没有需求"),
    "wrong_number": lazy("空号或错号"),
    "competitor": lazy("同行"),
    "no_budget": lazy("没有预算"),
    "repeated": lazy("重复线索"),
    "other": lazy("其他"),
}
LEAD_ORDERS = {
    "respond_by": lazy("响应期限近的在前"),
    "-score": lazy("评分高的在前"),
    "source": lazy("按来源"),
    "-updated_at": lazy("最近更新"),
    "-created_at": lazy("最近新建"),
}
SCORE_PARTS = {"completeness": lazy("资料完整度"), "activity": lazy("近期互动"), "source": lazy("来源")}
TASK_FIELDS = {
    "title": lazy("标题"),
    "note": lazy("备注"),
    "customer_id": lazy("客户"),
    "kind": lazy("类型"),
    "due_at": lazy("到期时间"),
    "all_day": lazy("全天"),
    "reminders": lazy("提醒"),
    "assignee_id": lazy("负责人"),
    "priority": lazy("优先级"),
    "repeat": lazy("重复"),
    "repeat_until": lazy("重复到"),
    "repeat_every": lazy("重复间隔"),
    "repeat_days": lazy("重复日"),
    "repeat_times": lazy("重复次数"),
    "repeat_free": lazy("遇到休息日"),
}
MESSAGE_KINDS = {
    "task.due": lazy("待办提醒"),
    "task.snooze": lazy("稍后提醒"),
    "task.overdue": lazy("逾期提醒"),
    "task.bundle": lazy("汇总提醒"),
    "task.assigned": lazy("待办交办"),
    "task.handed_over": lazy("待办转出"),
    "task.unlinked": lazy("待办同步"),
    "task.asked": lazy("催办"),
    "team.overdue": lazy("下属逾期"),
    "team.bundle": lazy("下属逾期汇总"),
    "customer.silent": lazy("跟进提醒"),
    "watched.changed": lazy("我的关注"),
    "visit.checked_in": lazy("拜访动态"),
    "visit.planned": lazy("拜访计划"),
    "visit.cancelled": lazy("拜访取消"),
    "visit.missed": lazy("未到访"),
    "visit.replanned": lazy("拜访改期"),
    "visit.set_out": lazy("出发拜访"),
    "visit.soon": lazy("拜访前提醒"),
    "report.sent": lazy("工作汇报"),
    "report.due": lazy("提交汇报提醒"),
    "share.asked": lazy("共享申请"),
    "share.answered": lazy("共享答复"),
    "share.passed": lazy("共享申请转交"),
    "customer.shared": lazy("客户协作"),
    "mention.named": lazy("提到我的"),
    "comment.added": lazy("评论"),
    "help.asked": lazy("请求协助"),
    "help.answered": lazy("协助答复"),
    "offer.asked": lazy("待办转交"),
    "offer.answered": lazy("转交答复"),
    "offer.waiting": lazy("转交未答复"),
    "delay.asked": lazy("待办延期申请"),
    "delay.answered": lazy("待办延期答复"),
    "move.asked": lazy("位置修改申请"),
    "move.answered": lazy("位置修改答复"),
    "lead.unanswered": lazy("线索响应"),
    "team.lead": lazy("下属线索"),
    "contact.birthday": lazy("联系人生日"),
    "customer.assigned": lazy("客户分配"),
    "customer.lost": lazy("客户转出"),
    "customers.assigned": lazy("批量分配"),
    "draw.ended": lazy("抽签结果"),
    "member.left": lazy("离职交接"),
    "pool.claimed": lazy("公海领取"),
    "pool.released": lazy("退回公海"),
    "pool.recycled": lazy("公海回收结果"),
    "pool.warning": lazy("即将回收"),
    "extension.asked": lazy("延期申请"),
    "extension.answered": lazy("延期答复"),
    "release.asked": lazy("退回申请"),
    "release.answered": lazy("退回答复"),
    "bot.answer": lazy("机器人回复"),
    "bot.confirm": lazy("机器人待确认"),
    "directory.held": lazy("大量离职"),
    "directory.asking": lazy("通讯录待确认"),
    "directory.failed": lazy("通讯录同步失败"),
    "member.reveals_unusual": lazy("查看电话异常"),
    "member.exports_unusual": lazy("导出异常"),
    "digest": lazy("消息汇总"),
    "test": lazy("测试消息"),
}
DEEDS = {
    "see": lazy("查看"),
    "edit": lazy("修改"),
    "transfer": lazy("转移"),
    "delete": lazy("删除"),
    "export": lazy("导出"),
}
MIRROR_KINDS = {"todo": lazy("平台待办"), "entry": lazy("平台日程")}
MIRROR_HINTS = {
    "todo": lazy("出现在平台的待办列表里，在那里打勾也算完成"),
    "entry": lazy("出现在平台的日历里，拖动即改期"),
}
MESSAGE_STATES = {
    "planned": lazy("等待发送"),
    "suppressed": lazy("未发送"),
    "sending": lazy("正在发送"),
    "accepted": lazy("平台已接收"),
    "delivered": lazy("已送达"),
    "dropped": lazy("平台未送达"),
    "failed": lazy("发送失败"),
    "read": lazy("已读"),
    "acted": lazy("已处理"),
}
MESSAGE_MARKS = {"failed": "overdue", "dropped": "overdue", "delivered": "done", "read": "done", "acted": "done"}
LANGUAGES = {"": lazy("跟随系统"), "zh": "中文", "en": "English"}
