"""The sample's adapter for Ray, where that is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync.batch import results
from realtime_sync.local import LocalServer

SAMPLE = Path(__file__).parents[2] / "samples" / "batch.py"


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install ray")
def test_on_ray(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten conversations on a local cluster have a line each."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    path = tmp_path / "results.jsonl"
    command = [sys.executable, str(SAMPLE), "ray", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert "{'completed': 10}" in ran.stdout
    found = {one.job: one.text for one in results(path)}
    assert found == {n: ", ".join(map(str, range(1, n + 1))) + "." for n in range(1, 11)}
