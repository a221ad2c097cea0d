"""A corp's own fields on the phone: the form draws them, says what is wrong, and the record shows them."""

import html
import io
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.models import Contact, Customer
from wsapp.crm.fields.definitions import add_field
from wsapp.crm.fields.models import OBJECTS
from wsapp.crm.fields.roles import rule_field
from wsapp.crm.org.models import Member
from wsapp.crm.org.roles import Role
from wsapp.crm.org.standing import changed
from wsapp.db import corp_scope, db, first, new_id, rows
from wsapp.files import StoredFile
from wsapp.house import zone


@pytest.fixture
def define(app: Flask, cast: Cast, guan: Member) -> Any:
    """`define(key, type, label, …)` adds a field for customers."""

    def add(key: str, kind: str, label: str, **more: Any) -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            add_field({"object": "customer", "key": key, "type": kind, "label": label, **more}, actor=guan)
            db.session.commit()

    return add


@pytest.fixture
def phone(ali: Member, sign_in: Any) -> FlaskClient:
    client: FlaskClient = sign_in(ali)
    return client


def post(phone: FlaskClient, path: str, values: dict[str, Any]) -> Any:
    page = phone.get("/h5/customers/new").text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    return phone.post(path, data={"csrf_token": token, **values})


ALL = {
    "custom.brand": "红双喜",
    "custom.story": "第一行\r\n第二行",
    "custom.area": "1,200.5",
    "custom.budget": "3000",
    "custom.share": "12.5",
    "custom.opened": "2020-05-01",
    "custom.hour": "09:30",
    "custom.chain": "1",
    "custom.grade": "乙",
    "custom.lines": ["", "家具", "灯具"],
    "custom.zone": "华南/深圳",
    "custom.keeper": "",
    "custom.home": "2",
    "custom.line": "0755-22223333",
    "custom.mail": "a@example.com",
    "custom.site": "example.com",
    "custom.place": "大良街道 8 号",
    "custom.place.at": "22.84,113.25",
    "custom.goods.0.name": "椅子",
    "custom.goods.0.n": "4",
    "custom.goods.1.name": "",
    "custom.goods.1.n": "",
}


def test_every_type_is_filled_in_and_shown(define: Any, phone: FlaskClient, ali: Member) -> None:
    define("brand", "text", "主营品牌", hint="门头上写的")
    define("story", "long_text", "合作经过")
    define("more", "heading", "经营情况")
    define("area", "number", "门店面积", unit="㎡")
    define("budget", "money", "年度预算")
    define("share", "percent", "市场份额")
    define("opened", "date", "开业日期")
    define("hour", "time", "营业时间")
    define("chain", "yes_no", "连锁门店")
    define("grade", "single", "信用等级", options=["甲", "乙"])
    define("lines", "multiple", "经营品类", options=["家具", "灯具", "五金"])
    define("zone", "cascading", "大区", options=["华东/上海", "华南/深圳"])
    define("keeper", "person", "跟单员")
    define("home", "department", "归口部门")
    define("line", "phone", "仓库电话")
    define("mail", "mail", "对账邮箱")
    define("site", "link", "网店")
    define("place", "address", "收货地址")
    columns = [{"key": "name", "label": "品名"}, {"key": "n", "label": "数量", "type": "number"}]
    define("goods", "sub_table", "常购商品", columns=columns)
    define("number", "serial", "客户编号", prefix="KH", digits=4)
    define("per", "formula", "每平米预算", formula="ROUND(budget / area, 2)")
    form = phone.get("/h5/customers/new").text
    for words in (
        "主营品牌",
        "门头上写的",
        "经营情况",
        "门店面积（㎡）",
        "华南",
        "阿丽",
        "华南销售部",
        "保存后自动生成",
        "品名",
    ):
        assert words in form
    keeper = {"custom.keeper": ali.id}
    answer = post(phone, "/h5/customers", {"name": "佛山市华星家具有限公司", **ALL, **keeper})
    assert answer.status_code == 303, answer.text
    page = phone.get(answer.location).text
    for words in (
        "红双喜",
        "第二行",
        "1,200.5 ㎡",
        "¥3,000.00",
        "12.5%",
        "2020-05-01",
        "乙",
        "家具、灯具",
        "华南 / 深圳",
        "阿丽",
        "华南销售部",
        "075522223333",
        "a@example.com",
        "https://example.com",
        "大良街道 8 号",
        "品名 椅子，数量 4",
        "KH0001",
        "2.5",
    ):
        assert words in page, words
    edit = phone.get(answer.location + "/edit").text
    assert 'value="22.84,113.25"' in edit
    assert 'value="椅子"' in edit
    again = post(
        phone, answer.location, {"name": "佛山市华星家具有限公司", "version": "1", **ALL, "custom.brand": "永久"}
    )
    assert again.status_code == 303, again.text
    assert "永久" in phone.get(answer.location).text


