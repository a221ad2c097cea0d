"""What becomes of the rows of a spreadsheet."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.crm.transfer.conftest import csv_bytes, run_import, xlsx_bytes
from wsapp.crm.customers.actions import change_customer, create_customer
from wsapp.crm.customers.contacts import add_contact
from wsapp.crm.customers.merge import merge_customers
from wsapp.crm.customers.models import Contact, Customer, CustomerPhone
from wsapp.crm.customers.queries import find_customer
from wsapp.crm.customers.tags import known_tags
from wsapp.crm.events.models import Event
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.org.rules import set_rules
from wsapp.crm.transfer import imports, running
from wsapp.crm.transfer.models import ImportBatch, ImportJob
from wsapp.db import Base, db
from wsapp.problems import Forbidden, Invalid

Bring = Callable[..., ImportJob]
HEADING = ["客户名称", "手机", "级别", "负责人", "标签", "下次跟进时间", "备注"]


def customers() -> dict[str, Customer]:
    db.session.expire_all()
    return {one.name: one for one in db.session.scalars(sa.select(Customer))}


def counts(job: ImportJob) -> tuple[int, int, int, int]:
    return job.created, job.updated, job.skipped, job.failed


def test_rows_become_customers_with_phones_owner_and_event(bring: Bring, bob: Member, ali: Member) -> None:
    rows = [HEADING, ["华星木业", "138 0013 8000", "A级", "阿丽", "重点，展会", "2030/5/1 9:30", "老客户"]]
    job = bring(bob, csv_bytes(rows, "gb18030"))
    assert (job.state, job.total, job.done, counts(job)) == ("done", 1, 1, (1, 0, 0, 0))
    made = customers()["华星木业"]
    assert (made.owner_id, made.creator_id, made.level, made.tags) == (ali.id, bob.id, "A", ["重点", "展会"])
    assert made.department_id == ali.main_department_id
    assert made.phones == ["13800138000"]
    assert made.next_follow_at == datetime(2030, 5, 1, 1, 30, tzinfo=UTC)
    event = db.session.scalars(sa.select(Event).where(Event.kind == "customer.created")).one()
    assert (event.customer_id, event.actor_id, event.data["import"]) == (made.id, bob.id, job.id)
    finished = db.session.scalars(sa.select(Event).where(Event.kind == "import.finished")).one()
    assert (finished.subject_id, finished.data["created"]) == (job.id, 1)


def test_up_to_three_contacts_of_a_row(bring: Bring, ali: Member) -> None:
    rows = [
        ["公司名称", "联系人", "联系人电话", "联系人2", "联系人2电话", "联系人2职务"],
        ["华星木业", "王经理", "13900139000", "李工", "0755-26001234", "采购"],
    ]
    job = bring(ali, csv_bytes(rows))
    assert counts(job) == (1, 0, 0, 0)
    found = {one.name: one for one in db.session.scalars(sa.select(Contact))}
    assert found["王经理"].phones == ["13900139000"]
    assert found["王经理"].is_primary
    assert (found["李工"].title, found["李工"].is_primary) == ("采购", False)


def test_cells_of_a_workbook(bring: Bring, ali: Member) -> None:
    rows = [
        ["客户名称", "手机", "下次跟进", "规模", "备注"],
        ["日期是数字的公司", 13800138001.0, 47604.5, 200, "6217001234567890123"],
        ["日期是日期的公司", "13800138002", date(2030, 5, 1), None, None],
        [('=CONCATENATE("算","出来的公司")', "算出来的公司"), None, None, None, None],
        ["号码被改写的公司", None, None, None, 6217001234567890123],
        ["合并的公司一", "13800138003", None, "", ""],
        ["合并的公司二", "13800138004", None, None, None],
    ]
    job = bring(ali, xlsx_bytes(rows, merged=[(5, 3, 6, 3, "50-100人")]), name="客户.xlsx")
    made = customers()
    assert counts(job) == (5, 0, 0, 1)
    assert imports.told(job)[0]["row"] == 5
    assert imports.told(job)[0]["field"] == "note"
    assert made["日期是数字的公司"].next_follow_at == datetime(2030, 5, 1, 4, tzinfo=UTC)
    assert made["日期是数字的公司"].phones == ["13800138001"]
    assert (made["日期是数字的公司"].size, made["日期是数字的公司"].note) == ("200", "6217001234567890123")
    assert made["日期是日期的公司"].next_follow_at == datetime(2030, 4, 30, 16, tzinfo=UTC)
    assert "算出来的公司" in made
    assert (made["合并的公司一"].size, made["合并的公司二"].size) == ("50-100人", "50-100人")


def test_what_is_wrong_is_said_by_row_and_field(bring: Bring, ali: Member) -> None:
    rows = [
        HEADING,
        ["", "13800138000"],
        ["华", ""],
        ["电话不对的公司", "12345"],
        ["科学计数的公司", "1.38E+10"],
        ["等级不对的公司", "", "Z"],
        ["没有此人的公司", "", "", "张无忌"],
        ["别人的公司", "", "", "小查"],
        ["时间不对的公司", "", "", "", "", "2026-13-45"],
        ["好的公司", "+86 13800138009"],
    ]
    job = bring(ali, csv_bytes(rows))
    told = {(one["row"], one["field"]) for one in imports.told(job)}
    assert counts(job) == (1, 0, 0, 8)
    assert told == {
        (2, "name"),
        (3, "name"),
        (4, "phones"),
        (5, "phones"),
        (6, "level"),
        (7, "owner"),
        (8, "owner"),
        (9, "next_follow_at"),
    }


def test_owners_are_found_by_account_name_department_and_phone(
    bring: Bring, ali: Member, bob: Member, cha: Member, guan: Member
) -> None:
    db.session.merge(cha).name = "阿丽"
    db.session.merge(bob).phone = "+86-13800138111"
    db.session.commit()
    told = ("ALI", "阿丽（财务部）", "阿丽 (华南销售部)", "阿丽（ali）", "138 0013 8111", 13800138111.0, "阿丽")
    rows = [["客户名称", "负责人"], *([f"第{n}家公司", who] for n, who in enumerate(told))]
    job = bring(guan, xlsx_bytes(rows), name="客户.xlsx")
    owners = {name: one.owner_id for name, one in customers().items()}
    assert [owners[f"第{n}家公司"] for n in range(6)] == [ali.id, cha.id, ali.id, ali.id, bob.id, bob.id]
    (ambiguous,) = imports.told(job)
    assert (ambiguous["row"], ambiguous["field"]) == (8, "owner")
    assert "有 2 位成员叫“阿丽”" in ambiguous["message"]


def test_duplicates_in_the_file_and_in_the_book(bring: Bring, ali: Member, cha: Member) -> None:
    create_customer({"name": "早就有的公司", "phones": ["13800138000"]}, actor=db.session.merge(ali))
    create_customer({"name": "小查的公司", "phones": ["13800138001"]}, actor=db.session.merge(cha))
    db.session.commit()
    rows = [
        HEADING,
        ["换了名字的公司", "13800138000"],
        ["看不见的公司", "13800138001"],
        ["新公司", "13800138002"],
        ["新公司有限公司", ""],
        ["另一家公司", "13800138002"],
    ]
    job = bring(ali, csv_bytes(rows))
    assert counts(job) == (1, 0, 4, 0)
    told = {one["row"]: one["message"] for one in imports.told(job, ("skipped",))}
    assert told[2] == "与已有客户“早就有的公司”重复"
    assert "小查" not in told[3]
    assert (told[5], told[6]) == ("与第 4 行重复", "与第 4 行重复")
    refused = bring(ali, csv_bytes(rows), on_duplicate="fail")
    assert counts(refused) == (0, 0, 0, 5)


def test_the_same_file_twice_makes_nothing_new(bring: Bring, ali: Member) -> None:
    body = csv_bytes([HEADING, *([f"第{n}家公司", f"138001380{n:02}"] for n in range(30)), ["没有电话的公司"]])
    assert counts(bring(ali, body)) == (31, 0, 0, 0)
    for how in ("skip", "fill", "update"):
        again = bring(ali, body, on_duplicate=how)
        assert counts(again) == (0, 0, 31, 0), how


@pytest.mark.parametrize(("how", "level", "source"), [("fill", "A", "展会"), ("update", "B", "展会")])
def test_filling_what_is_empty_and_overwriting(bring: Bring, ali: Member, how: str, level: str, source: str) -> None:
    old = create_customer(
        {"name": "华星木业", "level": "A", "phones": ["13800138000"], "tags": ["老"]}, actor=db.session.merge(ali)
    )
    db.session.commit()
    rows = [["客户名称", "级别", "来源", "电话", "标签"], ["华星木业", "B", "展会", "13800138001", "新"]]
    job = bring(ali, csv_bytes(rows), on_duplicate=how)
    assert counts(job) == (0, 1, 0, 0)
    now = customers()["华星木业"]
    assert (now.id, now.level, now.source, now.version) == (old.id, level, source, 2)
    assert now.phones == (["13800138000", "13800138001"] if how == "update" else ["13800138000"])
    assert now.tags == (["老", "新"] if how == "update" else ["老"])


def test_a_colleagues_customer_is_never_changed(bring: Bring, ali: Member, cha: Member) -> None:
    create_customer({"name": "小查的公司", "phones": ["13800138001"]}, actor=db.session.merge(cha))
    db.session.commit()
    job = bring(ali, csv_bytes([HEADING, ["小查的公司", "13800138001", "A"]]), on_duplicate="update")
    assert counts(job) == (0, 0, 1, 0)
    assert customers()["小查的公司"].level is None


def test_a_rehearsal_tells_the_same_and_writes_nothing(bring: Bring, ali: Member) -> None:
    rows = [HEADING, *([f"第{n % 700}家公司", "", "A", "", "新标签"] for n in range(1_200)), ["", ""], ["x", "123"]]
    untouched = snapshot()
    rehearsed = bring(ali, csv_bytes(rows), dry_run=True)
    assert not customers()
    assert snapshot() == untouched
    taken = bring(ali, csv_bytes(rows))
    assert counts(rehearsed) == counts(taken) == (700, 0, 500, 1)
    for outcomes in (("failed",), ("skipped",)):
        assert imports.told(rehearsed, outcomes) == imports.told(taken, outcomes)


def test_everybody_has_the_meaning_of_their_headings_remembered(here: Flask, ali: Member, bob: Member) -> None:
    own, body = db.session.merge(ali), csv_bytes([["抬头", "甲方"], ["某公司", "展会"]])
    job = imports.upload(_io(body), "a.csv", actor=own)
    assert job.mapping == ["", ""]
    with pytest.raises(Invalid):
        imports.prepare(job, actor=own)
    imports.prepare(job, actor=own, mapping=["name", "source"])
    db.session.commit()
    assert imports.upload(_io(body), "b.csv", actor=own).mapping == ["name", "source"]
    assert imports.upload(_io(body), "c.csv", actor=db.session.merge(bob)).mapping == ["", ""]  # what they mean by it


NUMBERS = ["客户名称", "电话", "联系人", "联系人电话"]


def reached(ali: Member, cha: Member) -> list[str]:
    """Have 阿丽's and 小查's customers with contacts; returns the ids of hers."""
    own, other = db.session.merge(ali), db.session.merge(cha)
    made = [create_customer({"name": "早就有的公司", "phones": ["13800138000"]}, actor=own)]
    add_contact(made[0], {"name": "王建国", "phones": ["13900139000"]}, actor=own)
    hidden = create_customer({"name": "小查的公司"}, actor=other)
    add_contact(hidden, {"name": "李工", "phones": ["13700137000"]}, actor=other)
    db.session.commit()
    return [one.id for one in made]


def test_a_number_that_reaches_somebody_through_a_contact(bring: Bring, ali: Member, cha: Member) -> None:
    (old_id,) = reached(ali, cha)
    rows = [
        NUMBERS,
        ["电话是别人联系人的", "13900139000", "", ""],
        ["联系人是别人联系人的", "", "老王", "139-0013-9000"],
        ["联系人的电话是别家的", "", "前台", "13800138000"],
        ["看不见的联系人", "", "小李", "13700137000"],
        ["一人管两家之一", "", "陈姐", "13600136000"],
        ["一人管两家之二", "", "陈姐", "13600136000"],
    ]
    job = bring(ali, csv_bytes(rows))
    assert counts(job) == (2, 0, 4, 0)
    told = {one["row"]: (one["field"], one["message"]) for one in imports.told(job, ("skipped",))}
    assert told[2] == ("phones", "与已有客户“早就有的公司”重复")
    assert {row: field for row, (field, _words) in told.items()} == {
        2: "phones",
        3: "contact1.phones",
        4: "contact1.phones",
        5: "contact1.phones",
    }
    assert "小查" not in told[5][1]
    changed = bring(ali, csv_bytes([[*NUMBERS, "级别"], [*rows[1], "A"], [*rows[2], "B"]]), on_duplicate="update")
    assert counts(changed) == (0, 1, 1, 0)  # who shares a contact with a customer may be another one
    assert (customers()["早就有的公司"].id, customers()["早就有的公司"].level) == (old_id, "A")


def test_who_is_reached_is_added_where_it_is_said_or_nobody_looks(bring: Bring, ali: Member, cha: Member) -> None:
    reached(ali, cha)
    body = csv_bytes([NUMBERS, ["另一家公司", "", "老王", "13900139000"]])
    set_rules({"duplicates.contact": "block"})
    assert counts(bring(ali, body, on_duplicate="add")) == (0, 0, 1, 0)
    set_rules({"duplicates.contact": "warn"})
    assert counts(bring(ali, body, on_duplicate="add", dry_run=True)) == (1, 0, 0, 0)
    assert counts(bring(ali, body, on_duplicate="fail")) == (0, 0, 0, 1)
    set_rules({"duplicates.contact": "off"})
    assert counts(bring(ali, body)) == (1, 0, 0, 0)


def test_a_title_above_the_heading_is_passed_over(bring: Bring, ali: Member) -> None:
    rows = [["2026 年客户资料表"], ["客户名称", "电话"], ["华星木业", "12"], ["恒昌家具", ""]]
    job = bring(ali, csv_bytes(rows))
    assert counts(job) == (1, 0, 0, 1)
    assert imports.told(job)[0]["row"] == 3


def test_who_may_not_import_is_refused(here: Flask, ali: Member) -> None:
    own = db.session.merge(ali)
    own.roles = ["reader"]
    db.session.flush()
    with pytest.raises(Forbidden):
        imports.upload(_io(csv_bytes([HEADING, ["x" * 5]])), "a.csv", actor=own)


def test_follow_ups_keep_their_author_and_their_time(bring: Bring, bob: Member, ali: Member) -> None:
    customer = create_customer({"name": "华星木业", "phones": ["13800138000"]}, actor=db.session.merge(ali))
    db.session.commit()
    rows = [
        ["客户名称", "跟进时间", "跟进方式", "跟进内容", "跟进人"],
        ["华星木业", "2021-03-04 10:20", "电话", "谈了价格", "阿丽（ali）"],
        ["华星木业", "2021-03-05 10:20", "微信", "发了样品", "ali"],
        ["华星木业", "2021-03-05 10:20", "微信", "发了样品", "ali"],
        ["没有的公司", "2021-03-05", "电话", "x", ""],
        ["华星木业", "", "电话", "没有时间", ""],
    ]
    job = bring(bob, csv_bytes(rows), obj="follow_up")
    assert counts(job) == (2, 0, 1, 2)
    found = list(db.session.scalars(sa.select(FollowUp).order_by(FollowUp.happened_at)))
    assert [(one.author_id, one.text, one.kind) for one in found] == [
        (ali.id, "谈了价格", "phone"),
        (ali.id, "发了样品", "wechat"),
    ]
    assert found[0].happened_at == datetime(2021, 3, 4, 2, 20, tzinfo=UTC)
    assert customers()["华星木业"].last_followed_at == found[1].happened_at
    undo(job, bob)
    assert not list(db.session.scalars(sa.select(FollowUp)))
    assert customers()["华星木业"].last_followed_at is None
    assert find_customer(customer.id, actor=db.session.merge(ali))


def test_follow_ups_of_a_customer_that_was_merged_since_are_the_winners(bring: Bring, ali: Member, cha: Member) -> None:
    own = db.session.merge(ali)
    winner, loser = (create_customer({"name": name}, actor=own) for name in ("华星木业", "华星木业龙江分店"))
    merge_customers(loser, winner, actor=own)
    db.session.commit()
    rows = [["客户编号", "跟进时间", "跟进内容"], [loser.id, "2021-03-04 10:20", "谈了价格"]]
    assert counts(bring(cha, csv_bytes(rows), obj="follow_up")) == (0, 0, 0, 1)
    assert counts(bring(ali, csv_bytes(rows), obj="follow_up")) == (1, 0, 0, 0)
    assert list(db.session.scalars(sa.select(FollowUp.customer_id))) == [winner.id]


# --- taking back --------------------------------------------------------------------------------------------------


def undo(job: ImportJob, actor: Member) -> ImportJob:
    imports.ask_undo(job, actor=db.session.merge(actor))
    db.session.commit()
    while (found := running.held(job.id)) is not None and imports.undo_next(found):
        db.session.commit()
    db.session.commit()
    assert found is not None
    return found


def snapshot() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the book's tables, as the database holds them."""
    db.session.commit()
    names = ("customer", "customer_phone", "contact", "follow_up", "coworker", "visit", "task", "member")
    names += ("customer_key", "stage_change", "search_entry", "tag")
    with db.engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(sa.select(Base.metadata.tables[name])).all())) for name in names
        }


