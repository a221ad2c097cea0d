"""The world that the hostile texts are let loose on."""

import pytest
from flask import Flask

from tests.browser.conftest import browser
from tests.cast import Cast
from tests.h5.conftest import Book, book
from tests.security.pages import World, add_the_rest
from wsapp.crm.org.models import Member

__all__ = ["book", "browser"]


@pytest.fixture
def world(app: Flask, cast: Cast, book: Book, ali: Member) -> World:
    """阿丽's book with everything that any page can show."""
    return add_the_rest(app, cast, book, ali)
