"""Forms: saved once, refused with everything typed still there, and told apart when two people edit at once."""

import html
import re
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import PLACE, Book, photo_bytes
from wsapp.crm.customers.models import Customer
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.models import Member
from wsapp.crm.tasks.models import Task
from wsapp.crm.visits.models import Visit
from wsapp.files import StoredFile
from wsapp.outbox import Outbox

Post = Callable[..., Any]
See = Callable[..., str]
RowsOf = Callable[..., list[Any]]
FIX = {**{name: str(value) for name, value in PLACE.items()}, "coordinate": "gcj02"}


# --- new customer ---------------------------------------------------------------------------------------------------


def test_a_new_customer_is_saved_and_opened(post: Post, rows_of: RowsOf, ali: Member, sign_in: Any) -> None:
    client = sign_in(ali)
    answer = post(
        ali,
        "/h5/customers",
        {
            "name": "东海木业",
            "phones": ["138 0013 8001", ""],
            "level": "B",
            "tags": ["老客户"],
            "new_tags": "展会，重点",
        },
        client=client,
    )
    (customer,) = rows_of(Customer, ali)
    assert (answer.status_code, answer.location) == (303, f"/h5/customers/{customer.id}")
    assert (customer.name, customer.phones, customer.level, customer.owner_id) == (
        "东海木业",
        ["13800138001"],
        "B",
        ali.id,
    )
    assert customer.tags == ["老客户", "展会", "重点"]
    page = client.get(answer.location).text
    assert "客户已保存" in page
    assert "138****8001" in page
    assert "13800138001" not in page
    assert "客户已保存" not in client.get(answer.location).text  # said once


def test_htmx_is_led_on_without_fetching_the_page(post: Post, ali: Member) -> None:
    answer = post(ali, "/h5/customers", {"name": "东海木业"}, htmx=True)
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/h5/customers/")


def test_a_form_that_fails_keeps_everything(post: Post, rows_of: RowsOf, ali: Member) -> None:
    typed = {
        "name": "东",
        "phones": ["12345", "13800138001"],
        "kind": "person",
        "level": "C",
        "stage": "intent",
        "address": "厚街镇家具大道 8 号",
        "source": "转介绍",
        "note": "第一行\n第二行",
        "tags": ["重点"],
        "new_tags": "展会",
        "website": "example.com",
        "idempotency_key": "k1",
    }
    answer = post(ali, "/h5/customers", typed)
    assert answer.status_code == 422
    assert rows_of(Customer, ali) == []
    for value in ("东", "12345", "13800138001", "厚街镇家具大道 8 号", "转介绍", "example.com", "展会"):
        assert f'value="{value}"' in answer.text, value
    assert "第一行\n第二行" in answer.text.replace("\r", "")
    for choice in ('value="person" checked', 'value="C" checked', 'value="intent" selected', 'value="重点" checked'):
        assert choice in answer.text, choice
    assert 'name="idempotency_key" value="k1"' in answer.text
    assert "名称应为 2–120 个字" in answer.text
    assert "手机号应为 11 位" in answer.text
    assert answer.text.count('aria-invalid="true"') == 2


def test_the_corrected_form_goes_through_with_the_same_key(post: Post, rows_of: RowsOf, ali: Member) -> None:
    assert post(ali, "/h5/customers", {"name": "东", "idempotency_key": "k1"}).status_code == 422
    assert post(ali, "/h5/customers", {"name": "东海木业", "idempotency_key": "k1"}).status_code == 303
    assert len(rows_of(Customer, ali)) == 1


def test_a_taken_phone_leads_to_its_customer_only_where_that_may_be_seen(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, bob: Member, cha: Member
) -> None:
    for member in (ali, bob):
        answer = post(member, "/h5/customers", {"name": "另一家", "phones": "+86 138-0013-8000"})
        assert answer.status_code == 409
        assert "华星木业有限公司" in answer.text
        assert f"/h5/customers/{book.customer}" in answer.text
    answer = post(cha, "/h5/customers", {"name": "另一家", "phones": "13800138000"})
    assert answer.status_code == 409
    assert "已有相同电话的客户" in answer.text
    assert "华星" not in answer.text
    assert book.customer not in answer.text
    assert len(rows_of(Customer, ali)) == 1


