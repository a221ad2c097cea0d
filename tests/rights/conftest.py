"""A small office: 阿丽 owns a customer with a telephone number; 老鲍 leads her, 小查 is a stranger."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cast import Cast
from wsapp import clock
from wsapp.crm.customers.actions import create_customer
from wsapp.crm.customers.models import Customer
from wsapp.crm.followups.actions import log_follow_up
from wsapp.crm.org.models import Member
from wsapp.crm.org.roles import Role
from wsapp.crm.org.standing import changed
from wsapp.db import corp_scope, db

PHONE, MASKED_PHONE = "13800135678", "138****5678"
Give = Callable[..., None]


def post(client: FlaskClient, path: str, data: dict[str, Any] | None = None) -> Any:
    """Post a form of ours with its CSRF token."""
    token = client.get("/h5/me").text.split('name="csrf-token" content="')[1].split('"')[0]
    return client.post(path, data={"csrf_token": token, **(data or {})}, headers={"Origin": "http://127.0.0.1:8000"})


@pytest.fixture
def huaxing(app: Flask, cast: Cast, ali: Member) -> str:
    """The id of 华星木业有限公司, 阿丽's."""
    with app.app_context(), corp_scope(cast.corp_id):
        owner = db.session.merge(ali)
        values = {
            "name": "华星木业有限公司",
            "phones": [PHONE],
            "address": "龙岗区坂田街道五和大道",
            "note": "要看样板间",
            "level": "A",
            "source": "展会",
        }
        customer: Customer = create_customer(values, actor=owner)
        log_follow_up(customer, {"text": "报价已经发过去了"}, actor=owner)
        db.session.commit()
        return customer.id


@pytest.fixture
def give(app: Flask, cast: Cast) -> Give:
    """`give(member, grants=…, fields=…)`: let somebody hold a role of the corp's own, and no other."""

    def given(member: Member, *, grants: dict[str, Any] | None = None, fields: dict[str, Any] | None = None) -> None:
        with app.app_context(), corp_scope(cast.corp_id):
            now, all_of_it = clock.now(), {"see": "all", "create": "all", "edit": "all", "transfer": "all"}
            objects = ("customer", "follow_up", "visit", "task")
            role = Role(
                key=f"own_{member.userid}",
                name="渠道销售",
                grants=grants if grants is not None else dict.fromkeys(objects, all_of_it),
                fields=fields or {},
                created_at=now,
                updated_at=now,
            )
            db.session.add(role)
            db.session.merge(member).roles = [role.key]
            changed()
            db.session.commit()

    return given
