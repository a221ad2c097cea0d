"""What browsers load: the committed build output is whole, small, named by content, and made from what is committed."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRONTEND = ROOT / "frontend"
VENDOR = ROOT / "wsapp/static/vendor"
MANIFEST: dict[str, str] = json.loads((VENDOR / "manifest.json").read_text())

FIRST_PAGE_LIMIT = 80 * 1024  # bytes, compressed: style, scripts and one host's SDK (docs/decisions.md)
OWN_SCRIPT_LIMIT = 10 * 1024
ALWAYS = ("app.css", "app.js", "htmx.js", "icons.svg", "favicon.svg")
LATER = ("offline.js", "sw.js")  # when the page is at rest
SDK = {"wecom": "wecom-jssdk.js", "dingtalk": "dingtalk-jsapi.js", "browser": "host-browser.js"}

REGISTRY = re.compile(r"registry\.|npmmirror|npmjs|jsdelivr|unpkg|\"resolved\"", re.IGNORECASE)


def squeezed(name: str) -> int:
    return len(gzip.compress((VENDOR / MANIFEST[name]).read_bytes(), 9, mtime=0))


def sums(path: Path) -> dict[str, str]:
    rows = (line.split("  ", 1) for line in path.read_text().splitlines())
    return {name: digest for digest, name in rows}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_file_is_listed_with_its_checksum() -> None:
    listed = sums(VENDOR / "SHA256SUMS")
    present = {path.name for path in VENDOR.iterdir()} - {"SHA256SUMS"}
    assert set(listed) == present
    assert {name: digest(VENDOR / name) for name in listed} == listed


def test_names_carry_the_content() -> None:
    assert set(MANIFEST) == {*ALWAYS, *SDK.values(), *LATER}
    for name, file in MANIFEST.items():
        stem, _, extension = name.rpartition(".")
        assert file == f"{stem}.{digest(VENDOR / file)[:10]}.{extension}"


def test_the_output_was_built_from_the_committed_sources() -> None:
    listed = sums(VENDOR / "SOURCES.sha256")
    suffixes = {".js", ".css", ".svg"}
    present = {str(path.relative_to(ROOT)) for path in (FRONTEND / "src").rglob("*") if path.suffix in suffixes}
    present |= {f"frontend/{name}" for name in ("build.mjs", "package.json", "package-lock.json")}
    assert set(listed) == present, "run: cd frontend && npm ci && node build.mjs"
    assert {name: digest(ROOT / name) for name in listed} == listed, "run: cd frontend && npm ci && node build.mjs"


@pytest.mark.skipif(
    not (shutil.which("node") and (FRONTEND / "node_modules").is_dir()), reason="needs Node and `npm ci` in frontend/"
)
def test_building_again_gives_the_same() -> None:
    again = subprocess.run(["node", "build.mjs", "--check"], cwd=FRONTEND, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr


def test_no_registry_is_named() -> None:
    paths = [FRONTEND / name for name in ("package.json", "package-lock.json", ".npmrc", "build.mjs")]
    for path in [*paths, *(VENDOR / name for name in sums(VENDOR / "SHA256SUMS") if name != "LICENSES")]:
        lines = (line for line in path.read_text().splitlines() if "lockfile-registry-resolved" not in line)
        assert not any(REGISTRY.search(line) for line in lines), path


def test_every_package_is_locked_by_its_hash() -> None:
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    assert all(package.get("integrity") for path, package in packages.items() if path)
    wanted = json.loads((FRONTEND / "package.json").read_text())
    versions = [*wanted["dependencies"].values(), *wanted["devDependencies"].values()]
    assert all(re.fullmatch(r"[\d.]+", version) for version in versions)


def test_licences_of_all_that_is_shipped() -> None:
    text = (VENDOR / "LICENSES").read_text()
    for package in json.loads((FRONTEND / "package.json").read_text())["dependencies"]:
        assert re.search(rf"^{re.escape(package)} [\d.]+ \((MIT|0BSD)\)$", text, re.MULTILINE), package
    assert text.count("WARRANTIES") + text.count("warranties") >= 4


@pytest.mark.parametrize("host", SDK)
def test_the_first_page_is_small(host: str) -> None:
    sizes = {name: squeezed(name) for name in (*ALWAYS, SDK[host])}
    table = "\n".join(f"{size:8,}  {name}" for name, size in sizes.items())
    print(f"\n{host}\n{table}\n{sum(sizes.values()):8,}  together")
    assert sum(sizes.values()) <= FIRST_PAGE_LIMIT


def test_our_own_script_is_small() -> None:
    assert squeezed("app.js") <= OWN_SCRIPT_LIMIT


def test_style_and_scripts_ask_nobody_else() -> None:
    for name in ("app.css", "app.js", "host-browser.js", "icons.svg"):
        text = (VENDOR / MANIFEST[name]).read_text()
        assert set(re.findall(r"//([a-z0-9-]+(?:\.[a-z0-9-]+)+)", text)) <= NAMED_HOSTS, name
        assert not re.search(r"url\((?!#)|@import|@font-face", text), name


NAMED_HOSTS = {"www.w3.org", "uri.amap.com"}  # the name of SVG; the map that a tap opens where the host has none


def words(attribute: str) -> set[str]:
    """The literal class names of an attribute; what an expression prints is left out."""
    literal = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", attribute)
    return {word for word in literal.split() if not word.endswith("_")}


def test_every_class_of_the_templates_has_a_style() -> None:
    style = (VENDOR / MANIFEST["app.css"]).read_text()
    known = set(re.findall(r"\.([A-Za-z][\w-]*)", style))
    for path in (ROOT / "templates_h5/_ui").glob("*.html"):
        text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
        used: set[str] = set().union(*(words(found) for found in re.findall(r'class="([^"]*)"', text)))
        assert used - known == set(), path


def test_templates_hold_nothing_that_the_policy_forbids() -> None:
    for path in (ROOT / "templates_h5").rglob("*.html"):
        text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\sstyle=|\son[a-z]+=[\"']|<style|javascript:|\bhx-on", text), path
        for script in re.findall(r"<script\b([^>]*)>", text):
            assert "src=" in script, path


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (VENDOR / MANIFEST["icons.svg"]).read_text()))
    for path in [*(ROOT / "templates_h5").rglob("*.html"), *(FRONTEND / "gallery").glob("*.html")]:
        text = path.read_text()
        named = re.findall(r"\bicon\('([\w-]+)'", text) + re.findall(r"\}\}#([a-z-]+)\"", text)
        assert set(named) <= drawn, path
