"""The notebook among the samples, executed as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import END
from .kernel import Cell, Kernel
from .reading import read

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "notebook.ipynb"


def cells() -> list[dict[str, Any]]:
    """The sample's, in order."""
    notebook: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = notebook["cells"]
    return found


@pytest.fixture(scope="module")
def executed(running: Kernel) -> Iterator[list[Cell]]:
    """What is below its cells; without a key, so against the embedded server."""
    pytest.importorskip("ipywidgets", reason='needs: pip install ".[test]"')
    yield [running.run("".join(cell["source"])) for cell in cells() if cell["cell_type"] == "code"]
    running.run("session.close()")
    running.run(END.replace("server.close()\n", ""))


def test_what_is_below_its_cells(executed: list[Cell]) -> None:
    """A card, replies that can be heard, text as it came, the conversation, the figures."""
    card, counted, called, conversation, stats = (read(one.html) for one in executed if one.html)
    assert card.text.startswith("● open  RealtimeSessionmodelgpt-realtime-2.1")
    assert counted.text.startswith("1, 2, 3.● completed · first audio after")
    ((rate, channels, pcm),) = counted.sounds
    assert (rate, channels) == (24_000, 1)
    assert 0.3 < len(pcm) / 48_000 < 3
    assert called.text.startswith("in_stock returned: 12●")
    assert len(called.sounds) == 1
    assert "user" in conversation.text
    assert '→ in_stock({"fruit": "apples"})← 12assistantin_stock returned: 12' in conversation.text
    assert "● openresponses4 completed" in stats.text
    printed = [one.text for one in executed if one.text]
    assert printed == ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10."]  # and no warning


def test_its_widget(executed: list[Cell], running: Kernel) -> None:
    """The widget is shown; where nothing shows widgets, one line is."""
    (shown,) = [
        bundle
        for one in executed
        for bundle in one.shown
        if "application/vnd.jupyter.widget-view+json" in bundle
    ]
    assert shown["text/plain"] == "<PushToTalkWidget, ready>"
    names = {one.get("_model_name") for one in running.widgets.values()}
    assert names >= {"VBoxModel", "ToggleButtonModel", "TextModel", "HTMLModel"}


def test_it_is_clean_and_teaches() -> None:
    """It is kept without outputs, and says first what one learns."""
    assert [out for cell in cells() for out in cell.get("outputs", ())] == []
    assert all(cell.get("execution_count") is None for cell in cells())
    assert "You learn: " in "".join(cells()[0]["source"])
    assert sum(len(cell["source"]) for cell in cells()) <= 60