def test_a_new_form_begins_with_what_is_usual(
    define: Any, phone: FlaskClient, app: Flask, cast: Cast, guan: Member
) -> None:
    define("keeper", "person", "跟单员", default={"from": "user"})
    define("home", "department", "归口部门", default={"from": "department"})
    define("since", "date", "合作日期", default={"from": "today"})
    define("brand", "text", "主营品牌")
    define("margin", "text", "毛利")
    with app.app_context(), corp_scope(cast.corp_id):
        for key, obj in (("brand", "contact"), ("brand", "follow_up"), ("brand", "visit"), ("brand", "task")):
            add_field(
                {"object": obj, "key": key, "type": "text", "label": "品牌", "default": {"from": "parent"}}, actor=guan
            )
        more = {"object": "contact", "key": "margin", "type": "text", "label": "毛利", "default": {"from": "parent"}}
        add_field(more, actor=guan)
        rule_field("customer", "custom.margin", {"seller": "hidden"}, actor=guan)
        today = f"{clock.today(zone()):%Y-%m-%d}"
        db.session.commit()
    form = phone.get("/h5/customers/new").text
    assert f'value="{today}"' in form
    assert "selected>阿丽" in form
    assert "selected>华南销售部" in form
    made = post(phone, "/h5/customers", {"name": "佛山市华星家具有限公司", "custom.since": ""}).location
    edit = phone.get(f"{made}/edit").text
    assert f'value="{today}"' not in edit, "taken away, it does not come back by itself"
    with app.app_context(), corp_scope(cast.corp_id):
        customer = first(sa.select(Customer))
        customer.custom = {**customer.custom, "brand": "红双喜", "margin": "9876"}
        db.session.commit()
    for path in ("contacts/new", "follow-ups/new", "visits/new"):
        page = phone.get(f"{made}/{path}").text
        assert 'value="红双喜"' in page, path
        assert "9876" not in page
    assert 'value="红双喜"' in phone.get(f"/h5/tasks/new?customer={made.rpartition('/')[2]}").text
    assert post(phone, f"{made}/contacts", {"name": "李工"}).status_code == 303
    with app.app_context(), corp_scope(cast.corp_id):
        assert first(sa.select(Contact.custom)) == {"brand": "红双喜"}


def test_what_is_wrong_stands_at_the_field_and_nothing_typed_is_lost(define: Any, phone: FlaskClient) -> None:
    define("brand", "text", "主营品牌", required=True)
    define("area", "number", "门店面积", min=0)
    answer = post(phone, "/h5/customers", {"name": "中山灯具厂", "custom.brand": "", "custom.area": "-3"})
    assert answer.status_code == 422
    assert "请填写“主营品牌”" in answer.text
    assert "不能小于 0" in answer.text
    assert 'value="-3"' in answer.text
    assert "有 2 处需要修改" in answer.text


