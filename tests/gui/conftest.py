"""A screen that nobody sees, and Qt without one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from .display import display


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    """The name of an X display of the tests' own."""
    if shutil.which("Xvfb") is None:
        pytest.skip("a window needs a screen: apt-get install xvfb")
    with display() as name:
        yield name


@pytest.fixture(scope="session")
def qt() -> Any:
    """The one application of the process, on a platform that needs no screen."""
    widgets = pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    return widgets.QApplication(["tests", "-platform", "offscreen"])
