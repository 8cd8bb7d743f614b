"""Takes the pictures in docs/images: the main pages in both themes, from made-up data; `make screenshots` runs it.

The data, the app's clock and the browser's are always the same, so pictures change only when pages do.
`python -m tools.screenshots --folder /tmp/look PAGE…` takes some to look at.
"""

import argparse
from pathlib import Path
from typing import Final

from playwright.sync_api import FloatRect, Page

from registrail.storage.sqlite import SqliteStore
from tests.browser.seed import NOON, Seeded, Ticking, busy, seed, story
from tests.browser.serving import serving
from tests.browser.visiting import chromium, visiting

FOLDER: Final = Path(__file__).parents[1] / "docs" / "images"
PICTURES: Final = ("overview", "repository", "tag", "delete", "deliveries", "set-up")
THEMES: Final = ("light", "dark")
TALLEST: Final = 1_100
"""Pixels; what is below is left out."""


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", default=PICTURES)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--tallest", type=int, default=TALLEST)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    clock = Ticking()
    with serving(lambda: SqliteStore(":memory:"), clock=clock) as site, chromium() as browser:
        seeded = site.run(seed(site, clock, busy(), story()))
        for theme in THEMES:
            with visiting(browser, site.url, color_scheme=theme, reduced_motion="reduce") as window:
                window.page.clock.set_fixed_time(NOON.to_datetime())
                window.page.set_viewport_size({"width": given.width, "height": 900})
                for name in given.pages:
                    window.go(_path(seeded, name))
                    _take(window.page, given.folder / f"{name.strip('/') or 'root'}-{theme}.png", given.tallest)


def _path(seeded: Seeded, name: str) -> str:
    """Of a page by its name; an address is one already."""
    return name if name.startswith("/") else seeded.paths[name]


def _take(page: Page, path: Path, tallest: int) -> None:
    """Take a picture of a page from its top."""
    page.wait_for_load_state("networkidle")
    width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
    clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": min(height, tallest)}
    page.screenshot(path=path, full_page=True, clip=clip)
    print(path.name, f"{path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
