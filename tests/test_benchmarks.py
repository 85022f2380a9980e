"""The benchmarks' frame, and what must hold of a benchmark on any machine."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The folder beside the package, which is not installed with it."""
    monkeypatch.syspath_prepend(ROOT)
    import benchmarks.__main__ as main

    return main


def test_a_race_alternates(benchmarks: Any) -> None:
    """Each side once to warm up, then in turn; a row for each measure, all rounds in it."""
    from benchmarks.race import race

    runs: list[str] = []

    def side(name: str, *values: float) -> Any:
        left = list(values)

        def run() -> dict[str, float]:
            runs.append(name)
            return {"ms": left.pop(0), "MB": 1}

        return run

    milliseconds, megabytes = race("x", side("a", 9, 1, 2, 3), side("b", 9, 4, 4, 9), 3)
    assert runs == ["a", "b"] * 4
    assert (milliseconds.ours, milliseconds.theirs) == ((1, 2, 3), (4, 4, 9))
    assert (milliseconds.ratio, megabytes.ratio) == (0.5, 1)
    assert "ratio 0.50" in str(milliseconds)
    assert milliseconds.to_json() == {
        "name": "x",
        "unit": "ms",
        "rounds": 3,
        "ours": {"low": 1.5, "median": 2, "high": 2.5},
        "theirs": {"low": 4, "median": 4, "high": 6.5},
        "ratio": 0.5,
    }


def test_the_command(
    benchmarks: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It prints a line a row, and writes them all with machine, versions and load.

    A file keeps what it has of other benchmarks, and there is a chart of it.
    """
    from benchmarks.race import Row

    rows = [Row("x", "ms", (1.0,), (4.0,)), Row("y", "ms", (2.0,), (4.0,))]
    monkeypatch.setitem(benchmarks.BENCHMARKS, "import", lambda rounds: rows * rounds)
    benchmarks.main(["import", "--rounds", "2", "--json", str(tmp_path / "rows.json")])
    assert len(capsys.readouterr().out.splitlines()) == 5  # the machine, then rows
    monkeypatch.setitem(benchmarks.BENCHMARKS, "hour", lambda rounds: [single] * rounds)
    single = Row("z", "MB", (1.0,), ())
    benchmarks.main(["hour", "--rounds", "1", "--json", str(tmp_path / "rows.json")])
    told = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert told["results"]["import"]["rows"] == [row.to_json() for row in rows * 2]
    assert told["results"]["hour"]["rows"] == [single.to_json()]
    assert (single.ratio, single.to_json()["theirs"]) == (None, None)
    assert "realtime_sync" in told["versions"]
    for wrong in (["import", "--rounds", "0"], ["none of them"]):
        with pytest.raises(SystemExit):
            benchmarks.main(wrong)


def test_the_chart_is_that_of_the_results(benchmarks: Any) -> None:
    """Each bar of the chart in the docs is as long as the committed results say."""
    from benchmarks.chart import BARS, chart

    told = json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
    made = chart(told)
    assert made == (ROOT / "docs" / "benchmarks.svg").read_text(encoding="utf-8")
    assert all(bar.label in made for bar in BARS)


def test_help_needs_nothing_installed() -> None:
    """`python -m benchmarks` from the checkout names what there is."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "import" in ran.stdout


@pytest.mark.parametrize(
    "rounds", [2, pytest.param(5, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_a_session_takes_half_of_theirs_at_most(benchmarks: Any, rounds: int) -> None:
    """From nothing to a session, processor time of fresh processes, side by side.

    The least of each side: what else the machine does only ever adds. More rounds, where it was
    busy in each of ours.
    """
    from benchmarks import imports

    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(4):
        row = next(row for row in imports.session_made(rounds) if row.unit == "ms CPU")
        ours += row.ours
        theirs += row.theirs
        if min(ours) <= min(theirs) / 2:
            break
    assert min(ours) <= min(theirs) / 2, (ours, theirs)


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="no /proc here")
def test_reliability_in_small(benchmarks: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Each of its figures is measured; no byte is wrong, nothing is left."""
    from benchmarks import reliability

    figures = {one.name: one for one in reliability.figures(hours_of_audio=0.002, small=True)}
    assert figures["duplex audio, directions with a wrong byte"].value == 0
    assert all(one.value == 0 for name, one in figures.items() if name.endswith("left"))
    assert figures["3 sessions, deltas that came"].value == 45
    assert figures["cut and restored, 50 items, p50"].value > 0
    assert len([record for record in caplog.records if "was lost" in record.getMessage()]) > 5


@pytest.mark.parametrize(
    ("job", "plan", "given"),
    [
        ("receive_ours", {"kind": "mixed", "count": 40}, {"how": "callback", "responses": 2}),
        ("receive_ours", {"kind": "text", "count": 40}, {"how": "iterator", "responses": 2}),
        ("receive_theirs", {"kind": "mixed", "count": 40}, {"how": "callback", "responses": 2}),
        ("receive_floor", {"kind": "audio", "count": 40}, {"how": "callback", "responses": 2}),
        ("append_ours", {}, {"ms": 20, "count": 40}),
        ("append_theirs", {}, {"ms": 20, "count": 40}),
        ("ask_ours", {"kind": "text", "count": 3}, {"count": 5, "beside": ""}),
        ("crowd_ours", {"kind": "audio", "pace": 0.1}, {"sessions": 3, "seconds": 0.3}),
        ("memory_ours", {"kind": "audio", "count": 3}, {"sessions": 2, "busy": True}),
        ("bargein_ours", {"kind": "audio", "count": 50}, {"count": 2}),
        ("hour_ours", {"kind": "audio", "count": 20}, {"minutes": 2, "deltas": 20}),
        ("reconnect_ours", {}, {"items": 5}),
    ],
)
def test_jobs_do_their_work(
    benchmarks: Any, job: str, plan: dict[str, Any], given: dict[str, Any]
) -> None:
    """Each comes to its end, in small, and measures something."""
    from benchmarks.links import run

    given = {**(plan if job.startswith("receive") else {}), **given}
    taken = run(job, plan, **given)
    assert taken
    assert taken.get("lost", 0) == taken.get("deltas lost", 0) == 0


def test_when_a_batch_holds(benchmarks: Any) -> None:
    """Nine tenths of as many times one, unless the processors are busy."""
    from benchmarks.batches import holds

    assert [holds(*one) for one in ((90, 50), (89, 50), (50, 90))] == [True, False, True]


@pytest.mark.long
@pytest.mark.skipif(not pathlib.Path("/proc/stat").exists(), reason="no /proc here")
def test_a_batch_at_the_pace_of_the_service(benchmarks: Any) -> None:
    """Four at once have half of four times the throughput of one, on however busy a machine."""
    from benchmarks import batches

    one, four = (batches._run(count, 1) for count in (1, 4))
    share = four["jobs a second"] / (4 * one["jobs a second"]) * 100
    assert share > 50, (one, four)
