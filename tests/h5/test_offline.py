"""What a phone recorded without network: written once, for when it was recorded, as corp and person allow."""

import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.h5.conftest import PLACE, Book, photo_bytes
from wsapp import clock
from wsapp.crm.followups.models import FollowUp
from wsapp.crm.org.access import create_token
from wsapp.crm.org.models import Idempotency, Member
from wsapp.crm.visits.consent import withdraw_consent
from wsapp.crm.visits.models import Visit
from wsapp.db import corp_scope, db
from wsapp.h5.rows import came
from wsapp.jobs.periodic import prune

Post = Callable[..., Any]
RowsOf = Callable[..., list[Any]]
SignIn = Callable[..., FlaskClient]
ENTRIES = "/h5/offline/entries"
FIX = {**{name: str(value) for name, value in PLACE.items()}, "coordinate": "gcj02"}
NOW_MS = 1_900_000_000_000  # by the phone's own clock, which is years off


def entry(member: Member, customer: str, kind: str = "visit", *, ago: timedelta = timedelta(), **more: str) -> Any:
    """What the phone sends of a record that it made `ago`."""
    return {
        "record": kind,
        "who": f"{member.corp_id}.{member.id}",
        "customer": customer,
        "idempotency_key": "0123456789abcdef",
        "recorded_at": str(NOW_MS - int(ago.total_seconds() * 1000)),
        "sent_at": str(NOW_MS),
        "fix_age": "20000",
        **({"note": "地下车库里签到"} if kind == "visit" else {"text": "对方要两份样品"}),
        **more,
    }


def visits_of(rows_of: RowsOf, member: Member, book: Book) -> list[Visit]:
    return [one for one in rows_of(Visit, member) if one.id != book.visit]


def test_a_visit_is_written_when_it_was_recorded(post: Post, rows_of: RowsOf, book: Book, ali: Member) -> None:
    sent = entry(ali, book.customer, ago=timedelta(minutes=98), **FIX)
    before = clock.now()
    answer = post(ali, ENTRIES, sent)
    (visit,) = visits_of(rows_of, ali, book)
    assert (answer.status_code, answer.json) == (201, {"url": f"/h5/visits/{visit.id}"})
    assert visit.recorded_at == visit.checked_in_at
    assert before <= visit.checked_in_at + timedelta(minutes=98) <= clock.now()
    assert visit.created_at >= before
    assert visit.checked_in_at - visit.fixed_at == timedelta(seconds=20)
    assert visit.trust == "verified"  # by its age when it was recorded


def test_both_moments_are_shown(
    post: Post, see: Callable[..., str], book: Book, ali: Member, rows_of: RowsOf, app: Flask
) -> None:
    post(ali, ENTRIES, entry(ali, book.customer, ago=timedelta(minutes=98), **FIX))
    (visit,) = visits_of(rows_of, ali, book)
    with app.app_context(), corp_scope(ali.corp_id):
        words = came(visit)
    assert re.fullmatch(r".*\d\d:\d\d 记录，.*\d\d:\d\d 收到", words)
    assert words in see(ali, f"/h5/visits/{visit.id}")
    assert words in see(ali, f"/h5/customers/{book.customer}")
    post(ali, ENTRIES, entry(ali, book.customer, ago=timedelta(seconds=90), idempotency_key="at-once-at-once", **FIX))
    newest = max(visits_of(rows_of, ali, book), key=lambda one: one.created_at)
    assert "离线记录" not in see(ali, f"/h5/visits/{newest.id}")


def test_moments_of_a_phone_are_not_believed_beyond_reason(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, sign_in: SignIn
) -> None:
    client = sign_in(ali)
    ahead = entry(ali, book.customer, **FIX) | {"recorded_at": str(NOW_MS + 3_600_000)}
    assert post(ali, ENTRIES, ahead, client=client).status_code == 201
    (visit,) = visits_of(rows_of, ali, book)
    assert visit.checked_in_at <= clock.now()
    old = entry(ali, book.customer, ago=timedelta(minutes=5), **FIX, idempotency_key="old-position")
    assert post(ali, ENTRIES, old | {"fix_age": "121000"}, client=client).status_code == 201
    assert [one.trust for one in visits_of(rows_of, ali, book)] == ["verified", "stale"]
    for kind in ("visit", "follow_up"):
        sent = entry(ali, book.customer, kind, ago=timedelta(hours=73), **FIX, idempotency_key="too-old-too-old")
        answer = post(ali, ENTRIES, sent, client=client)
        assert answer.status_code == 422
        assert answer.json["refused"] is True
        assert answer.json["errors"] == {"recorded_at": "记录时间早于 72 小时前，不能再补记"}
    assert len(visits_of(rows_of, ali, book)) == 2


def test_sent_again_it_is_written_once(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, sign_in: SignIn, app: Flask, cast: Cast
) -> None:
    client = sign_in(ali)
    sent = entry(ali, book.customer, ago=timedelta(minutes=98), **FIX)
    first = post(ali, ENTRIES, sent, client=client)
    assert post(ali, ENTRIES, sent | {"sent_at": str(NOW_MS + 60_000)}, client=client).json == first.json
    with app.app_context(), corp_scope(cast.corp_id):  # days later, when keys of other forms are forgotten
        db.session.execute(sa.update(Idempotency).values(created_at=clock.now() - timedelta(days=3)))
        db.session.commit()
        prune(None, None)  # type: ignore[arg-type]
        db.session.commit()
    assert post(ali, ENTRIES, sent, client=client).json == first.json
    assert len(visits_of(rows_of, ali, book)) == 1