def test_a_field_that_a_role_hides_is_nowhere(
    define: Any, phone: FlaskClient, app: Flask, cast: Cast, guan: Member
) -> None:
    define("margin", "money", "毛利")
    define("brand", "text", "主营品牌")
    answer = post(phone, "/h5/customers", {"name": "中山灯具厂", "custom.margin": "9876", "custom.brand": "红双喜"})
    with app.app_context(), corp_scope(cast.corp_id):
        rules = {"customer": {"custom.margin": "hidden", "custom.brand": "masked"}}
        now = clock.now()
        db.session.add(
            Role(id=new_id(), key="seller", name="销售", grants={}, fields=rules, created_at=now, updated_at=now)
        )
        db.session.flush()
        changed()
        db.session.commit()
    for path in (answer.location, answer.location + "/edit", "/h5/customers/new"):
        page = phone.get(path).text
        assert "毛利" not in page
        assert "9,876" not in page
        assert "红双喜" not in page
    refused = post(phone, answer.location, {"name": "中山灯具厂二", "version": "1", "custom.margin": "1"})
    assert refused.status_code == 303
    with app.app_context(), corp_scope(cast.corp_id):
        kept = first(sa.select(Customer.custom).where(Customer.name == "中山灯具厂二"))
        assert kept == {"margin": "9876.00", "brand": "红双喜"}


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_photos_and_documents_are_attached_shown_and_let_go(
    define: Any, phone: FlaskClient, app: Flask, cast: Cast, cha: Member, sign_in: Any
) -> None:
    define("front", "image", "门头照")
    define("papers", "file", "合同附件")
    paper = b"%PDF-1.7\nhello"
    answer = post(
        phone,
        "/h5/customers",
        {
            "name": "佛山市华星家具有限公司",
            "custom.front": "",
            "custom.papers": "",
            "custom.front.files": (io.BytesIO(picture()), "门头.png"),
            "custom.papers.files": (io.BytesIO(paper), "2026 年度\u202e合同.pdf"),
        },
    )
    assert answer.status_code == 303, answer.text
    page = phone.get(answer.location).text
    assert "门头照" in page
    assert "2026 年度合同.pdf" in page
    link = html.unescape(page.split('href="/files/')[-1].split('"')[0])
    sent = phone.get(f"/files/{link}")
    assert sent.data == paper
    assert sent.headers["Content-Disposition"].startswith("attachment")
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    with app.app_context(), corp_scope(cast.corp_id):
        custom = first(sa.select(Customer.custom).where(Customer.name == "佛山市华星家具有限公司"))
        held = {one.part: one.record_id for one in rows(sa.select(StoredFile))}
    assert held == {
        "custom.front": answer.location.rpartition("/")[2],
        "custom.papers": answer.location.rpartition("/")[2],
    }
    stolen = post(sign_in(cha), "/h5/customers", {"name": "别人的客户公司", "custom.papers": custom["papers"]})
    assert stolen.status_code == 422
    assert "有文件已失效" in stolen.text
    assert "合同.pdf" not in stolen.text
    let_go = {
        "name": "佛山市华星家具有限公司",
        "version": "1",
        "custom.front": ["", *custom["front"]],
        "custom.papers": "",
    }
    assert post(phone, answer.location, let_go).status_code == 303
    page = phone.get(answer.location).text
    assert "合同.pdf" not in page
    assert "门头照" in page


def test_a_file_that_is_not_what_it_says_is_refused_and_the_others_stay(define: Any, phone: FlaskClient) -> None:
    define("front", "image", "门头照")
    define("papers", "file", "合同附件")
    answer = post(
        phone,
        "/h5/customers",
        {
            "name": "佛山市华星家具有限公司",
            "custom.front.files": (io.BytesIO(picture()), "门头.png"),
            "custom.papers.files": (io.BytesIO(b"MZ\x90\x00"), "合同.pdf"),
        },
    )
    assert answer.status_code == 422
    assert "内容应与扩展名一致" in answer.text
    assert 'name="custom.front" value="' in answer.text
    assert answer.text.count("thumb=1") == 1


