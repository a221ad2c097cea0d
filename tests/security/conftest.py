"""The world that the hostile texts are let loose on."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask

from tests.browser.conftest import browser
from tests.cast import Cast
from tests.h5.conftest import Book, book
from tests.security.pages import World, add_the_rest
from wsapp import logs
from wsapp.crm.org.models import Member

__all__ = ["book", "browser"]


@pytest.fixture
def world(app: Flask, cast: Cast, book: Book, ali: Member) -> World:
    """阿丽's book with everything that any page can show."""
    return add_the_rest(app, cast, book, ali)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What this process logs meanwhile, in the form of a real one."""
    stream = io.StringIO()
    before = structlog.get_config()
    root = logging.getLogger()
    level = root.level
    logs.setup(stream=stream)
    yield stream
    logs.clear()
    structlog.configure(**before)
    root.handlers[:] = [one for one in root.handlers if type(one).__module__ != logs.__name__]
    root.setLevel(level)
    logging.captureWarnings(False)
