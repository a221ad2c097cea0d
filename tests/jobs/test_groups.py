"""Group robots: who hears of what, few posts instead of many, nothing lost, nobody's phone number."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from tests.jobs.conftest import Firm, make_due, run_due
from wsapp import clock, hosts
from wsapp.connectors.emulator import Fault
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.groups.actions import add_robot, forget_posts, say, switch_robot, try_out
from wsapp.crm.groups.models import GroupNote, GroupPost, GroupRobot
from wsapp.crm.groups.phones import masked
from wsapp.crm.org.models import Department, Membership
from wsapp.crm.visits.actions import log_visit
from wsapp.db import db, new_id
from wsapp.jobs.delivery import line_of_corp

POST_API = {"wecom": "/cgi-bin/webhook/send", "dingtalk": "/robot/send"}


def pasted(firm: Firm) -> dict[str, str]:
    if firm.host == "wecom":
        from wsapp.connectors.wecom.emulator_demo import ROBOT_KEY

        return {"webhook": f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={ROBOT_KEY}"}
    from wsapp.connectors.dingtalk.emulator import ROBOT_SECRET, ROBOT_TOKEN

    return {"webhook": f"https://oapi.dingtalk.com/robot/send?access_token={ROBOT_TOKEN}", "secret": ROBOT_SECRET}


def make_robot(firm: Firm, **values: Any) -> GroupRobot:
    """Add a robot of the sample firm's group; commits."""
    robot_id = new_id()
    address = line_of_corp()[1].robot_address(pasted(firm))
    events = ["visit.checked_in", "customer.created", "task.overdue"]
    whole = {"name": "战报", "events": events, "hours": "", **values}
    robot = add_robot(
        whole, robot_id=robot_id, address=hosts.seal_robot_address(robot_id, address), actor=firm.seller()
    )
    db.session.commit()
    return robot


def group(firm: Firm) -> list[dict[str, Any]]:
    """Return what stands in the group."""
    return list(firm.emulator.groups.all())


