"""The pages' own fixtures: a reader and a poster of forms."""

from tests.h5.conftest import post, see

__all__ = ["post", "see"]
