"""Visits: distance, trust, the customer's first place, photos without EXIF, checking out."""

import io
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from PIL import Image

from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.org.models import Member
from wsapp.crm.visits.actions import check_out, close_forgotten, log_visit, read_fix
from wsapp.crm.visits.queries import at_the_same_time
from wsapp.crm.visits.trust import Fix, trust_of
from wsapp.db import db
from wsapp.files import keep_photo, link_holds, link_query, path_of, read_photo
from wsapp.geo import metres_between, to_gcj02
from wsapp.problems import Forbidden, Invalid

NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
TIANANMEN = (39.90872, 116.39748)


def own(member: Member) -> Member:
    return db.session.merge(member)


def test_distance_and_the_chinese_grid() -> None:
    assert metres_between((22.5431, 114.0579), (22.5431, 114.0579)) == 0
    assert metres_between((31.2304, 121.4737), (39.9042, 116.4074)) == pytest.approx(1_067_000, rel=0.01)
    shifted = to_gcj02(TIANANMEN)
    assert 400 < metres_between(TIANANMEN, shifted) < 700
    assert shifted == pytest.approx((39.910123, 116.403722), abs=1e-5)
    assert to_gcj02((48.8584, 2.2945)) == (48.8584, 2.2945)


@pytest.mark.parametrize(
    ("accuracy", "age", "distance", "expected"),
    [
        (30, 10, 100, "verified"),
        (200, 120, 300, "verified"),
        (201, 10, 100, "near"),
        (None, 10, 100, "near"),
        (30, 10, 301, "near"),
        (30, 10, 1000, "near"),
        (30, 10, 1100, "far"),
        (800, 10, 1500, "near"),
        (5000, 10, 2500, "far"),
        (30, 121, 100, "stale"),
        (30, 10, None, "near"),
    ],
)
def test_trust(accuracy: float | None, age: int, distance: float | None, expected: str) -> None:
    fix = Fix(22.5, 114.0, accuracy, NOW - timedelta(seconds=age))
    assert trust_of(fix, distance=distance, now=NOW) == expected


def test_no_position_is_no_fix() -> None:
    assert trust_of(None, distance=None, now=NOW) == "no_fix"


