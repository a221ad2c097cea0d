"""What a browser would make of an answer: its elements, their attributes, and the addresses in them."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

ADDRESSES = frozenset(
    {"href", "src", "action", "formaction", "srcset", "poster", "data", "ping", "background", "xlink:href", "srcdoc"}
    | {"hx-get", "hx-post", "hx-push-url", "data-url", "data-src", "content"}
)
DEVICE = ("tel", "geo")  # a call, a place on the map: the client opens them itself
OWN = "http://own.test/h5/"

Skeleton = tuple[tuple[str, tuple[str, ...]], ...]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[tuple[str, str, str]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.elements.append((tag, tuple(name for name, _value in attrs)))
        for name, value in attrs:
            if name in ADDRESSES and not (tag == "meta" and name == "content"):
                self.addresses.append((tag, name, value or ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside in ("script", "style") else self.texts).append(data)

    def handle_comment(self, data: str) -> None:
        self.elements.append(("!--", ()))

    def unknown_decl(self, data: str) -> None:
        self.elements.append(("![", ()))

    def handle_pi(self, data: str) -> None:
        self.elements.append(("?", ()))


class Markup:
    """A parsed page."""

    def __init__(self, page: str) -> None:
        reader = _Reader()
        reader.feed(page)
        reader.close()
        self.skeleton: Skeleton = tuple(reader.elements)
        self.addresses = reader.addresses
        self.scripts = [one for one in reader.scripts if one.strip()]
        self.text = "".join(reader.texts)

    @property
    def kinds(self) -> frozenset[tuple[str, tuple[str, ...]]]:
        """Each kind of element on the page: its name with the names of its attributes."""
        return frozenset(self.skeleton)

    def foreign_addresses(self) -> list[tuple[str, str, str]]:
        """Addresses that a browser would take for script, or for another site's."""
        return [one for one in self.addresses if one[1] == "srcdoc" or not is_own(one[2])]


def is_own(address: str) -> bool:
    """Say whether a browser stays with us for this address: the same site, a fragment, a deed of the phone."""
    parts = urlsplit(urljoin(OWN, as_browsers_read(address)))
    return parts.scheme in DEVICE or (parts.scheme, parts.netloc) == urlsplit(OWN)[:2]


def as_browsers_read(address: str) -> str:
    """Return an address as the URL standard cleans it: no outer blanks, no tabs or line ends, slashes the right way."""
    address = re.sub(r"[\t\r\n]", "", address.strip("".join(map(chr, range(0x21)))))
    head, hash_, fragment = address.partition("#")
    path, question, query = head.partition("?")
    path = re.sub(r"^(https?:|ftp:)?[/\\]*", _slashes, path, flags=re.IGNORECASE).replace("\\", "/")
    return path + question + query + hash_ + fragment


def _slashes(found: "re.Match[str]") -> str:
    scheme, run = found[1] or "", found[0][len(found[1] or "") :].replace("\\", "/")
    # "https:x", "https:/x" and "https:///x" all lead to the host x; without a scheme two or more slashes do.
    return f"{scheme}//" if scheme else "//" if len(run) > 1 else run