def test_a_similar_name_asks_once(post: Post, rows_of: RowsOf, book: Book, ali: Member, cha: Member) -> None:
    answer = post(ali, "/h5/customers", {"name": "华星木业（深圳）"})
    assert answer.status_code == 409
    assert f'href="/h5/customers/{book.customer}"' in answer.text
    assert "仍然保存" in answer.text
    assert 'name="similar_ok" value="1"' in answer.text
    hidden = post(cha, "/h5/customers", {"name": "华星木业（深圳）"})
    assert hidden.status_code == 409
    assert book.customer not in hidden.text
    assert "华***司（华南销售部、7 天内有跟进）" in hidden.text
    assert post(ali, "/h5/customers", {"name": "华星木业（深圳）", "similar_ok": "1"}).status_code == 303
    assert len(rows_of(Customer, ali)) == 2


# --- once -----------------------------------------------------------------------------------------------------------


def test_the_same_form_twice_writes_once(post: Post, rows_of: RowsOf, book: Book, ali: Member) -> None:
    for path, data, model in (
        ("/h5/customers", {"name": "东海木业"}, Customer),
        (f"/h5/customers/{book.customer}/follow-ups", {"text": "又谈了一次", "kind": "phone"}, FollowUp),
        (f"/h5/customers/{book.customer}/visits", FIX, Visit),
        ("/h5/tasks", {"title": "寄合同", "due_at": "2030-01-02T09:00"}, Task),
    ):
        before = len(rows_of(model, ali))
        answers = [post(ali, path, {**data, "idempotency_key": f"key of {path}"}) for _try in range(3)]
        assert {answer.status_code for answer in answers} == {303}, path
        assert len({answer.location for answer in answers}) == 1, path
        assert len(rows_of(model, ali)) == before + 1, path


def test_a_spent_key_with_another_form_is_asked_about(post: Post, rows_of: RowsOf, ali: Member) -> None:
    assert post(ali, "/h5/customers", {"name": "东海木业", "idempotency_key": "k1"}).status_code == 303
    answer = post(ali, "/h5/customers", {"name": "西山木业", "idempotency_key": "k1"})
    assert answer.status_code == 409
    assert 'value="西山木业"' in answer.text
    assert 'name="idempotency_key" value="k1"' not in answer.text
    assert len(rows_of(Customer, ali)) == 1


def test_keys_of_two_people_do_not_meet(post: Post, rows_of: RowsOf, ali: Member, cha: Member) -> None:
    assert post(ali, "/h5/customers", {"name": "东海木业", "idempotency_key": "k1"}).status_code == 303
    assert post(cha, "/h5/customers", {"name": "西山木业", "idempotency_key": "k1"}).status_code == 303
    assert len(rows_of(Customer, ali)) == 2


