"""The notebook among the samples, executed as it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import realtime_sync

from .reading import Page, read

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "notebook.ipynb"

#: In a process of its own, since clients of a kernel leave loops and sockets behind.
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """It, with what is below its cells; without a key, so against the embedded server."""
    for package in ("nbclient", "ipykernel", "ipywidgets"):
        pytest.importorskip(package, reason='needs: pip install ".[test]"')
    where = tmp_path_factory.mktemp("sample")
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    env["PYTHONPATH"] = str(Path(realtime_sync.__file__).parent.parent)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        env[name] = str(where / name)
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(SAMPLE), str(where / "out.ipynb")],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    notebook: dict[str, Any] = json.loads((where / "out.ipynb").read_text(encoding="utf-8"))
    return notebook


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """All that is below its cells, in order."""
    return [out for cell in notebook["cells"] for out in cell.get("outputs", ())]


def pages(notebook: dict[str, Any]) -> list[Page]:
    """Those that are pages."""
    htmls = [out.get("data", {}).get("text/html") for out in outputs(notebook)]
    return [read("".join(html)) for html in htmls if html]


def test_what_is_below_its_cells(executed: dict[str, Any]) -> None:
    """A card, replies that can be heard, text as it came, the conversation, the figures."""
    card, counted, called, conversation, stats = pages(executed)
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
    printed = ["".join(out["text"]) for out in outputs(executed) if out["output_type"] == "stream"]
    assert printed == ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10."]  # and no warning


def test_its_widget(executed: dict[str, Any]) -> None:
    """The widget is shown; where nothing shows widgets, one line is."""
    (shown,) = [
        out["data"]
        for out in outputs(executed)
        if "application/vnd.jupyter.widget-view+json" in out.get("data", {})
    ]
    assert "".join(shown["text/plain"]) == "<PushToTalkWidget, ready>"
    ((_, kept),) = executed["metadata"]["widgets"].items()
    names = {one["model_name"] for one in kept["state"].values()}
    assert names >= {"VBoxModel", "ToggleButtonModel", "TextModel", "HTMLModel"}


def test_it_is_clean_and_teaches() -> None:
    """It is kept without outputs, and says first what one learns."""
    notebook = json.loads(SAMPLE.read_text(encoding="utf-8"))
    assert outputs(notebook) == []
    assert all(cell.get("execution_count") is None for cell in notebook["cells"])
    assert "You learn: " in "".join(notebook["cells"][0]["source"])
    assert sum(len(cell["source"]) for cell in notebook["cells"]) <= 60
