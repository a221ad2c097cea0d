"""What is kept between requests for speed: it must never show one person what is another's, or in another language."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from jinja2 import DictLoader

from tests.cast import Cast
from wsapp import clock, texts
from wsapp.crm.org.models import Member, Membership
from wsapp.db import Moment, NoCorp, as_loaded, corp_scope, db, first
from wsapp.kept import Kept, columns_of, one_of
from wsapp.texts import _, lazy, speaking

EVERYBODY = sa.select(Member.userid).order_by(Member.userid)
PART = "{% macro part(count, name) %}{{ _('客户') }} {{ name }} {{ count }}{% endmacro %}"
SAVED, SAVED_ENGLISH = "客户已保存", "Customer saved"


def names_seen(app: Flask, corp_id: int) -> list[str]:
    with app.app_context(), corp_scope(corp_id):
        return list(db.session.scalars(EVERYBODY))


def test_one_statement_shows_each_corp_its_own_whoever_asked_first(app: Flask, cast: Cast) -> None:
    ours, theirs = ["ali", "bob", "cha", "guan"], ["an", "ivy"]
    with ThreadPoolExecutor(4) as threads:
        asked = [cast.corp_id, cast.other_corp_id] * 20
        found = list(threads.map(lambda corp_id: names_seen(app, corp_id), asked))
    assert found == [ours, theirs] * 20


def test_a_statement_that_was_asked_before_still_raises_without_a_corp(app: Flask, cast: Cast) -> None:
    names_seen(app, cast.corp_id)
    with app.app_context():
        try:
            found = db.session.scalars(EVERYBODY).all()
        except NoCorp:
            return
    raise AssertionError(f"{found} without a corp")


def test_words_follow_the_language_in_and_out_of_a_block(app: Flask) -> None:
    later = lazy(SAVED)
    with app.app_context(), speaking("en"):
        assert (_(SAVED), str(later)) == (SAVED_ENGLISH, SAVED_ENGLISH)
        with speaking("zh"):
            assert (_(SAVED), str(later)) == (SAVED, SAVED)
        assert _(SAVED) == SAVED_ENGLISH
    with app.app_context(), speaking("zh"):
        assert _(SAVED) == SAVED


def test_words_outside_of_any_unit_of_work_are_the_source(app: Flask) -> None:
    assert _("%(level)s 级", level="A") == "A 级"


def test_templates_escape_values_and_keep_a_doubled_percent(app: Flask) -> None:
    with app.app_context(), speaking("zh"):
        draw = app.jinja_env.from_string("{{ _('%(name)s 好', name=name) }} {{ _('100%%') }}").render
        assert draw(name="<b>") == "&lt;b&gt; 好 100%"


def test_a_part_is_drawn_once_for_each_language_and_set_of_arguments(app: Flask) -> None:
    app.jinja_env.loader = DictLoader({"part.html": PART})
    page = app.jinja_env.from_string("{% from 'part.html' import part %}{{ draw_once(part, count, name) }}")
    with app.app_context():
        with speaking("zh"):
            assert page.render(count=1, name="阿丽") == "客户 阿丽 1"
            assert page.render(count=True, name="阿丽") == "客户 阿丽 True"
            assert page.render(count=1, name="<i>") == "客户 &lt;i&gt; 1"
        with speaking("en"):
            assert page.render(count=1, name="阿丽") == "Customers 阿丽 1"
        before = texts._drawn.cache_info().misses
        with speaking("zh"):
            assert page.render(count=1, name="阿丽") == "客户 阿丽 1"
        assert texts._drawn.cache_info().misses == before


# --- kept statements ----------------------------------------------------------------------------------------------

KEPT = Kept(
    sa.select(Member.userid, Member.checked_at, Membership.leads)
    .outerjoin(Membership, sa.and_(Membership.corp_id == Member.corp_id, Membership.member_id == Member.id))
    .where(one_of(Member.userid, "userids"), Member.checked_at <= sa.bindparam("now", type_=Moment))
    .order_by(Member.userid)
)


def kept_rows(app: Flask, corp_id: int, *userids: str, now: datetime | None = None) -> list[Any]:
    with app.app_context(), corp_scope(corp_id):
        return KEPT.all(userids=list(userids), now=now or clock.now())


def test_a_kept_statement_shows_each_corp_its_own(app: Flask, cast: Cast) -> None:
    everybody = ("ali", "bob", "ivy", "nobody")
    assert [row.userid for row in kept_rows(app, cast.corp_id, *everybody)] == ["ali", "bob"]
    assert [row.userid for row in kept_rows(app, cast.other_corp_id, *everybody)] == ["ivy"]
    assert kept_rows(app, cast.corp_id) == []


def test_a_kept_statement_puts_the_wall_around_every_table(app: Flask, cast: Cast) -> None:
    kept_rows(app, cast.corp_id, "ali")
    with app.app_context():
        sql = KEPT.ready[db.engine.dialect.name].sql
    assert sql.count("corp_id =") >= 3  # the join's own, and the wall's for both tables


def test_a_kept_statement_raises_without_a_corp_and_without_a_value(app: Flask, cast: Cast) -> None:
    with app.app_context():
        with pytest.raises(NoCorp):
            KEPT.all(userids=["ali"], now=clock.now())
        with corp_scope(cast.corp_id), pytest.raises(KeyError):
            KEPT.all(userids=["ali"])


def test_a_kept_statement_speaks_of_moments_as_the_models_do(app: Flask, cast: Cast) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        checked_at = first(sa.select(Member.checked_at).where(Member.userid == "ali"))
    (row,) = kept_rows(app, cast.corp_id, "ali", now=checked_at)
    assert row.checked_at == checked_at
    assert row.checked_at.utcoffset() == timedelta(0)
    assert kept_rows(app, cast.corp_id, "ali", now=checked_at - timedelta(microseconds=1)) == []


def test_a_kept_statement_sees_what_the_unit_of_work_changed(app: Flask, cast: Cast) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        ali = first(sa.select(Member).where(Member.userid == "ali"))
        ali.userid = "alice"
        assert [row.userid for row in KEPT.all(userids=["ali", "alice"], now=clock.now())] == ["alice"]
        db.session.rollback()


def test_what_was_read_beside_the_orm_is_the_sessions_own_object(app: Flask, cast: Cast) -> None:
    with app.app_context(), corp_scope(cast.corp_id):
        row = Kept(sa.select(*columns_of(Member)).where(Member.userid == "bob")).first()
        bob = as_loaded(Member, row._asdict())
        assert bob is first(sa.select(Member).where(Member.userid == "bob"))
        assert not db.session.dirty
        bob.position = "经理"
        db.session.commit()
    with app.app_context(), corp_scope(cast.corp_id):
        assert first(sa.select(Member.position).where(Member.userid == "bob")) == "经理"


USERIDS = Kept(EVERYBODY)


def test_whoever_listens_to_the_engine_hears_kept_statements(app: Flask, cast: Cast) -> None:
    heard: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        heard.append(statement)

    with app.app_context(), corp_scope(cast.corp_id):
        sa.event.listen(db.engine, "before_cursor_execute", note)
        try:
            USERIDS.all()
        finally:
            sa.event.remove(db.engine, "before_cursor_execute", note)
    assert len([one for one in heard if "userid" in one]) == 1


def test_an_error_of_the_driver_is_one_of_sqlalchemy(app: Flask, cast: Cast) -> None:
    gone = Kept(sa.select(Member.userid, sa.func.no_such_function(Member.name).label("x")))
    with app.app_context(), corp_scope(cast.corp_id):
        with pytest.raises(sa.exc.DBAPIError):
            gone.all()
        db.session.rollback()
        assert [row.userid for row in USERIDS.all()] == ["ali", "bob", "cha", "guan"]
