"""Results as a table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime_sync.batch import results, run
from realtime_sync.errors import ConfigurationError


def work(job: int) -> object:
    """A text, a value or an error."""
    return 1 / 0 if job == 0 else f"text {job}" if job % 2 else {"n": job}


def test_a_table(tmp_path: Path) -> None:
    """It has a row a job, the file of lines stays beside it, and a run goes on from that."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pip install pyarrow")
    path = tmp_path / "results.parquet"
    run(range(3), work, results=path)
    ended = run(range(5), work, results=path)
    assert ended.skipped == 3
    rows = {row["job"]: row for row in parquet.read_table(path).to_pylist()}
    assert set(rows) == set("01234")
    assert (rows["1"]["text"], rows["2"]["value"]) == ("text 1", '{"n": 2}')
    assert '"ZeroDivisionError"' in rows["0"]["error"]
    assert len(list(results(path))) == 5
    assert {one.name for one in tmp_path.iterdir()} == {"results.parquet", "results.parquet.jsonl"}


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before the first job."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigurationError, match="pip install pyarrow"):
        run(range(3), work, results=tmp_path / "results.parquet")
