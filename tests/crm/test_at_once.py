"""Twenty saves of one phone number at the same moment, by every door that there is, leave one customer."""

import io
import threading
from collections import Counter
from collections.abc import Callable

import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from tests.crm.transfer.conftest import csv_bytes, run_import
from wsapp.crm.customers.models import Customer, CustomerPhone
from wsapp.crm.org.models import Member
from wsapp.crm.transfer import imports
from wsapp.crm.transfer.models import ImportJob
from wsapp.db import corp_scope, db

PHONE = "13800138000"
EACH = (7, 7, 6)  # pages, REST, imports


def test_twenty_saves_by_page_rest_and_import_leave_one_customer(app: Flask, cast: Cast, ali: Member) -> None:
    made: list[str] = []

    def by_page(number: int) -> Callable[[], None]:
        client = cast.sign_in(ali)
        token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
        data = {"csrf_token": token, "name": f"页面第{number}家", "phones": PHONE, "similar_ok": "1"}

        def save() -> None:
            made.append({303: "made", 409: "refused"}[client.post("/h5/customers", data=data).status_code])

        return save

    def by_rest(number: int) -> Callable[[], None]:
        client = app.test_client()
        headers = {"Authorization": f"Bearer {cast.token(ali)}"}

        def save() -> None:
            body = {"name": f"接口第{number}家", "phones": [PHONE]}
            answer = client.post("/api/v1/customers", json=body, headers=headers)
            made.append({201: "made", 409: "refused"}[answer.status_code])

        return save

    def by_import(number: int) -> Callable[[], None]:
        with app.app_context(), corp_scope(cast.corp_id):
            own = db.session.merge(ali)
            body = csv_bytes([["客户名称", "电话"], [f"导入第{number}家", PHONE]])
            job = imports.upload(io.BytesIO(body), "客户.csv", actor=own)
            imports.prepare(job, actor=own)
            imports.start(job)
            db.session.commit()
            job_id = job.id

        def save() -> None:
            with app.app_context(), corp_scope(cast.corp_id):
                done = run_import(db.session.get_one(ImportJob, (cast.corp_id, job_id)))
                made.append("made" if done.created else "refused")
                assert done.created + done.skipped + done.failed == 1

        return save

    doors = zip((by_page, by_rest, by_import), EACH, strict=True)
    saves = [door(number) for door, count in doors for number in range(count)]
    together = threading.Barrier(len(saves))

    def run(save: Callable[[], None]) -> None:
        together.wait(30)
        save()

    threads = [threading.Thread(target=run, args=(save,)) for save in saves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(made) == {"made": 1, "refused": 19}
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Customer)) == 1
        assert list(db.session.scalars(sa.select(CustomerPhone.number))) == [PHONE]
