"""A real browser that nobody sees: the distribution's chromium, moved by its driver."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")

_PATIENCE = 45.0  # seconds; only a failure takes so long
_ALONE = ("--no-sandbox",)  # root may not have one


def missing() -> str | None:
    """What there is to install before there can be a browser; None: nothing."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        return "a page needs a browser: apt-get install chromium chromium-driver"
    return None


class Browser:
    """One window, as a person has it: what it shows, a keyboard, a mouse."""

    def __init__(self) -> None:
        from selenium.webdriver import Chrome, ChromeOptions, ChromeService

        options = ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        rooted = _ALONE if os.getuid() == 0 else ()
        for one in ("--headless=new", "--disable-dev-shm-usage", "--force-device-scale-factor=1"):
            options.add_argument(one)
        for one in (*rooted, "--hide-scrollbars", "--no-first-run", "--disable-extensions"):
            options.add_argument(one)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = ChromeService(shutil.which("chromedriver"))
        self.driver = Chrome(options=options, service=service)
        self.size(1280, 900)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()

    def open(self, url: str) -> None:
        """A page, in a window of the usual size, in light colours."""
        self.size(1280, 900)
        self.scheme("light")
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(url)

    def size(self, width: int, height: int) -> None:
        """Of what is seen of the page."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, name: str) -> None:
        """Whether the person prefers "light" or "dark" colours."""
        wanted = {"features": [{"name": "prefers-color-scheme", "value": name}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)

    def text(self, selector: str) -> str:
        """What is to be read there; empty where it is not shown."""
        # by the page itself: the driver looks at every row of thousands
        script = "const [it] = document.querySelectorAll(arguments[0]);"
        return str(
            self.run(f"{script} return it.getClientRects().length ? it.innerText : ''", selector)
        )

    def texts(self, selector: str) -> list[str]:
        """The same of all that there are."""
        # in one go: between two the page goes on
        found = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)",
            selector,
        )
        return [str(one).strip() for one in found]

    def count(self, selector: str) -> int:
        """How many there are."""
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    def click(self, selector: str) -> None:
        """With the mouse."""
        self.driver.find_element("css selector", selector).click()

    def press(self, *keys: str) -> str:
        """On the keyboard; the text of what has the focus then."""
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, key, key))
        return str(self.driver.switch_to.active_element.text)

    def run(self, script: str, *arguments: Any) -> Any:
        """JavaScript, where a person would look closer."""
        return self.driver.execute_script(script, *arguments)

    def until(self, look: Callable[[], _T]) -> _T:
        """What is seen, as soon as there is something."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, _PATIENCE, poll_frequency=0.05).until(lambda _: look())

    def reads(self, selector: str, words: str) -> str:
        """Waits until this is to be read there; the whole text."""
        try:
            return self.until(lambda: words in (text := self.text(selector)) and text) or ""
        except Exception as exc:
            there = self.text(selector)
            raise AssertionError(f"{selector} does not say {words!r}, but {there!r}") from exc

    def picture(self) -> bytes:
        """The window, as PNG."""
        return bytes(self.driver.get_screenshot_as_png())

    def colours(self, selector: str | None = None) -> dict[tuple[int, int, int], int]:
        """The colours in the window, or in a part of it, and how many pixels have each."""
        from PIL import Image

        shot = self.picture()
        if selector is not None:
            shot = bytes(self.driver.find_element("css selector", selector).screenshot_as_png)
        image = Image.open(io.BytesIO(shot)).convert("RGB")
        found = image.getcolors(image.width * image.height) or []
        return {colour: number for number, colour in found}  # type: ignore[misc]

    def complaints(self) -> list[str]:
        """What the browser says against the page: errors, breaches of its policy."""
        log = self.driver.get_log("browser")
        return [one["message"] for one in log if one["level"] in ("SEVERE", "WARNING")]