def test_taking_an_import_back_leaves_the_tables_as_they_were(bring: Bring, ali: Member) -> None:
    own = db.session.merge(ali)
    for n in range(40):
        values = {"name": f"旧{n}号公司", "phones": [f"139001390{n:02}"], "tags": ["旧"], "level": "C"}
        create_customer(values, actor=own)
    before = snapshot()
    rows = [[*HEADING, "联系人"]]
    rows += [[f"旧{n}号公司", f"137001370{n:02}", "A", "", "新", "2030-01-01", "改了", ""] for n in range(40)]
    rows += [[f"新{n}号公司", f"136001{n:05}", "B", "", "新", "", "", "王经理"] for n in range(700)]
    job = bring(ali, csv_bytes(rows), on_duplicate="update")
    assert counts(job) == (700, 40, 0, 0)
    assert snapshot() != before
    assert "新" in known_tags()
    undone = undo(job, ali)
    assert "新" not in known_tags()
    assert (undone.state, undone.undone, undone.kept) == ("undone", 740, 0)
    assert snapshot() == before


def test_what_people_touched_since_stays(bring: Bring, ali: Member) -> None:
    job = bring(ali, csv_bytes([HEADING, ["甲公司", "13800138000"], ["乙公司", "13800138001"]]))
    own = db.session.merge(ali)
    change_customer(customers()["甲公司"], {"level": "A"}, actor=own)
    db.session.commit()
    undone = undo(job, ali)
    assert (undone.undone, undone.kept) == (1, 1)
    assert set(customers()) == {"甲公司"}
    assert [one["row"] for one in imports.kept_rows(undone)] == [2]


