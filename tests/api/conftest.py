"""A REST client that speaks as one member of the cast."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from werkzeug.test import TestResponse

from tests.cast import Cast
from wsapp.crm.org.models import Member


class Rest:
    """`rest("GET", "/customers")` → the response, sent with a token."""

    def __init__(self, app: Flask, token: str) -> None:
        self.client = app.test_client(use_cookies=False)
        self.token = token

    def __call__(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=sent, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> TestResponse:
        return self("POST", path, json={} if json is None else json, **more)

    def patch(self, path: str, json: Any, **more: Any) -> TestResponse:
        return self("PATCH", path, json=json, **more)

    def made(self, path: str, json: Any) -> dict[str, Any]:
        """Create a record and return it."""
        answer = self.post(path, json)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the first page of a list."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: list[dict[str, Any]] = answer.get_json()["items"]
        return found

    def upload(self, raw: bytes, **more: Any) -> TestResponse:
        return self("POST", "/files", data={"file": (io.BytesIO(raw), "photo.png")}, **more)


@pytest.fixture
def rest(app: Flask, cast: Cast) -> Callable[..., Rest]:
    """`rest(member)` → that member's REST client."""

    def make(who: Member, *, scopes: tuple[str, ...] = ("read", "write")) -> Rest:
        return Rest(app, cast.token(who, scopes=scopes))

    return make


@pytest.fixture
def me(rest: Callable[..., Rest], ali: Member) -> Rest:
    """阿丽's REST client."""
    return rest(ali)


@pytest.fixture
def huaxing(me: Rest) -> dict[str, Any]:
    """A customer of 阿丽's."""
    place = {"lat": 23.1291, "lng": 113.2644}
    return me.made("/customers", {"name": "佛山市华星家具有限公司", "phones": ["138 0013 8000"], "location": place})


def picture(colour: str = "red", side: int = 60) -> bytes:
    """Return a PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()
