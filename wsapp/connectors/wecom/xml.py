"""A bounded reader for WeCom's small XML: no DTD, no entities, no depth, no surprises."""

from dataclasses import dataclass, field

from defusedxml.ElementTree import DefusedXMLParser

from wsapp.connectors.base import BadCallback

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_ELEMENTS = 2_000


@dataclass
class Element:
    """One element: its tag, its own text and its children."""

    tag: str
    words: list[str] = field(default_factory=list)
    children: list["Element"] = field(default_factory=list)

    @property
    def content(self) -> str:
        return "".join(self.words).strip()

    def all(self, *tags: str) -> list["Element"]:
        """The children of these tags, in order."""
        return [child for child in self.children if child.tag in tags]

    def text(self, tag: str) -> str:
        """Text of the child `tag`, empty when there is none. Raises BadCallback when there are several."""
        found = self.all(tag)
        if len(found) > 1:
            raise BadCallback("doubled element")
        return found[0].content if found else ""


class _Builder:
    """Receives the parser's events and gives up at the first excess, so that no deep tree is ever built."""

    def __init__(self) -> None:
        self.root = Element("")
        self.open = [self.root]
        self.elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if len(self.open) > MAX_DEPTH or self.elements > MAX_ELEMENTS:
            raise BadCallback("too much XML")
        element = Element(tag)
        self.open[-1].children.append(element)
        self.open.append(element)

    def end(self, tag: str) -> None:
        self.open.pop()

    def data(self, words: str) -> None:
        self.open[-1].words.append(words)

    def close(self) -> Element:
        return self.root


def read(body: bytes) -> Element:
    """Parse `body`, UTF-8 whatever it declares, and return its `<xml>` element. Raises BadCallback for all else."""
    if len(body) > MAX_BYTES:
        raise BadCallback("too large")
    try:
        builder = _Builder()
        parser = DefusedXMLParser(target=builder, forbid_dtd=True)
        parser.feed(body.decode("utf-8-sig"))
        parser.close()
    except BadCallback:
        raise
    except Exception:  # noqa: BLE001
        # The parser has many kinds of complaint (and so has its guard); to us they are all the same.
        raise BadCallback("XML") from None
    if [child.tag for child in builder.root.children] != ["xml"]:
        raise BadCallback("XML")
    return builder.root.children[0]