def test_an_import_that_was_broken_off_goes_on_where_it_was(here: Flask, ali: Member) -> None:
    own = db.session.merge(ali)
    rows = [HEADING, *([f"第{n % 1000}家公司", ""] for n in range(1_300))]
    job = imports.upload(_io(csv_bytes(rows)), "a.csv", actor=own)
    imports.prepare(job, actor=own)
    imports.start(job)
    db.session.commit()
    lots = running.open_lots(job.id)
    running.run_batch(lots)
    db.session.commit()
    running.run_batch(lots)
    db.session.rollback()  # as a worker does that is killed in the middle of a lot
    again = run_import(job)
    assert counts(again) == (1_000, 0, 300, 0)
    assert again.done == again.total == 1_300
    assert {one["message"] for one in imports.told(again, ("skipped",))} == {f"与第 {n} 行重复" for n in range(2, 302)}
    numbers = list(db.session.scalars(sa.select(ImportBatch.number).order_by(ImportBatch.number)))
    assert numbers == [0, 1]


def test_dates_of_the_sheet_are_days_on_the_wall(bring: Bring, ali: Member) -> None:
    job = bring(ali, xlsx_bytes([["客户名称", "下次跟进"], ["甲公司", date(2030, 1, 2)]]), name="a.xlsx")
    assert counts(job) == (1, 0, 0, 0)
    assert customers()["甲公司"].next_follow_at == datetime(2030, 1, 1, 16, tzinfo=UTC)
    assert not list(db.session.scalars(sa.select(CustomerPhone)))


def _io(body: bytes) -> Any:
    import io

    return io.BytesIO(body)
