"""The daily digest in a department's group: once, of its own people, nobody named, no whole phone number."""

from datetime import datetime
from zoneinfo import ZoneInfo

import time_machine

from tests.jobs.conftest import Firm, run_due
from tests.jobs.test_groups import group, make_robot
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.dashboards.digests import send_digests
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.tasks.actions import create_task
from wsapp.db import db

EVENING = datetime(2027, 3, 1, 18, 30, tzinfo=ZoneInfo("Asia/Shanghai"))


def test_a_departments_group_hears_of_its_day(firm: Firm) -> None:
    seller = firm.seller()
    home = seller.main_department_id
    with time_machine.travel(EVENING, tick=True):
        make_robot(firm, events=["digest.daily"], department=home)
        customer = create_customer({"name": "华星五金 13800138001"}, actor=seller)
        log_follow_up(customer, {"text": "见到王总 13800138001"}, actor=seller)
        create_task({"title": "对账", "due_at": EVENING.replace(hour=9), "reminders": []}, actor=seller)
        db.session.commit()
        for _twice in range(2):
            assert send_digests("daily") == ""
        db.session.commit()
        run_due(firm.app, kinds=("group.post",))
        (post,) = group(firm)
    assert "团队日报 · 3月1日" in post["text"]
    assert "逾期待办" in post["text"]
    assert "1 条" in post["text"]
    assert seller.name not in post["text"]
    assert "13800138001" not in post["text"]


def test_a_group_of_others_hears_nothing_of_it(firm: Firm) -> None:
    with time_machine.travel(EVENING, tick=True):
        make_robot(firm, events=["visit.checked_in"])
        log_follow_up(
            create_customer({"name": "华星五金"}, actor=firm.seller()), {"text": "谈了价格"}, actor=firm.seller()
        )
        send_digests("daily")
        db.session.commit()
        run_due(firm.app, kinds=("group.post",))
        assert group(firm) == []
