"""`tests/screens.py`: pictures of what a person sees."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("pyte", reason="needs: pip install pyte")

import screens
from views import Missing
from views.scenes import SCENES
from views.terminal import THEMES, draw, rows

#: Scene -> what its picture must hold.
SHOWS = {
    "ask": ["lighthouse keeper", "its flag"],
    "transcribe": ["calls/2.wav", "Where is my bill.", " 50%"],
    "router": ["order  begins", "ordered → payment"],
    "error-usage": ["No such option", "--echo"],
}


@pytest.mark.parametrize("name", SHOWS)
def test_a_command_is_drawn(name: str, tmp_path: Path) -> None:
    """As text, and as an SVG for each theme, with the words that a person reads there."""
    screens.terminal(name, tmp_path)
    text = (tmp_path / f"{name}.txt").read_text(encoding="utf-8")
    for words in SHOWS[name]:
        assert words in text
    for theme in THEMES:
        svg = (tmp_path / f"{name}.{theme}.svg").read_text(encoding="utf-8")
        for word in " ".join(SHOWS[name]).split():
            assert word in svg
        assert svg.rstrip().endswith("</svg>")
    assert f"{name}.dark.svg" in screens.index(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", SCENES)
def test_every_command_is_drawn(name: str, tmp_path: Path) -> None:
    """No scene hangs, and none shows a traceback."""
    screens.terminal(name, tmp_path)
    text = (tmp_path / f"{name}.txt").read_text(encoding="utf-8")
    assert text.strip()
    assert "Traceback" not in text


def test_a_picture_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named with its reason, the others are made all the same, and the exit code is 1."""

    @contextmanager
    def no_browser() -> Iterator[None]:
        raise Missing("no browser here")
        yield

    monkeypatch.setattr(screens, "browser", no_browser)
    monkeypatch.setattr(sys, "argv", ["screens.py", str(tmp_path / "out"), "report", "error-usage"])
    assert screens.main() == 1
    said = capsys.readouterr().out
    assert said == "missing  report: no browser here\nmade     error-usage\n"
    assert "error-usage.light.svg" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["screens.py", str(tmp_path / "out"), "error-usage"])
    assert screens.main() == 0


def test_colours_are_drawn() -> None:
    """Styles reach the picture, faint ones too; what was drawn over does not."""
    raw = "\x1b[2mfaint\x1b[0m \x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mown\x1b[0m\r\nstale\r\x1b[2Knew"
    assert rows(raw) == ["faint red own", "new"]
    svg = draw(raw, "a title", THEMES["dark"])
    assert "a&#160;title" in svg or "a title" in svg
    assert "#010203" in svg
    assert "font-weight: bold" in svg
    assert "stale" not in svg