def test_a_form_whose_answer_was_lost_is_not_written_again(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, sign_in: SignIn
) -> None:
    client, key = sign_in(ali), "the-key-of-the-form"
    form = {"note": "地下车库里签到", "idempotency_key": key, **FIX}
    first = post(ali, f"/h5/customers/{book.customer}/visits", form, client=client)
    answer = post(ali, ENTRIES, entry(ali, book.customer, **FIX, idempotency_key=key), client=client)
    assert answer.json == {"url": first.location}
    assert len(visits_of(rows_of, ali, book)) == 1


def test_a_refused_record_is_mended_under_its_key(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, sign_in: SignIn
) -> None:
    client = sign_in(ali)
    sent = entry(ali, book.customer, "follow_up", ago=timedelta(minutes=30), text="")
    refused = post(ali, ENTRIES, sent, client=client)
    assert (refused.status_code, refused.json["refused"]) == (422, True)
    assert "text" in refused.json["errors"]
    assert post(ali, ENTRIES, sent | {"text": "补上内容"}, client=client).status_code == 201
    (found,) = [one for one in rows_of(FollowUp, ali) if one.text == "补上内容"]
    assert found.happened_at == found.recorded_at
    assert found.created_at - found.recorded_at >= timedelta(minutes=30)

    soon = (clock.now() - timedelta(minutes=20)).isoformat()  # ahead when it was written down, past now
    then = entry(ali, book.customer, "follow_up", ago=timedelta(hours=1), next_at=soon, idempotency_key="lay-ahead")
    assert post(ali, ENTRIES, then, client=client).status_code == 201
    late = entry(ali, book.customer, "follow_up", next_at=soon, idempotency_key="lies-behind")
    assert post(ali, ENTRIES, late, client=client).json["errors"].keys() == {"next_at"}


def test_consent_is_asked_at_the_door(
    post: Post, rows_of: RowsOf, book: Book, ali: Member, app: Flask, cast: Cast
) -> None:
    sent = entry(ali, book.customer, ago=timedelta(minutes=98), set_place="1", **FIX)
    with app.app_context(), corp_scope(cast.corp_id):
        withdraw_consent(actor=db.session.merge(ali))
        db.session.commit()
    assert post(ali, ENTRIES, sent).status_code == 201
    (visit,) = visits_of(rows_of, ali, book)
    assert (visit.lat, visit.lng, visit.fixed_at, visit.distance, visit.trust) == (None, None, None, None, "no_fix")


def test_photos_go_with_it(post: Post, rows_of: RowsOf, book: Book, ali: Member, sign_in: SignIn) -> None:
    client = sign_in(ali)
    photo = post(ali, "/h5/photos", {"file": (io.BytesIO(photo_bytes()), "photo.jpg")}, client=client).json["id"]
    answer = post(ali, ENTRIES, entry(ali, book.customer, **FIX, photos=photo), client=client)
    assert photo in client.get(answer.json["url"]).text


def test_whose_it_is_not(post: Post, rows_of: RowsOf, book: Book, ali: Member, bob: Member, cha: Member) -> None:
    assert post(bob, ENTRIES, entry(ali, book.customer, **FIX)).status_code == 401  # it waits for 阿丽
    refused = post(cha, ENTRIES, entry(cha, book.customer, **FIX))
    assert (refused.status_code, refused.json["refused"]) == (404, True)
    assert refused.json["errors"].keys() == {"customer"}
    assert visits_of(rows_of, ali, book) == []


NONSENSE = (
    {"record": "task"},
    {"idempotency_key": ""},
    {"idempotency_key": "x" * 65},
    {"recorded_at": "-5"},
    {"sent_at": "9" * 30},
    {"fix_age": "٣"},
    {"customer": "../\0"},
)


def test_nonsense_is_refused(post: Post, rows_of: RowsOf, book: Book, ali: Member, sign_in: SignIn) -> None:
    client = sign_in(ali)
    for wrong in NONSENSE:
        answer = post(ali, ENTRIES, entry(ali, book.customer, **FIX) | wrong, client=client)
        assert (answer.status_code, answer.json["refused"]) == (422, True), wrong
    assert visits_of(rows_of, ali, book) == []


def test_who_is_signed_in(sign_in: SignIn, ali: Member, app: Flask) -> None:
    asked = {"HX-Request": "true", "Accept": "application/json"}
    answer = sign_in(ali).get("/h5/offline/session", headers=asked)
    assert answer.json["who"] == f"{ali.corp_id}.{ali.id}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert app.test_client().get("/h5/offline/session", headers=asked).status_code == 401


def test_the_page_that_is_kept_holds_names_and_no_token(sign_in: SignIn, book: Book, ali: Member, cha: Member) -> None:
    page = sign_in(ali).get("/h5/offline").text
    assert "华星木业有限公司" in page
    assert book.customer in page
    assert '<meta name="csrf-token" content="">' in page
    assert "csrf_token" not in page
    assert "server-now" not in page
    assert "13800138000" not in page
    assert book.customer not in sign_in(cha).get("/h5/offline").text


def test_the_service_worker(app: Flask) -> None:
    answer = app.test_client().get("/h5/sw.js")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/javascript")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_rest_tells_both_moments(post: Post, book: Book, ali: Member, app: Flask) -> None:
    answer = post(ali, ENTRIES, entry(ali, book.customer, ago=timedelta(minutes=98), **FIX))
    with app.app_context(), corp_scope(ali.corp_id):
        token = create_token(db.session.merge(ali), scopes=["read"], days=1)
        db.session.commit()
    path = f"/api/v1/visits/{answer.json['url'].rsplit('/', 1)[1]}"
    record = json.loads(app.test_client().get(path, headers={"Authorization": f"Bearer {token}"}).data)
    assert record["recorded_at"] == record["checked_in_at"] < record["received_at"]