def notes(robot: GroupRobot, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        card = {"title": f"动态{number:02d}", "text": "", "lines": [], "url": "/h5/"}
        say(robot, "visit.checked_in", card, key=f"k{number}")
    db.session.commit()


def posts() -> list[GroupPost]:
    db.session.rollback()
    found = sa.select(GroupPost).order_by(GroupPost.created_at).execution_options(populate_existing=True)
    return list(db.session.scalars(found))


def robot_now() -> GroupRobot:
    db.session.rollback()
    return db.session.execute(sa.select(GroupRobot).execution_options(populate_existing=True)).scalar_one()


KINDS = ("event", "group.post")


def test_the_group_hears_of_visits_and_customers(firm: Firm) -> None:
    make_robot(firm)
    seller = firm.seller()
    customer = create_customer({"name": "深圳市森林木业家居股份有限公司", "phones": ["13800138000"]}, actor=seller)
    log_visit(customer, {"note": "见到王总 13800138001，下周二 0755-82345678 回电"}, actor=seller)
    db.session.commit()
    run_due(firm.app, kinds=KINDS)
    first, second = group(firm)
    assert f"{seller.name} 新建了客户 深圳市森林木业家居股份有限公司" in first["text"]
    assert f"{seller.name} 拜访了 深圳市森林木业家居股份有限公司" in second["text"]
    assert "138****01" in second["text"].replace("＊", "*")
    assert "13800138001" not in second["text"]
    assert "82345678" not in second["text"]
    assert [one.state for one in posts()] == ["sent", "sent"]


def test_a_department_robot_tells_of_its_own_people(firm: Firm) -> None:
    seller = firm.seller()
    home = db.session.scalars(sa.select(Membership.department_id).where(Membership.member_id == seller.id)).first()
    now = clock.now()
    db.session.add(Department(id="999", name="别处", parent_id="1", path="/1/999/", sort=0, checked_at=now))
    db.session.commit()
    make_robot(firm, name="本组", department=home)
    make_robot(firm, name="别处", department="999")
    make_robot(firm, name="只看拜访", events=["visit.checked_in"])
    create_customer({"name": "华星家具"}, actor=seller)
    db.session.commit()
    run_due(firm.app, kinds=KINDS)
    assert len(group(firm)) == 1


def test_ten_singly_then_merged_and_never_too_fast(firm: Firm) -> None:
    robot = make_robot(firm)
    with time_machine.travel(clock.now(), tick=False) as moment:
        notes(robot, 10)
        run_due(firm.app, kinds=KINDS)
        assert len(group(firm)) == 10
        notes(robot, 30, first=10)
        run_due(firm.app, kinds=KINDS)
        assert len(group(firm)) == 10  # the rest waits for its minute
        moment.shift(61)
        run_due(firm.app, kinds=KINDS)
        last = group(firm)[-1]
        assert len(group(firm)) == 11
        assert "30 条新动态" in last["text"]
        assert all(f"动态{number:02d}" in last["text"] for number in range(10, 40))
        moment.shift(3600)
        run_due(firm.app, kinds=KINDS)
        assert len(group(firm)) == 11
    assert [one.notes for one in posts()] == [1] * 10 + [30]


def test_a_burst_becomes_one_post(firm: Firm) -> None:
    notes(make_robot(firm), 60)
    run_due(firm.app, kinds=KINDS)
    (said,) = group(firm)
    assert "60 条新动态" in said["text"]
    assert db.session.scalar(sa.select(sa.func.count()).select_from(GroupNote).where(GroupNote.state == "posted")) == 60


def test_outside_its_hours_a_robot_waits(firm: Firm) -> None:
    night = clock.now().replace(hour=16, minute=0)  # midnight in Shanghai
    with time_machine.travel(night, tick=False) as moment:
        robot = make_robot(firm, hours="08:00-21:00")
        notes(robot, 2)
        run_due(firm.app, kinds=KINDS)
        assert group(firm) == []
        try_out(robot, actor=firm.seller())
        db.session.commit()
        run_due(firm.app, kinds=KINDS)
        assert len(group(firm)) == 1  # a test does not wait
        moment.shift(timedelta(hours=8, minutes=1))
        firm.emulator.clock.offset = 0
        run_due(firm.app, kinds=KINDS)
    assert len(group(firm)) == 3


def test_a_lost_answer_is_tried_again_with_the_same_bytes(firm: Firm) -> None:
    notes(make_robot(firm), 1)
    firm.emulator.faults.append(Fault(POST_API[firm.host], "reset_after"))
    run_due(firm.app, kinds=KINDS)
    (post,) = posts()
    assert (post.state, post.unknown, post.attempts) == ("sending", True, 1)
    body = post.body
    make_due("group.post")
    run_due(firm.app, kinds=KINDS)
    (post,) = posts()
    assert (post.state, post.attempts, post.body) == ("sent", 2, body)
    assert "可能重复" in post.reason
    assert len(group(firm)) == (1 if firm.host == "dingtalk" else 2)  # only one host knows posts again


def test_a_robot_that_is_gone_is_switched_off_and_says_why(firm: Firm) -> None:
    robot = make_robot(firm)
    its_own = pasted(firm)["webhook"].rpartition("=")[2]
    for told in firm.emulator.groups.groups.values():  # every sample firm has such a group
        if its_own in told.robots:
            told.robots[its_own].removed = True
    notes(robot, 3)
    run_due(firm.app, kinds=KINDS)
    gone = robot_now()
    assert not gone.enabled
    assert gone.fault.split()[0] in ("93000", "300005")
    assert {one.state for one in posts()} == {"failed"}
    assert db.session.scalars(sa.select(GroupNote.state).distinct()).all() == ["dropped"]


def test_a_robot_switched_off_says_nothing_more(firm: Firm) -> None:
    robot = make_robot(firm)
    notes(robot, 2)
    switch_robot(robot, on=False, actor=firm.seller())
    db.session.commit()
    run_due(firm.app, kinds=KINDS)
    assert group(firm) == []


def test_a_busy_robot_does_not_stop_the_corp(firm: Firm) -> None:
    robot = make_robot(firm)
    code = {"wecom": "45009", "dingtalk": "660026"}[firm.host]
    fault = Fault(POST_API[firm.host], "code", times=9, options={"code": code, "message": "too fast"})
    firm.emulator.faults.append(fault)
    notes(robot, 1)
    firm.task()
    run_due(firm.app, kinds=(*KINDS, "remind", "send"))
    assert len(firm.chat()) == 1
    assert posts()[0].state == "sending"


def test_the_address_is_sealed_and_bound_to_its_robot(firm: Firm) -> None:
    one, other = make_robot(firm), make_robot(firm)
    for secret in pasted(firm).values():
        assert secret.rpartition("=")[2] not in one.address
    address = hosts.open_robot_address(one)
    assert address.key not in repr(address)
    other.address = one.address
    with pytest.raises(Exception, match="does not open"):
        hosts.open_robot_address(other)


def test_old_posts_are_forgotten(firm: Firm) -> None:
    notes(make_robot(firm), 1)
    run_due(firm.app, kinds=KINDS)
    forget_posts(clock.now() - timedelta(days=90))
    assert len(posts()) == 1
    forget_posts(clock.now() + timedelta(seconds=1))
    db.session.commit()
    assert posts() == []
    assert db.session.scalars(sa.select(GroupNote)).all() == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("13800138000", "138****00"),
        ("请打 138 0013 8000。", "请打 138****00。"),
        ("138-0013-8000", "138****00"),
        ("+86 13800138000", "861****00"),
        ("１３８００１３８０００", "１３８****００"),
        ("0755-82345678", "075****78"),
        ("(010) 6234 5678", "010****78"),
        ("400-820-8820", "400****20"),
        ("82345678", "823****78"),
        ("+1 415 555 2671", "141****71"),
        ("2026-11-22 14:30 订 12,000 件，价 88.50", "2026-11-22 14:30 订 12,000 件，价 88.50"),
        ("第 3 单 150 万", "第 3 单 150 万"),
    ],
)
def test_phone_numbers_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
