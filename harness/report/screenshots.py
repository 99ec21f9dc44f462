"""Pictures of the page by a headless Chromium: for a README, and for tests that keep them to be looked at."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SCHEMES = ("light", "dark")
# Width and height in CSS pixels of the top of the page, as a README shows it.
README_SIZE = (880, 1180)
# Widths of a phone and of a desktop.
WIDTHS = (360, 1280)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium, driven by playwright. Raises UserError when one of them is missing."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        raise UserError(
            "this needs Chromium and playwright; install them with: apt install chromium, pip install '.[dev]'"
        )
    with sync_playwright() as driver:
        # A container has no user namespaces for Chromium's own sandbox, and the page is ours and loads nothing.
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def screenshots(page: Path, folder: Path) -> list[Path]:
    """The top of the page by `pictures`, with a browser of its own. Raises UserError without one."""
    with chromium() as browser:
        return pictures(browser, page, folder)


def pictures(browser: Any, page: Path, folder: Path, widths: Sequence[int] = ()) -> list[Path]:
    """Write PNG files of the page: its top as page-light.png and page-dark.png, and the whole page at each of `widths`
    (in CSS pixels, the first as on a phone) as page-WIDTH-light.png and page-WIDTH-dark.png. Returns the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = (("page", *README_SIZE), *((f"page-{width}", width, 800) for width in widths))
    written = []
    for scheme in SCHEMES:
        for name, width, height in sizes:
            path = folder / f"{name}-{scheme}.png"
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                offline=True,
                is_mobile=width == WIDTHS[0],
            )
            shown = context.new_page()
            shown.goto(page.resolve().as_uri())
            shown.screenshot(path=path, full_page=name != "page")
            context.close()
            written.append(path)
    return written