@pytest.mark.parametrize(
    "location",
    [
        {"lat": 91, "lng": 114},
        {"lat": 22, "lng": 181},
        {"lat": 0, "lng": 0},
        {"lat": "nan", "lng": 114},
        {"lat": 22},
        {"lat": 22, "lng": 114, "accuracy": 60_000},
        {"lat": 22, "lng": 114, "accuracy": -1},
        {"lat": "x", "lng": 114},
    ],
)
def test_positions_that_cannot_be_are_refused(here: Flask, location: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        read_fix(location)


def test_a_fix_from_the_future_is_refused(here: Flask) -> None:
    with pytest.raises(Invalid):
        read_fix({"lat": 22, "lng": 114, "fixed_at": clock.now() + timedelta(hours=1)})


def _customer(actor: Member, **more: object) -> Customer:
    customer = create_customer({"name": "华星科技", **more}, actor=actor)
    db.session.commit()
    return customer


def test_the_first_visit_gives_the_customer_its_place_when_asked(here: Flask, ali: Member) -> None:
    actor = own(ali)
    customer = _customer(actor)
    here_ = {"lat": 22.5431, "lng": 114.0579, "accuracy": 35}
    assert log_visit(customer, {"location": here_}, actor=actor).trust == "near"
    assert customer.place is None
    coarse = log_visit(customer, {"location": {**here_, "accuracy": 900}, "set_place": True}, actor=actor)
    assert (customer.place, coarse.trust) == (None, "near")
    visit = log_visit(customer, {"location": here_, "set_place": True}, actor=actor)
    assert customer.place == (22.5431, 114.0579)
    assert (visit.distance, visit.trust) == (0, "verified")
    away = {"lat": 22.60, "lng": 114.10, "accuracy": 35}
    far = log_visit(customer, {"location": away, "set_place": True}, actor=actor)
    assert far.trust == "far"
    assert customer.place == (22.5431, 114.0579)
    assert customer.last_visited_at is not None


def test_a_browsers_position_is_moved_to_the_grid(here: Flask, ali: Member) -> None:
    actor = own(ali)
    lat, lng = TIANANMEN
    visit = log_visit(
        _customer(actor), {"location": {"lat": lat, "lng": lng, "accuracy": 20, "coordinate": "wgs84"}}, actor=actor
    )
    assert (visit.lat, visit.lng) == pytest.approx((39.910123, 116.403722), abs=1e-5)


def test_refusing_the_position_is_allowed_and_marked(here: Flask, ali: Member) -> None:
    actor = own(ali)
    visit = log_visit(_customer(actor), {"no_fix_reason": "地下室没有信号"}, actor=actor)
    assert (visit.trust, visit.no_fix_reason, visit.lat) == ("no_fix", "地下室没有信号", None)


def test_checking_out_once_and_only_ones_own(here: Flask, ali: Member, bob: Member) -> None:
    actor = own(ali)
    visit = log_visit(_customer(actor), {"note": "谈价格"}, actor=actor)
    with pytest.raises(Forbidden):
        check_out(visit, actor=own(bob))
    assert check_out(visit, actor=actor, result="有意向", note="下周寄样")
    assert not check_out(visit, actor=actor)
    assert (visit.state, visit.note, visit.result) == ("done", "谈价格\n下周寄样", "有意向")


def test_a_forgotten_check_out_is_closed_at_the_end_of_its_day(here: Flask, ali: Member) -> None:
    with time_machine.travel(NOW, tick=False):
        actor = own(ali)
        visit = log_visit(_customer(actor), {}, actor=actor)
        db.session.commit()
        assert close_forgotten() == 0
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        assert close_forgotten() == 1
        assert visit.closed_by_system
        assert visit.checked_out_at == datetime(2026, 3, 4, 15, 59, tzinfo=UTC)


def _picture(form: str = "JPEG", size: tuple[int, int] = (2400, 1200), *, gps: bool = False) -> bytes:
    image = Image.effect_noise(size, 60).convert("RGB")
    exif = Image.Exif()
    if gps:
        exif[0x0112] = 6  # rotated by the camera
        exif.get_ifd(0x8825)[1] = "N"
        exif.get_ifd(0x8825)[2] = (22.0, 32.0, 35.0)
    buffer = io.BytesIO()
    image.save(buffer, form, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_photos_are_re_encoded_without_exif(form: str, here: Flask) -> None:
    raw = _picture(form, gps=True)
    photo = read_photo(raw)
    with Image.open(io.BytesIO(photo.body)) as kept:
        assert kept.format == "JPEG"
        assert dict(kept.getexif()) == {}
        assert max(kept.size) == 1600
        assert kept.size[0] < kept.size[1]  # turned upright
    assert b"Exif" not in photo.body


def _bomb(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"GIF89a" + b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xff\xd8\xff" + b"\0" * 50,
        b"x" * (10 * 1024 * 1024 + 1),
        _bomb((12000, 12000)),
    ],
    ids=["empty", "gif", "svg", "broken", "large", "bomb"],
)
def test_what_is_no_photo_is_refused_in_words(here: Flask, raw: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read_photo(raw)
    assert "图片" in caught.value.fields["photos"]


def test_a_truncated_photo_is_refused(here: Flask) -> None:
    with pytest.raises(Invalid, match="不完整"):
        read_photo(_picture()[:5000])


def test_photos_become_part_of_one_record_of_their_owner(here: Flask, ali: Member, bob: Member) -> None:
    actor = own(ali)
    customer = _customer(actor)
    mine, his = keep_photo(_picture(), owner_id=ali.id), keep_photo(_picture(), owner_id=bob.id)
    visit = log_visit(customer, {}, actor=actor, photos=[mine.id])
    assert mine.record_id == visit.id
    assert path_of(mine).exists()
    assert path_of(mine, thumb=True).stat().st_size < path_of(mine).stat().st_size
    for stolen in ([his.id], [mine.id], ["nothing"], [f"x{n}" for n in range(10)]):
        with pytest.raises(Invalid):
            log_visit(customer, {}, actor=actor, photos=stolen)
        db.session.rollback()


def test_photo_links_end_and_belong_to_one_person(here: Flask) -> None:
    with time_machine.travel(NOW, tick=False):
        query = link_query(1, "file", "member", 3)
        assert link_holds(1, "file", "member", 3, query["e"], query["s"])
        for other in (
            (2, "file", "member", 3),
            (1, "other", "member", 3),
            (1, "file", "x", 3),
            (1, "file", "member", 4),
        ):
            assert not link_holds(*other, query["e"], query["s"])
        assert not link_holds(1, "file", "member", 3, "x", query["s"])
    with time_machine.travel(NOW + timedelta(minutes=12), tick=False):
        assert not link_holds(1, "file", "member", 3, query["e"], query["s"])


def test_visits_at_the_same_time_are_named(here: Flask, ali: Member, bob: Member) -> None:
    actor, boss = db.session.merge(ali), db.session.merge(bob)
    customer = create_customer({"name": "佛山市华星家具有限公司"}, actor=actor)
    with time_machine.travel(datetime(2026, 3, 4, 1, 0, tzinfo=UTC), tick=False) as traveller:
        first = log_visit(customer, {}, actor=actor)
        traveller.shift(timedelta(minutes=30))
        second, his = log_visit(customer, {}, actor=actor), log_visit(customer, {}, actor=boss)
        traveller.shift(timedelta(minutes=1))
        assert [one.id for one in at_the_same_time(first, actor=actor)] == [second.id]
        traveller.shift(timedelta(minutes=30))
        check_out(first, actor=actor)
        check_out(second, actor=actor)
        third = log_visit(customer, {}, actor=actor)
        db.session.flush()
        assert [one.id for one in at_the_same_time(second, actor=boss)] == [first.id]
        assert at_the_same_time(third, actor=actor) == at_the_same_time(his, actor=actor) == []
