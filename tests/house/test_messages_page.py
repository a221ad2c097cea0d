"""The page about messages shows every picture that there is, and none that is not."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_shows_every_picture() -> None:
    named = set(re.findall(r"\]\(messages/([\w.-]+\.png)\)", (DOCS / "messages.md").read_text(encoding="utf-8")))
    assert named == {one.name for one in (DOCS / "messages").glob("*.png")}
    assert len(named) >= 26