def test_every_form_has_the_fields_of_its_object(app: Flask, cast: Cast, guan: Member, phone: FlaskClient) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        for obj in OBJECTS:
            add_field(
                {"object": obj, "key": "more", "type": "text", "label": f"补充{obj}", "required": True}, actor=guan
            )
            add_field({"object": obj, "key": "shot", "type": "image", "label": f"图片{obj}"}, actor=guan)
        db.session.commit()
    made = post(phone, "/h5/customers", {"name": "佛山市华星家具有限公司", "custom.more": "客户的"})
    assert made.status_code == 303
    here = made.location
    forms = {
        f"{here}/contacts": (f"{here}/contacts/new", {"name": "李工"}, "contact"),
        f"{here}/follow-ups": (f"{here}/follow-ups/new", {"text": "谈了价格"}, "follow_up"),
        f"{here}/visits": (f"{here}/visits/new", {"no_fix_reason": "indoors"}, "visit"),
        "/h5/tasks": ("/h5/tasks/new", {"title": "寄样品", "due_at": "2030-01-31T09:00"}, "task"),
        "/h5/leads": ("/h5/leads/new", {"name": "中山灯具厂"}, "customer"),
    }
    for address, (new, values, obj) in forms.items():
        assert f"补充{obj}" in phone.get(new).text, new
        refused = post(phone, address, values)
        assert refused.status_code == 422, address
        assert f"请填写“补充{obj}”" in refused.text
        front = {"custom.shot.files": (io.BytesIO(picture()), "图.png")}
        answer = post(phone, address, {**values, "custom.more": f"{obj}的补充内容", **front})
        assert answer.status_code == 303, answer.text
        if obj in ("visit", "task", "customer"):
            page = phone.get(answer.location).text
            assert f"{obj}的补充内容" in page
            assert "thumb=1" in page
    with app.app_context(), corp_scope(cast.corp_id):
        contact = first(sa.select(Contact))
    page = phone.get(f"/h5/contacts/{contact.id}").text
    assert "contact的补充内容" in page
    assert "contact的补充内容" in phone.get(f"/h5/contacts/{contact.id}/edit").text
    assert "follow_up的补充内容" in phone.get(here).text


def test_own_fields_cost_a_page_little(define: Any, phone: FlaskClient, app: Flask, ali: Member) -> None:
    """Definitions are kept per process, a record's people are named in one statement, its files found in one."""
    made = post(phone, "/h5/customers", {"name": "佛山市华星家具有限公司"}).location
    pages = ("/h5/customers", made)
    assert all(phone.get(path).status_code == 200 for path in pages)  # what is kept per process is read once
    before = [len(_statements(app, phone, path)) for path in pages]
    for n in range(3):
        define(f"keeper_{n}", "person", f"跟单员{n}", indexed=True)
        define(f"shot_{n}", "image", f"照片{n}")
        define(f"note_{n}", "text", f"备注{n}", indexed=True)
        define(f"long_{n}", "formula", f"字数{n}", formula=f"LEN(note_{n})")
    values = {f"custom.keeper_{n}": ali.id for n in range(3)} | {f"custom.note_{n}": "一二三" for n in range(3)}
    files = {f"custom.shot_{n}.files": (io.BytesIO(picture()), "图.png") for n in range(3)}
    assert post(phone, made, {"name": "佛山市华星家具有限公司", "version": "1", **values, **files}).status_code == 303
    assert all(phone.get(path).status_code == 200 for path in pages)
    after = [len(_statements(app, phone, path)) for path in pages]
    assert after[0] == before[0]
    assert after[1] <= before[1] + 2, _statements(app, phone, made)


def _statements(app: Flask, phone: FlaskClient, path: str) -> list[str]:
    told: list[str] = []

    def listen(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        told.append(statement)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", listen)
    try:
        assert phone.get(path).status_code == 200
    finally:
        sa.event.remove(engine, "before_cursor_execute", listen)
    return told
