"""What the gallery shows: a few customers, tasks and events of a sample firm, with names as long as real ones."""

from datetime import datetime, timedelta
from typing import Any

LONG = "北京森林里的华星新能源智能装备（集团）股份有限公司华东区域运营管理中心"


def customers(now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "url": "/h5/customers/1",
            "name": LONG,
            "level": "A",
            "owner": "阿丽",
            "stage": "意向",
            "phone": "13800138000",
            "last": now - timedelta(minutes=7),
            "next": now + timedelta(days=1),
        },
        {
            "url": "/h5/customers/2",
            "name": "华星贸易",
            "level": "B",
            "owner": "欧阳明月·热合曼",
            "stage": "已联系",
            "phone": "01065123456",
            "last": now - timedelta(days=3),
            "next": now - timedelta(days=2),
            "next_late": True,
        },
        {
            "url": "/h5/customers/3",
            "name": "王建国",
            "level": "C",
            "owner": "老鲍",
            "stage": "新客户",
            "phone": "",
            "last": None,
            "next": None,
        },
        {
            "url": "/h5/customers/4",
            "name": "深圳市前海微光精密电子有限公司",
            "level": "D",
            "owner": "阿丽",
            "stage": "",
            "phone": "+8613912345678",
            "last": now - timedelta(days=40),
            "next": None,
        },
    ]


def tasks(now: datetime, done: set[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "id": "t1",
            "title": "给华星发最终报价，附上三年质保条款和分期付款方案的说明",
            "due": now - timedelta(days=1, hours=2),
            "due_state": "overdue",
            "customer": LONG,
            "repeat": "",
        },
        {
            "id": "t2",
            "title": "电话回访",
            "due": now + timedelta(hours=1),
            "due_state": "today",
            "customer": "华星贸易",
            "assignee": "老鲍",
        },
        {
            "id": "t3",
            "title": "每周例会材料",
            "due": now + timedelta(days=2),
            "all_day": True,
            "due_state": "",
            "customer": "",
            "repeat": "每周",
        },
        {
            "id": "t4",
            "title": "寄样品",
            "due": now - timedelta(days=4),
            "due_state": "",
            "customer": "王建国",
            "state": "done",
        },
    ]
    for row in rows:
        row.setdefault("state", "done" if row["id"] in done else "open")
        row |= {"url": f"/h5/tasks/{row['id']}", "done_url": f"/h5/tasks/{row['id']}/completion"}
    return rows


def timeline(now: datetime) -> list[dict[str, Any]]:
    photos = [("/photo/1", "/photo/1"), ("/photo/2", "/photo/2")]
    return [
        {
            "icon": "visit",
            "what": "阿丽 拜访了客户",
            "at": now - timedelta(hours=2),
            "trust": "verified",
            "distance": 86,
            "place": "北京市朝阳区望京街道阜通东大街 6 号方恒国际中心 A 座",
            "text": "见到采购总监。\n价格还差 3%，下周一给答复。",
            "photos": photos,
            "url": "/h5/visits/1",
        },
        {"icon": "visit", "what": "阿丽 拜访了客户", "at": now - timedelta(days=1), "trust": "far", "distance": 5230},
        {"icon": "phone", "what": "老鲍 打了电话", "at": now - timedelta(days=2), "text": "对方在开会，约周三再聊。"},
        {"icon": "check", "tone": "done", "what": "阿丽 完成了待办：寄样品", "at": now - timedelta(days=4)},
        {"icon": "swap", "tone": "quiet", "what": "负责人由 小查 改为 阿丽", "at": now - timedelta(days=90)},
    ]
