"""Field rules hold at every door: hidden is nowhere, masked is nowhere in full, read-only stays."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from tests.rights.conftest import MASKED_PHONE, PHONE, Give, post
from wsapp.bots.answers import find
from wsapp.crm.customers.models import Customer
from wsapp.crm.fields.access import mask, masked_phone
from wsapp.crm.org.models import Member
from wsapp.crm.org.queries import member
from wsapp.db import corp_scope, db

HIDDEN = {"customer": {"phones": "hidden", "note": "hidden", "level": "hidden", "address": "hidden"}}
MASKED = {"customer": {"phones": "masked", "note": "masked", "address": "masked"}, "follow_up": {"text": "masked"}}


@pytest.fixture
def rest(app: Flask, cast: Cast, cha: Member) -> Callable[..., Any]:
    """`rest("/customers")` → the response to 小查's token."""
    client, headers = app.test_client(), {"Authorization": f"Bearer {cast.token(cha)}"}

    def ask(path: str, method: str = "GET", **more: Any) -> Any:
        return client.open(f"/api/v1{path}", method=method, headers=headers, **more)

    return ask


def everywhere(app: Flask, cast: Cast, cha: Member, page: FlaskClient, rest: Any, customer_id: str) -> str:
    """Return all that 小查 can read of the customer, on every page, by REST and from the robot."""
    found = [
        page.get(path).get_data(as_text=True) for path in ("/h5/customers?scope=team", f"/h5/customers/{customer_id}")
    ]
    found += [page.get(f"/h5/customers/{customer_id}/edit").get_data(as_text=True)]
    for path in ("/customers", f"/customers/{customer_id}", "/events", "/follow-ups"):
        answer = rest(path)
        assert answer.status_code == 200
        found.append(answer.get_data(as_text=True))
    with app.app_context(), corp_scope(cast.corp_id):
        asker = member(cha.id)
        assert asker is not None
        found.append(str(find("华星木业有限公司", actor=asker, alone=True)))
    return "\n".join(found)


def change_by_owner(app: Flask, cast: Cast, customer_id: str) -> None:
    """Leave old and new values in the timeline, which must not tell them."""
    from wsapp.crm.customers.actions import change_customer
    from wsapp.crm.customers.queries import find_customer
    from wsapp.crm.org.queries import member_by_userid

    with app.app_context(), corp_scope(cast.corp_id):
        owner = member_by_userid("ali", fold=True)
        assert owner is not None
        change_customer(find_customer(customer_id, actor=owner), {"note": "要看样板间和报价"}, actor=owner)
        db.session.commit()


def test_what_is_hidden_is_nowhere(
    app: Flask, cast: Cast, cha: Member, huaxing: str, give: Give, sign_in: Callable[..., FlaskClient], rest: Any
) -> None:
    give(cha, fields=HIDDEN)
    change_by_owner(app, cast, huaxing)
    found = everywhere(app, cast, cha, sign_in(cha), rest, huaxing)
    assert "华星木业" in found
    for secret in (PHONE, PHONE[-4:], "样板间", "五和大道"):
        assert secret not in found, secret
    record = rest(f"/customers/{huaxing}").json
    assert {"phones", "note", "level", "address"}.isdisjoint(record)


def test_what_is_masked_is_nowhere_in_full(
    app: Flask, cast: Cast, cha: Member, huaxing: str, give: Give, sign_in: Callable[..., FlaskClient], rest: Any
) -> None:
    give(cha, fields=MASKED)
    change_by_owner(app, cast, huaxing)
    page = sign_in(cha)
    found = everywhere(app, cast, cha, page, rest, huaxing)
    assert MASKED_PHONE in found
    for secret in (PHONE, "样板间", "五和大道", "报价已经发过去"):
        assert secret not in found, secret
    assert rest(f"/customers/{huaxing}").json["phones"] == [MASKED_PHONE]
    assert post(page, f"/h5/customers/{huaxing}/phones/0").status_code == 403


@pytest.mark.parametrize("rules", [HIDDEN, MASKED])
def test_nobody_searches_filters_or_sorts_by_what_they_do_not_read(
    cha: Member, huaxing: str, give: Give, sign_in: Callable[..., FlaskClient], rest: Any, rules: dict[str, Any]
) -> None:
    give(cha, fields={"customer": {**rules["customer"], "level": "hidden", "stage": "hidden"}})
    for part in (PHONE, PHONE[-4:], PHONE[3:7]):
        assert rest(f"/customers?q={part}").json["items"] == []
        assert huaxing not in sign_in(cha).get(f"/h5/customers?scope=team&q={part}").get_data(as_text=True)
    assert rest("/customers?level=A").status_code == 422
    assert rest("/customers?stage=new").status_code == 422
    assert huaxing in sign_in(cha).get("/h5/customers?scope=team&level=B").get_data(as_text=True)


@pytest.mark.parametrize("how", ["hidden", "masked", "read", "denied"])
def test_nobody_writes_what_they_may_not(
    app: Flask, cast: Cast, cha: Member, huaxing: str, give: Give, rest: Any, how: str
) -> None:
    give(cha, fields={"customer": {"note": how}})
    refused = rest(f"/customers/{huaxing}", "PATCH", json={"note": "换成我的"})
    assert refused.status_code == 422
    assert refused.json["errors"][0]["field"] == "note"
    same = rest(f"/customers/{huaxing}", "PATCH", json={"note": "要看样板间"})
    assert same.status_code == 422  # or one could guess what stands there
    assert rest(f"/customers/{huaxing}", "PATCH", json={"industry": "家具"}).status_code == 200
    with app.app_context(), corp_scope(cast.corp_id):
        assert db.session.scalar(sa.select(Customer.note).where(Customer.id == huaxing)) == "要看样板间"


def test_rest_shows_numbers_in_full_unless_a_role_masks_them(cha: Member, huaxing: str, give: Give, rest: Any) -> None:
    give(cha)
    assert rest(f"/customers/{huaxing}").json["phones"] == [PHONE]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13800135678", "138****5678"),
        ("075526001234", "0755****1234"),
        ("075526001234-801", "0755****1234-****"),
        ("4001234567", "****4567"),
        ("95588", "****"),
        ("+85291234567", "+852****4567"),
    ],
)
def test_masked_numbers_keep_their_ends(number: str, shown: str) -> None:
    assert masked_phone(number) == shown


def test_short_values_are_masked_whole() -> None:
    assert [mask("note", text) for text in ("", "短", "四个字吧", "这里有好几个字")] == ["", "****", "****", "这里****"]
