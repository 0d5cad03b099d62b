"""A real browser for the tests of the page: Debian's Chromium, driven by selenium, with no network use of its own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no chromium with chromedriver here (apt-get install chromium-driver)"
)


@dataclass(frozen=True)
class Browser:
    """A browser window, and what happened in it since it opened."""

    driver: webdriver.Chrome

    def open(self, path: Path, width: int = 1280, height: int = 900) -> None:
        """Open a file in a window of that size, in the light theme, with nothing stored; forgets what was logged."""
        # Before the page, so that it is laid out once.
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.media(**{"prefers-color-scheme": "light"})
        self.driver.get("about:blank")
        self.console()
        self.requests()
        self.driver.get(path.as_uri())
        self.js("try { localStorage.clear() } catch {}")

    def cdp(self, command: str, **arguments: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def media(self, kind: str = "", **features: str) -> None:
        """Emulate `print`, or media features such as `prefers-color-scheme`."""
        pairs = [{"name": name, "value": value} for name, value in features.items()]
        self.cdp("Emulation.setEmulatedMedia", media=kind, features=pairs)

    def js(self, code: str, *arguments: Any) -> Any:
        """The value of `return ...` in the page."""
        return self.driver.execute_script(code, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        """Keys as typed by the reader, whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def console(self) -> list[str]:
        """Errors and warnings since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for since the last call, data: addresses apart."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith("data:") and url != "about:blank"]

    def screenshot(self, path: Path) -> None:
        """The visible part of the page as a PNG."""
        self.driver.save_screenshot(str(path))


@contextmanager
def start_browser() -> Iterator[Browser]:
    """A browser of its own, closed afterwards; its profile is new."""
    assert CHROMIUM is not None
    assert DRIVER is not None
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = Options()
        # A path of its own keeps selenium from looking for a browser to download.
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        try:
            yield Browser(driver)
        finally:
            driver.quit()
