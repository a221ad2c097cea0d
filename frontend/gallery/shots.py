"""Pictures of the gallery in both hosts' looks, light and dark, phone and desktop: `shots.py FOLDER`."""

import sys
from pathlib import Path

from app import create_gallery, serving
from playwright.sync_api import sync_playwright

PAGES = ("lists", "form", "record", "states")
SIZES = {"phone": (390, 844, 2), "wide": (1280, 800, 1)}


def main(folder: Path) -> None:
    """Write <page>-<host>-<theme>-<size>.png for every combination."""
    folder.mkdir(parents=True, exist_ok=True)
    with serving(create_gallery()) as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for size, (width, height, scale) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=scale)
            tab = context.new_page()
            tab.on("console", lambda said: said.type == "error" and sys.stderr.write(said.text + "\n"))
            for host in ("wecom", "dingtalk"):
                for theme in ("light", "dark"):
                    for name in PAGES:
                        tab.goto(f"{base}/{name}?host={host}&theme={theme}", wait_until="networkidle")
                        tab.screenshot(path=folder / f"{name}-{host}-{theme}-{size}.png", full_page=size == "phone")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