def test_two_taps_at_the_same_moment_write_once(
    app: Flask, sign_in: Callable[..., FlaskClient], rows_of: RowsOf, ali: Member
) -> None:
    clients = [sign_in(ali) for _each in range(4)]
    tokens = [client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0] for client in clients]
    together = threading.Barrier(len(clients))
    answers: list[Any] = []

    def tap(client: FlaskClient, token: str) -> None:
        together.wait()
        data = {"csrf_token": token, "name": "东海木业", "idempotency_key": "same"}
        answers.append(client.post("/h5/customers", data=data))

    threads = [threading.Thread(target=tap, args=pair) for pair in zip(clients, tokens, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (customer,) = rows_of(Customer, ali)
    assert [(one.status_code, one.location) for one in answers] == [(303, f"/h5/customers/{customer.id}")] * 4


# --- edit -----------------------------------------------------------------------------------------------------------


def test_two_edits_at_once_show_the_difference_and_lose_nothing(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, bob: Member
) -> None:
    path = f"/h5/customers/{book.customer}"
    first = {"name": "华星木业有限公司", "level": "B", "address": "望京 SOHO", "version": "1"}
    assert post(bob, path, first).status_code == 303
    mine = {"name": "华星木业有限公司", "level": "C", "address": "方恒国际中心", "version": "1"}
    answer = post(ali, path, mine)
    assert answer.status_code == 409
    assert "这条记录刚被修改过" in answer.text
    assert "老鲍" in answer.text
    for words in ("望京 SOHO", "方恒国际中心"):
        assert words in answer.text
    assert 'value="方恒国际中心"' in answer.text
    assert 'name="version" value="2"' in answer.text
    assert "仍按我的保存" in answer.text
    (customer,) = rows_of(Customer, ali)
    assert (customer.level, customer.address) == ("B", "望京 SOHO")
    assert post(ali, path, {**mine, "version": "2"}).status_code == 303
    (customer,) = rows_of(Customer, ali)
    assert (customer.level, customer.address, customer.version) == ("C", "方恒国际中心", 3)
    assert customer.phones == ["13800138000", "075526001234"]  # the short form did not hold them


BEGAN = re.compile(r'name="began" value="([^"]*)"')


def test_what_one_left_as_it_was_is_taken_from_who_saved_meanwhile(
    post: Post, see: See, rows_of: RowsOf, book: Book, ali: Member, bob: Member
) -> None:
    path = f"/h5/customers/{book.customer}"
    page = see(ali, f"{path}/edit")
    began = html.unescape(BEGAN.findall(page)[0])
    named = {"name": "华星木业有限公司", "version": "1"}
    theirs = {**named, "level": "B", "note": "第一行\n第二行", "phones": "13900139000"}
    assert post(bob, path, theirs).status_code == 303
    masked = re.findall(r'name="phones"[^>]*value="([^"]+)"', page)
    assert len(masked) == 2
    mine = {**named, "level": "A", "stage": "dealt", "note": "", "phones": masked}
    answer = post(ali, path, {**mine, "began": began})
    assert answer.status_code == 409
    table = answer.text.partition('class="diff"')[2].partition("</table>")[0]
    assert ("阶段" in table, "级别" in table, "备注" in table, "电话" in table) == (False, False, False, False)
    assert "没有冲突" in answer.text
    assert "已采用对方保存的内容" in answer.text
    for kept in ('value="B" checked', 'value="dealt" selected', "第二行", "139****9000"):
        assert kept in answer.text, kept
    again = {**mine, "level": "B", "note": "第一行\r\n第二行", "phones": ["139****9000"], "version": "2"}
    again["began"] = html.unescape(BEGAN.findall(answer.text)[0])
    assert post(ali, path, again).status_code == 303
    (customer,) = rows_of(Customer, ali)
    assert (customer.level, customer.stage, customer.note) == ("B", "dealt", "第一行\n第二行")


def test_two_edits_of_a_task_show_the_difference(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, bob: Member
) -> None:
    path = f"/h5/tasks/{book.given}"
    form = {"title": "把报价单发我", "due_at": "2030-01-02T09:00", "kind": "follow_up", "version": "1"}
    assert post(bob, path, {**form, "reminders": ["0", "60"]}).status_code == 303
    answer = post(ali, path, {**form, "due_at": "2030-01-03T10:30", "title": "把报价单发老鲍", "reminders": ["15"]})
    assert answer.status_code == 409
    for words in ("2030-01-03 10:30", "2030-01-02 09:00", "把报价单发老鲍", "15 分钟前", "准时、1 小时前"):
        assert words in answer.text, words
    assert 'name="version" value="2"' in answer.text


def test_an_edit_of_what_is_out_of_sight_changes_nothing(
    post: Post, rows_of: RowsOf, book: Book, cha: Member, ivy: Member, ali: Member
) -> None:
    for member in (cha, ivy):
        for path, data in (
            (f"/h5/customers/{book.customer}", {"name": "改了", "version": "1"}),
            (f"/h5/customers/{book.customer}/follow-ups", {"text": "偷看"}),
            (f"/h5/customers/{book.customer}/visits", FIX),
            (f"/h5/visits/{book.visit}/check-out", {"result": "x"}),
            (f"/h5/tasks/{book.today}", {"title": "改了", "due_at": "2030-01-02T09:00"}),
            (f"/h5/tasks/{book.today}/completion", {}),
            (f"/h5/tasks/{book.today}/snooze", {"until": "1h"}),
            (f"/h5/tasks/{book.today}/assignment", {"assignee": member.id}),
            (f"/h5/tasks/{book.today}/cancellation", {}),
        ):
            answer = post(member, path, data)
            assert answer.status_code == 404, path
            assert "华星" not in answer.text
    assert [one.version for one in rows_of(Customer, ali)] == [1]
    assert {one.state for one in rows_of(Task, ali)} == {"open"}
    assert len(rows_of(FollowUp, ali)) == 1
    assert [one.state for one in rows_of(Visit, ali)] == ["in"]


# --- follow-up and visit --------------------------------------------------------------------------------------------


def test_a_follow_up_with_a_next_date_makes_a_task(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, see: Any
) -> None:
    data = {"kind": "wechat", "text": "对方同意试用", "next_at": "2030-01-02T09:00", "next_action": "带样品上门"}
    answer = post(ali, f"/h5/customers/{book.customer}/follow-ups", data)
    assert (answer.status_code, answer.location) == (303, f"/h5/customers/{book.customer}")
    task = next(one for one in rows_of(Task, ali) if one.title == "带样品上门")
    assert task.due_at.isoformat() == "2030-01-02T01:00:00+00:00"  # 09:00 in the corp's zone
    assert task.customer_id == book.customer
    page = see(ali, f"/h5/customers/{book.customer}")
    assert "对方同意试用" in page
    assert "带样品上门" in page


def test_a_follow_up_in_the_future_is_refused_with_its_text(post: Post, book: Book, ali: Member) -> None:
    data = {"kind": "meeting", "text": "写了很久的内容", "happened_at": "2030-01-02T09:00", "next_at": "nonsense"}
    answer = post(ali, f"/h5/customers/{book.customer}/follow-ups", data)
    assert answer.status_code == 422
    assert "写了很久的内容" in answer.text
    assert 'value="meeting" checked' in answer.text
    assert "时间格式不正确" in answer.text
    answer = post(ali, f"/h5/customers/{book.customer}/follow-ups", {**data, "next_at": ""})
    assert "发生时间不能在将来" in answer.text
    assert 'value="2030-01-02T09:00"' in answer.text


def test_a_visit_keeps_place_photos_and_first_location(post: Post, rows_of: RowsOf, ali: Member, see: Any) -> None:
    customer = post(ali, "/h5/customers", {"name": "东海木业"}).location
    photo = {"photo_files": [(_file(), "a.jpg"), (_file(), "b.jpg")]}
    data = {**FIX, "note": "看了仓库", "set_place": "1", "next_at": "2030-01-02T09:00", **photo}
    answer = post(ali, f"{customer}/visits", data)
    (visit,) = rows_of(Visit, ali)
    assert (answer.status_code, answer.location) == (303, f"/h5/visits/{visit.id}")
    (kept,) = rows_of(Customer, ali)
    assert kept.place == (PLACE["lat"], PLACE["lng"])
    assert {one.record_id for one in rows_of(StoredFile, ali)} == {visit.id}
    page = see(ali, answer.location)
    assert page.count("thumb=1") == 2
    assert "看了仓库" in page
    assert "签退" in page
    again = post(ali, f"{customer}/visits", {**FIX, "note": "第二次"})
    assert "位置已核实" in see(ali, again.location)


def test_photos_go_to_ones_own_chat(post: Post, rows_of: RowsOf, ali: Member, cha: Member, see: Any) -> None:
    customer = post(ali, "/h5/customers", {"name": "东海木业"}).location
    photo = {"photo_files": [(_file(), "a.jpg"), (_file(), "b.jpg")]}
    visit = post(ali, f"{customer}/visits", {**FIX, "note": "看了仓库", **photo}).location
    assert "发到我的会话" in see(ali, visit)
    answer = post(ali, f"{visit}/photo-messages", {})
    assert (answer.status_code, answer.location) == (303, visit)
    asked = [one.payload for one in rows_of(Outbox, ali) if one.kind == "photo.send"]
    assert {one["file"] for one in asked} == {one.id for one in rows_of(StoredFile, ali)}
    assert {one["member"] for one in asked} == {ali.id}
    assert post(cha, f"{visit}/photo-messages", {}).status_code == 404
    assert len([one for one in rows_of(Outbox, ali) if one.kind == "photo.send"]) == 2


def _file() -> Any:
    import io

    return io.BytesIO(photo_bytes())


def test_without_a_position_a_reason_is_asked_for(post: Post, rows_of: RowsOf, book: Book, ali: Member) -> None:
    path = f"/h5/customers/{book.customer}/visits"
    answer = post(ali, path, {"note": "在地下室"})
    assert answer.status_code == 422
    assert "请先定位；无法定位时请选择原因" in answer.text
    assert "在地下室" in answer.text
    assert post(ali, path, {"note": "在地下室", "no_fix_reason": "indoor"}).status_code == 303
    visit = rows_of(Visit, ali)[-1]
    assert (visit.trust, visit.no_fix_reason) == ("no_fix", "室内信号弱")


def test_impossible_positions_are_refused(post: Post, rows_of: RowsOf, book: Book, ali: Member) -> None:
    for bad in (
        {"lat": "0", "lng": "0"},
        {"lat": "91", "lng": "181"},
        {"lat": "NaN", "lng": "114"},
        {"lat": "22.5", "lng": "114", "accuracy": "1e9"},
        {"lat": "22.5", "lng": "114", "fixed_at": "yesterday"},
        {"lat": "22.5", "lng": "114", "fixed_at": "2099-01-01T00:00:00Z"},
    ):
        answer = post(ali, f"/h5/customers/{book.customer}/visits", {**bad, "note": "还在"})
        assert answer.status_code == 422, bad
        assert "还在" in answer.text
    assert len(rows_of(Visit, ali)) == 1


def test_a_form_without_script_keeps_its_photos_when_it_fails(
    post: Post, rows_of: RowsOf, book: Book, ali: Member
) -> None:
    path = f"/h5/customers/{book.customer}/follow-ups"
    answer = post(ali, path, {"text": "", "photo_files": [(_file(), "a.jpg")]})
    assert answer.status_code == 422
    loose = next(one for one in rows_of(StoredFile, ali) if one.record_id is None)
    assert f'name="photos" value="{loose.id}"' in answer.text
    assert post(ali, path, {"text": "补上内容", "photos": loose.id}).status_code == 303
    assert all(one.record_id for one in rows_of(StoredFile, ali))


def test_a_broken_photo_is_named_and_nothing_else_lost(post: Post, rows_of: RowsOf, book: Book, ali: Member) -> None:
    import io

    data = {"text": "写好的内容", "photo_files": [(io.BytesIO(b"<svg onload=alert(1)>"), "a.jpg")]}
    answer = post(ali, f"/h5/customers/{book.customer}/follow-ups", data)
    assert answer.status_code == 422
    assert "只支持 JPEG、PNG、WebP 图片" in answer.text
    assert "写好的内容" in answer.text
    assert len(rows_of(FollowUp, ali)) == 1


def test_somebody_elses_photo_cannot_be_taken(post: Post, book: Book, ali: Member, bob: Member) -> None:
    answer = post(bob, f"/h5/customers/{book.customer}/follow-ups", {"text": "写好的", "photos": book.photo})
    assert answer.status_code == 422
    assert "有照片已失效" in answer.text


def test_check_out_ends_the_visit_once(post: Post, rows_of: RowsOf, book: Book, ali: Member, bob: Member) -> None:
    path = f"/h5/visits/{book.visit}/check-out"
    refused = post(bob, path, {"result": "不是我"})
    assert refused.status_code == 403
    assert post(ali, path, {"result": "确认报价", "note": "补一句"}).status_code == 303
    (visit,) = rows_of(Visit, ali)
    assert (visit.state, visit.result, visit.note, visit.version) == ("done", "确认报价", "看了仓库\n补一句", 2)
    assert post(ali, path, {"result": "再来一次"}).status_code == 303
    (visit,) = rows_of(Visit, ali)
    assert (visit.result, visit.version) == ("确认报价", 2)


def test_forms_without_the_pages_token_do_nothing(
    sign_in: Callable[..., FlaskClient], rows_of: RowsOf, ali: Member, cast: Cast
) -> None:
    client = sign_in(ali)
    assert client.post("/h5/customers", data={"name": "东海木业"}).status_code == 400
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    foreign = client.post(
        "/h5/customers", data={"name": "东海木业", "csrf_token": token}, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    assert rows_of(Customer, ali) == []
