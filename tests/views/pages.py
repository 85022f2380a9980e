"""What a browser shows: pages, reports, a notebook, and the pictures of terminals."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from gui.served import serving

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer

from . import Missing
from .scenes import STORY, Stage, batch_ended

__all__ = ["PAGES", "Browser", "browser"]

ROOT: Final = Path(__file__).resolve().parents[2]
_PATIENCE = 45.0  # seconds; only a failure takes so long


class Browser:
    """A browser that nobody sees."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, wide: int = 1100, high: int = 800) -> None:
        """Go there, with a page that is so large."""
        self._resize(wide, high)
        self.driver.get(url)

    def save(self, path: Path, *, whole: bool = False) -> None:
        """A picture of what is there now; of the whole page on demand."""
        if whole:
            wide, high = self.driver.execute_script(
                "const page = document.documentElement;return [page.clientWidth, page.scrollHeight]"
            )
            self._resize(wide, high)
        self.driver.save_screenshot(str(path))

    def draw(self, drawing: Path, path: Path) -> None:
        """A picture of an SVG."""
        box = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', drawing.read_text(encoding="utf-8"))
        assert box is not None
        self.open(drawing.as_uri(), math.ceil(float(box[1])), math.ceil(float(box[2])))
        self.save(path)

    def _resize(self, wide: int, high: int) -> None:
        size = {"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def until(self, so: Callable[[Any], object], what: str) -> Any:
        """Wait for something of the page; what it gave."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, _PATIENCE).until(so, what)

    def shows(self, words: str) -> None:
        """Wait until the page shows these words."""
        told = "return document.body.innerText"
        self.until(lambda driver: words in driver.execute_script(told), f"no {words!r}")


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, driven.

    Raises:
        Missing: It, or what drives it, is not here.
    """
    if find_spec("selenium") is None:
        raise Missing("pip install selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise Missing("apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ):
        options.add_argument(option)
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield Browser(made)
    finally:
        made.quit()


def streamlit(shown: Browser, path: Path) -> None:
    """The chat in a web page, after a turn."""
    if find_spec("streamlit") is None:
        raise Missing("pip install streamlit")
    from selenium.webdriver.common.by import By

    with LocalServer(voice="tones") as server, tempfile.TemporaryDirectory() as folder:
        server.reply("It was there before all stories, and it has not finished telling them.")
        keys = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "any"}
        with serving(Path(folder), **keys) as url:
            shown.open(url, 900, 760)
            line = shown.until(
                lambda driver: driver.find_elements(By.CSS_SELECTOR, "textarea"), "no line"
            )[0]
            line.send_keys("Tell me of the sea.\n")
            shown.shows("telling them")
            shown.until(lambda driver: driver.find_elements(By.TAG_NAME, "audio"), "no player")
            shown.save(path)


def report(shown: Browser, path: Path) -> None:
    """What `realtime-sync batch --report` writes."""
    with LocalServer(voice="tones") as server, tempfile.TemporaryDirectory() as folder:
        batch_ended(Stage(server, Path(folder)))
        shown.open((Path(folder) / "report.html").as_uri())
        shown.save(path, whole=True)


def serve_ui(shown: Browser, path: Path) -> None:
    """What `realtime-sync serve --ui` shows of a session."""
    with LocalServer(ui=True, voice="tones") as server:
        shown.open(server.ui_url, 1360, 900)

        def price_of(bread: str) -> float:
            """What a piece costs, in euros."""
            return {"loaf": 4.2}[bread]

        server.reply(server.call("price_of", bread="loaf"), "A loaf is 4.20.", STORY)
        with RealtimeSession(
            endpoint=server.endpoint, output_modalities=["audio"], tools=[price_of]
        ) as session:
            session.ask("What is a loaf?")
            session.ask("Tell me a story.")
            shown.shows("Tell me a story.")
            shown.save(path)


def notebook(shown: Browser, path: Path) -> None:
    """The sample notebook, run, as a page."""
    sources = sorted((ROOT / "samples").glob("*.ipynb"))
    if not sources:
        raise Missing("there is no notebook among the samples yet")
    if find_spec("nbconvert") is None or find_spec("ipykernel") is None:
        raise Missing("pip install nbconvert ipykernel")
    with LocalServer(voice="tones") as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute"]
        keys = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "any"}
        subprocess.run(
            [*command, "--output-dir", folder, "--output", "page", str(sources[0])],
            env={**os.environ, **keys},
            check=True,
            capture_output=True,
        )
        shown.open((Path(folder) / "page.html").as_uri())
        shown.save(path, whole=True)


#: Name -> what it is of, and how it is made.
PAGES: dict[str, tuple[str, Callable[[Browser, Path], None]]] = {
    "streamlit": ("samples/streamlitchat.py", streamlit),
    "report": ("realtime-sync batch --report", report),
    "serve-ui": ("realtime-sync serve --ui", serve_ui),
    "notebook": ("a notebook", notebook),
}
